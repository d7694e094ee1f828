"""Air missions as rows of numbered commands, the form that ground-station files share.

Owns the translation between our items and MAVLink's command numbers (MAVLink common.xml and
ardupilotmega.xml, MAV_CMD and MAV_FRAME). Must not know a file's syntax, and needs no MAVLink
library.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from geofence.errors import FrameError
from geofence.frames import LatLon
from missions.errors import MissionFileError
from missions.model import AirItem, AirMission, DropDevice, ItemKind

FRAME_GLOBAL = 0
FRAME_MISSION = 2
FRAME_RELATIVE = 3
_RELATIVE_FRAMES = frozenset({FRAME_RELATIVE, 6})
_AMSL_FRAMES = frozenset({FRAME_GLOBAL, 5})

_GROUND_SPEED, _WINCH_LENGTH, _GRIPPER_RELEASE = 1.0, 1.0, 0.0


class Cmd(IntEnum):
    """The commands that a mission of ours is made of, by MAVLink's numbers."""

    WAYPOINT = 16
    LOITER_TIME = 19
    RTL = 20
    LAND = 21
    TAKEOFF = 22
    DELAY = 93
    PAYLOAD_PLACE = 94
    DO_JUMP = 177
    CHANGE_SPEED = 178
    RETURN_PATH = 188
    GRIPPER = 211
    WINCH = 42600


_PLACED = frozenset({Cmd.WAYPOINT, Cmd.LOITER_TIME, Cmd.LAND, Cmd.TAKEOFF, Cmd.PAYLOAD_PLACE})

_NO_EFFECT_ON_THE_PATH = frozenset({115, 195, 197, 201, 203, 205, 206, 1000, 2000, 2001})
"""Heading, region of interest, camera and gimbal: read over."""

RTL_ALT_HOME_M = 15.0
"""ArduCopter's RTL_ALT as it ships: an RTL item climbs to at least this."""

MAX_UNROLLED = 5_000
"""Most items that jumps may make of a file."""


@dataclass(frozen=True, slots=True)
class Row:
    """One command: four parameters, then latitude, longitude in degrees and height in metres."""

    command: int
    frame: int = FRAME_MISSION
    params: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    lat_deg: float = 0.0
    lon_deg: float = 0.0
    alt_m: float = 0.0


def to_rows(mission: AirMission) -> Iterator[Row]:
    """The mission's rows without home. A winch's rope is wound in after its delays."""
    rope_m = 0.0
    for item in mission.items:
        if rope_m and item.kind not in {ItemKind.DELAY, ItemKind.SPEED}:
            yield _winch(-rope_m)
            rope_m = 0.0
        if item.kind is ItemKind.RELEASE and item.device is DropDevice.WINCH:
            rope_m = item.winch_m
        yield _row(item, mission.home)


def _winch(length_m: float) -> Row:
    return Row(Cmd.WINCH, params=(1.0, _WINCH_LENGTH, length_m, 0.0))


def _row(item: AirItem, home: LatLon) -> Row:
    match item.kind:
        case ItemKind.TAKEOFF:
            return _placed(Cmd.TAKEOFF, item.position or home, item.alt_home_m)
        case ItemKind.WAYPOINT:
            return _placed(Cmd.WAYPOINT, item.position or home, item.alt_home_m, item.delay_s)
        case ItemKind.LAND:
            return _placed(Cmd.LAND, item.position or home, item.alt_home_m)
        case ItemKind.DELAY:
            return Row(Cmd.DELAY, params=(item.delay_s, -1.0, -1.0, -1.0))
        case ItemKind.SPEED:
            return Row(Cmd.CHANGE_SPEED, params=(_GROUND_SPEED, item.speed_mps, -1.0, 0.0))
        case ItemKind.RETURN_PATH:
            if item.position is None:
                return Row(Cmd.RETURN_PATH)
            return _placed(Cmd.RETURN_PATH, item.position, item.alt_home_m)
        case ItemKind.RELEASE:
            return _release(item, home)


def _placed(command: int, position: LatLon, alt_m: float, first: float = 0.0) -> Row:
    params = (first, 0.0, 0.0, 0.0)
    return Row(command, FRAME_RELATIVE, params, position.lat_deg, position.lon_deg, alt_m)


