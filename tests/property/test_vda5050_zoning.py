"""Zone sets for robots of version 3: the same ground, the official form, one id a content."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point, Polygon, union_all

from geofence.frames import Altitude, Datum, LatLon
from geofence.heights import Surroundings
from geofence.schedule import Schedule, Window
from geofence.zones import CircleArea, PolygonArea, VehicleClass, VehicleTraits, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.survey import RigidTransform
from vehicles.vda5050.zoning import Compiled, compile_zones
from vehicles.zonekeeping import Turn

NOON = datetime(2026, 6, 8, 12, tzinfo=UTC)
SPAN = (NOON, NOON + timedelta(hours=1))
ROBOT = VehicleTraits(VehicleClass.ROBOT)
SITE = SiteMap("site", LatLon(60.17, 24.94), 10.0, 15.0, RigidTransform(0.7, 300.0, -40.0))
PLAIN = SiteMap("plain", LatLon(60.17, 24.94), 10.0)


def at(east_m: float, north_m: float) -> LatLon:
    return PLAIN.to_latlon(east_m, north_m)


def square(half_m: float) -> tuple[LatLon, ...]:
    return tuple(at(x * half_m, y * half_m) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)))


def zone(zone_id: str = "z", **known: object) -> Zone:
    plain = Zone(zone_id, zone_id, ZoneKind.NO_FLY, PolygonArea(square(100.0)))
    return replace(plain, **known)


def made(*zones: Zone, **more: object) -> Compiled:
    ground = more.pop("ground", Surroundings(10.0, 18.0))
    return compile_zones(ZoneSet(zones), SITE, ROBOT, ground, SPAN, **more)


def shapes(compiled: Compiled) -> list[Polygon]:
    return [Polygon([(v.x, v.y) for v in z.vertices]) for z in compiled.zone_set.zones]


def kinds(compiled: Compiled) -> dict[str, str]:
    return {z.zone_id: z.zone_type for z in compiled.zone_set.zones}


def test_each_kind_of_zone_has_its_counterpart() -> None:
    compiled = made(
        zone("shut"),
        zone("permit", kind=ZoneKind.RESTRICTED, permit="tower"),
        zone("told", kind=ZoneKind.ADVISORY),
        zone("slow", kind=ZoneKind.ADVISORY, max_speed_mps=1.0),
        zone("inside", kind=ZoneKind.KEEP_IN),
        zone("air", classes=frozenset({VehicleClass.MULTIROTOR})),
        zone("high", floor=Altitude(30.0, Datum.AGL)),
        zone("higher", floor=Altitude(60.0, Datum.AMSL)),
        zone("low", floor=Altitude(5.0, Datum.AMSL)),
        permits=frozenset({"tower"}),
        turns=[Turn("crossing:c", (at(0, 0), at(12, 0)), may_stop=False)],
    )
    assert kinds(compiled) == {
        "shut": "BLOCKED",
        "slow": "SPEED_LIMIT",
        "low": "BLOCKED",
        "crossing:c": "RELEASE",
    }
    assert list(compiled.left_out) == ["inside"]
    (crossing,) = (z for z in compiled.zone_set.zones if z.zone_type == "RELEASE")
    assert crossing.release_loss_behavior == "CONTINUE"
    unknown = made(zone("higher", floor=Altitude(60.0, Datum.AMSL)), ground=Surroundings())
    assert kinds(unknown) == {"higher": "BLOCKED"}


def test_a_set_is_for_a_span_and_named_by_its_content() -> None:
    night = Schedule((Window(start=time(22), end=time(5)),), "UTC")
    by_day, by_night = made(zone(), zone("n", schedule=night)), made(zone())
    assert by_day == by_night
    later = compile_zones(
        ZoneSet([zone(), zone("n", schedule=night)]), SITE, ROBOT, Surroundings(10.0, 18.0),
        (NOON, NOON + timedelta(hours=11)),
    )  # fmt: skip
    assert kinds(later) == {"z": "BLOCKED", "n": "BLOCKED"}
    assert later.zone_set.zone_set_id != by_day.zone_set.zone_set_id
    far = made(zone(area=CircleArea(LatLon(61.5, 24.94), 100.0)))
    assert "more than 20 km" in far.left_out["z"]


@settings(deadline=None, max_examples=60)
@given(
    st.floats(20.0, 3_000.0),
    st.floats(0.1, 0.8),
    st.lists(st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)), min_size=5, max_size=20),
)
def test_pieces_cover_what_the_zone_covers_and_no_hole(
    half_m: float, share: float, probes: list[tuple[float, float]]
) -> None:
    compiled = made(zone(area=PolygonArea(square(half_m), (square(half_m * share),))))
    pieces = shapes(compiled)
    assert all(p.is_valid and p.exterior.is_ccw for p in pieces)
    whole = union_all(pieces)
    for east, north in probes:
        far = max(abs(east), abs(north))
        if min(abs(far - 1.0), abs(far - share)) * half_m < 1.0:
            continue
        x, y = SITE.to_map(at(east * half_m, north * half_m))
        assert whole.buffer(0.01).contains(Point(x, y)) is (share < far < 1.0)


@settings(deadline=None, max_examples=60)
@given(st.floats(1.0, 5_000.0), st.floats(0.0, 360.0), st.floats(-3_000.0, 3_000.0))
def test_a_circle_is_wholly_inside_its_polygon(radius: float, turn: float, east: float) -> None:
    center = at(east, 50.0)
    (shape,) = shapes(made(zone(area=CircleArea(center, radius))))
    edge = SiteMap("here", center).to_latlon(
        radius * math.sin(math.radians(turn)), radius * math.cos(math.radians(turn))
    )
    assert shape.contains(Point(SITE.to_map(edge)))
    assert shape.area < 1.02 * math.pi * (radius + 1.0) ** 2


def test_a_set_is_valid_by_the_official_schema(shared_data: Path) -> None:
    from vehicles.vda5050.codec import HeaderCounter
    from vehicles.vda5050.codec3 import Codec3

    compiled = made(
        zone("shut", area=PolygonArea(square(300.0), (square(50.0),))),
        zone("slow", kind=ZoneKind.ADVISORY, max_speed_mps=1.0),
        turns=[Turn("narrow:n", (at(0, 0), at(30, 5), at(60, 0)))],
    )
    headers = HeaderCounter("ACME", "R-1", lambda: NOON)
    headers.version = "3.0.0"
    head = headers.next("zoneSet")
    payload = Codec3().zone_set(compiled.zone_set, head)
    schema = json.loads((shared_data / "vda5050" / "3.0.0" / "zoneSet.schema").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(payload))
    assert Codec3().read_zone_set(payload, "r").zone_set == compiled.zone_set
