"""Which ways of an OpenStreetMap extract a sidewalk robot may use, and what their tags say.

Owns the reading of tags. Must not make a graph: `streets` does.

Tags as in the OpenStreetMap wiki: Key:highway, Key:access, Key:foot, Key:oneway, Key:width,
Key:incline, Key:surface, Key:barrier, Key:opening_hours, Tag:footway=crossing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from geofence.frames import LatLon
from geofence.schedule import Schedule
from missions.opening import HoursError, read_hours
from missions.roads import Passage, StreetError, StreetFileError

SPEED_MPS: Mapping[str, float] = {
    "footway": 1.7,
    "pedestrian": 1.7,
    "path": 1.4,
    "cycleway": 2.0,
    "living_street": 1.7,
    "residential": 2.0,
    "service": 1.7,
    "unclassified": 2.0,
    "elevator": 0.5,
}
"""The kinds of street that a sidewalk robot may use, with the most that it may drive there.
Steps are none of them."""

ROADS = frozenset({"living_street", "residential", "service", "unclassified", "cycleway"})
"""Kinds whose `oneway` holds for robots too, unless a pavement is tagged on them."""

_CLOSED_ACCESS = frozenset({"no", "private", "use_sidepath"})
_YES = frozenset({"yes", "designated", "permissive", "official"})
_GATES = frozenset({"gate", "lift_gate", "swing_gate", "sliding_gate", "hampshire_gate", "chain"})
_IMPASSABLE = frozenset(
    {
        "stile", "turnstile", "full-height_turnstile", "kissing_gate", "cycle_barrier", "wall",
        "fence", "log", "debris", "jersey_barrier", "horse_stile", "sump_buster",
    }
)  # fmt: skip
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(m|cm|mm|km|ft|')?")
_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "km": 1000.0, "ft": 0.3048, "'": 0.3048}
_INCLINE = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(%|°)")


@dataclass(frozen=True, slots=True)
class WayTraits:
    """What the tags of a way say beside its kind. `one_way`: 1 along its points, -1 against."""

    one_way: int = 0
    width_m: float | None = None
    incline_pct: float | None = None
    surface: str = ""
    passage: Passage | None = None
    hours: Schedule | None = None


PLAIN = WayTraits()


@dataclass(frozen=True, slots=True)
class NodeTraits:
    """What the tags of a node on a way say. `blocked`: no robot passes it."""

    blocked: bool = False
    hours: Schedule | None = None
    width_m: float | None = None
    passage: Passage | None = None


@dataclass(frozen=True, slots=True)
class OsmWay:
    """A way that a robot may use: (node reference, position) in the way's order."""

    way_id: int
    kind: str
    points: tuple[tuple[int, LatLon], ...]
    traits: WayTraits = PLAIN
    nodes: Mapping[int, NodeTraits] = field(default_factory=lambda: MappingProxyType({}))
    """What is known of some of its points, by reference."""


def read_ways(path: Path, timezone: str = "") -> Iterator[OsmWay]:
    """Every usable way of an extract (.osm.pbf, .osm.bz2, .osm), in file order.

    `timezone`: IANA, of opening hours in it; without it a gate with hours stays shut.
    """
    try:
        import osmium  # an extra: the rest of the command line works without
    except ImportError as error:
        raise unreadable(
            path, "reading it needs osmium: install the extra with pip install 'waypost[osm]'"
        ) from error
    if not path.is_file():
        raise unreadable(path, "no such file")
    told: dict[int, NodeTraits] = {}
    try:
        for item in osmium.FileProcessor(
            str(path), osmium.osm.NODE | osmium.osm.WAY
        ).with_locations():
            if isinstance(item, osmium.osm.Node):
                if len(item.tags):
                    traits = node_traits({tag.k: tag.v for tag in item.tags}, timezone)
                    if traits is not None:
                        told[item.id] = traits
                continue
            if not isinstance(item, osmium.osm.Way):
                continue
            tags = {tag.k: tag.v for tag in item.tags}
            kind = usable_kind(tags)
            if kind:
                points = tuple(
                    (node.ref, LatLon(node.location.lat, node.location.lon))
                    for node in item.nodes
                    if node.location.valid()
                )
                known = {ref: told[ref] for ref, _ in points if ref in told}
                traits_of = way_traits(kind, tags, timezone)
                if traits_of is not None:
                    yield OsmWay(item.id, kind, points, traits_of, known)
    except (RuntimeError, ValueError) as error:
        raise unreadable(path, f"is not a readable OpenStreetMap extract: {error}") from error


