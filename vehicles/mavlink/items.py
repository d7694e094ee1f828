"""Air missions as MAVLink mission items, and items as ArduPilot stores them.

Owns the translation, the canonical form that read-back is compared in, and which sequence number
means what. Must not send anything.

Storage rules (ArduPilot AP_Mission.cpp, mavlink_int_to_mission_cmd and mission_cmd_to_mavlink_int):
15 bytes an item; positions in 1e-7 degrees, heights truncated to centimetres, a waypoint keeps
only a whole-second delay, commands without a place keep neither place nor frame, LAND invents
param4, payload place keeps its descent in centimetres. Item 0 is home and the vehicle's own.

An item list has no name on board, and two parcels for one address make equal lists. So the first
32 bits of the mission's content hash ride behind the take-off as two JUMP_TAG items, which
ArduPilot stores, gives back and passes without effect (AP_Mission.cpp, start_command): what is
read back is this mission and no other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon, LocalFrame
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from vehicles.mavlink.messages import MissionItemInt

RELATIVE = mav.MAV_FRAME_GLOBAL_RELATIVE_ALT
_PLACED = frozenset(
    {
        mav.MAV_CMD_NAV_WAYPOINT,
        mav.MAV_CMD_NAV_TAKEOFF,
        mav.MAV_CMD_NAV_LAND,
        mav.MAV_CMD_NAV_PAYLOAD_PLACE,
        mav.MAV_CMD_DO_RETURN_PATH_START,
    }
)
_RELATIVE_FRAMES = frozenset({3, 6})
_GROUND_SPEED = 1.0
_WINCH_LENGTH = 1.0
_NO_HOUR = -1.0
GROUND_WAIT_S = 4.0
"""The longest wait at a landing on the way: the baseline has DISARM_DELAY at 5 s at least."""


@dataclass(frozen=True, slots=True)
class Release:
    """Where in the item list a parcel leaves. Sequence numbers as the vehicle counts them."""

    parcel_id: str
    seq: int
    device: DropDevice
    done_seq: int
    """First navigation item after the device had its time: a waiting DELAY belongs to it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A mission translated: messages' content by seq, and what the numbers mean."""

    items: tuple[MissionItemInt, ...]
    mission_index: tuple[int, ...]
    """For every seq the index of the mission item that it comes from; -1 for home."""
    releases: tuple[Release, ...]
    return_path_seq: int | None
    land_seq: int
    takeoff_seq: int
    first: int = 1
    """The first item that is ours: ArduPilot puts home before it, others have no such item."""
    form: Callable[[MissionItemInt], tuple[tuple[str, float], ...]] | None = None
    """What the vehicle keeps of an item; None: as ArduPilot does (`canonical`)."""

    @property
    def count(self) -> int:
        """Items including home where there is one."""
        return len(self.items)

    def messages(self, system: int, component: int) -> tuple[Any, ...]:
        """MISSION_ITEM_INT messages of pymavlink, to upload."""
        return tuple(_message(item, system, component) for item in self.items)


def translate(mission: AirMission) -> Plan:
    """An air mission -> plan. Raises ValueError naming the item that cannot be flown."""
    raw: list[tuple[int, MissionItemInt]] = [(-1, _home(mission))]
    wind_in_m = 0.0
    releases: list[tuple[int, AirItem]] = []
    for index, item in enumerate(mission.items):
        if wind_in_m and item.kind not in {ItemKind.DELAY, ItemKind.SPEED}:
            raw.append((index - 1, _winch(-wind_in_m)))
            wind_in_m = 0.0
        if item.kind is ItemKind.RELEASE:
            releases.append((len(raw), item))
            if item.device is DropDevice.WINCH:
                wind_in_m = item.winch_m
        raw.append((index, _translate(index, item, mission)))
        if index == 0:
            raw += [(0, tag) for tag in _tags(mission)]
    items = tuple(item._replace(seq=seq) for seq, (_, item) in enumerate(raw))
    kinds = [item.kind for item in mission.items]
    if not kinds or kinds[0] is not ItemKind.TAKEOFF or kinds[-1] is not ItemKind.LAND:
        raise ValueError("an air mission starts with TAKEOFF and ends with LAND")
    _check_landings(mission)
    told = tuple(_release(seq, item, items) for seq, item in releases)
    _check_apart(told)
    return Plan(
        items=items,
        mission_index=tuple(index for index, _ in raw),
        releases=told,
        return_path_seq=_first_seq(items, mav.MAV_CMD_DO_RETURN_PATH_START),
        land_seq=len(items) - 1,
        takeoff_seq=1,
    )


def _check_apart(releases: tuple[Release, ...]) -> None:
    """Two releases at one stop could not be told apart: the device's words name no parcel."""
    for before, after in pairwise(releases):
        if after.seq <= before.done_seq:
            raise ValueError(
                f"items {before.seq} and {after.seq} release {before.parcel_id} and "
                f"{after.parcel_id} at one stop: fly a waypoint between them"
            )


