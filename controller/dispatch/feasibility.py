"""Whether a vehicle can carry a parcel at all, and whether it can now.

Owns the hard rules, each with its words. Must not weigh one vehicle against another.

Lasting causes come before passing ones, so that a parcel which nobody can ever carry is told so
at once and not after a fleet has come home.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.dispatch.flights import FlightPlan, home_of
from controller.dispatch.model import Ineligible, ParcelFacts, VehicleFacts, World
from controller.domain.model import Handling, Parcel
from controller.network.service import pick_up_bar
from geofence.frames import geodesic_m
from geofence.zones import VehicleClass
from missions.model import Handover
from missions.plan_reasons import NoGo
from vehicles.port import LinkState, Phase

SIZE_TOLERANCE_M = 1e-6
WEIGHT_TOLERANCE_KG = 1e-6


@dataclass(frozen=True, slots=True)
class No:
    """A cause without its vehicle."""

    code: str
    text: str
    permanent: bool

    def of(self, vehicle_id: str) -> Ineligible:
        """The cause as that vehicle's."""
        return Ineligible(vehicle_id, self.code, self.text, self.permanent)


def misfit(vehicle: VehicleFacts, facts: ParcelFacts) -> No | None:
    """The first lasting cause that parcel and vehicle alone show."""
    capability, parcel = vehicle.capability, facts.parcel
    if parcel.weight_kg > capability.max_payload_kg + WEIGHT_TOLERANCE_KG:
        text = f"{parcel.weight_kg:g} kg is over its payload of {capability.max_payload_kg:g} kg"
        return No("payload", text, permanent=True)
    if not _fits(parcel.size_m, capability.max_parcel_size_m):
        size, room = _metres(parcel.size_m), _metres(capability.max_parcel_size_m)
        return No("size", f"{size} m does not fit its {room} m", permanent=True)
    if capability.parcel_slots < 1:
        return No("slots", "it has no room for parcels", permanent=True)
    if parcel.handling is Handling.PIN and not capability.handover_pin:
        return No("pin", "it cannot hand over with a PIN", permanent=True)
    if parcel.handover is not Handover.DROP and (no := _no_handover(vehicle, parcel)):
        return no
    if capability.flies and capability.drop_device is None:
        return No("device", "it has no drop device", permanent=True)
    bar = pick_up_bar(
        capability.vehicle_class,
        vehicle.base,
        facts.origin,
        loaded_at_base=capability.loaded_at_base,
    )
    return No("origin", bar, permanent=True) if bar else None


def _no_handover(vehicle: VehicleFacts, parcel: Parcel) -> No | None:
    """Why a vehicle cannot hand over at a door or into a locker."""
    if parcel.handover is Handover.DOOR and not vehicle.capability.handover_pin:
        return No("door", "it cannot wait for a customer at the door", permanent=True)
    if parcel.handover is Handover.LOCKER and vehicle.capability.flies:
        return No("locker", "it cannot open a locker", permanent=True)
    return None


def _fits(size_m: tuple[float, float, float], room_m: tuple[float, float, float]) -> bool:
    """Whether a box fits into another by turning it about right angles."""
    return all(
        a <= b + SIZE_TOLERANCE_M for a, b in zip(sorted(size_m), sorted(room_m), strict=True)
    )


def _metres(size_m: tuple[float, float, float]) -> str:
    return " x ".join(f"{side:g}" for side in size_m)


def absence(vehicle: VehicleFacts, world: World) -> No | None:
    """The first cause why this vehicle can take no parcel at all just now."""
    telemetry = vehicle.telemetry
    if world.held:
        return No("held", "dispatch is stopped by an operator", permanent=False)
    if vehicle.integration != "utilized":
        return No("integration", f"it is {vehicle.integration}, not in use", permanent=False)
    if vehicle.assigned:
        return No("busy", _busy(vehicle.assigned), permanent=False)
    if telemetry.link is not LinkState.ONLINE or telemetry.received_at is None:
        return No("link", f"its link is {telemetry.link.value}", permanent=False)
    age_s = (world.now - telemetry.received_at).total_seconds()
    if age_s > world.settings.max_telemetry_age_s:
        return No("link", f"its last word is {age_s:.0f} s old", permanent=False)
    if telemetry.phase is not Phase.READY:
        why = f": {'; '.join(telemetry.not_ready)}" if telemetry.not_ready else ""
        text = f"it is {telemetry.phase.value.replace('_', ' ')}{why}"
        return No("phase", text, permanent=False)
    if telemetry.battery_pct is None:
        return No("battery", "its battery is not known", permanent=False)
    if vehicle.capability.vehicle_class is VehicleClass.MULTIROTOR:
        return _away(vehicle, world)
    return None


def _busy(assigned: str) -> str:
    """What keeps a vehicle; an assignment's id, the one without a space, is no operator's word."""
    return f"it is busy: {assigned}" if " " in assigned else "it is out with another parcel"


def _away(vehicle: VehicleFacts, world: World) -> No | None:
    home, _ = home_of(vehicle)
    place = vehicle.telemetry.position or home
    away_m = max(geodesic_m(place, vehicle.base.position), geodesic_m(home, vehicle.base.position))
    if away_m > world.settings.at_base_m:
        text = f"it is {away_m:.0f} m from its base {vehicle.base.site_id}"
        return No("away", text, permanent=False)
    return None


def waits(facts: ParcelFacts, world: World) -> No | None:
    """The cause that lies in the parcel: it is not there yet."""
    if facts.parcel.ready_at > world.now:
        seconds = (facts.parcel.ready_at - world.now).total_seconds()
        when = f"{seconds:.0f} s" if seconds < 120.0 else f"{seconds / 60.0:.0f} min"
        return No("not_ready", f"the parcel is ready in {when}", permanent=False)
    return None


def available_wh(vehicle: VehicleFacts) -> float:
    """Energy in the battery now."""
    share = (vehicle.telemetry.battery_pct or 0.0) / 100.0
    return vehicle.capability.usable_energy_wh * min(1.0, max(0.0, share))


def energy_spare_wh(vehicle: VehicleFacts, reserve: float) -> float:
    """Energy in the battery now above the reserve."""
    return available_wh(vehicle) - reserve * vehicle.capability.usable_energy_wh


def flight_no(plan: FlightPlan | NoGo) -> No | None:
    """The cause that planning found, or None."""
    if isinstance(plan, FlightPlan):
        return None
    codes = [reason.code for reason in plan.reasons]
    return No(codes[0] if codes else "plan", plan.text, permanent=plan.permanent)


def low_battery(vehicle: VehicleFacts, needed_wh: float, reserve: float) -> No | None:
    """The battery as it is now against what is needed."""
    spare_wh = energy_spare_wh(vehicle, reserve)
    if needed_wh <= spare_wh:
        return None
    text = (
        f"its battery is too low now: {needed_wh:.0f} Wh are needed, {max(0.0, spare_wh):.0f} Wh "
        f"are left above the reserve of {reserve:.0%}"
    )
    return No("battery", text, permanent=False)
