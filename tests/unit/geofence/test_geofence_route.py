"""Routes: rules of the way round, and why there is none."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, time, timedelta

import pytest

from geofence import route
from geofence.check import FlightPath, PathLeg, Surroundings, check
from geofence.errors import PathError
from geofence.frames import Altitude, Datum, LatLon, geodesic_m, offset
from geofence.route import NoRoute, Route, RouteRequest, find_route
from geofence.zones import (
    CircleArea,
    PolygonArea,
    Schedule,
    VehicleClass,
    Window,
    Zone,
    ZoneKind,
)
from geofence.zoneset import ZoneSet

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FLAT = Surroundings(ground_amsl_m=10.0)
START = LatLon(60.17, 24.90)
GOAL = offset(START, 90.0, 4_000.0)
MIDDLE = offset(START, 90.0, 2_000.0)


def box(center: LatLon, half_m: float, high_m: float | None = None) -> PolygonArea:
    high_m = half_m if high_m is None else high_m
    north, south = (offset(center, a, high_m).lat_deg for a in (0.0, 180.0))
    east, west = (offset(center, a, half_m).lon_deg for a in (90.0, 270.0))
    return PolygonArea(
        (LatLon(south, west), LatLon(south, east), LatLon(north, east), LatLon(north, west))
    )


def zone(zone_id="Z", area=None, kind=ZoneKind.NO_FLY, **more) -> Zone:
    return Zone(zone_id, "", kind, area or box(MIDDLE, 500.0), **more)


def request(start=START, goal=GOAL, margin=30.0, heights=(50.0, 80.0), **more) -> RouteRequest:
    leave = NOON + timedelta(minutes=10)
    return RouteRequest(start, goal, VehicleClass.MULTIROTOR, *heights, NOON, leave, margin, **more)


def find(zones, surroundings=FLAT, **more):
    return find_route(request(**more), ZoneSet(zones), surroundings)


def is_allowed(route: Route, zones, margin=30.0) -> bool:
    legs = tuple(
        PathLeg(i, "", a, b, 50.0, 80.0, NOON, NOON, margin)
        for i, (a, b) in enumerate(itertools.pairwise(route.points))
    )
    return check(FlightPath(VehicleClass.MULTIROTOR, legs), ZoneSet(zones), FLAT).allowed


def test_straight_where_nothing_is_in_the_way() -> None:
    found = find([])
    assert found == Route((START, GOAL), geodesic_m(START, GOAL))
    assert find([zone(area=box(offset(MIDDLE, 0.0, 600.0), 500.0))]) == found


def test_round_a_box() -> None:
    zones = [zone()]
    found = find(zones)
    assert isinstance(found, Route)
    assert len(found.points) == 4
    assert found.length_m == pytest.approx(2.0 * (1_470.0**2 + 530.0**2) ** 0.5 + 1_060.0, rel=2e-3)
    assert found.length_m == sum(geodesic_m(a, b) for a, b in itertools.pairwise(found.points))
    assert is_allowed(found, zones)


def test_round_a_circle_costs_little_more_than_the_arc() -> None:
    zones = [zone(area=CircleArea(MIDDLE, 800.0))]
    found = find(zones)
    assert isinstance(found, Route)
    assert is_allowed(found, zones)
    # two tangents of 2,000 m from the centre and the arc of 830 m between them
    tangent = (2_000.0**2 - 830.0**2) ** 0.5
    arc = 830.0 * 2.0 * 0.42796
    assert 2.0 * tangent + arc - 4.0 < found.length_m < (2.0 * tangent + arc) * 1.004


@pytest.mark.parametrize(
    "free",
    [
        zone(kind=ZoneKind.ADVISORY),
        zone(classes=frozenset({VehicleClass.ROBOT})),
        zone(floor=Altitude(80.1, Datum.AMSL)),
        zone(ceiling=Altitude(39.9, Datum.AGL)),
        zone(schedule=Schedule((Window(start=time(13), end=time(14)),))),
        zone(kind=ZoneKind.RESTRICTED, permit="P"),
    ],
)
def test_what_does_not_apply_is_not_in_the_way(free) -> None:
    found = find([free], permits=frozenset({"P"}))
    assert isinstance(found, Route)
    assert len(found.points) == 2


@pytest.mark.parametrize(
    "held",
    [
        zone(classes=frozenset({VehicleClass.MULTIROTOR})),
        zone(floor=Altitude(80.0, Datum.AMSL)),
        zone(ceiling=Altitude(40.0, Datum.AGL)),
        zone(ceiling=Altitude(-500.0, Datum.WGS84)),
        zone(schedule=Schedule((Window(start=time(12, 10), end=time(14)),))),
        zone(kind=ZoneKind.RESTRICTED, permit="other"),
        zone(kind=ZoneKind.RESTRICTED),
    ],
)
def test_what_applies_is_in_the_way(held) -> None:
    found = find([held], permits=frozenset({"P"}))
    assert isinstance(found, Route)
    assert len(found.points) > 2


def test_ends_inside_a_zone() -> None:
    found = find([zone("port", box(START, 300.0)), zone()])
    assert isinstance(found, NoRoute)
    assert found.zone_ids == ("port",)
    assert found.depth_m == pytest.approx(330.0, rel=0.01)
    assert "the start is inside zone port" in found.reason
    found = find([zone("ball", CircleArea(offset(GOAL, 0.0, 220.0), 200.0))])
    assert isinstance(found, NoRoute)
    assert found.zone_ids == ("ball",)
    assert found.depth_m == pytest.approx(10.0, abs=0.2)
    assert "the goal is only 20.0 m from zone ball" in found.reason


def test_unknown_height_is_said() -> None:
    found = find(
        [zone("port", box(START, 300.0), floor=Altitude(200.0, Datum.AGL))], Surroundings()
    )
    assert isinstance(found, NoRoute)
    assert "ground_amsl_m" in found.reason


def test_end_a_little_farther_than_the_margin() -> None:
    """Nearer than the planner's slack, in the shadow of a sharp corner: still a way."""
    tip = offset(START, 180.0, 30.05)
    spike = PolygonArea((tip, offset(tip, 175.0, 900.0), offset(tip, 185.0, 900.0)))
    wall = zone("wall", box(offset(START, 90.0, 600.0), 50.0, 700.0))
    zones = [zone("spike", spike), wall]
    found = find(zones)
    assert isinstance(found, Route)
    assert len(found.points) > 2
    assert is_allowed(found, zones)


