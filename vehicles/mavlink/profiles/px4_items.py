"""Air missions as PX4 takes and keeps them.

Owns the translation for PX4 and the canonical form that its read-back is compared in. Must not
send. Source: PX4-Autopilot src/modules/mavlink/mavlink_mission.cpp (parse_mavlink_mission_item,
format_mavlink_mission_item, crc32_for_mission_item).

There is no home item: the list begins with the take-off. What has no place stands in frame
MISSION; in any other frame it is refused. Heights and parameters are kept as 32-bit floats, places
exactly. A new list is written beside the old one and taken over only when it is whole.

JUMP_TAG and DO_RETURN_PATH_START are refused by PX4. So the mark of the mission rides in the two
empty parameters of a DO_SET_ROI_NONE behind the take-off, which points no camera anywhere; and the
mission's own return path is left out: PX4 returns straight, and is judged so (`px4_rules`).
"""

from __future__ import annotations

import math
import struct
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from vehicles.mavlink.items import Plan, Release, is_navigation
from vehicles.mavlink.messages import MissionItemInt

RELATIVE = mav.MAV_FRAME_GLOBAL_RELATIVE_ALT
UNPLACED = mav.MAV_FRAME_MISSION
ACCEPTANCE_M = 2.0
"""Corridors are checked for corners cut by 2 m."""
_RELATIVE_FRAMES = frozenset({3, 6})
_ABSOLUTE_FRAMES = frozenset({0, 5})
_PLACED = frozenset({mav.MAV_CMD_NAV_WAYPOINT, mav.MAV_CMD_NAV_TAKEOFF, mav.MAV_CMD_NAV_LAND})
_GROUND_SPEED = 1.0
_UNCHANGED = -1.0
_ANY_YAW = math.nan


def translate(mission: AirMission) -> Plan:
    """An air mission -> plan. Raises ValueError naming the item that PX4 cannot fly."""
    kinds = [item.kind for item in mission.items]
    if not kinds or kinds[0] is not ItemKind.TAKEOFF or kinds[-1] is not ItemKind.LAND:
        raise ValueError("an air mission starts with TAKEOFF and ends with LAND")
    raw: list[tuple[int, MissionItemInt]] = []
    released: list[tuple[int, AirItem]] = []
    for index, item in enumerate(mission.items):
        if item.kind is ItemKind.RETURN_PATH:
            continue
        if item.kind is ItemKind.LAND and index < len(kinds) - 1:
            raise ValueError(f"item {index} (land): PX4 is not flown on after a landing")
        if item.kind is ItemKind.RELEASE:
            released.append((len(raw), item))
        raw.append((index, _translate(index, item, mission)))
        if index == 0:
            raw.append((0, _mark(mission)))
    # a list without a current item would stand at none (MISSION_CURRENT 65535)
    items = tuple(
        item._replace(seq=seq, current=int(seq == 0)) for seq, (_, item) in enumerate(raw)
    )
    return Plan(
        items=items,
        mission_index=tuple(index for index, _ in raw),
        releases=tuple(_release(seq, item, items) for seq, item in released),
        return_path_seq=None,
        land_seq=len(items) - 1,
        takeoff_seq=0,
        first=0,
        form=canonical,
    )


def _release(seq: int, item: AirItem, items: tuple[MissionItemInt, ...]) -> Release:
    done = seq + 1
    while done < len(items) - 1 and (
        items[done].command == mav.MAV_CMD_NAV_DELAY or not is_navigation(items[done].command)
    ):
        done += 1
    return Release(item.parcel_id, seq, DropDevice.GRIPPER, done)


def _item(command: int, **fields: Any) -> MissionItemInt:
    blank = MissionItemInt(0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0, command, 0, 0, UNPLACED, 0, 1, 0)
    return blank._replace(**fields)


def _at(position: LatLon, alt_home_m: float) -> dict[str, Any]:
    return {
        "frame": RELATIVE,
        "x": round(position.lat_deg * 1e7),
        "y": round(position.lon_deg * 1e7),
        "z": round(alt_home_m, 2),
        "param4": _ANY_YAW,
    }


def _mark(mission: AirMission) -> MissionItemInt:
    digits = mission.content_hash
    words = (float(int(digits[0:4], 16)), float(int(digits[4:8], 16)))
    return _item(mav.MAV_CMD_DO_SET_ROI_NONE, param3=words[0], param4=words[1])


def _translate(index: int, item: AirItem, mission: AirMission) -> MissionItemInt:
    match item.kind:
        case ItemKind.TAKEOFF:
            place = _at(item.position or mission.home, item.alt_home_m)
            return _item(mav.MAV_CMD_NAV_TAKEOFF, **place)
        case ItemKind.WAYPOINT:
            if item.position is None:
                raise ValueError(f"item {index} (waypoint) has no position")
            return _item(
                mav.MAV_CMD_NAV_WAYPOINT,
                param1=float(round(item.delay_s)),
                param2=ACCEPTANCE_M,
                **_at(item.position, item.alt_home_m),
            )
        case ItemKind.DELAY:
            return _item(
                mav.MAV_CMD_NAV_DELAY,
                param1=float(round(item.delay_s)),
                param2=_UNCHANGED,
                param3=_UNCHANGED,
                param4=_UNCHANGED,
            )
        case ItemKind.SPEED:
            return _item(
                mav.MAV_CMD_DO_CHANGE_SPEED,
                param1=_GROUND_SPEED,
                param2=item.speed_mps,
                param3=_UNCHANGED,
            )
        case ItemKind.LAND:
            return _item(mav.MAV_CMD_NAV_LAND, **_at(item.position or mission.home, 0.0))
        case ItemKind.RELEASE if item.device is DropDevice.GRIPPER:
            action = float(mav.GRIPPER_ACTION_RELEASE)
            return _item(mav.MAV_CMD_DO_GRIPPER, param1=1.0, param2=action)
        case _:
            device = "no device" if item.device is None else item.device.value
            raise ValueError(
                f"item {index} ({item.kind.value}): PX4 has no {device}, use a gripper"
            )


def canonical(item: MissionItemInt) -> tuple[tuple[str, float], ...]:
    """What PX4 keeps of an item, as named values; equal items have equal forms."""
    values: list[tuple[str, float]] = [("command", item.command)]
    if item.command in _PLACED:
        values += [
            ("frame", _frame(item.frame)),
            ("latitude_1e7", item.x),
            ("longitude_1e7", item.y),
            ("altitude_m", _float32(item.z)),
            ("yaw_deg", -1.0 if math.isnan(item.param4) else round(item.param4, 1) % 360.0),
        ]
        if item.command == mav.MAV_CMD_NAV_WAYPOINT:
            values += [("hold_s", _float32(item.param1)), ("radius_m", _float32(item.param2))]
        elif item.command == mav.MAV_CMD_NAV_LAND:
            values.append(("precision", int(item.param2)))
        return tuple(values)
    values.append(("frame", item.frame))
    kept = [item.param1, item.param2]
    if item.command != mav.MAV_CMD_DO_GRIPPER:
        kept += [item.param3, item.param4]
    return (*values, *((f"param{n}", _float32(value)) for n, value in enumerate(kept, start=1)))


def _frame(frame: int) -> int:
    if frame in _RELATIVE_FRAMES:
        return int(RELATIVE)
    return 0 if frame in _ABSOLUTE_FRAMES else frame


def _float32(value: float) -> float:
    """As it stands after the wire and the store; what is no number is told as -inf, and equal."""
    if math.isnan(value):
        return -math.inf
    return float(struct.unpack("<f", struct.pack("<f", value))[0])
