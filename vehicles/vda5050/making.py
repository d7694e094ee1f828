"""Orders for one robot: its map, its profile, its factsheet.

Owns putting the three together. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from missions.model import GroundMission
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine_model import EngineState
from vehicles.vda5050.feasible import fitted
from vehicles.vda5050.gate import order_gate
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.models import State
from vehicles.vda5050.orders import OrderSettings, PreparedOrder, build_order
from vehicles.vda5050.profile import Profile
from vehicles.vda5050.release import on_route
from vehicles.vda5050.settings import Vda5050Vehicle


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

    def found(self, mission: GroundMission, engine: EngineState, state: State) -> PreparedOrder:
        """The order of a round that an earlier start may have sent.

        Whether bent streets went as curves or as nodes rested on what was known of the robot
        then, so that what it shows decides.
        """
        first = self.make(mission, engine)
        if state.order_id != first.order_id or on_route(first, state):
            return first
        for support in ("SUPPORTED", "NOT_SUPPORTED"):
            other = self._make(mission, engine, self.vehicle.profile.with_curves(support))
            if on_route(other, state):
                return other
        return first

    def _make(self, mission: GroundMission, engine: EngineState, profile: Profile) -> PreparedOrder:
        sheet = engine.factsheet
        order = build_order(mission, self.site_map, self.settings, sheet, profile)
        return fitted(order, sheet, self.dialect.measure)