def _check_landings(mission: AirMission) -> None:
    """A landing on the way is flown on from only with a take-off next (MIS_OPTIONS bit 2).

    On the ground a longer wait than DISARM_DELAY ends the flight, in AUTO too
    (ArduCopter/motors.cpp, auto_disarm_check).
    """
    waited_s: float | None = None
    for index, item in enumerate(mission.items[:-1]):
        match item.kind:
            case ItemKind.LAND:
                waited_s = 0.0
            case ItemKind.TAKEOFF:
                if index and waited_s is None:
                    raise ValueError(f"item {index} takes off where nothing has landed")
                waited_s = None
            case ItemKind.DELAY if waited_s is not None:
                waited_s += item.delay_s
                if waited_s > GROUND_WAIT_S:
                    raise ValueError(
                        f"item {index} waits on the ground: {waited_s:g} s in all, over the "
                        f"{GROUND_WAIT_S:g} s after which it might disarm"
                    )
            case ItemKind.RELEASE if (
                item.device is DropDevice.PAYLOAD_PLACE and waited_s is not None
            ):
                raise ValueError(f"item {index} places a parcel from the ground: use a gripper")
            case ItemKind.RELEASE | ItemKind.SPEED | ItemKind.RETURN_PATH:
                pass
            case _ if waited_s is not None:
                raise ValueError(f"item {index} follows a landing: a take-off must come first")
    if waited_s is not None:
        raise ValueError("the mission lands twice at its end: a take-off must come between")


def _first_seq(items: tuple[MissionItemInt, ...], command: int) -> int | None:
    return next((item.seq for item in items if item.command == command), None)


def _release(seq: int, item: AirItem, items: tuple[MissionItemInt, ...]) -> Release:
    done = seq + 1
    while done < len(items) - 1 and (
        items[done].command == mav.MAV_CMD_NAV_DELAY or not is_navigation(items[done].command)
    ):
        done += 1
    return Release(item.parcel_id, seq, item.device or DropDevice.GRIPPER, done)


def is_navigation(command: int) -> bool:
    """Whether MISSION_CURRENT can show it: DO commands never become current."""
    return bool(command <= mav.MAV_CMD_NAV_LAST)


def _bare(command: int, **fields: Any) -> MissionItemInt:
    blank = MissionItemInt(0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0, command, 0, 0, RELATIVE, 0, 1, 0)
    return blank._replace(**fields)


def _at(position: LatLon, alt_m: float) -> dict[str, Any]:
    return {
        "x": round(position.lat_deg * 1e7),
        "y": round(position.lon_deg * 1e7),
        "z": _metres(alt_m),
    }


def _metres(value_m: float) -> float:
    """Metres that survive truncation to centimetres: a quarter centimetre towards the outside."""
    centimetres = round(value_m * 100)
    if centimetres == 0:
        return 0.0
    return (centimetres + (0.25 if centimetres > 0 else -0.25)) / 100.0


def _home(mission: AirMission) -> MissionItemInt:
    return _bare(
        mav.MAV_CMD_NAV_WAYPOINT,
        frame=mav.MAV_FRAME_GLOBAL,
        **_at(mission.home, mission.home_amsl_m),
    )


def _tags(mission: AirMission) -> tuple[MissionItemInt, ...]:
    digits = mission.content_hash
    words = (int(digits[0:4], 16), int(digits[4:8], 16))
    return tuple(_bare(mav.MAV_CMD_JUMP_TAG, param1=float(word)) for word in words)


def _winch(length_m: float) -> MissionItemInt:
    """DO_WINCH by relative length, positive out (AP_Winch release_length)."""
    return _bare(mav.MAV_CMD_DO_WINCH, param1=1.0, param2=_WINCH_LENGTH, param3=length_m)


def _translate(index: int, item: AirItem, mission: AirMission) -> MissionItemInt:
    match item.kind:
        case ItemKind.TAKEOFF:
            position = item.position or mission.home
            return _bare(mav.MAV_CMD_NAV_TAKEOFF, **_at(position, item.alt_home_m))
        case ItemKind.WAYPOINT:
            return _bare(
                mav.MAV_CMD_NAV_WAYPOINT,
                param1=float(round(item.delay_s)),
                **_at(_position(index, item), item.alt_home_m),
            )
        case ItemKind.DELAY:
            return _bare(
                mav.MAV_CMD_NAV_DELAY,
                param1=float(round(item.delay_s)),
                param2=_NO_HOUR,
                param3=_NO_HOUR,
                param4=_NO_HOUR,
            )
        case ItemKind.SPEED:
            return _bare(mav.MAV_CMD_DO_CHANGE_SPEED, param1=_GROUND_SPEED, param2=item.speed_mps)
        case ItemKind.RETURN_PATH:
            if item.position is None:
                return _bare(mav.MAV_CMD_DO_RETURN_PATH_START)
            place = _at(item.position, item.alt_home_m)
            return _bare(mav.MAV_CMD_DO_RETURN_PATH_START, **place)
        case ItemKind.LAND:
            return _bare(mav.MAV_CMD_NAV_LAND, **_at(item.position or mission.home, 0.0))
        case ItemKind.RELEASE:
            return _release_item(index, item)


