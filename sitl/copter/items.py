"""Mission, fence and rally items as ArduPilot stores them: 15 bytes each, so not as sent.

Owns validation and the lossy canonical form of each command (AP_Mission.cpp
``mavlink_int_to_mission_cmd`` and ``mission_cmd_to_mavlink_int``, AC_PolyFence_loader,
AP_Rally). Result codes are MAV_MISSION_RESULT values.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

ACCEPTED, ERROR, BAD_FRAME, UNSUPPORTED, NO_SPACE, INVALID = 0, 1, 2, 3, 4, 5
INVALID_PARAM = (6, 7, 8, 9)
INVALID_X, INVALID_Y, INVALID_Z, INVALID_SEQUENCE = 10, 11, 12, 13
DENIED, CANCELLED = 14, 15

WAYPOINT, LOITER_UNLIM, LOITER_TIME, RTL, LAND, TAKEOFF = 16, 17, 19, 20, 21, 22
SPLINE, DELAY, PAYLOAD_PLACE, NAV_LAST = 82, 93, 94, 95
CONDITION_DELAY, CONDITION_DISTANCE, CONDITION_YAW = 112, 114, 115
JUMP, CHANGE_SPEED, SET_HOME, SET_SERVO = 177, 178, 179, 183
RETURN_PATH_START, LAND_START = 188, 189
ROI_LOCATION, ROI_NONE, ROI, CAM_TRIGG, FENCE_ENABLE, GRIPPER = 195, 197, 201, 206, 207, 211
JUMP_TAG, JUMP_TO_TAG, WINCH = 600, 601, 42600

LABELS = {
    WAYPOINT: "WP", LOITER_UNLIM: "LoitUnlim", LOITER_TIME: "LoitTime", RTL: "RTL",
    LAND: "Land", TAKEOFF: "Takeoff", SPLINE: "SplineWP", DELAY: "Delay",
    PAYLOAD_PLACE: "PayloadPlace", CONDITION_DELAY: "CondDelay",
    CONDITION_DISTANCE: "CondDist", CONDITION_YAW: "CondYaw", JUMP: "Jump",
    CHANGE_SPEED: "ChangeSpeed", SET_HOME: "SetHome", SET_SERVO: "SetServo",
    RETURN_PATH_START: "ReturnPathStart", LAND_START: "LandStart",
    ROI_LOCATION: "SetROILocation", ROI_NONE: "SetROINone", ROI: "SetROI",
    CAM_TRIGG: "SetCamTrigDst", FENCE_ENABLE: "FenceEnable", GRIPPER: "Gripper",
    JUMP_TAG: "Tag", JUMP_TO_TAG: "JumpToTag", WINCH: "Winch",
}  # fmt: skip
"""Names in ArduPilot's "Mission: n Type" texts (AP_Mission ``Mission_Command::type``)."""

STORED_IN_LOCATION = frozenset({
    WAYPOINT, LOITER_UNLIM, LOITER_TIME, LAND, TAKEOFF, SPLINE, PAYLOAD_PLACE, SET_HOME,
    RETURN_PATH_START, LAND_START, ROI_LOCATION, ROI,
})  # fmt: skip
_NAN_YAW = frozenset({WAYPOINT, LOITER_UNLIM, LAND, TAKEOFF})
_ABSOLUTE, _RELATIVE, _TERRAIN = frozenset({0, 2, 5}), frozenset({3, 6}), frozenset({10, 11})
ALT_MAX_M = 83000.0


@dataclass(frozen=True, slots=True)
class Item:
    """An item in storage; x and y are 1e-7 degrees, z metres in ``frame`` (0, 3 or 10)."""

    command: int
    p1: float = 0.0
    p2: float = 0.0
    p3: float = 0.0
    p4: float = 0.0
    x: int = 0
    y: int = 0
    z: float = 0.0
    frame: int = 0

    @property
    def is_nav(self) -> bool:
        """Whether it is a navigation command (``AP_Mission::is_nav_cmd``)."""
        return self.command <= NAV_LAST

    @property
    def located(self) -> bool:
        """Whether it names a place."""
        return self.command in STORED_IN_LOCATION and (self.x != 0 or self.y != 0)