def ring_about(center: LatLon, inner_m: float, outer_m: float) -> PolygonArea:
    return PolygonArea(box(center, outer_m).shell, (box(center, inner_m).shell,))


def test_enclosed_goal_names_what_encloses_it() -> None:
    zones = [
        zone("ring", ring_about(GOAL, 500.0, 700.0)),
        zone("beside", box(offset(MIDDLE, 0.0, 100.0), 300.0)),
    ]
    found = find(zones)
    assert isinstance(found, NoRoute)
    assert found.zone_ids == ("ring",)
    # the straight line crosses a wall 200 m thick and its two margins: 130 m to the nearest way out
    assert found.depth_m == pytest.approx(130.0, rel=0.02)
    assert "closed in by ring, where the straight line is 13" in found.reason
    # a court of four walls
    walls = [
        zone("n", box(offset(GOAL, 0.0, 600.0), 700.0, 100.0)),
        zone("s", box(offset(GOAL, 180.0, 600.0), 700.0, 100.0)),
        zone("e", box(offset(GOAL, 90.0, 600.0), 100.0, 700.0)),
        zone("w", box(offset(GOAL, 270.0, 600.0), 100.0, 700.0)),
    ]
    found = find([*walls, zones[1]])
    assert isinstance(found, NoRoute)
    assert set(found.zone_ids) == {"n", "s", "e", "w"}


def test_both_in_one_court() -> None:
    inside = offset(GOAL, 200.0, 300.0)
    zones = [
        zone("ring", ring_about(GOAL, 500.0, 700.0)),
        zone("bar", box(offset(GOAL, 200.0, 150.0), 90.0, 40.0)),
    ]
    found = find(zones, start=inside)
    assert isinstance(found, Route)
    assert len(found.points) > 2
    assert is_allowed(found, zones)


def test_gap_is_passed_only_where_the_margin_fits() -> None:
    zones = [
        zone("n", box(offset(MIDDLE, 0.0, 3_000.0), 100.0, 2_960.0)),
        zone("s", box(offset(MIDDLE, 180.0, 3_000.0), 100.0, 2_960.0)),
    ]
    wide = find(zones, margin=39.0)
    assert isinstance(wide, Route)
    assert wide.length_m < 4_010.0
    narrow = find(zones, margin=41.0)
    assert isinstance(narrow, Route)
    assert narrow.length_m > 10_000.0


def test_keep_in_is_kept() -> None:
    """A field shaped like a horseshoe: the straight line leaves it."""
    shape = [(-300, 300), (-300, -2_500), (4_300, -2_500), (4_300, 300), (3_500, 300),
             (3_500, -1_800), (500, -1_800), (500, 300)]  # fmt: skip
    corners = tuple(offset(offset(START, 90.0, x), 0.0, y) for x, y in shape)
    field = zone("K", PolygonArea(corners), ZoneKind.KEEP_IN)
    found = find([field])
    assert isinstance(found, Route)
    assert found.length_m == pytest.approx(2.0 * (470.0**2 + 1_830.0**2) ** 0.5 + 3_060.0, abs=3.0)
    assert is_allowed(found, [field])
    blocked = find([field, zone("plug", box(offset(MIDDLE, 180.0, 2_100.0), 100.0, 600.0))])
    assert isinstance(blocked, NoRoute)
    assert set(blocked.zone_ids) == {"K", "plug"}
    outside = find([field], goal=offset(START, 0.0, 1_000.0))
    assert isinstance(outside, NoRoute)
    assert outside.zone_ids == ("K",)
    assert "the goal is not inside keep-in zone K" in outside.reason
    assert outside.depth_m == pytest.approx(730.0, rel=0.01)


