"""Several parcels in one flight: what dispatch must know to join them, and their planned figures.

Owns the trips that insertion grows, and the planning of a joined flight. Must not choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controller.dispatch.cost import breakdown
from controller.dispatch.feasibility import No, flight_no, low_battery
from controller.dispatch.flights import FlightPlan, home_of
from controller.dispatch.model import VehicleFacts
from controller.dispatch.plans import Plans
from controller.dispatch.rounds import Array
from controller.dispatch.table import Table
from controller.dispatch.trips import Flyer, Joined, Trip
from geofence.frames import LatLon, LocalFrame


def trips_of(table: Table) -> tuple[dict[int, Trip], Array]:
    """An empty trip for each drone with several slots, by row; metres between all destinations.

    Both are for estimates: straight, in one plane.
    """
    rows = {
        row: drone
        for row, drone in enumerate(table.drones)
        if drone.capability.parcel_slots >= 2 and _carries(table, drone) >= 2
    }
    if not rows:
        return {}, np.zeros((0, 0))
    frame = LocalFrame(table.parcels[0].parcel.destination.position)
    goals = _plane(frame, [facts.parcel.destination.position for facts in table.parcels])
    apart_m = np.hypot(*(goals[:, None] - goals[None, :]).transpose(2, 0, 1))
    return {row: Trip(_flyer(table, drone, frame, goals)) for row, drone in rows.items()}, apart_m


def _plane(frame: LocalFrame, places: Sequence[LatLon]) -> Array:
    return frame.to_xy(np.array([(place.lon_deg, place.lat_deg) for place in places]))


def _carries(table: Table, drone: VehicleFacts) -> int:
    return sum((drone.vehicle_id, f.parcel.parcel_id) in table.flights for f in table.parcels)


def _flyer(table: Table, drone: VehicleFacts, frame: LocalFrame, goals: Array) -> Flyer:
    settings, capability = table.world.settings, drone.capability
    home, _ = home_of(drone)
    count = len(table.parcels)
    arrive, end = np.full(count, np.inf), np.full(count, np.inf)
    power = np.zeros(count)
    for column, facts in enumerate(table.parcels):
        plan = table.flights.get((drone.vehicle_id, facts.parcel.parcel_id))
        if plan is None:
            continue
        arrive[column] = settings.preparation_s + plan.release_s
        end[column] = settings.preparation_s + plan.mission.duration_s
        power[column] = plan.mission.energy_wh / max(1.0, plan.mission.duration_s)
    return Flyer(
        slots=capability.parcel_slots,
        payload_kg=capability.max_payload_kg,
        speed_mps=min(capability.cruise_speed_mps, settings.flight.max_speed_mps),
        prepare_s=settings.preparation_s,
        away_m=np.hypot(*(goals - _plane(frame, [home])).T),
        arrive_s=arrive,
        end_s=end,
        power_wh_s=power,
        use=settings.drone_use,
        energy_per_wh=settings.energy_per_wh,
    )


@dataclass(frozen=True, slots=True)
class Joining:
    """Plans joined flights for insertion; what speaks against one is kept in the table."""

    table: Table
    plans: Plans

    def __call__(self, row: int, order: tuple[int, ...], new: int) -> Joined | None:
        """The flight of a drone's row with these parcels in this order, or None."""
        table, world = self.table, self.table.world
        drone = table.drones[row]
        load = [table.parcels[job] for job in order]
        plan = self.plans.flight(world, drone, *load)
        no = flight_no(plan)
        if isinstance(plan, FlightPlan):
            no = low_battery(drone, plan.energy_wh, world.settings.flight.reserve)
            if no is None:
                return _figures(table, plan, order)
        if no is not None:
            others = ", ".join(f.parcel.parcel_id for f in load if f is not table.parcels[new])
            text = f"it takes {others} in this decision, and not both in one flight: {no.text}"
            key = (drone.vehicle_id, table.parcels[new].parcel.parcel_id)
            table.unjoined[key] = No("taken", text, permanent=False)
        return None


def _figures(table: Table, plan: FlightPlan, order: Sequence[int]) -> Joined:
    settings = table.world.settings
    arrive = tuple(settings.preparation_s + release_s for release_s in plan.releases_s)
    cost = settings.drone_use + settings.energy_per_wh * plan.mission.energy_wh
    cost += settings.detour_per_km * plan.detour_m / 1000.0
    for job, arrive_s in zip(order, arrive, strict=True):
        cost += sum(breakdown(table.weights[job], arrive_s, 0.0, 0.0, settings).values())
    return Joined(cost, arrive, plan.detour_m)
