"""KML 2.2 (OGC 07-147): read polygons as zones.

Owns Placemarks with Polygons (10.8), their altitudeMode and extrude (9.20, 10.3), TimeSpan (15.1)
and the ExtendedData (9.3) that says what a zone demands: kind, and if wanted id, floor, ceiling
(GND, 120 m AGL, 400ft AMSL, UNL), permit, classes, note. What only draws is passed over. Must not
know other formats.

An extruded polygon reaches from the ground up to its highest corner, above ground
(relativeToGround) or above sea level (absolute). Every other polygon has no limits: a surface is
no volume. A floor or ceiling in ExtendedData goes before that. A document type declaration is
refused, so no entity is ever expanded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from xml.parsers import expat

from geofence.formats.fields import Faults, canonical, check_timezone, read_moment
from geofence.formats.files import (
    MAX_BYTES,
    MAX_FEATURES,
    Gathering,
    Unknown,
    numbered,
    refused,
)
from geofence.formats.heights import parse_height
from geofence.formats.shapes import read_areas
from geofence.frames import Altitude, Datum
from geofence.schedule import ALWAYS, Schedule
from geofence.zones import Area, Source, VehicleClass, Zone, ZoneKind

_MAX_DEPTH = 100
_CONTAINERS = frozenset({"kml", "Document", "Folder"})
_NO_AREA = frozenset(
    {"GroundOverlay", "PhotoOverlay", "ScreenOverlay", "NetworkLink", "Tour", "NetworkLinkControl"}
)
_WANTED = frozenset({"Placemark", "Polygon"})
_GEOMETRIES = frozenset({"Point", "LineString", "LinearRing", "Model", "Track", "MultiTrack"})
_DATA = ("kind", "id", "floor", "ceiling", "permit", "classes", "note")
_MODES = ("clampToGround", "relativeToGround", "absolute", "clampToSeaFloor", "relativeToSeaFloor")


@dataclass(slots=True)
class _Node:
    """One element: its name without namespace, its attributes, text and children."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list[_Node] = field(default_factory=list)

    def all(self, name: str) -> list[_Node]:
        return [child for child in self.children if child.name == name]

    def say(self, name: str) -> str:
        """The text of the first child of this name."""
        return next((child.text.strip() for child in self.all(name)), "")

    def walk(self) -> Iterator[_Node]:
        yield self
        for child in self.children:
            yield from child.walk()


def read_zones(
    data: bytes | str, *, unknown: Unknown = "refuse", timezone: str | None = None
) -> tuple[Zone, ...]:
    """The zones of a KML document; a MultiGeometry becomes `id#1`, `id#2` ...

    `timezone` (IANA) is of the times that have no offset. Raises ZoneFileError with every fault
    found (id or name of the Placemark, element, reason), ValueError for a `timezone` that is none.
    With `unknown="forbid"` a Placemark whose area alone is understood becomes a no-fly zone there.
    """
    check_timezone(timezone)
    root = _parse(data)
    if root.name != "kml":
        raise refused("kml", f"the root is {root.name!r}, not kml")
    gathering = Gathering(unknown)
    for number, placemark in enumerate(_placemarks(root, gathering), start=1):
        if number > MAX_FEATURES:
            raise refused("Placemark", f"more than {MAX_FEATURES}: split the file")
        _read(number, placemark, gathering, timezone)
    return gathering.zones()


def _parse(data: bytes | str) -> _Node:
    if len(data) > MAX_BYTES:
        raise refused("size", f"{len(data)} bytes, more than {MAX_BYTES}: split it")
    if isinstance(data, bytes) and data.startswith(b"PK"):
        raise refused("kmz", "a KMZ archive: unpack it and give the KML inside")
    top = _Node("", {})
    stack = [top]

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > _MAX_DEPTH:
            raise refused("xml", f"nested deeper than {_MAX_DEPTH}")
        node = _Node(name.rpartition(" ")[2], attributes)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_: str) -> None:
        stack.pop()

    def text(value: str) -> None:
        pieces.setdefault(id(stack[-1]), (stack[-1], []))[1].append(value)

    def doctype(*_: object) -> None:
        raise refused("xml", "it has a document type declaration")

    pieces: dict[int, tuple[_Node, list[str]]] = {}
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data.encode() if isinstance(data, str) else data, True)  # noqa: FBT003
    except (expat.ExpatError, UnicodeError, LookupError) as error:
        raise refused("xml", str(error)) from error
    for node, found in pieces.values():
        node.text = "".join(found)
    return top.children[0]