def _release_item(index: int, item: AirItem) -> MissionItemInt:
    if item.device is DropDevice.WINCH:
        return _winch(item.winch_m)
    if item.device is DropDevice.PAYLOAD_PLACE:
        return _bare(
            mav.MAV_CMD_NAV_PAYLOAD_PLACE,
            param1=_metres(item.winch_m),
            **_at(_position(index, item), item.alt_home_m),
        )
    if item.device is DropDevice.GRIPPER:
        return _bare(mav.MAV_CMD_DO_GRIPPER, param1=1.0, param2=float(mav.GRIPPER_ACTION_RELEASE))
    raise ValueError(f"item {index} (release) names no drop device")


def _position(index: int, item: AirItem) -> LatLon:
    if item.position is None:
        raise ValueError(f"item {index} ({item.kind.value}) has no position")
    return item.position


def _message(item: MissionItemInt, system: int, component: int) -> Any:
    return mav.MAVLink_mission_item_int_message(
        system, component, item.seq, item.frame, item.command, item.current, item.autocontinue,
        item.param1, item.param2, item.param3, item.param4, item.x, item.y, item.z,
        item.mission_type,
    )  # fmt: skip


def lands_at_stop(plan: Plan, seq: int) -> bool:
    """Whether an item is of a landing on the way: from its LAND to the take-off behind it."""
    for item in reversed(plan.items[: seq + 1]):
        if item.command == mav.MAV_CMD_NAV_LAND:
            return item.seq != plan.land_seq
        if item.command == mav.MAV_CMD_NAV_TAKEOFF:
            return False
    return False


def off_leg_m(plan: Plan, seq: int, position: LatLon) -> float:
    """Metres over ground from the leg that item `seq` ends; of one place, from that place."""

    def place(items: tuple[MissionItemInt, ...]) -> LatLon | None:
        placed = (i for i in items if i.command in _PLACED and (i.x or i.y))
        return next((LatLon(i.x * 1e-7, i.y * 1e-7) for i in placed), None)

    start = place(plan.items[:seq][::-1])
    end = place(plan.items[seq:]) or start
    if end is None:
        return 0.0
    frame = LocalFrame(position)
    (ax, ay), (bx, by) = frame.xy(start or end), frame.xy(end)
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    t = 0.0 if length2 == 0.0 else min(1.0, max(0.0, -(ax * dx + ay * dy) / length2))
    return math.hypot(ax + t * dx, ay + t * dy)


def canonical(item: MissionItemInt) -> tuple[tuple[str, float], ...]:
    """What ArduPilot keeps of an item, as named values; equal items have equal forms."""
    values: list[tuple[str, float]] = [("command", item.command)]
    if item.command in _PLACED:
        frame = RELATIVE if item.frame in _RELATIVE_FRAMES else item.frame
        if item.command == mav.MAV_CMD_DO_RETURN_PATH_START and item.x == item.y == 0:
            frame = RELATIVE
        values += [
            ("frame", frame),
            ("latitude_1e7", item.x),
            ("longitude_1e7", item.y),
            ("altitude_cm", _centimetres(item.z)),
        ]
    values += _parameters(item)
    return tuple(values)


def _centimetres(value_m: float) -> int:
    """Centimetres as stored: what was sent is above by a quarter, what is read is exact."""
    return round(value_m * 100)


def _parameters(item: MissionItemInt) -> list[tuple[str, float]]:
    match item.command:
        case mav.MAV_CMD_NAV_WAYPOINT | mav.MAV_CMD_NAV_TAKEOFF | mav.MAV_CMD_NAV_LAND:
            return [("param1", int(item.param1))]
        case mav.MAV_CMD_NAV_PAYLOAD_PLACE:
            return [("descent_cm", _centimetres(item.param1))]
        case mav.MAV_CMD_DO_RETURN_PATH_START:
            return []
        case mav.MAV_CMD_DO_GRIPPER:
            return [("gripper", int(item.param1)), ("action", int(item.param2))]
        case _:
            # kept whole: compare at what a 32-bit float resolves
            return [
                (f"param{n}", round(value, 3))
                for n, value in enumerate(
                    (item.param1, item.param2, item.param3, item.param4), start=1
                )
            ]


def differences(plan: Plan, held: tuple[MissionItemInt, ...]) -> tuple[str, ...]:
    """Named differences between a plan and what the vehicle holds; empty where it is the same.

    An item that differs in its JUMP_TAG alone is another mission of the same shape.

    Where item 0 is the vehicle's home it is judged elsewhere, by place and height.
    """
    found: list[str] = []
    if len(held) != plan.count:
        found.append(f"the vehicle holds {len(held)} items, not {plan.count}")
    form = plan.form or canonical
    for ours, theirs in zip(plan.items[plan.first :], held[plan.first :], strict=False):
        if theirs.seq != ours.seq:
            found.append(f"item {ours.seq}: read as number {theirs.seq}")
            continue
        want, have = form(ours), form(theirs)
        if want == have:
            continue
        had = dict(have)
        named = [
            f"{name} {had.get(name, 'missing')} instead of {value}"
            for name, value in want
            if had.get(name) != value
        ]
        found.append(f"item {ours.seq}: {', '.join(named)}")
    return tuple(found)
