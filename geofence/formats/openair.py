"""OpenAir airspace files: read.

Owns the records of OpenAir 1.0 (WinPilot, 1998) with the later AY (type), AI (id), AF, AG, AX and
AA: AC, AN, AL, AH, DP, DC, DA, DB, V X= and V D=. Records that only draw are passed over. A width
(V W=) or an airway (DY) is not understood. Must not know other formats.

P and GP are no-fly. R, Q, CTR and every controlled or reserved airspace are restricted; the
permit is the zone's id, and an operator grants it to a flight that has the clearance. E, F, G and
what is only told (W, glider sectors, unclassified) are advisory. Of AC and AY the stricter holds.
Activation times (AA) never switch a zone off: it applies always. All bind aircraft only. A missing
limit is none. A zone has the id of AI, or its name; several of one name are `name#1`, `name#2`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from geofence.formats.arcs import Arc, arc_between, outline
from geofence.formats.fields import Faults, canonical
from geofence.formats.files import MAX_FEATURES, Gathering, Unknown, decode_text, refused
from geofence.formats.heights import parse_height
from geofence.formats.shapes import MAX_VERTICES, polygon_fault
from geofence.frames import MAX_FRAME_SPAN_M, Altitude, LatLon
from geofence.zones import Area, CircleArea, PolygonArea, Source, VehicleClass, Zone, ZoneKind

NAUTICAL_MILE_M = 1_852.0

_KINDS: Mapping[str, ZoneKind] = {
    **dict.fromkeys(["P", "GP", "PROHIBITED"], ZoneKind.NO_FLY),
    **dict.fromkeys(
        [
            "R", "Q", "A", "B", "C", "D", "CTR", "RMZ", "TMZ", "CTA", "TMA", "ATZ", "MATZ", "MCTR",
            "TRA", "TSA", "TFR", "MTR", "MTA", "HTZ", "TIZ", "TIA", "PROTECTED",
            "OVERFLIGHT_RESTRICTION", "RESTRICTED", "DANGER", "ALERT", "WARNING",
        ],
        ZoneKind.RESTRICTED,
    ),
    **dict.fromkeys(
        [
            "E", "F", "G", "W", "UNC", "UNCLASSIFIED", "GSEC", "GLIDING_SECTOR",
            "AERIAL_SPORTING_RECREATIONAL", "VFR_SECTOR", "FIS_SECTOR", "FIR", "UIR",
        ],
        ZoneKind.ADVISORY,
    ),
}  # fmt: skip
_STRICTNESS = (ZoneKind.ADVISORY, ZoneKind.RESTRICTED, ZoneKind.NO_FLY)

_DRAWING = frozenset({"AT", "SP", "SB", "TP"})
_ONCE = frozenset({"AN", "AI", "AY", "AL", "AH"})
_TOLD = {"AF": "frequency", "AG": "station", "AX": "squawk", "AA": "active"}

_DEGREES = r"(\d{1,3})(?::(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?|:(\d{1,2}\.\d*)|(\.\d*))?\s*([%s])"
_COORDINATE = re.compile(
    (_DEGREES % "NS") + r"[\s,]*" + (_DEGREES % "EW"), re.ASCII | re.IGNORECASE
)
_MAX_LINE = 1_000
_DRONES = frozenset({VehicleClass.MULTIROTOR})


@dataclass(slots=True)
class _Airspace:
    """One airspace as its records come in."""

    line: int
    airspace_class: str
    airspace_type: str = ""
    own_id: str = ""
    name: str = ""
    floor: Altitude | None = None
    ceiling: Altitude | None = None
    told: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    parts: list[LatLon | Arc] = field(default_factory=list)
    circles: list[CircleArea] = field(default_factory=list)
    center: LatLon | None = None
    clockwise: bool = True
    shape: Faults = field(default_factory=Faults)
    faults: Faults = field(default_factory=Faults)

    @property
    def label(self) -> str:
        return self.own_id or self.name or f"line {self.line}"


def read_zones(data: bytes | str, *, unknown: Unknown = "refuse") -> tuple[Zone, ...]:
    """The zones of an OpenAir file.

    Raises ZoneFileError with every fault found (name, record, reason). With `unknown="forbid"` an
    airspace whose area alone is understood becomes a no-fly zone there.
    """
    found = _airspaces(decode_text(data, latin=True))
    if not found:
        raise refused("AC", "no airspace: not an OpenAir file")
    gathering = Gathering(unknown)
    times = Counter(airspace.label for airspace in found)
    used: Counter[str] = Counter()
    for number, airspace in enumerate(found, start=1):
        label = airspace.label
        used[label] += 1
        zone_id = f"{label}#{used[label]}" if times[label] > 1 else label
        areas = _areas(airspace)
        zones = _zones(zone_id, airspace, areas)
        faults = Faults()
        for fault in (*airspace.shape.found, *airspace.faults.found):
            faults.add(zone_id, fault.field, fault.reason)
        gathering.add(number, zone_id, zones, [] if airspace.shape.found else areas, faults)
    return gathering.zones()


def _airspaces(text: str) -> list[_Airspace]:
    found: list[_Airspace] = []
    current: _Airspace | None = None
    terrain = False
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith(("*", "#")):
            continue
        record, *more = line.split(None, 1)
        record, rest = record.upper(), more[0] if more else ""
        if record == "AC":
            if len(found) >= MAX_FEATURES:
                raise refused("AC", f"more than {MAX_FEATURES} airspaces: split the file")
            current, terrain = _Airspace(number, rest.split("*")[0].strip().upper()), False
            found.append(current)
        elif record in {"TO", "TC"}:
            # a terrain outline follows: it draws the ground and is no airspace
            current, terrain = None, True
        elif terrain:
            continue
        elif current is None:
            if record not in _DRAWING and not record.startswith("V"):
                raise refused(record[:20], f"line {number} stands before any AC: not OpenAir")
        elif len(line) > _MAX_LINE:
            current.shape.add("", record[:20], f"line {number} is too long")
        else:
            _take(current, number, record, rest.split("*")[0].strip() if record != "AN" else rest)
    return found


def _take(airspace: _Airspace, number: int, record: str, rest: str) -> None:
    where = f"{record[:20]} (line {number})"
    if record in _ONCE:
        if record in airspace.seen:
            airspace.faults.add("", where, "it stands there twice")
        airspace.seen.add(record)
    try:
        if record in _SHAPES:
            _SHAPES[record](airspace, rest)
        elif record.startswith("V"):
            _variable(airspace, f"{record[1:]} {rest}")
        elif record == "AN":
            airspace.name = rest[:200]
        elif record == "AI":
            airspace.own_id = rest[:200]
        elif record == "AY":
            airspace.airspace_type = rest.upper()
        elif record in _TOLD:
            told = airspace.told.get(_TOLD[record])
            airspace.told[_TOLD[record]] = rest if told is None else f"{told}, {rest}"
        elif record not in _DRAWING:
            airspace.faults.add("", where, "unknown record")
    except ValueError as error:
        into = airspace.faults if record in {"AL", "AH"} else airspace.shape
        into.add("", where, str(error))


def _floor(airspace: _Airspace, rest: str) -> None:
    airspace.floor = parse_height(rest, upper=False)


def _ceiling(airspace: _Airspace, rest: str) -> None:
    airspace.ceiling = parse_height(rest, upper=True)


def _variable(airspace: _Airspace, text: str) -> None:
    name, equals, value = text.partition("=")
    match name.strip().upper(), value.strip():
        case "X", place if equals:
            airspace.center = _coordinate(place)
        case "D", "+" | "-" as sign:
            airspace.clockwise = sign == "+"
        case "Z" | "T", _ if equals:
            return
        case _:
            raise ValueError(f"{text.strip()!r} is not understood: use V X= or V D=")


def _point(airspace: _Airspace, rest: str) -> None:
    airspace.parts.append(_coordinate(rest))


def _circle(airspace: _Airspace, rest: str) -> None:
    airspace.circles.append(CircleArea(_center(airspace), _radius(rest)))


def _arc_by_angles(airspace: _Airspace, rest: str) -> None:
    values = re.split(r"\s*,\s*|\s+", rest)
    if len(values) != 3:
        raise ValueError(f"{rest!r} is not a radius and two angles")
    start, end = (_number(value, "an angle") for value in values[1:])
    if not (0.0 <= start <= 360.0 and 0.0 <= end <= 360.0):
        raise ValueError(f"{rest!r} has an angle that is not 0 to 360 degrees")
    radius_m = _radius(values[0])
    arc = Arc(_center(airspace), radius_m, radius_m, start, end, airspace.clockwise)
    airspace.parts.extend((arc.at(0.0, radius_m), arc, arc.at(1.0, radius_m)))


def _arc_by_ends(airspace: _Airspace, rest: str) -> None:
    found = list(_COORDINATE.finditer(rest))
    if len(found) != 2 or _COORDINATE.sub("", rest).strip(" ,"):
        raise ValueError(f"{rest!r} is not two coordinates")
    start, end = (_coordinate(match[0]) for match in found)
    center = _center(airspace)
    arc = arc_between(center, start, end, clockwise=airspace.clockwise)
    if not 0.0 < arc.least_m <= arc.radius_m <= MAX_FRAME_SPAN_M:
        raise ValueError(f"a radius of {arc.radius_m:.0f} m is not above 0 and up to 300 km")
    airspace.parts.extend((start, arc, end))


_SHAPES: Mapping[str, Callable[[_Airspace, str], None]] = {
    "AL": _floor, "AH": _ceiling, "DP": _point, "DC": _circle, "DA": _arc_by_angles,
    "DB": _arc_by_ends,
}  # fmt: skip


def _center(airspace: _Airspace) -> LatLon:
    if airspace.center is None:
        raise ValueError("no center: a V X= must stand before it")
    return airspace.center


def _radius(text: str) -> float:
    radius_m = _number(text, "a radius") * NAUTICAL_MILE_M
    if not 0.0 < radius_m <= MAX_FRAME_SPAN_M:
        raise ValueError(f"{text!r} is not a radius in nautical miles, above 0 and up to 300 km")
    return radius_m


def _number(text: str, what: str) -> float:
    if re.fullmatch(r"\d{1,9}(\.\d{0,9})?|\.\d{1,9}", text.strip(), re.ASCII):
        return float(text)
    raise ValueError(f"{text!r} is not {what}")


def _coordinate(text: str) -> LatLon:
    """DD:MM:SS N DDD:MM:SS E, DD:MM.mmm or DD.ddd alike. Raises ValueError."""
    found = _COORDINATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:80]!r} is not a coordinate as 60:19:02 N 024:57:48 E")
    lat, lon = _degrees(found.groups()[:6]), _degrees(found.groups()[6:])
    return LatLon(lat, lon)


def _degrees(groups: tuple[str | None, ...]) -> float:
    whole, minutes, seconds, decimal_minutes, fraction, side = groups
    minute = float(decimal_minutes or minutes or 0.0)
    second = float(seconds or 0.0)
    if minute >= 60.0 or second >= 60.0:
        raise ValueError(f"{minute:g} minutes or {second:g} seconds are 60 or more")
    value = float(whole or 0) + float(f"0{fraction or ''}") + minute / 60.0 + second / 3600.0
    return -value if (side or "").upper() in "SW" else value


def _areas(airspace: _Airspace) -> list[Area]:
    shape = airspace.shape
    if airspace.circles and airspace.parts:
        shape.add("", "DC", "a circle and corners in one airspace")
    if shape.found:
        return []
    if airspace.circles:
        return list(airspace.circles)
    ring = outline(airspace.parts)
    if len(ring) < 3 or len(ring) > MAX_VERTICES:
        shape.add("", "DP", f"{len(ring)} corners: an area has 3 to {MAX_VERTICES}")
        return []
    area = PolygonArea(ring)
    fault = polygon_fault(area)
    if fault:
        shape.add("", "DP", fault)
        return []
    return [area]


def _zones(zone_id: str, airspace: _Airspace, areas: list[Area]) -> list[Zone]:
    kind = _kind(zone_id, airspace)
    floor, ceiling = airspace.floor, airspace.ceiling
    if (
        floor is not None
        and ceiling is not None
        and floor.datum is ceiling.datum
        and floor.value_m > ceiling.value_m
    ):
        airspace.faults.add(zone_id, "AL", "it is above AH")
    if airspace.faults.found or airspace.shape.found:
        return []
    note = "; ".join(f"{key} {value}" for key, value in airspace.told.items())
    zone_type = airspace.airspace_type or airspace.airspace_class
    words = canonical({"class": airspace.airspace_class, **airspace.told})
    return [
        Zone(
            zone_id if len(areas) == 1 else f"{zone_id}#{number}",
            airspace.name,
            kind,
            area,
            floor,
            ceiling,
            classes=_DRONES,
            permit=airspace.label if kind is ZoneKind.RESTRICTED else None,
            note=note,
            source=Source("openair", type=zone_type, words=words),
        )
        for number, area in enumerate(areas, start=1)
    ]


def _kind(zone_id: str, airspace: _Airspace) -> ZoneKind:
    kinds: list[ZoneKind] = []
    for record, value in (("AC", airspace.airspace_class), ("AY", airspace.airspace_type)):
        if value in _KINDS:
            kinds.append(_KINDS[value])
        elif value or record == "AC":
            airspace.faults.add(zone_id, record, f"class {value[:40]!r} is unknown")
    return max(kinds, key=_STRICTNESS.index, default=ZoneKind.NO_FLY)