def _release(item: AirItem, home: LatLon) -> Row:
    if item.device is DropDevice.WINCH:
        return _winch(item.winch_m)
    if item.device is DropDevice.PAYLOAD_PLACE:
        return _placed(Cmd.PAYLOAD_PLACE, item.position or home, item.alt_home_m, item.winch_m)
    return Row(Cmd.GRIPPER, params=(1.0, _GRIPPER_RELEASE, 0.0, 0.0))


def to_mission(
    rows: Iterable[tuple[str, Row]],
    home: LatLon,
    home_amsl_m: float,
    *,
    mission_id: str,
    vehicle_id: str,
    parcel_ids: Sequence[str] = (),
) -> AirMission:
    """A mission from rows, each with the words for where it stands in its file.

    Files do not tell parcels: `parcel_ids` go to the releases in order. The mission is checked by
    nobody: its zones_version is empty. Raises MissionFileError naming the place.
    """
    items = _items(list(rows), home, home_amsl_m, iter(parcel_ids))
    if not items or items[0].kind is not ItemKind.TAKEOFF or items[-1].kind is not ItemKind.LAND:
        raise MissionFileError("mission", "must start with a take-off and end with a landing")
    return AirMission(
        mission_id=mission_id,
        vehicle_id=vehicle_id,
        home=home,
        home_amsl_m=home_amsl_m,
        cruise_alt_home_m=items[0].alt_home_m,
        items=tuple(items),
        zones_version="",
    )


def _items(
    rows: Sequence[tuple[str, Row]], home: LatLon, home_amsl_m: float, parcels: Iterator[str]
) -> list[AirItem]:
    items: list[AirItem] = []
    here, alt_m = home, 0.0
    ended = False
    for where, row in unrolled(rows):
        if row.command in _NO_EFFECT_ON_THE_PATH:
            continue
        if ended:
            raise MissionFileError(where, "stands after RTL, from where no vehicle flies on")
        if row.command == Cmd.RTL:
            items.extend(_return_to_launch(where, here, alt_m, home))
            ended = True
            continue
        item = _item(where, _placed_row(row, here, home_amsl_m), parcels)
        if item is None:
            continue
        items.append(replace(item, label=where))
        if item.kind in {ItemKind.TAKEOFF, ItemKind.WAYPOINT, ItemKind.LAND}:
            alt_m = item.alt_home_m
            if item.kind is not ItemKind.TAKEOFF and item.position is not None:
                here = item.position
    return items


