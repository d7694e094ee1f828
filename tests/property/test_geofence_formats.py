"""Zones in the authorities' formats: round trips, and nonsense that is refused and never breaks."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.errors import ZoneFileError
from geofence.formats import FORMATS, ed269, ed318, kml, openair, read_any
from geofence.formats.authority import Layer, build_zones
from geofence.formats.fields import canonical
from geofence.frames import Altitude, Datum, LatLon
from geofence.schedule import Schedule, Window, joined
from geofence.sun import SunEvent
from geofence.zones import CircleArea, PolygonArea, Source, Zone
from geofence.zoneset import ZoneSet

EXAMPLES = settings(max_examples=50, deadline=None)

words_of_any = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts = st.lists(
    st.fixed_dictionaries({"text": words_of_any, "lang": st.sampled_from(["en-GB", "fi", "und"])}),
    min_size=1,
    max_size=3,
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
# 23:59 as an end is read as midnight, which is its own test
sides = st.times(max_value=time(23, 58)) | st.sampled_from(SunEvent)
windows = st.builds(Window, st.frozensets(st.integers(0, 6), min_size=1), sides, sides)
limits = st.none() | st.builds(
    Altitude,
    st.floats(-500.0, 20_000.0),
    st.sampled_from([Datum.AMSL, Datum.AGL, Datum.WGS84]),
)


@st.composite
def periods(draw) -> Schedule:
    begin, end = draw(st.none() | moments), draw(st.none() | moments)
    if begin is not None and end is not None and end <= begin:
        end = begin + timedelta(seconds=1)
    return Schedule(tuple(draw(st.lists(windows, max_size=2))), "UTC", begin, end)


@st.composite
def layers(draw) -> Layer:
    lat, lon = draw(st.floats(-80.0, 80.0)), draw(st.floats(-170.0, 170.0))
    floor, ceiling = draw(limits), draw(limits)
    if floor and ceiling and floor.datum == ceiling.datum and floor.value_m > ceiling.value_m:
        floor, ceiling = ceiling, floor
    if draw(st.booleans()):
        area = CircleArea(LatLon(lat, lon), draw(st.floats(0.001, 100_000.0)))
        return Layer(area, floor, ceiling)
    w, h = draw(st.floats(1e-6, 5.0)), draw(st.floats(1e-6, 5.0))
    ring = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    shell = tuple(LatLon(lat + y * h, lon + x * w) for x, y in ring)
    hole = tuple(LatLon(lat + (0.25 + y / 2) * h, lon + (0.25 + x / 2) * w) for x, y in ring)
    return Layer(PolygonArea(shell, (hole,) if draw(st.booleans()) else ()), floor, ceiling)


@st.composite
def features(draw, form: str, types: list[str]) -> list[Zone]:
    """The zones of one feature, as a reader makes them."""
    words = {
        "variant": draw(st.sampled_from(["COMMON", "CUSTOMIZED"])),
        "zoneAuthority": [
            {
                "name": draw(texts)[:1],
                "purpose": draw(st.sampled_from(["AUTHORIZATION", "INFORMATION"])),
                "email": "a@b",
            }
        ],
        "reason": draw(st.lists(st.sampled_from(["NOISE", "NATURE", "OTHER"]), max_size=3)),
    }
    for key in ("name", "message"):
        if draw(st.booleans()):
            words[key] = draw(texts)
    if form == "ed269":
        # one text, of no language
        for holder in (words, words["zoneAuthority"][0]):
            for key in ("name", "message"):
                if key in holder:
                    holder[key] = [{"text": holder[key][0]["text"], "lang": "und"}]
    identifier = draw(st.text("ABCXYZ0123456789", min_size=1, max_size=7))
    source = Source(form, identifier, "FIN", draw(st.sampled_from(types)), canonical(words))
    schedule = joined(draw(st.lists(periods(), max_size=2)))
    return build_zones(source, words, draw(st.lists(layers(), min_size=1, max_size=2)), schedule)


def files(form: str, types: list[str]):
    # a second feature of the same identifier is refused, which is its own test
    made = st.lists(
        features(form, types), max_size=2, unique_by=lambda group: group[0].source.identifier
    )
    return made.map(lambda groups: [zone for group in groups for zone in group])


NEWER = ["PROHIBITED", "REQ_AUTHORIZATION", "CONDITIONAL", "USPACE", "NO_RESTRICTION"]
OLDER = ["PROHIBITED", "REQ_AUTHORIZATION", "CONDITIONAL", "NO_RESTRICTION"]


@EXAMPLES
@given(files("ed318", NEWER))
def test_ed_318_comes_back(zones) -> None:
    text = json.dumps(ed318.write_zones(zones))
    read = ed318.read_zones(text)
    assert read == tuple(zones)
    assert ZoneSet(read).version == ZoneSet(zones).version
    if zones:
        assert read_any(text) == read


@EXAMPLES
@given(files("ed269", OLDER))
def test_ed_269_comes_back(zones) -> None:
    text = json.dumps(ed269.write_zones(zones))
    assert [same_but_height(z) for z in read_any(text)] == [same_but_height(z) for z in zones]


def same_but_height(zone: Zone) -> tuple:
    # texts of limits are written to a nanometre
    heights = [
        None if limit is None else (round(limit.value_m, 6), limit.datum)
        for limit in (zone.floor, zone.ceiling)
    ]
    return (
        zone.zone_id, zone.name, zone.kind, zone.area, zone.schedule, zone.classes, zone.permit,
        zone.note, zone.source, heights,
    )  # fmt: skip


nonsense = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(node, path=()):
    yield path
    if isinstance(node, dict):
        items = node.items()
    else:
        items = enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def spoil(document, path, value):
    if not path:
        return value
    spoilt = copy.deepcopy(document)
    inner = spoilt
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return spoilt


def answers(read, text) -> None:
    """Refused with names and reasons, or read as zones that a set takes; nothing else."""
    for unknown in ("refuse", "forbid"):
        faults, zones = (), ()
        try:
            zones = read(text, unknown=unknown)
        except ZoneFileError as error:
            faults = error.errors
            # a refusal without a fault would be no answer
            zones = () if faults else (None,)
        assert all(fault.feature and fault.field and fault.reason for fault in faults)
        ZoneSet(zones)


@EXAMPLES
@given(features("ed318", NEWER), st.data())
def test_nonsense_in_ed_318(zones, data) -> None:
    document = ed318.write_zones(zones)
    path = data.draw(st.sampled_from(list(places(document))))
    answers(ed318.read_zones, json.dumps(spoil(document, path, data.draw(nonsense))))


@EXAMPLES
@given(features("ed269", OLDER), st.data())
def test_nonsense_in_ed_269(zones, data) -> None:
    document = ed269.write_zones(zones)
    path = data.draw(st.sampled_from(list(places(document))))
    answers(ed269.read_zones, json.dumps(spoil(document, path, data.draw(nonsense))))


LINES = [
    "AC R", "AC CTR", "AC", "AN Name", "AN", "AL GND", "AH FL65", "AH 1000 ft", "AY X", "AI 7",
    "V X=60:00:00 N 024:00:00 E", "V D=-", "V D=+", "V", "DC 1", "DC", "DA 1,0,90", "DA 3,200,10",
    "DB 60:01:00 N 024:00:00 E, 60:00:00 N 024:02:00 E", "DP 60:01:00 N 024:01:00 E",
    "DP 60:02:00 N 024:05:00 E", "DP 60:05:00 N 024:00:00 E", "DP 90:00:00 N 180:00:00 W", "* x",
    "", "TO x", "DP", "AA NONE",
]  # fmt: skip


@EXAMPLES
@given(st.lists(st.sampled_from(LINES) | st.text(max_size=20), max_size=14).map("\n".join))
def test_nonsense_in_open_air(text) -> None:
    answers(openair.read_zones, text)
    answers(openair.read_zones, text.encode("utf-8", "surrogatepass"))


TAGS = ["kml", "Document", "Placemark", "Polygon", "outerBoundaryIs", "LinearRing", "coordinates"]
MARKUP = st.sampled_from(
    [f"<{tag}>" for tag in TAGS]
    + [f"</{tag}>" for tag in TAGS]
    + [
        "1,2 3,4 5,7 1,2",
        "<name>x</name>",
        "<MultiGeometry/>",
        "&lt;",
        "&x;",
        "<extrude>1</extrude>",
    ]
)


@EXAMPLES
@given(st.lists(MARKUP | st.text(max_size=8), max_size=14).map("".join), st.booleans())
def test_nonsense_in_kml(inner, wrapped) -> None:
    answers(kml.read_zones, f"<kml><Placemark>{inner}</Placemark></kml>" if wrapped else inner)


@EXAMPLES
@given(st.binary(max_size=60) | st.text(max_size=60), st.sampled_from(["auto", *FORMATS]))
def test_any_bytes_in_any_format(data, form) -> None:
    answers(lambda d, unknown: read_any(d, "f", form=form, unknown=unknown), data)