def f32(value: float) -> float:
    """A double rounded to the float that MAVLink and ArduPilot hold."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _u16(value: float) -> float:
    return float(int(value) & 0xFFFF)


def _u8(value: float) -> float:
    return float(int(value) & 0xFF)


def _i16(value: float) -> float:
    return float((int(value) + 0x8000 & 0xFFFF) - 0x8000)


def _i8(value: float) -> float:
    return float((int(value) + 0x80 & 0xFF) - 0x80)


def _seconds(m: Any) -> Item:
    return Item(m.command, p1=_u16(m.param1))


def _sign(value: float) -> float:
    return -1.0 if not math.isnan(value) and value < 0 else 1.0


_SHAPES: dict[int, Callable[[Any], Item]] = {
    WAYPOINT: _seconds,
    SPLINE: _seconds,
    TAKEOFF: _seconds,
    SET_HOME: _seconds,
    ROI_LOCATION: _seconds,
    ROI_NONE: _seconds,
    ROI: _seconds,
    FENCE_ENABLE: _seconds,
    RTL: lambda m: Item(m.command),
    RETURN_PATH_START: lambda m: Item(m.command),
    LAND_START: lambda m: Item(m.command),
    LAND: lambda m: Item(m.command, p1=_u16(m.param1), p4=_sign(m.param4)),
    LOITER_UNLIM: lambda m: Item(m.command, p3=_u16(abs(m.param3)) * _sign(m.param3)),
    LOITER_TIME: lambda m: Item(
        m.command, p1=_u16(m.param1), p3=_sign(m.param3), p4=float(m.param4 > 0)
    ),
    PAYLOAD_PLACE: lambda m: Item(m.command, p1=f32(_u16(f32(m.param1 * 100.0)) * 0.01)),
    DELAY: lambda m: Item(
        m.command, p1=m.param1, p2=_i8(m.param2), p3=_i8(m.param3), p4=_i8(m.param4)
    ),
    CONDITION_DELAY: lambda m: Item(m.command, p1=m.param1),
    CONDITION_DISTANCE: lambda m: Item(m.command, p1=m.param1),
    CONDITION_YAW: lambda m: Item(
        m.command, p1=m.param1, p2=m.param2, p3=_i8(m.param3), p4=_u8(m.param4)
    ),
    JUMP: lambda m: Item(m.command, p1=_u16(m.param1), p2=_i16(m.param2)),
    JUMP_TO_TAG: lambda m: Item(m.command, p1=_u16(m.param1), p2=_i16(m.param2)),
    JUMP_TAG: lambda m: Item(m.command, p1=_u16(m.param1)),
    CHANGE_SPEED: lambda m: Item(m.command, p1=_u8(m.param1), p2=m.param2, p3=m.param3),
    SET_SERVO: lambda m: Item(m.command, p1=_u8(m.param1), p2=_u16(m.param2)),
    CAM_TRIGG: lambda m: Item(m.command, p1=m.param1, p3=_u8(m.param3)),
    GRIPPER: lambda m: Item(m.command, p1=_u8(m.param1), p2=_u8(m.param2)),
    WINCH: lambda m: Item(m.command, p1=_u8(m.param1), p2=_u8(m.param2), p3=m.param3, p4=m.param4),
}


def mission_item(m: Any) -> Item | int:
    """A MISSION_ITEM_INT as stored, or the MAV_MISSION_RESULT that refuses it."""
    for index, value in enumerate((m.param1, m.param2, m.param3, m.param4)):
        if math.isinf(value):
            return INVALID_PARAM[index]
        if math.isnan(value) and not (index == 3 and m.command in _NAN_YAW):
            return INVALID_PARAM[index]
    if m.command in (0, 1):
        return INVALID
    shape = _SHAPES.get(m.command)
    if shape is None:
        return UNSUPPORTED
    item = shape(m)
    if m.command not in STORED_IN_LOCATION:
        return item
    return _with_location(item, m)


def _with_location(item: Item, m: Any) -> Item | int:
    if abs(m.x) > 90 * 10**7:
        return INVALID_X
    if abs(m.y) > 180 * 10**7:
        return INVALID_Y
    if math.isnan(m.z) or abs(m.z) >= ALT_MAX_M:
        return INVALID_Z
    if m.frame in _ABSOLUTE:
        frame = 0
    elif m.frame in _RELATIVE:
        frame = 3
    elif m.frame in _TERRAIN:
        frame = 10
    else:
        return BAD_FRAME
    alt_cm = int(f32(m.z * 100.0))
    return replace(item, x=m.x, y=m.y, z=f32(alt_cm * f32(0.01)), frame=frame)


FENCE_POLYGONS, FENCE_CIRCLES, FENCE_RETURN = (5001, 5002), (5003, 5004), 5000
RALLY_POINT = 5100
_GLOBAL_FRAMES = _ABSOLUTE - {2} | _RELATIVE | _TERRAIN


def fence_item(m: Any) -> Item | int:
    """A fence item as staged (MissionItemProtocol_Fence.cpp), or the refusal."""
    if m.frame not in _GLOBAL_FRAMES:
        return BAD_FRAME
    if m.command in FENCE_POLYGONS:
        if m.param1 > 255:
            return INVALID_PARAM[0]
        return Item(m.command, p1=float(int(m.param1)), x=m.x, y=m.y)
    if m.command in FENCE_CIRCLES:
        whole = round(m.param1)
        near = abs(m.param1 - whole) < 0.001
        return Item(m.command, p1=float(whole) if near else m.param1, x=m.x, y=m.y)
    if m.command == FENCE_RETURN:
        return Item(m.command, x=m.x, y=m.y)
    return UNSUPPORTED


def fence_fault(items: list[Item]) -> str:
    """Why a staged fence cannot be written ("" if it can): counts, range, 560 bytes."""
    size, index = 4, 0
    while index < len(items):
        item = items[index]
        if abs(item.x) > 90 * 10**7 or abs(item.y) > 180 * 10**7:
            return "Bad lat/lng"
        if item.command in FENCE_POLYGONS:
            count = int(item.p1)
            ring = items[index : index + count]
            same = all(v.command == item.command and v.p1 == item.p1 for v in ring)
            if count < 3 or len(ring) < count or not same:
                return "Invalid vertex count"
            size += 2 + 8 * count
            index += count
            continue
        if item.command in FENCE_CIRCLES:
            if item.p1 <= 0:
                return "Non-positive circle radius"
            size += 13
        else:
            size += 9
        index += 1
    return "Fence exceeds storage size" if size > 560 else ""


def rally_item(m: Any) -> Item | int:
    """A rally point as stored (MissionItemProtocol_Rally.cpp), or the refusal."""
    if m.command != RALLY_POINT:
        return UNSUPPORTED
    if m.frame not in _GLOBAL_FRAMES:
        return BAD_FRAME
    if abs(m.x) > 90 * 10**7:
        return INVALID_X
    if abs(m.y) > 180 * 10**7:
        return INVALID_Y
    if math.isnan(m.z) or abs(m.z) > 32767:
        return INVALID_Z
    frame = 3 if m.frame in _RELATIVE else 0 if m.frame in _ABSOLUTE else 10
    return Item(m.command, x=m.x, y=m.y, z=float(int(m.z)), frame=frame)
