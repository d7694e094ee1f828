"""Air missions as rows of numbered commands, the form that ground-station files share.

Owns the translation between our items and MAVLink's command numbers (MAVLink common.xml and
ardupilotmega.xml, MAV_CMD and MAV_FRAME). Must not know a file's syntax, and needs no MAVLink
library.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from geofence.errors import FrameError
from geofence.frames import LatLon
from missions.errors import MissionFileError
from missions.model import AirItem, AirMission, DropDevice, ItemKind

FRAME_GLOBAL = 0
FRAME_MISSION = 2
FRAME_RELATIVE = 3
_RELATIVE_FRAMES = frozenset({FRAME_RELATIVE, 6})

_GROUND_SPEED, _WINCH_LENGTH, _GRIPPER_RELEASE = 1.0, 1.0, 0.0


class Cmd(IntEnum):
    """The commands that a mission of ours is made of, by MAVLink's numbers."""

    WAYPOINT = 16
    LAND = 21
    TAKEOFF = 22
    DELAY = 93
    PAYLOAD_PLACE = 94
    CHANGE_SPEED = 178
    RETURN_PATH = 188
    GRIPPER = 211
    WINCH = 42600


_PLACED = frozenset({Cmd.WAYPOINT, Cmd.LAND, Cmd.TAKEOFF, Cmd.PAYLOAD_PLACE})


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
    parcels = iter(parcel_ids)
    items: list[AirItem] = []
    for where, row in rows:
        item = _item(where, row, parcels)
        if item is not None:
            items.append(item)
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


def _item(where: str, row: Row, parcels: Iterator[str]) -> AirItem | None:
    numbers = (*row.params, row.lat_deg, row.lon_deg, row.alt_m)
    if not all(math.isfinite(number) for number in numbers):
        raise MissionFileError(where, "holds a number that is not finite")
    position = None
    marked = row.command == Cmd.RETURN_PATH and (row.lat_deg != 0.0 or row.lon_deg != 0.0)
    if row.command in _PLACED or marked:
        if row.frame not in _RELATIVE_FRAMES:
            raise MissionFileError(
                where, f"frame {row.frame}: heights must be above home (frame 3 or 6)"
            )
        position = place(where, row.lat_deg, row.lon_deg)
    first, second, third, _ = row.params
    match row.command:
        case Cmd.TAKEOFF:
            return AirItem(ItemKind.TAKEOFF, position, row.alt_m)
        case Cmd.WAYPOINT:
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