def _placemarks(root: _Node, gathering: Gathering) -> list[_Node]:
    found: list[_Node] = []
    for node in root.children:
        if node.name == "Placemark":
            found.append(node)
        elif node.name in _CONTAINERS:
            found.extend(_placemarks(node, gathering))
        elif node.name in _NO_AREA or any(n.name in _WANTED for n in node.walk()):
            name = node.say("name") or node.name
            gathering.fault(
                name, node.name[:80], "not understood: Placemarks in Documents and Folders are read"
            )
    return found


def _read(number: int, placemark: _Node, gathering: Gathering, timezone: str | None) -> None:
    shape, faults = Faults(), Faults()
    told = _extended(placemark, faults)
    zone_id = told.get("id") or placemark.attributes.get("id") or placemark.say("name")
    if not zone_id or len(zone_id) > 200:
        zone_id = f"#{number}"
        faults.add(zone_id, "id", "no id and no name of at most 200 characters")
    polygons = _polygons(zone_id, placemark, shape)
    if sum(node.name in {"Polygon", "Placemark"} for node in placemark.walk()) > len(polygons) + 1:
        shape.add(zone_id, "Polygon", "one stands where it is not read: use MultiGeometry alone")
    areas: list[Area] = []
    limits: list[tuple[Altitude | None, Altitude | None]] = []
    for polygon in polygons:
        area = _area(zone_id, polygon, shape)
        if area is not None:
            areas.append(area[0])
            limits.append((None, _top(zone_id, polygon, area[1], faults)))
    if not areas and not shape.found:
        shape.add(zone_id, "Polygon", "the Placemark has none")
    schedule = _schedule(zone_id, placemark, faults, timezone)
    volumes = list(zip(areas, limits, strict=True))
    zones = _zones(zone_id, placemark, told, volumes, faults, schedule=schedule)
    found = Faults()
    for fault in (*shape.found, *faults.found):
        found.add(zone_id, fault.field, fault.reason)
    gathering.add(number, zone_id, zones, [] if shape.found else areas, found)


def _extended(placemark: _Node, faults: Faults) -> dict[str, str]:
    told: dict[str, str] = {}
    for extended in placemark.all("ExtendedData"):
        for node in extended.walk():
            if node.name not in {"Data", "SimpleData"}:
                continue
            name = node.attributes.get("name", "")
            value = node.say("value") if node.name == "Data" else node.text.strip()
            if name not in _DATA:
                faults.add("", f"ExtendedData.{name[:80]}", f"unknown: use {', '.join(_DATA)}")
            elif name in told:
                faults.add("", f"ExtendedData.{name}", "it stands there twice")
            else:
                told[name] = value
    return told


def _polygons(zone_id: str, node: _Node, shape: Faults) -> list[_Node]:
    found: list[_Node] = []
    for child in node.children:
        if child.name == "Polygon":
            found.append(child)
        elif child.name == "MultiGeometry":
            found.extend(_polygons(zone_id, child, shape))
        elif child.name in _GEOMETRIES:
            shape.add(zone_id, child.name, "it is no area: use Polygon")
    return found


def _area(zone_id: str, polygon: _Node, shape: Faults) -> tuple[Area, list[float]] | None:
    before = len(shape.found)
    rings: list[list[list[float]]] = []
    for side in ("outerBoundaryIs", "innerBoundaryIs"):
        for boundary in polygon.all(side):
            rings.extend(
                _corners(zone_id, ring.say("coordinates"), shape)
                for ring in boundary.all("LinearRing")
            )
        if side == "outerBoundaryIs" and len(rings) != 1:
            shape.add(zone_id, side, f"{len(rings)} outer rings: a Polygon has one")
    if len(shape.found) > before:
        return None
    flat = [[corner[:2] for corner in ring] for ring in rings]
    areas = read_areas(zone_id, {"type": "Polygon", "coordinates": flat}, None, shape)
    heights = [corner[2] for corner in rings[0] if len(corner) > 2]
    return (areas[0], heights) if areas else None