def test_keep_ins_side_by_side_are_one() -> None:
    """The seam is noded on one side only, where rounding leaves a crack in lines that meet."""

    def place(x: float, y: float) -> LatLon:
        return LatLon(60.1 + y, 24.8 + x)

    seam = [place(0.1123, y) for y in (0.0, 0.0333, 0.0777, 0.1391, 0.2)]
    west = PolygonArea((place(0.0, 0.0), *seam, place(0.0, 0.2)))
    east = PolygonArea((seam[0], place(0.4, 0.0), place(0.4, 0.2), seam[-1]))
    field = [zone("W", west, ZoneKind.KEEP_IN), zone("E", east, ZoneKind.KEEP_IN)]
    found = find([*field, zone()])
    assert isinstance(found, Route)
    assert found.length_m < 4_300.0
    assert is_allowed(found, [*field, zone()])


def test_keep_in_that_does_not_hold_the_heights() -> None:
    low = zone("K", box(MIDDLE, 5_000.0), ZoneKind.KEEP_IN, ceiling=Altitude(60.0, Datum.AGL))
    found = find([low])
    assert isinstance(found, NoRoute)
    assert found.zone_ids == ("K",)
    assert "it is from -inf to 70 m AMSL" in found.reason


def test_long_leg_is_split_where_its_bow_would_touch() -> None:
    """Twenty kilometres to the north-east bow five metres: points on the way hold it straight."""
    goal = offset(START, 45.0, 20_000.0)
    middle = LatLon((START.lat_deg + goal.lat_deg) / 2.0, (START.lon_deg + goal.lon_deg) / 2.0)
    zones = [
        zone("west", CircleArea(offset(middle, 315.0, 1_000.0), 966.0)),
        zone("east", CircleArea(offset(middle, 135.0, 1_000.0), 966.0)),
    ]
    found = find(zones, goal=goal)
    assert isinstance(found, Route)
    assert is_allowed(found, zones)
    assert found.length_m < geodesic_m(START, goal) + 5.0


@pytest.mark.parametrize(("short_m", "found_one"), [(6.0, True), (400.0, False)])
def test_what_the_check_does_not_confirm_is_tried_again_or_refused(
    monkeypatch, short_m, found_one
) -> None:
    """A planner that errs on the unsafe side, a little or much, never gets its way."""
    honest = route.reach_m
    monkeypatch.setattr(route, "reach_m", lambda *args: honest(*args) - short_m)
    zones = [zone(area=box(MIDDLE, 900.0))]
    found = find(zones)
    if found_one:
        assert isinstance(found, Route)
        assert is_allowed(found, zones)
    else:
        assert isinstance(found, NoRoute)
        assert "does not confirm" in found.reason


def test_antimeridian() -> None:
    start, goal = LatLon(-17.0, 179.97), LatLon(-17.0, -179.97)
    zones = [
        zone("east", box(LatLon(-17.0, 179.995), 400.0)),
        zone("west", CircleArea(LatLon(-17.0, -179.995), 400.0)),
    ]
    found = find(zones, start=start, goal=goal)
    assert isinstance(found, Route)
    assert is_allowed(found, zones)
    assert found.length_m < 7_500.0


def test_impossible_requests() -> None:
    with pytest.raises(PathError, match="low_amsl_m"):
        request(heights=(80.0, 50.0))
    with pytest.raises(PathError, match="radius_m"):
        find([], margin=float("nan"))


def test_among_many_zones() -> None:
    """A thousand zones and legs of 1 to 10 km."""
    random_ = random.Random(7)
    zones = [
        zone(
            str(i),
            CircleArea(LatLon(random_.uniform(60.0, 60.6), random_.uniform(24.0, 25.2)), 250.0),
        )
        if i % 3 == 0
        else zone(
            str(i),
            box(LatLon(random_.uniform(60.0, 60.6), random_.uniform(24.0, 25.2)), 250.0, 400.0),
        )
        for i in range(1_000)
    ]
    snapshot = ZoneSet(zones)
    found = []
    for _ in range(30):
        start = LatLon(random_.uniform(60.0, 60.6), random_.uniform(24.0, 25.2))
        goal = offset(start, random_.uniform(0.0, 360.0), random_.uniform(1_000.0, 10_000.0))
        found.append(find_route(request(start, goal), snapshot, FLAT))
    routes = [route for route in found if isinstance(route, Route)]
    assert len(routes) > 10
    assert any(len(route.points) > 2 for route in routes)
    assert all(is_allowed(route, zones) for route in routes if len(route.points) > 2)
    refused = [answer for answer in found if isinstance(answer, NoRoute)]
    assert all(answer.zone_ids and answer.depth_m > 0.0 for answer in refused)