def unrolled(rows: Sequence[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
    """The rows in the order in which they are flown, jumps followed.

    A jump is taken as often as it says and then passed, each jump counting for itself over the
    whole flight (AP_Mission.cpp, get_next_cmd and increment_jump_times_run), so that the flight
    unrolled holds every branch. Targets count rows from 1. Raises MissionFileError for a jump that
    never ends, leads nowhere, or makes more than MAX_UNROLLED items.
    """
    taken: dict[int, int] = {}
    at, steps = 0, 0
    while at < len(rows):
        where, row = rows[at]
        steps += 1
        if steps > MAX_UNROLLED:
            raise MissionFileError(
                where, f"jumps make more than {MAX_UNROLLED} items of the file: repeat less often"
            )
        if row.command != Cmd.DO_JUMP:
            yield where, row
            at += 1
            continue
        target, times = _jump(where, row, len(rows))
        _refuse_over_mark(where, rows[min(at, target - 1) : max(at, target - 1) + 1])
        if taken.get(at, 0) < times:
            taken[at] = taken.get(at, 0) + 1
            at = target - 1
        else:
            at += 1


def _refuse_over_mark(where: str, between: Sequence[tuple[str, Row]]) -> None:
    """A failsafe looks for the mark where it stands, whatever was jumped over."""
    if any(row.command == Cmd.RETURN_PATH for _, row in between):
        raise MissionFileError(where, "jumps over DO_RETURN_PATH_START: place the mark outside")


def _jump(where: str, row: Row, count: int) -> tuple[int, int]:
    target, times = row.params[0], row.params[1]
    if not (target.is_integer() and times.is_integer()):
        raise MissionFileError(where, "a jump needs whole numbers for its target and its repeats")
    if not 1 <= target <= count:
        raise MissionFileError(where, f"jumps to item {target:g}, and there are {count}")
    if times < 0:
        raise MissionFileError(where, "jumps back for ever: give it a number of repeats")
    return int(target), int(times)


def _placed_row(row: Row, here: LatLon, home_amsl_m: float) -> Row:
    """A placed row as ArduCopter reads it.

    Its height above home, whatever it was given above; at the place before where it has none,
    which 0, 0 means.
    """
    if row.command not in _PLACED:
        return row
    if row.frame in _AMSL_FRAMES:
        row = replace(row, frame=FRAME_RELATIVE, alt_m=row.alt_m - home_amsl_m)
    if row.lat_deg == 0.0 and row.lon_deg == 0.0:
        row = replace(row, lat_deg=here.lat_deg, lon_deg=here.lon_deg)
    return row


def _return_to_launch(where: str, here: LatLon, alt_m: float, home: LatLon) -> Iterator[AirItem]:
    """RTL as the vehicle flies it: up to RTL_ALT, straight home, down."""
    high_m = max(alt_m, RTL_ALT_HOME_M)
    if high_m > alt_m:
        yield AirItem(ItemKind.WAYPOINT, here, high_m, label=where)
    yield AirItem(ItemKind.WAYPOINT, home, high_m, label=where)
    yield AirItem(ItemKind.LAND, home, label=where)


def _item(where: str, row: Row, parcels: Iterator[str]) -> AirItem | None:
    numbers = (*row.params, row.lat_deg, row.lon_deg, row.alt_m)
    if not all(math.isfinite(number) for number in numbers):
        raise MissionFileError(where, "holds a number that is not finite")
    position = None
    marked = row.command == Cmd.RETURN_PATH and (row.lat_deg != 0.0 or row.lon_deg != 0.0)
    if row.command in _PLACED or marked:
        if row.frame not in _RELATIVE_FRAMES:
            raise MissionFileError(
                where,
                f"frame {row.frame}: heights must be above home (frame 3 or 6) or AMSL (0 or 5)",
            )
        position = place(where, row.lat_deg, row.lon_deg)
    first, second, third, _ = row.params
    match row.command:
        case Cmd.TAKEOFF:
            return AirItem(ItemKind.TAKEOFF, position, row.alt_m)
        case Cmd.WAYPOINT | Cmd.LOITER_TIME:
            return AirItem(ItemKind.WAYPOINT, position, row.alt_m, delay_s=first)
        case Cmd.LAND:
            return AirItem(ItemKind.LAND, position, row.alt_m)
        case Cmd.DELAY:
            return AirItem(ItemKind.DELAY, delay_s=first)
        case Cmd.CHANGE_SPEED:
            return AirItem(ItemKind.SPEED, speed_mps=second)
        case Cmd.RETURN_PATH:
            return AirItem(ItemKind.RETURN_PATH, position, row.alt_m if position else 0.0)
        case _:
            return _release_item(where, row, position, (second, third), _next_parcel(row, parcels))


def _next_parcel(row: Row, parcels: Iterator[str]) -> str:
    """The parcel of a releasing row; none where the row winds a rope in."""
    if row.command == Cmd.WINCH and row.params[2] <= 0.0:
        return ""
    return next(parcels, "")


def _release_item(
    where: str,
    row: Row,
    position: LatLon | None,
    more: tuple[float, float],
    parcel_id: str,
) -> AirItem | None:
    second, third = more
    release = ItemKind.RELEASE
    if row.command == Cmd.GRIPPER and second == _GRIPPER_RELEASE:
        return AirItem(release, device=DropDevice.GRIPPER, parcel_id=parcel_id)
    if row.command == Cmd.WINCH and second == _WINCH_LENGTH:
        if third <= 0.0:
            return None
        return AirItem(release, device=DropDevice.WINCH, parcel_id=parcel_id, winch_m=third)
    if row.command == Cmd.PAYLOAD_PLACE:
        device = DropDevice.PAYLOAD_PLACE
        return AirItem(
            release,
            position,
            row.alt_m,
            device=device,
            parcel_id=parcel_id,
            winch_m=row.params[0],
        )
    raise MissionFileError(where, f"command {row.command} is none that Waypost can check")


def place(where: str, lat_deg: float, lon_deg: float) -> LatLon:
    """A position, or MissionFileError."""
    try:
        return LatLon(lat_deg, lon_deg)
    except FrameError as error:
        raise MissionFileError(where, str(error)) from error
