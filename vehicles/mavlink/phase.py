"""Where a drone is in its work, as one word, from its state and its flight.

Pure.
"""

from __future__ import annotations

from missions.energy import MultirotorModel
from vehicles.mavlink import modes
from vehicles.mavlink.flight import Flight
from vehicles.mavlink.settings import MavlinkSettings
from vehicles.mavlink.state import VehicleState
from vehicles.port import Capability, FailsafeCause, LinkState, Phase

BOOT_TIME_MS = 60_000
"""ArduCopter's estimator takes about 42 s from a cold boot to a position."""


def phase(
    state: VehicleState, flight: Flight | None, link: LinkState, reasons: tuple[str, ...]
) -> Phase:
    """One vehicle's phase; `reasons` are those for not being ready."""
    if link is LinkState.UNKNOWN or state.armed is None:
        return Phase.UNKNOWN
    if not state.armed:
        if link is LinkState.OFFLINE:
            return Phase.OFFLINE
        if not reasons:
            return Phase.READY
        booting = state.boot_ms is not None and state.boot_ms < BOOT_TIME_MS
        return Phase.BOOTING if booting and not state.prearm_ok else Phase.NOT_READY
    if in_failsafe(state):
        return Phase.FAILSAFE
    return _armed(state, flight)


def in_failsafe(state: VehicleState) -> bool:
    """Whether an armed vehicle is in a failsafe, by its status or by its words.

    A fence breach does not count in ArduCopter's system status (any_failsafe_triggered,
    Copter.h): it is one while the vehicle, having said so, is off its mission.
    """
    if state.system_status in modes.FAILSAFE_STATES:
        return True
    breached = FailsafeCause.FENCE in state.failsafes
    return breached and state.mode not in state.modes.on_mission


def could_fly_s(capability: Capability, battery_pct: float | None) -> float:
    """The longest that it can stay in the air on what its battery last told, seconds.

    Hovering without load (`missions.energy`): nothing takes less. An untold battery counts as
    full.
    """
    share = 1.0 if battery_pct is None else battery_pct / 100.0
    return 3600.0 * share * capability.usable_energy_wh / MultirotorModel().hover_w(0.0)


def lost(
    state: VehicleState, capability: Capability, settings: MavlinkSettings, now_s: float
) -> bool:
    """Whether a vehicle that was armed when last heard has been silent for too long."""
    if state.armed is not True or state.received_s is None:
        return False
    limit_s = could_fly_s(capability, state.battery_pct)
    if settings.lost_after_s is not None:
        limit_s = min(limit_s, settings.lost_after_s)
    return now_s - state.received_s > max(limit_s, settings.offline_after_s)


def _armed(state: VehicleState, flight: Flight | None) -> Phase:
    if flight is not None and flight.airborne and state.landed_state == modes.ON_GROUND:
        # a landing on the way is a stop like any other
        at = _stop(state, flight) if state.mode in state.modes.on_mission else None
        return at or Phase.LANDED
    if state.mode == state.modes.land:
        return Phase.LANDING
    if state.mode in state.modes.returning:
        return Phase.RETURNING
    if not state.airborne:
        return Phase.ARMED
    if state.mode in state.modes.holding:
        return Phase.HOLDING
    return _on_mission(state, flight)


def _on_mission(state: VehicleState, flight: Flight | None) -> Phase:
    if flight is None or state.seq is None:
        return Phase.EN_ROUTE
    plan = flight.plan
    if state.seq >= plan.land_seq:
        return Phase.LANDING
    if flight.way.turned:
        return Phase.RETURNING
    stop = _stop(state, flight)
    if stop is not None:
        return stop
    if plan.return_path_seq is not None and state.seq > plan.return_path_seq:
        return Phase.RETURNING
    return Phase.EN_ROUTE


def _stop(state: VehicleState, flight: Flight) -> Phase | None:
    """At which side of a release it is, at a stop; None between stops."""
    if state.seq is None:
        return None
    for release in flight.plan.releases:
        if at_stop(release.seq, release.done_seq, state.seq):
            gone = release.parcel_id in flight.released
            return Phase.RELEASED if gone else Phase.AT_STOP
    return None


def at_stop(release_seq: int, done_seq: int, seq: int) -> bool:
    """Whether an item belongs to a drop: the descent before it, the release, the wait after."""
    return release_seq - 1 <= seq < done_seq
