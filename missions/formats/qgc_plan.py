"""QGroundControl's .plan files (QGroundControl developer guide, "Plan File Format", version 1).

Owns that syntax. Only simple items are read; fences and rally points in the file are not ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from missions.errors import MissionFileError
from missions.formats.rows import FRAME_MISSION, Cmd, Row, place, to_mission, to_rows
from missions.model import AirMission

_ARDUPILOT = 3
_MULTIROTOR = 2
_ABOVE_HOME = 1


def write_plan(mission: AirMission, *, speed_mps: float = 10.0) -> str:
    """The mission as a .plan file that QGroundControl opens."""
    body = {
        "fileType": "Plan",
        "version": 1,
        "groundStation": "QGroundControl",
        "geoFence": {"circles": [], "polygons": [], "version": 2},
        "rallyPoints": {"points": [], "version": 2},
        "mission": {
            "version": 2,
            "firmwareType": _ARDUPILOT,
            "vehicleType": _MULTIROTOR,
            "cruiseSpeed": speed_mps,
            "hoverSpeed": speed_mps,
            "globalPlanAltitudeMode": _ABOVE_HOME,
            "plannedHomePosition": [
                mission.home.lat_deg,
                mission.home.lon_deg,
                mission.home_amsl_m,
            ],
            "items": [_simple(number, row) for number, row in enumerate(to_rows(mission), 1)],
        },
    }
    return json.dumps(body, indent=2) + "\n"


def _simple(number: int, row: Row) -> dict[str, object]:
    item: dict[str, object] = {
        "type": "SimpleItem",
        "autoContinue": True,
        "command": row.command,
        "doJumpId": number,
        "frame": row.frame,
        "params": [*row.params, row.lat_deg, row.lon_deg, row.alt_m],
    }
    if row.frame != FRAME_MISSION:
        item |= {"Altitude": row.alt_m, "AltitudeMode": _ABOVE_HOME, "AMSLAltAboveTerrain": None}
    return item


def read_plan(
    data: bytes | str, *, mission_id: str, vehicle_id: str, parcel_ids: Sequence[str] = ()
) -> AirMission:
    """The mission of a .plan file, unchecked. Raises MissionFileError naming key or item."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MissionFileError("file", f"is not JSON: {error}") from error
    if not isinstance(body, dict) or body.get("fileType") != "Plan":
        raise MissionFileError("fileType", 'must be "Plan"')
    mission = body.get("mission")
    if not isinstance(mission, dict):
        raise MissionFileError("mission", "is missing")
    lat, lon, alt = _numbers("plannedHomePosition", mission.get("plannedHomePosition"), 3)
    items = mission.get("items")
    if not isinstance(items, list):
        raise MissionFileError("mission.items", "must be a list")
    return to_mission(
        _rows(items),
        place("plannedHomePosition", lat, lon),
        alt,
        mission_id=mission_id,
        vehicle_id=vehicle_id,
        parcel_ids=parcel_ids,
    )


def _rows(items: list[object]) -> Iterator[tuple[str, Row]]:
    numbers = {
        item.get("doJumpId", number): number
        for number, item in enumerate(items, 1)
        if isinstance(item, dict) and isinstance(item.get("doJumpId", number), int)
    }
    for number, item in enumerate(items, 1):
        where = f"item {number}"
        if not isinstance(item, dict) or item.get("type") != "SimpleItem":
            raise MissionFileError(where, "only simple items can be checked: expand it first")
        command, frame = item.get("command"), item.get("frame")
        if not isinstance(command, int) or not isinstance(frame, int):
            raise MissionFileError(where, "command and frame must be whole numbers")
        p1, p2, p3, p4, lat, lon, alt = _numbers(f"{where}: params", item.get("params"), 7)
        if command == Cmd.DO_JUMP:
            if p1 not in numbers:
                raise MissionFileError(where, f"jumps to doJumpId {p1:g}, which no item has")
            p1 = float(numbers[int(p1)])
        yield where, Row(command, frame, (p1, p2, p3, p4), lat, lon, alt)


def _numbers(where: str, value: object, count: int) -> list[float]:
    """That many numbers; null, which the format uses for "not set", is 0."""
    if not isinstance(value, list) or len(value) != count:
        raise MissionFileError(where, f"must be a list of {count} numbers")
    found: list[float] = []
    for entry in value:
        number = 0 if entry is None else entry
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise MissionFileError(where, f"{entry!r} is not a number")
        try:
            found.append(float(number))
        except OverflowError as error:
            raise MissionFileError(where, "holds a number that is too large") from error
    return found