def _corners(zone_id: str, text: str, shape: Faults) -> list[list[float]]:
    found: list[list[float]] = []
    for item in text.split():
        try:
            numbers = [float(number) for number in item.split(",")]
        except ValueError:
            numbers = []
        if not 2 <= len(numbers) <= 3:
            shape.add(zone_id, "coordinates", f"{item[:80]!r} is not longitude,latitude[,height]")
            return []
        found.append(numbers)
    return found


def _top(zone_id: str, polygon: _Node, heights: list[float], faults: Faults) -> Altitude | None:
    mode = polygon.say("altitudeMode") or "clampToGround"
    if mode not in _MODES:
        faults.add(zone_id, "altitudeMode", f"{mode[:40]!r} is unknown")
        return None
    if polygon.say("extrude") not in {"1", "true"} or not heights:
        return None
    if mode not in {"relativeToGround", "absolute"}:
        return None
    top = max(heights)
    if not -1e6 < top < 1e6:
        faults.add(zone_id, "coordinates", f"{top} is no height in metres")
        return None
    return Altitude(top, Datum.AGL if mode == "relativeToGround" else Datum.AMSL)


def _zones(
    zone_id: str,
    placemark: _Node,
    told: dict[str, str],
    volumes: list[tuple[Area, tuple[Altitude | None, Altitude | None]]],
    faults: Faults,
    *,
    schedule: Schedule,
) -> list[Zone]:
    kind = _kind(zone_id, told, faults)
    own: dict[str, Altitude | None] = {}
    for name in ("floor", "ceiling"):
        if name in told:
            try:
                own[name] = parse_height(told[name], upper=name == "ceiling")
            except ValueError as error:
                faults.add(zone_id, f"ExtendedData.{name}", str(error))
    classes = _classes(zone_id, told.get("classes"), faults)
    zones: list[Zone] = []
    for (part_id, area), (_, limits) in zip(
        numbered(zone_id, [area for area, _ in volumes]), volumes, strict=True
    ):
        floor, ceiling = own.get("floor", limits[0]), own.get("ceiling", limits[1])
        if floor and ceiling and floor.datum is ceiling.datum and floor.value_m > ceiling.value_m:
            faults.add(zone_id, "floor", "it is above the ceiling")
        zones.append(
            Zone(
                part_id,
                placemark.say("name"),
                kind,
                area,
                floor,
                ceiling,
                schedule,
                classes,
                told.get("permit") or None,
                told.get("note") or placemark.say("description")[:2_000],
                source=Source("kml", words=canonical(told)),
            )
        )
    return [] if faults.found else zones


def _kind(zone_id: str, told: dict[str, str], faults: Faults) -> ZoneKind:
    value = told.get("kind", "").lower()
    if value in list(ZoneKind):
        return ZoneKind(value)
    said = f"{value[:40]!r} is unknown" if value else "missing"
    faults.add(zone_id, "ExtendedData.kind", f"{said}: use one of {', '.join(ZoneKind)}")
    return ZoneKind.NO_FLY


def _classes(zone_id: str, text: str | None, faults: Faults) -> frozenset[VehicleClass]:
    if text is None:
        return frozenset()
    names = [name.strip() for name in text.split(",")]
    known = [name for name in names if name in list(VehicleClass)]
    if len(known) < len(names):
        faults.add(zone_id, "ExtendedData.classes", f"{text[:80]!r}: use {', '.join(VehicleClass)}")
    return frozenset(VehicleClass(name) for name in known)


def _schedule(zone_id: str, placemark: _Node, faults: Faults, timezone: str | None) -> Schedule:
    if placemark.all("TimeStamp"):
        faults.add(zone_id, "TimeStamp", "it is no span of time: use TimeSpan")
    spans = placemark.all("TimeSpan")
    if not spans:
        return ALWAYS
    if len(spans) > 1:
        faults.add(zone_id, "TimeSpan", "it stands there twice")
    found: list[datetime | None] = [
        read_moment(
            zone_id,
            f"TimeSpan.{side}",
            spans[0].say(side) or None,
            faults,
            timezone=timezone,
            late=side == "end",
        )
        for side in ("begin", "end")
    ]
    begin, end = found
    if begin is not None and end is not None and end <= begin:
        faults.add(zone_id, "TimeSpan.end", "not after begin: it never applies")
    return Schedule((), "UTC", begin, end)
