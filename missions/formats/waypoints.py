"""Plain-text .waypoints files ("QGC WPL 110"; MAVLink developer guide, "Plain-Text File Format").

Owns that syntax: tab-separated seq, current, frame, command, param1-4, latitude, longitude,
height, autocontinue. Row 0 is home, its height AMSL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from missions.errors import MissionFileError
from missions.formats.rows import FRAME_GLOBAL, Cmd, Row, place, to_mission, to_rows
from missions.model import AirMission

_HEADER = "QGC WPL 110"
_COLUMNS = 12


def write_waypoints(mission: AirMission) -> str:
    """The mission as a .waypoints file."""
    home = Row(
        Cmd.WAYPOINT,
        FRAME_GLOBAL,
        lat_deg=mission.home.lat_deg,
        lon_deg=mission.home.lon_deg,
        alt_m=mission.home_amsl_m,
    )
    rows = (home, *to_rows(mission))
    return "\n".join((_HEADER, *(_line(number, row) for number, row in enumerate(rows)))) + "\n"


def _line(number: int, row: Row) -> str:
    params = (f"{value:.8f}" for value in row.params)
    place_ = (f"{row.lat_deg:.9f}", f"{row.lon_deg:.9f}", f"{row.alt_m:.6f}")
    first = "1" if number == 0 else "0"
    return "\t".join((str(number), first, str(row.frame), str(row.command), *params, *place_, "1"))


def read_waypoints(
    data: bytes | str, *, mission_id: str, vehicle_id: str, parcel_ids: Sequence[str] = ()
) -> AirMission:
    """The mission of a .waypoints file, unchecked. Raises MissionFileError naming the line."""
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise MissionFileError("file", "is not UTF-8 text") from error
    lines = [(f"line {n}", line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines or lines[0][1].strip() != _HEADER:
        raise MissionFileError("line 1", f'must be "{_HEADER}"')
    rows = list(_rows(lines[1:]))
    if not rows:
        raise MissionFileError("file", "has no home row")
    where, home = rows[0]
    return to_mission(
        rows[1:],
        place(where, home.lat_deg, home.lon_deg),
        home.alt_m,
        mission_id=mission_id,
        vehicle_id=vehicle_id,
        parcel_ids=parcel_ids,
    )


def _rows(lines: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Row]]:
    for number, (where, line) in enumerate(lines):
        cells = line.split()
        if len(cells) != _COLUMNS:
            raise MissionFileError(where, f"has {len(cells)} columns, not {_COLUMNS}")
        try:
            seq, _, frame, command = (int(cell) for cell in cells[:4])
            p1, p2, p3, p4, lat, lon, alt = (float(cell) for cell in cells[4:11])
        except ValueError as error:
            raise MissionFileError(where, f"holds something that is no number: {error}") from error
        if seq != number:
            raise MissionFileError(where, f"seq {seq} should be {number}")
        yield where, Row(command, frame, (p1, p2, p3, p4), lat, lon, alt)
