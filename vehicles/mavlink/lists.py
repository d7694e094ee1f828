"""The fence and the rally list that an ArduPilot keeps beside its mission.

Owns the translation to items of the mission protocol (mission types 1 and 2) and the form that
they are compared in after reading back. Must not send anything.

Storage rules (ArduPilot 4.6, GCS_MAVLink/MissionItemProtocol_Fence.cpp and _Rally.cpp,
AC_Fence/AC_PolyFence_loader.cpp, AP_Rally/AP_Rally.h). A fence is staged in memory and written
whole or not at all; it has neither heights nor frames; a vertex names the number of vertices of
its ring; a radius within a thousandth of a whole metre is stored as that, others as a 32-bit
float. Rally points overwrite the list in place, like mission items; they keep whole metres.

FENCE_TOTAL is no count of anything: it is 0 for fewer than three vertices and circles, and their
number + 2 otherwise; and where it falls to 0 while a fence is stored, the vehicle erases that
fence a moment after it has acknowledged it (AC_PolyFence_loader::update). So a fence of one or
two circles is sent with its last circle repeated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.formats.onboard import FenceItem, FenceKind
from geofence.frames import LatLon
from vehicles.mavlink.messages import MissionItemInt
from vehicles.port import RallyPlace

FENCE = mav.MAV_MISSION_TYPE_FENCE
RALLY = mav.MAV_MISSION_TYPE_RALLY

_COMMANDS = {
    FenceKind.POLYGON_INCLUSION: mav.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_INCLUSION,
    FenceKind.POLYGON_EXCLUSION: mav.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_EXCLUSION,
    FenceKind.CIRCLE_INCLUSION: mav.MAV_CMD_NAV_FENCE_CIRCLE_INCLUSION,
    FenceKind.CIRCLE_EXCLUSION: mav.MAV_CMD_NAV_FENCE_CIRCLE_EXCLUSION,
}
_CIRCLES = frozenset(
    {mav.MAV_CMD_NAV_FENCE_CIRCLE_INCLUSION, mav.MAV_CMD_NAV_FENCE_CIRCLE_EXCLUSION}
)
_RELATIVE_FRAMES = frozenset({3, 6})
_FEWEST = 3
"""Vertices and circles that keep FENCE_TOTAL off 0."""

Form = tuple[tuple[str, float], ...]
"""What the vehicle keeps of an item, as named values."""


def fence_items(fence: Sequence[FenceItem]) -> tuple[MissionItemInt, ...]:
    """A fence as mission items, numbered from 0. Raises ValueError for a circle without center."""
    found: list[MissionItemInt] = []
    for item in fence:
        command = _COMMANDS[item.kind]
        if command in _CIRCLES:
            if item.center is None:
                raise ValueError(f"fence of {item.zone_id}: a circle needs a center")
            corners: tuple[LatLon, ...] = (item.center,)
            param1 = item.radius_m
        else:
            corners, param1 = item.vertices, float(len(item.vertices))
        found += [_item(len(found) + n, command, at, FENCE, param1) for n, at in enumerate(corners)]
    while found and len(found) < _FEWEST:
        found.append(found[-1]._replace(seq=len(found)))
    return tuple(found)


def rally_items(places: Sequence[RallyPlace]) -> tuple[MissionItemInt, ...]:
    """Rally points as mission items; heights above home in whole metres, rounded up."""
    return tuple(
        _item(
            number,
            mav.MAV_CMD_NAV_RALLY_POINT,
            place.position,
            RALLY,
            frame=mav.MAV_FRAME_GLOBAL_RELATIVE_ALT,
            z=float(-int(-place.alt_home_m // 1)),
        )
        for number, place in enumerate(places)
    )


def messages(items: Sequence[MissionItemInt], system: int, component: int) -> tuple[Any, ...]:
    """MISSION_ITEM_INT messages of pymavlink, to upload."""
    return tuple(
        mav.MAVLink_mission_item_int_message(
            system, component, i.seq, i.frame, i.command, i.current, i.autocontinue,
            i.param1, i.param2, i.param3, i.param4, i.x, i.y, i.z, i.mission_type,
        )
        for i in items
    )  # fmt: skip


def fence_form(item: MissionItemInt) -> Form:
    """What is kept of a fence item. Its height and frame are not: they come back as 0."""
    radius = item.command in _CIRCLES
    figure = ("radius_mm", round(item.param1 * 1000)) if radius else ("vertices", int(item.param1))
    return (("command", item.command), figure, *_place(item))


def rally_form(item: MissionItemInt) -> Form:
    """What is kept of a rally point."""
    frame = mav.MAV_FRAME_GLOBAL_RELATIVE_ALT if item.frame in _RELATIVE_FRAMES else item.frame
    return (("command", item.command), ("frame", frame), *_place(item), ("altitude_m", int(item.z)))


def list_differences(
    wanted: Sequence[MissionItemInt],
    held: Sequence[MissionItemInt],
    form: Callable[[MissionItemInt], Form],
) -> tuple[str, ...]:
    """Named differences between what is to be held and what was read; empty where none."""
    found: list[str] = []
    if len(held) != len(wanted):
        found.append(f"the vehicle holds {len(held)} items, not {len(wanted)}")
    for ours, theirs in zip(wanted, held, strict=False):
        want, have = form(ours), dict(form(theirs))
        named = [
            f"{name} {have.get(name, 'missing')} instead of {value}"
            for name, value in want
            if have.get(name) != value
        ]
        if theirs.seq != ours.seq:
            named.append(f"read as number {theirs.seq}")
        if named:
            found.append(f"item {ours.seq}: {', '.join(named)}")
    return tuple(found)


def list_hash(items: Sequence[MissionItemInt], form: Callable[[MissionItemInt], Form]) -> str:
    """SHA-256 over a list as the vehicle keeps it; the same sent and read back."""
    body = json.dumps([form(item) for item in items], separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def _item(
    seq: int,
    command: int,
    at: LatLon,
    mission_type: int,
    param1: float = 0.0,
    *,
    frame: int = mav.MAV_FRAME_GLOBAL,
    z: float = 0.0,
) -> MissionItemInt:
    x, y = round(at.lat_deg * 1e7), round(at.lon_deg * 1e7)
    return MissionItemInt(
        param1, 0.0, 0.0, 0.0, x, y, z, seq, command, 0, 0, frame, 0, 1, mission_type
    )


def _place(item: MissionItemInt) -> Form:
    return (("latitude_1e7", item.x), ("longitude_1e7", item.y))
