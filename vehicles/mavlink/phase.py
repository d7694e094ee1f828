"""Where a drone is in its work, as one word, from its state and its flight.

Pure.
"""

from __future__ import annotations

from vehicles.mavlink import modes
from vehicles.mavlink.flight import Flight
from vehicles.mavlink.state import VehicleState
from vehicles.port import LinkState, Phase

BOOT_TIME_MS = 60_000
"""ArduCopter's estimator takes about 42 s from a cold boot to a position."""


def phase(
    state: VehicleState, flight: Flight | None, link: LinkState, reasons: tuple[str, ...]
) -> Phase:
    """One vehicle's phase; `reasons` are those for not being ready."""
    if link is LinkState.UNKNOWN or state.armed is None:
        return Phase.UNKNOWN
    if not state.armed:
        if not reasons:
            return Phase.READY
        booting = state.boot_ms is not None and state.boot_ms < BOOT_TIME_MS
        return Phase.BOOTING if booting and not state.prearm_ok else Phase.NOT_READY
    if state.system_status in modes.FAILSAFE_STATES:
        return Phase.FAILSAFE
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
    if any(at_stop(r.seq, r.done_seq, state.seq) for r in plan.releases):
        return Phase.AT_STOP
    if plan.return_path_seq is not None and state.seq > plan.return_path_seq:
        return Phase.RETURNING
    return Phase.EN_ROUTE


def at_stop(release_seq: int, done_seq: int, seq: int) -> bool:
    """Whether an item belongs to a drop: the descent before it, the release, the wait after."""
    return release_seq - 1 <= seq < done_seq