def usable_kind(tags: Mapping[str, str]) -> str:
    """The kind of street if a sidewalk robot may use it, else ''."""
    kind = tags.get("highway", "")
    if kind not in SPEED_MPS or tags.get("area") == "yes":
        return ""
    foot = tags.get("foot", "")
    if foot in _CLOSED_ACCESS or (tags.get("access") in _CLOSED_ACCESS and foot not in _YES):
        return ""
    # what holds only at times, or for whom, is not understood: shut
    if "foot:conditional" in tags or "access:conditional" in tags:
        return ""
    if tags.get("wheelchair") == "no" or tags.get("smoothness") in {"horrible", "impassable"}:
        return ""
    if (
        tags.get("indoor") == "yes"
        or tags.get("conveying")
        or tags.get("tunnel") == "building_passage"
    ):
        return ""
    if tags.get("level", "0") not in {"0", ""} or tags.get("covered") == "yes":
        return "" if kind != "elevator" else kind
    return kind


def way_traits(kind: str, tags: Mapping[str, str], timezone: str) -> WayTraits | None:
    """What a way's tags say; None where hours cannot be understood, so that it stays shut."""
    hours, understood = _hours(tags, timezone)
    if not understood:
        return None
    passage = None
    if "crossing" in {tags.get("footway"), tags.get("cycleway"), tags.get("path")}:
        passage = Passage.CROSSING
    elif kind == "elevator":
        passage = Passage.LIFT
    return WayTraits(
        one_way=_one_way(kind, tags),
        width_m=_narrowest(tags),
        incline_pct=incline_pct(tags.get("incline", "")),
        surface=tags.get("surface", ""),
        passage=passage,
        hours=hours,
    )


def node_traits(tags: Mapping[str, str], timezone: str) -> NodeTraits | None:
    """What a node's tags say that matters to a robot; None where nothing does."""
    if tags.get("highway") == "elevator":
        return NodeTraits(passage=Passage.LIFT)
    barrier = tags.get("barrier", "")
    if not barrier or tags.get("locked") == "no":
        return None
    shut = tags.get("foot", tags.get("access", "")) in _CLOSED_ACCESS
    if barrier in _IMPASSABLE or shut or tags.get("locked") == "yes":
        return NodeTraits(blocked=True)
    hours, understood = _hours(tags, timezone) if barrier in _GATES else (None, True)
    if not understood:
        return NodeTraits(blocked=True)
    width_m = _narrowest(tags)
    return NodeTraits(hours=hours, width_m=width_m) if hours or width_m is not None else None


def incline_pct(text: str) -> float | None:
    """Metres for a hundred, rising with the way's direction; None where no number is told."""
    found = _INCLINE.fullmatch(text.strip())
    if found is None:
        return None
    value = float(found.group(1))
    if found.group(2) == "°":
        value = 100.0 * math.tan(math.radians(max(-45.0, min(45.0, value))))
    return value if abs(value) <= 100.0 else None


def length_m(text: str) -> float | None:
    """A length in metres, as Key:width writes it; None where it is no length."""
    found = _LENGTH.fullmatch(text.strip().replace(",", "."))
    return None if found is None else float(found.group(1)) * _METRES[found.group(2) or "m"]


def unreadable(path: Path, reason: str) -> StreetFileError:
    """The error of a file as a whole."""
    return StreetFileError((StreetError(path.name, "file", reason),))


def _narrowest(tags: Mapping[str, str]) -> float | None:
    told = (tags.get(key, "") for key in ("width", "maxwidth:physical", "maxwidth"))
    found = [width for text in told if (width := length_m(text)) is not None]
    return min(found, default=None)


def _one_way(kind: str, tags: Mapping[str, str]) -> int:
    word = tags.get("oneway:foot", tags.get("foot:oneway", ""))
    beside = tags.get("sidewalk", "no") not in {"no", "none", "separate"}
    if not word and kind in ROADS and not beside:
        word = tags.get("oneway", "")
    return {"yes": 1, "true": 1, "1": 1, "-1": -1, "reverse": -1}.get(word, 0)


def _hours(tags: Mapping[str, str], timezone: str) -> tuple[Schedule | None, bool]:
    """The hours that are told, and whether they were understood."""
    text = tags.get("opening_hours", "")
    if not text or text.strip() == "24/7":
        return None, True
    if not timezone:
        return None, False
    try:
        return read_hours(text, timezone), True
    except HoursError:
        return None, False
