"""A robot's state as the controller's telemetry.

Owns the mapping of VDA 5050 words to the port's. Pure: an age is the reader's to compute from
`received_at`, which is when we heard it, never the robot's own clock.
"""

from __future__ import annotations

import math
from datetime import datetime

from missions.model import StopAction
from vehicles.port import Phase, Telemetry
from vehicles.vda5050.engine_model import OPEN, EngineState, Stage
from vehicles.vda5050.gate import robot_faults
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.models import State
from vehicles.vda5050.progress import at_gate, passed
from vehicles.vda5050.retrying import retriable, retriable_words

_HOLDS = OPEN | {Stage.PREPARED}


def telemetry_of(
    vehicle_id: str,
    engine: EngineState,
    now_s: float,
    received_at: datetime | None,
    site_map: SiteMap,
    *,
    further: tuple[str, ...] = (),
) -> Telemetry:
    """The newest state of one robot; `received_at` is the receipt of `engine.state`.

    `further`: what else keeps it from being started.
    """
    state, track = engine.state, engine.track
    link = engine.link(now_s)
    held = track if track is not None and track.stage in _HOLDS else None
    mission_hash = held.prepared.mission_hash if held else None
    if state is None:
        return Telemetry(vehicle_id, link=link, broken=engine.broken, mission_hash=mission_hash)
    position, heading_deg = None, None
    spot = state.agv_position
    if spot is not None and spot.position_initialized and spot.map_id == site_map.map_id:
        position = site_map.to_latlon(spot.x, spot.y)
        heading_deg = site_map.heading_true_deg(spot.x, spot.y, spot.theta)
    faults = robot_faults(state, site_map.map_id)
    faults += further
    if not state.idle and held is None:
        faults += (f"robot is busy with order {state.order_id!r}",)
    return Telemetry(
        vehicle_id,
        received_at=received_at,
        link=link,
        broken=engine.broken,
        phase=_phase(engine, state, faults),
        position=position,
        position_error_m=site_map.error_m,
        heading_deg=heading_deg,
        speed_mps=_speed(state),
        battery_pct=min(100.0, max(0.0, state.battery_state.battery_charge)),
        armed=state.driving or not state.idle,
        mode=state.operating_mode,
        mission_hash=mission_hash,
        item=passed(held.prepared, state) if held else 0,
        item_count=len(held.prepared.body.nodes) if held else 0,
        not_ready=faults,
        errors=tuple(str(error) for error in state.errors),
        charging=state.battery_state.charging,
        failed_action=_failed(engine, state),
    )


def _failed(engine: EngineState, state: State) -> str:
    track = engine.track
    waits = retriable(track.prepared, state) if track and track.stage is Stage.ACTIVE else None
    return "" if waits is None else retriable_words(waits)


def _speed(state: State) -> float | None:
    if state.velocity is None or state.velocity.vx is None:
        return None if state.driving else 0.0
    return math.hypot(state.velocity.vx, state.velocity.vy or 0.0)


def _phase(engine: EngineState, state: State, faults: tuple[str, ...]) -> Phase:
    track = engine.track
    working = not state.idle or (track is not None and track.stage in OPEN)
    if not working:
        if state.paused:
            return Phase.HOLDING
        return Phase.NOT_READY if faults else Phase.READY
    if state.safety_state.e_stop != "NONE" or state.fatal:
        return Phase.FAILSAFE
    if state.paused:
        return Phase.HOLDING
    if state.idle:
        return Phase.ARMED
    if track is not None and any(
        (shown := state.action(a.action_id)) is not None
        and shown.action_status in {"INITIALIZING", "RUNNING", "PAUSED", "RETRIABLE"}
        for a in track.prepared.actions
    ):
        return Phase.AT_STOP
    if track is not None and (shut := track.shut) and at_gate(track.prepared, shut, state):
        return Phase.AT_STOP
    if track is not None:
        to_drop = {a.parcel_id for a in track.prepared.actions if a.kind is StopAction.DROP}
        if to_drop and to_drop <= track.released:
            return Phase.RETURNING
    return Phase.EN_ROUTE
