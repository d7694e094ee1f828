"""The shapes that the PNG and the console's map are drawn from."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, time

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.check import TOLD_AT_ONCE, Surroundings
from geofence.frames import Altitude, Datum, LatLon, LocalFrame, geodesic_m, offset
from geofence.schedule import Schedule, Window
from geofence.sun import SunEvent
from geofence.terrain import Grid
from geofence.track import split_leg
from geofence.zones import VehicleClass, ZoneKind
from geofence.zoneset import ZoneSet
from missions.formats.picture_json import picture_json
from missions.inspect import FileChecks, Inspection, inspect_file, told_once
from missions.model import AirItem, AirMission, ItemKind
from missions.picture import MAX_FAULTS, Picture, depth_words, outline, picture_of
from missions.zone_text import heights, named, times
from tests.unit.missions.flights import FLAT, HOME, NOW, at, box, circle

CRUISE = 60.0
CORNER, FAR = at(600.0, 0.0), at(600.0, 600.0)


def mission(
    *, home: LatLon = HOME, corner: LatLon = CORNER, far: LatLon = FAR, back: bool = True
) -> AirMission:
    mark = [AirItem(ItemKind.RETURN_PATH, far, CRUISE)] if back else []
    items = (
        AirItem(ItemKind.TAKEOFF, home, CRUISE),
        AirItem(ItemKind.WAYPOINT, corner, CRUISE),
        AirItem(ItemKind.WAYPOINT, far, CRUISE),
        *mark,
        AirItem(ItemKind.WAYPOINT, corner, CRUISE),
        AirItem(ItemKind.WAYPOINT, home, CRUISE),
        AirItem(ItemKind.LAND, home),
    )
    labelled = tuple(replace(i, label=f"item {n}") for n, i in enumerate(items, 1))
    return AirMission("m", "", home, 10.0, CRUISE, labelled, "")


def looked(flight: AirMission, *zones, over: Surroundings = FLAT, **asked: object) -> Inspection:
    checks = replace(FileChecks(depart_at=NOW), **asked)
    return inspect_file(flight, checks, ZoneSet(zones), over)


def drawn(flight: AirMission, *zones, **asked: object) -> Picture:
    return picture_of(looked(flight, *zones, **asked), "m.plan")


def test_the_path_is_the_line_that_is_flown_not_the_chord() -> None:
    away = offset(HOME, 45.0, 8_000.0)
    picture = drawn(mission(corner=away, far=offset(away, 45.0, 50.0)))
    stretch = picture.stretches[0]
    leg = next(g for g in picture.seen.own.legs if {g.start, g.end} == {HOME, away})
    corners, _ = split_leg(replace(leg, start=HOME, end=away))
    assert len(stretch.points) == len(corners) > 2
    assert np.allclose(np.array(stretch.points), corners, atol=1e-9)
    chord = shapely.LineString([stretch.points[0], stretch.points[-1]])
    middle = shapely.Point(stretch.points[len(stretch.points) // 2])
    assert shapely.distance(middle, chord) > 1e-7


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-75.0, 75.0),
    st.floats(-180.0, 180.0),
    st.floats(0.0, 360.0),
    st.floats(100.0, 6_000.0),
    st.floats(1.0, 200.0),
)
def test_the_corridor_is_as_wide_as_the_check_reaches(lat, lon, course, length_m, wide_m) -> None:
    home = LatLon(lat, lon)
    away = offset(home, course, length_m)
    items = (
        AirItem(ItemKind.TAKEOFF, home, CRUISE),
        AirItem(ItemKind.WAYPOINT, away, CRUISE),
        AirItem(ItemKind.RETURN_PATH, away, CRUISE),
        AirItem(ItemKind.WAYPOINT, home, CRUISE),
        AirItem(ItemKind.LAND, home),
    )
    flight = AirMission("m", "", home, 10.0, CRUISE, items, "")
    picture = drawn(flight, corridor_m=wide_m)
    line = picture.stretches[0].points
    (x0, y0), (x1, y1) = line[len(line) // 2 - 1], line[len(line) // 2]
    middle = LatLon((y0 + y1) / 2.0, ((x0 + x1) / 2.0 + 180.0) % 360.0 - 180.0)
    frame = LocalFrame(middle)
    shape = shapely.transform(picture.corridor, frame.to_xy)
    start, end = (np.array(frame.to_xy(np.array(p))) for p in ((x0, y0), (x1, y1)))
    across = np.array([-(end - start)[1], (end - start)[0]]) / np.hypot(*(end - start))
    for side in (-1.0, 1.0):
        inner, outer = (across * side * wide_m * share for share in (0.97, 1.05))
        assert shapely.covers(shape, shapely.Point(inner))
        assert not shapely.covers(shape, shapely.Point(outer + across * side * 1.0))


def sharp(**changes: object) -> tuple[Picture, float]:
    """A flight that is flown through a corner of 90 degrees, and how much wider its turn is."""
    picture = drawn(mission(), speed_mps=12.0, **changes)
    legs = picture.seen.own.legs
    assert any(leg.label.startswith("turn of") for leg in legs) == ("corridor_m" not in changes)
    widths = {leg.corridor_m for leg in legs}
    return picture, max(widths) - min(widths)


def test_corners_flown_through_are_drawn_as_wide_as_the_check_reaches() -> None:
    picture, wider_m = sharp()
    assert wider_m > 1.5
    corridor_m = min(leg.corridor_m for leg in picture.seen.own.legs)
    shape = shapely.transform(picture.corridor, LocalFrame(CORNER).to_xy)
    # outside the corner, beside the end of the leg to it
    assert shapely.covers(shape, shapely.Point(-(corridor_m + 0.8 * wider_m), -2.0))
    assert not shapely.covers(shape, shapely.Point(-(corridor_m + 1.2 * wider_m), -2.0))
    # and no wider far from it
    assert not shapely.covers(shape, shapely.Point(-(corridor_m + 0.5), -300.0))
    fixed, none = sharp(corridor_m=20.0)
    assert none == 0.0
    shape = shapely.transform(fixed.corridor, LocalFrame(CORNER).to_xy)
    assert not shapely.covers(shape, shapely.Point(-20.5, -2.0))


def test_the_profile_shows_a_zone_that_only_the_turn_reaches() -> None:
    plain, wider_m = sharp()
    corridor_m = min(leg.corridor_m for leg in plain.seen.own.legs)
    beside = circle("Z-1", at(590.0, -(30.0 + corridor_m + wider_m / 2.0)), 30.0)
    picture = drawn(mission(), beside, speed_mps=12.0)
    assert {fault.violation.zone_id for fault in picture.faults} == {"Z-1"}
    assert picture.profile is not None
    assert {band.zone.zone_id for band in picture.profile.bands} == {"Z-1"}
    assert all(band.hit for band in picture.profile.bands)


def test_of_thousands_of_violations_the_first_are_told_and_the_rest_counted() -> None:
    zones = [
        circle(f"Z-{i}-{j}", at(60.0 * i, 60.0 * j), 20.0) for i in range(-4, 16) for j in range(20)
    ]
    seen = looked(mission(back=False), *zones)
    every = told_once(seen.verdict.violations)
    picture = picture_of(seen, "m")
    assert len(seen.verdict.violations) > 2 * TOLD_AT_ONCE
    assert len(picture.faults) == MAX_FAULTS < len(every)
    assert picture.faults_left_out == len(every) - MAX_FAULTS
    assert sum(tally.violated for tally in picture.tallies) == len(every)
    own = {leg.label for leg in seen.own.legs} | {disc.label for disc in seen.own.discs}
    ranked = sorted(every, key=lambda each: each.label not in own)
    assert [fault.violation for fault in picture.faults] == ranked[:MAX_FAULTS]
    told = picture_json(picture)
    assert len(told["violations"]) == MAX_FAULTS
    assert told["violations_left_out"] == picture.faults_left_out
    hit = {zone.zone.zone_id for zone in picture.zones if zone.hit}
    assert hit == {violation.zone_id for violation in every}


def test_shapes_stay_together_across_the_antimeridian() -> None:
    home = LatLon(60.0, 179.99)
    corner, far = offset(home, 90.0, 900.0), offset(home, 90.0, 1_800.0)
    beyond = circle("Z-1", offset(far, 0.0, 400.0), 100.0)
    picture = drawn(mission(home=home, corner=corner, far=far), beyond)
    west, _, east, _ = shapely.union_all(
        [picture.corridor, *(z.shape for z in picture.zones)]
    ).bounds
    assert 0.0 < east - west < 0.1
    assert [z.zone.zone_id for z in picture.zones] == ["Z-1"]
    told = picture_json(picture)
    lons = [
        p[0]
        for f in told["features"]
        if f["properties"]["role"] == "path"
        for p in f["geometry"]["coordinates"]
    ]
    assert min(lons) == pytest.approx(179.99)
    assert max(lons) > 180.0


def test_violations_have_numbers_places_and_ownership() -> None:
    kept = circle("Z-1", at(300.0, 300.0), 60.0)
    picture = drawn(mission(back=False), kept, box("Z-2", (280.0, -20.0), (320.0, 20.0)))
    assert not picture.allowed
    assert [fault.number for fault in picture.faults] == list(range(1, len(picture.faults) + 1))
    own = {fault.violation.zone_id for fault in picture.faults if fault.own}
    spare = {fault.violation.zone_id for fault in picture.faults if not fault.own}
    assert (own, "Z-1" in spare) == ({"Z-2"}, True)
    assert picture.faults[0].where == "item 2"
    assert {t.what: t.violated > 0 for t in picture.tallies} == {
        "Mission: legs and discs": True, "Straight returns": True, "Landings in place": True,
    }  # fmt: skip
    assert picture.ways_home
    assert all(
        way.points[-1] == pytest.approx((HOME.lon_deg, HOME.lat_deg)) for way in picture.ways_home
    )
    assert not shapely.is_empty(picture.spare)
    assert "into" in depth_words(picture.faults[0].violation)
    told = picture_json(picture)
    assert json.loads(json.dumps(told)) == told
    first = told["violations"][0]
    assert (first["zone_id"], first["contingency"]) == ("Z-2", False)


def test_a_mission_with_its_own_way_home_says_so() -> None:
    picture = drawn(mission())
    assert picture.allowed
    assert picture.tallies[-1].note == "the mission's own checked return path"
    assert picture.ways_home == ()
    assert [s.returning for s in picture.stretches] == [False, False, True, True]
    mark = next(m for m in picture.marks if m.position == CORNER)
    assert (mark.numbers, mark.alt_home_m) == ((2, 5), CRUISE)


def test_the_profile_has_climbs_ground_and_zones_with_their_heights() -> None:
    high = circle(
        "Z-1", at(300.0, 0.0), 60.0,
        floor=Altitude(90.0, Datum.AGL), ceiling=Altitude(150.0, Datum.AMSL),
    )  # fmt: skip
    profile = drawn(mission(), high).profile
    assert profile is not None
    assert profile.way[0] == (0.0, 10.0)
    assert profile.way[1] == (0.0, 70.0)
    assert profile.way[-1] == (pytest.approx(2_400.0, rel=1e-3), 10.0)
    assert {height for _, height in profile.ground} == {10.0}
    out, back = profile.bands
    wide = 60.0 + drawn(mission()).seen.own.legs[0].corridor_m
    assert (out.begin_m, out.end_m) == (
        pytest.approx(300.0 - wide, abs=2.0), pytest.approx(300.0 + wide, abs=2.0),
    )  # fmt: skip
    assert back.begin_m == pytest.approx(profile.length_m - out.end_m, abs=2.0)
    assert (out.low_amsl_m, out.high_amsl_m, out.hit) == (100.0, 150.0, False)


def test_a_zone_above_the_terrain_is_drawn_above_the_terrain() -> None:
    # the ground rises from south to north, 1,000 m a degree: 5.4 m on the first leg
    rise = np.tile(np.linspace(10.0, 70.0, 61)[:, None], (1, 61)).astype(np.float32)
    grid = Grid(HOME.lon_deg - 0.03, HOME.lat_deg - 0.03, 0.001, 0.001, rise)
    low = circle("Z-1", at(300.0, 0.0), 60.0, ceiling=Altitude(15.0, Datum.AGL))
    over = Surroundings(terrain=grid)
    profile = picture_of(looked(mission(), low, over=over), "m").profile
    assert profile is not None
    ground = dict(profile.ground)
    assert ground[0.0] == pytest.approx(40.0, abs=0.01)
    assert max(ground.values()) == pytest.approx(45.4, abs=0.1)
    band = profile.bands[0]
    assert band.low_amsl_m is not None
    assert band.high_amsl_m is not None
    assert band.low_amsl_m == pytest.approx(grid.at(at(300.0, 0.0)) - 0.9, abs=0.3)
    assert band.high_amsl_m == pytest.approx(grid.at(at(300.0, 0.0)) + 15.9, abs=0.3)


def test_zones_round_about_are_shown_and_far_ones_are_not() -> None:
    picture = drawn(
        mission(),
        circle("near", at(900.0, 300.0), 50.0),
        circle("far", at(30_000.0, 0.0), 50.0),
        circle("robots", at(300.0, 300.0), 50.0, classes=frozenset({VehicleClass.ROBOT})),
        box("keep", (-100.0, -100.0), (300.0, 300.0), kind=ZoneKind.KEEP_IN),
    )
    shown = {z.zone.zone_id: z.hit for z in picture.zones}
    assert shown == {"near": False, "keep": True}
    assert picture.zones[0].zone.zone_id == "keep"


def test_a_circle_is_outlined_at_its_radius() -> None:
    zone = circle("Z-1", at(0.0, 500.0), 250.0)
    ring = np.array(outline(zone, HOME).exterior.coords)
    away = [geodesic_m(at(0.0, 500.0), LatLon(lat, lon)) for lon, lat in ring]
    assert away == pytest.approx([250.0] * len(ring), rel=1e-3)


def test_zones_in_words() -> None:
    zone = circle("Z-1", HOME, 10.0)
    assert named(zone) == "Z-1 Place Z-1"
    assert heights(zone) == "0 - 120 m AGL"
    assert heights(replace(zone, floor=None, ceiling=None)) == "all heights"
    assert heights(replace(zone, ceiling=None)) == "0 m AGL and up"
    assert heights(replace(zone, floor=None)) == "ground - 120 m AGL"
    week = Schedule(
        (
            Window(frozenset(range(5)), time(8), time(22, 30)),
            Window(frozenset({5, 6}), time(0), time(0)),
            Window(start=SunEvent.SR, end=SunEvent.EECT),
        ),
        "Europe/Helsinki",
        valid_from=datetime(2026, 6, 1, tzinfo=UTC),
        places=(HOME,),
    )
    assert times(week) == (
        "Mon-Fri 08:00 - 22:30, Sat Sun all day, daily sunrise - end of evening twilight "
        "Europe/Helsinki from 2026-06-01"
    )
    assert times(zone.schedule) == "at all times"
