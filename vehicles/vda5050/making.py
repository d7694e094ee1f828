"""Orders for one robot: its map, its profile, its factsheet.

Owns putting the three together. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from missions.model import GroundMission
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine_model import EngineState
from vehicles.vda5050.feasible import fitted, order_faults
from vehicles.vda5050.gate import order_gate
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.models import State
from vehicles.vda5050.orders import OrderSettings, PreparedOrder, build_order, mission_fault
from vehicles.vda5050.profile import Profile
from vehicles.vda5050.release import on_route
from vehicles.vda5050.settings import Vda5050Vehicle
from vehicles.vda5050.swap import has_other_horizon, swap_fault


@dataclass(frozen=True, slots=True)
class OrderMaker:
    """Makes and judges the orders of one robot."""

    vehicle: Vda5050Vehicle
    site_map: SiteMap
    settings: OrderSettings
    dialect: Dialect

    def make(self, mission: GroundMission, engine: EngineState) -> PreparedOrder:
        """The order for a round that `mission_fault` found nothing in."""
        return self._make(mission, engine, self.vehicle.profile)

    def fault(self, order: PreparedOrder, engine: EngineState) -> str:
        """Why the robot, as it stands and by its factsheet, cannot take the order."""
        vehicle = self.vehicle
        return order_gate(engine, order, vehicle.profile, vehicle.capability, self.dialect.measure)

    def behind(self, mission: GroundMission, engine: EngineState) -> PreparedOrder | str:
        """The order of a round that leaves the driven one behind its base; or why it is none."""
        if fault := mission_fault(mission):
            return fault
        made = [self.make(mission, engine)]
        made += [self._make(mission, engine, profile) for profile in self._shapes()]
        # whether bent streets go as curves was decided when the base was sent
        faults = [swap_fault(engine.track, order, engine.state) for order in made]
        order = next((o for o, f in zip(made, faults, strict=True) if not f), None)
        if order is None:
            return faults[0]
        if engine.factsheet is None:
            return order
        vehicle, measure = self.vehicle, self.dialect.measure
        unfit = order_faults(order, engine.factsheet, vehicle.profile, vehicle.capability, measure)
        return "; ".join(unfit) or order

    def found(self, mission: GroundMission, engine: EngineState, state: State) -> PreparedOrder:
        """The order of a round that an earlier start may have sent.

        Whether bent streets went as curves or as nodes rested on what was known of the robot
        then, so that what it shows decides.
        """
        first = self.make(mission, engine)
        if state.order_id != first.order_id or on_route(first, state):
            return first
        others = [self._make(mission, engine, profile) for profile in self._shapes()]
        base = (order for order in (first, *others) if has_other_horizon(order, state))
        return next((order for order in others if on_route(order, state)), next(base, first))

    def _shapes(self) -> Iterator[Profile]:
        """The robot's profile with bent streets as curves, and as nodes."""
        for support in ("SUPPORTED", "NOT_SUPPORTED"):
            yield self.vehicle.profile.with_curves(support)

    def _make(self, mission: GroundMission, engine: EngineState, profile: Profile) -> PreparedOrder:
        sheet = engine.factsheet
        order = build_order(mission, self.site_map, self.settings, sheet, profile)
        return fitted(order, sheet, self.dialect.measure)
