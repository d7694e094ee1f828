"""The checker's rules, one by one."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, time, timedelta

import pytest

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.errors import FrameError, PathError
from geofence.frames import Altitude, Datum, LatLon, geodesic_m, offset
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
FLAT = Surroundings(ground_amsl_m=10.0, geoid_m=17.0)
CENTER = LatLon(60.0, 25.0)


def box(center: LatLon, half_m: float) -> PolygonArea:
    north, south = (offset(center, a, half_m).lat_deg for a in (0.0, 180.0))
    east, west = (offset(center, a, half_m).lon_deg for a in (90.0, 270.0))
    return PolygonArea(
        (LatLon(south, west), LatLon(south, east), LatLon(north, east), LatLon(north, west))
    )


def span(west: float, east: float) -> PolygonArea:
    """A box two degrees high about 17 degrees south."""
    return PolygonArea((LatLon(-18, west), LatLon(-18, east), LatLon(-16, east), LatLon(-16, west)))


def zone(zone_id="Z", area=None, kind=ZoneKind.NO_FLY, **more) -> Zone:
    return Zone(zone_id, "Zone", kind, area or box(CENTER, 500.0), **more)


def leg(
    start=None, end=None, heights=(60.0, 60.0), corridor=30.0, minutes=10.0, index=3
) -> PathLeg:
    start, end = start or offset(CENTER, 270.0, 2_000.0), end or offset(CENTER, 90.0, 2_000.0)
    leave = NOON + timedelta(minutes=minutes)
    return PathLeg(index, "cruise", start, end, *heights, NOON, leave, corridor)


def run(zones, *legs, discs=(), permits=(), surroundings=FLAT, robot=False):
    kind = VehicleClass.ROBOT if robot else VehicleClass.MULTIROTOR
    path = FlightPath(kind, legs or () if discs else legs or (leg(),), discs, frozenset(permits))
    return check(path, ZoneSet(zones), surroundings)


def test_violation_tells_all() -> None:
    zones = [zone(), zone("far", box(offset(CENTER, 0.0, 5_000.0), 100.0))]
    verdict = run(zones)
    assert not verdict.allowed
    assert verdict.zones_version == ZoneSet(zones).version
    (violation,) = verdict.violations
    assert (violation.zone_id, violation.zone_name, violation.kind) == (
        "Z",
        "Zone",
        ZoneKind.NO_FLY,
    )
    assert (violation.index, violation.label) == (3, "cruise")
    # enters 530 m before the centre (the corridor is round) and leaves 530 m after it
    assert geodesic_m(violation.entry, CENTER) == pytest.approx(530.0, abs=1.0)
    assert geodesic_m(violation.exit, CENTER) == pytest.approx(530.0, abs=1.0)
    assert violation.entry.lon_deg < CENTER.lon_deg < violation.exit.lon_deg
    assert violation.depth_m == pytest.approx(530.0, rel=0.01)
    assert violation.depth_m >= 530.0 - 1.0
    assert violation.reason.startswith("leg 3 (cruise) enters no-fly zone Z (Zone), 529.7 m deep")
    assert (verdict.clearance_m, verdict.nearest_zone_id) == (0.0, "Z")


def test_corridor_beside_a_zone() -> None:
    north = offset(CENTER, 0.0, 520.0)
    beside = leg(offset(north, 270.0, 800.0), offset(north, 90.0, 800.0))
    verdict = run([zone()], beside)
    (violation,) = verdict.violations
    assert violation.depth_m == pytest.approx(10.0, abs=0.5)
    assert "comes within 19.9 m" in violation.reason
    assert "needs 30.0 m" in violation.reason
    assert verdict.clearance_m == pytest.approx(20.0, abs=0.2)
    narrow = leg(beside.start, beside.end, corridor=19.0)
    verdict = run([zone()], narrow)
    assert verdict.allowed
    assert verdict.clearance_m == pytest.approx(20.0, abs=0.2)
    assert verdict.nearest_zone_id == "Z"


def test_nothing_within_the_horizon() -> None:
    far = offset(CENTER, 0.0, 10_000.0)
    verdict = run([zone()], leg(far, offset(far, 0.0, 100.0)))
    assert verdict.allowed
    assert (verdict.clearance_m, verdict.nearest_zone_id) == (None, "")
    assert run([], leg()).allowed
    assert check(FlightPath(VehicleClass.ROBOT, ()), ZoneSet([zone()]), FLAT).allowed


def test_margin_holds_at_the_end_of_a_long_leg_far_north() -> None:
    """East-west metres shrink along a leg to the north: 500 m must still be 500 m at its end."""
    start = LatLon(74.0, 25.0)
    end = offset(start, 0.0, 4_990.0)
    for metres, allowed in ((499.7, False), (510.0, True)):
        beside = offset(end, 90.0, metres + 10.0)
        verdict = run([zone(area=CircleArea(beside, 10.0))], leg(start, end, corridor=500.0))
        assert verdict.allowed is allowed
        east = offset(end, 90.0, metres).lon_deg
        strip = PolygonArea(
            (LatLon(end.lat_deg - 1e-4, east), LatLon(end.lat_deg - 1e-4, east + 0.01),
             LatLon(end.lat_deg + 1e-2, east + 0.01), LatLon(end.lat_deg + 1e-2, east))
        )  # fmt: skip
        assert run([zone(area=strip)], leg(start, end, corridor=500.0)).allowed is allowed


def test_classes_and_kinds() -> None:
    drones = frozenset({VehicleClass.MULTIROTOR})
    assert not run([zone(classes=drones)]).allowed
    assert run([zone(classes=drones)], robot=True).allowed
    verdict = run([zone(kind=ZoneKind.ADVISORY)])
    assert verdict.allowed
    assert [a.zone_id for a in verdict.advisories] == ["Z"]
    assert verdict.clearance_m is None


def test_permit_lifts_a_restricted_zone() -> None:
    restricted = zone(kind=ZoneKind.RESTRICTED, permit="P-1")
    assert "permit P-1 lifts it" in run([restricted]).violations[0].reason
    assert not run([restricted], permits=["P-2"]).allowed
    assert run([restricted], permits=["P-1"]).allowed
    assert "no permit lifts it" in run([zone(kind=ZoneKind.RESTRICTED)]).violations[0].reason
    # a permit lifts no no-fly zone
    assert not run([zone(permit="P-1")], permits=["P-1"]).allowed


@pytest.mark.parametrize(
    ("floor", "ceiling", "allowed"),
    [
        (None, Altitude(59.9, Datum.AMSL), True),
        (None, Altitude(60.0, Datum.AMSL), False),
        (Altitude(60.0, Datum.AMSL), None, False),
        (Altitude(60.1, Datum.AMSL), None, True),
        (Altitude(50.0, Datum.AGL), None, False),
        (Altitude(50.1, Datum.AGL), None, True),
        (Altitude(77.0, Datum.WGS84), None, False),
        (Altitude(77.1, Datum.WGS84), None, True),
        (Altitude(0.0, Datum.AGL), Altitude(30.0, Datum.AMSL), True),
        # 50 m above ground is 60 m AMSL here, above the ceiling: understood by nobody, so kept
        (Altitude(90.0, Datum.AGL), Altitude(80.0, Datum.AMSL), False),
    ],
)
def test_heights(floor, ceiling, allowed) -> None:
    assert run([zone(floor=floor, ceiling=ceiling)]).allowed is allowed


@pytest.mark.parametrize(
    ("limits", "missing"),
    [
        ({"floor": Altitude(500.0, Datum.AGL)}, "ground_amsl_m"),
        ({"ceiling": Altitude(5.0, Datum.AGL)}, "ground_amsl_m"),
        ({"ceiling": Altitude(5.0, Datum.WGS84)}, "geoid_m"),
    ],
)
def test_height_that_cannot_be_resolved_forbids_and_says_why(limits, missing) -> None:
    verdict = run([zone(**limits)], surroundings=Surroundings())
    assert not verdict.allowed
    assert missing in verdict.violations[0].reason
    verdict = run(
        [zone(kind=ZoneKind.KEEP_IN, area=box(CENTER, 9e3), **limits)], surroundings=Surroundings()
    )
    assert not verdict.allowed
    assert missing in verdict.violations[0].reason


def test_climb_passes_over_a_zone_only_where_it_is_high_enough() -> None:
    """From 0 to 100 m over 4 km: at 1.5 to 2.5 km the zone has a ceiling under or in the slope."""
    climb = leg(heights=(0.0, 100.0), corridor=0.0)
    assert run([zone(ceiling=Altitude(37.0, Datum.AMSL))], climb).allowed
    verdict = run([zone(ceiling=Altitude(45.0, Datum.AMSL))], climb)
    (violation,) = verdict.violations
    # inside from 1,500 m to the 1,800 m where it is at 45 m
    assert geodesic_m(violation.entry, climb.start) == pytest.approx(1_500.0, abs=2.0)
    assert geodesic_m(violation.exit, climb.start) == pytest.approx(1_800.0, abs=2.0)


def test_vertical_leg_and_leg_of_no_length() -> None:
    inside = offset(CENTER, 45.0, 100.0)
    low = zone(ceiling=Altitude(40.0, Datum.AMSL))
    assert not run([low], leg(inside, inside, (60.0, 0.0))).allowed
    assert run([low], leg(inside, inside, (60.0, 41.0))).allowed
    outside = offset(CENTER, 0.0, 540.0)
    assert run([low], leg(outside, outside, (60.0, 0.0))).allowed
    assert not run([low], leg(outside, outside, (0.0, 0.0), corridor=41.0)).allowed


def test_hole_is_free() -> None:
    outer, inner = box(CENTER, 500.0).shell, box(CENTER, 200.0).shell
    ring = zone(area=PolygonArea(outer, (inner,)))
    a, b = offset(CENTER, 0.0, 100.0), offset(CENTER, 180.0, 100.0)
    verdict = run([ring], leg(a, b))
    assert verdict.allowed
    assert verdict.clearance_m == pytest.approx(100.0, abs=0.5)
    assert not run([ring], leg(a, offset(CENTER, 180.0, 300.0))).allowed


def test_sliver_between_two_corners_is_seen() -> None:
    thin = PolygonArea((LatLon(59.9, 25.0), LatLon(60.1, 25.0), LatLon(60.1, 25.0000001)))
    assert not run([zone(area=thin)], leg(corridor=0.0)).allowed


def test_schedule_is_asked_for_the_time_of_passage() -> None:
    """Four kilometres in 40 minutes: over the zone from minute 14.7 to 25.3."""

    def from_to(start: str, end: str, minutes=40.0):
        window = Window(start=time.fromisoformat(start), end=time.fromisoformat(end))
        return run([zone(schedule=Schedule((window,)))], leg(minutes=minutes))

    assert not from_to("12:24", "12:50").allowed
    assert from_to("12:28", "12:50").allowed
    assert not from_to("11:00", "12:15").allowed
    assert from_to("11:00", "12:12").allowed
    assert from_to("11:00", "12:12").clearance_m == 0.0
    # 10 s and 5 % of the leg are kept on both sides
    assert not from_to("12:26", "12:50").allowed
    assert not from_to("11:00", "12:13").allowed
    assert not from_to("12:00:48", "12:50", minutes=1.0).allowed
    assert from_to("12:00:52", "12:50", minutes=1.0).allowed
    assert not from_to("11:00", "12:00:12", minutes=1.0).allowed


def test_disc_is_asked_for_all_of_its_time() -> None:
    near = offset(CENTER, 0.0, 510.0)
    low = zone(
        ceiling=Altitude(40.0, Datum.AMSL),
        schedule=Schedule((Window(start=time(13), end=time(14)),)),
    )

    def disc(radius=20.0, heights=(0.0, 50.0), minutes=61.0):
        drop = Disc(7, "drop", near, radius, *heights, NOON, NOON + timedelta(minutes=minutes))
        return run([low], discs=(drop,))

    verdict = disc()
    (violation,) = verdict.violations
    assert (violation.index, violation.label) == (7, "drop")
    assert violation.reason.startswith("disc 7 (drop) comes within 10.0 m")
    assert violation.depth_m == pytest.approx(10.0, abs=0.5)
    assert disc(radius=9.0).allowed
    assert disc(heights=(41.0, 50.0)).allowed
    assert disc(minutes=59.0).allowed


def test_circle() -> None:
    ball = zone(area=CircleArea(CENTER, 500.0))
    (violation,) = run([ball]).violations
    # the leg is straight in longitude and latitude: its middle is 0.54 m south of the centre
    assert violation.depth_m == pytest.approx(529.46, abs=0.02)
    assert geodesic_m(violation.entry, CENTER) == pytest.approx(530.0, abs=0.5)
    north = offset(CENTER, 0.0, 531.0)
    verdict = run([ball], leg(offset(north, 270.0, 800.0), offset(north, 90.0, 800.0)))
    assert verdict.allowed
    assert verdict.clearance_m == pytest.approx(31.0, abs=0.2)


def test_touching_is_violating() -> None:
    corner = LatLon(60.0, 25.0)
    area = PolygonArea((corner, LatLon(60.01, 25.01), LatLon(60.01, 24.99)))
    along = leg(LatLon(60.0, 24.99), LatLon(60.0, 25.01), corridor=0.0)
    assert not run([zone(area=area)], along, robot=True).allowed


def test_legs_are_checked_along_the_line_that_is_flown() -> None:
    """10 km to the south-east at 60 degrees bows 1.2 m to the north-east."""
    start = LatLon(60.0, 25.0)
    end = offset(start, 135.0, 10_000.0)
    middle = LatLon((start.lat_deg + end.lat_deg) / 2.0, (start.lon_deg + end.lon_deg) / 2.0)
    line = leg(start, end, corridor=0.0)
    for side, hits in ((45.0, True), (225.0, False)):
        off = offset(middle, side, 1.2)
        assert run([zone(area=CircleArea(off, 0.3))], line).allowed is not hits
    # a robot keeps to the map's line, within its bow
    assert not run([zone(area=CircleArea(middle, 0.3))], line, robot=True).allowed


def test_antimeridian() -> None:
    center = LatLon(-17.0, 180.0)
    across = leg(LatLon(-17.0, 179.95), LatLon(-17.0, -179.95))
    east = PolygonArea(
        (LatLon(-17.1, 179.99), LatLon(-17.1, 180.0), LatLon(-16.9, 180.0), LatLon(-16.9, 179.99))
    )
    west = PolygonArea(
        (
            LatLon(-17.1, -179.99),
            LatLon(-16.9, -179.99),
            LatLon(-16.9, -180.0),
            LatLon(-17.1, -180.0),
        )
    )
    for area in (east, west, CircleArea(center, 500.0), CircleArea(LatLon(-17.0, -179.999), 50.0)):
        (violation,) = run([zone(area=area)], across).violations
        assert geodesic_m(violation.entry, center) < 1_200.0
        assert geodesic_m(violation.exit, center) < 1_200.0
    held = [
        zone("e", span(179.0, 180.0), ZoneKind.KEEP_IN),
        zone("w", span(-180.0, -179.0), ZoneKind.KEEP_IN),
    ]
    assert run(held, across).allowed
    assert not run(held[:1], across).allowed


def test_places_and_numbers_that_cannot_be_checked() -> None:
    with pytest.raises(FrameError, match="84"):
        leg(LatLon(84.5, 0.0), LatLon(84.6, 0.0))
    with pytest.raises(FrameError, match="split it"):
        leg(LatLon(60.0, 20.0), LatLon(60.0, 29.0))
    with pytest.raises(PathError, match="corridor_m"):
        leg(corridor=float("nan"))
    with pytest.raises(PathError, match="corridor_m"):
        leg(corridor=-1.0)
    with pytest.raises(PathError, match="start_amsl_m"):
        leg(heights=(float("inf"), 0.0))
    with pytest.raises(PathError, match="before enter"):
        leg(minutes=-1.0)
    with pytest.raises(PathError, match="high_amsl_m"):
        Disc(0, "d", CENTER, 5.0, 10.0, 5.0, NOON, NOON)
    with pytest.raises(PathError, match="radius_m"):
        Disc(0, "d", CENTER, float("nan"), 0.0, 5.0, NOON, NOON)
    with pytest.raises(PathError, match="time zone"):
        Disc(0, "d", CENTER, 5.0, 0.0, 5.0, NOON.replace(tzinfo=None), NOON)
    with pytest.raises(FrameError, match="finite"):
        Surroundings(ground_amsl_m=float("nan"))
    with pytest.raises(FrameError, match="finite"):
        LatLon(float("nan"), 0.0)


def test_one_violation_a_leg_and_zone_in_order() -> None:
    stops = [offset(CENTER, 270.0, 6_000.0 - 1_000.0 * i) for i in range(13)]
    legs = [leg(a, b, index=i) for i, (a, b) in enumerate(itertools.pairwise(stops))]
    verdict = run([zone("A"), zone("B")], *legs)
    assert [(v.index, v.zone_id) for v in verdict.violations] == [
        (5, "A"), (5, "B"), (6, "A"), (6, "B")
    ]  # fmt: skip


def test_keep_in_union_heights_and_times() -> None:
    field = zone("K", box(CENTER, 3_000.0), ZoneKind.KEEP_IN, ceiling=Altitude(120.0, Datum.AGL))
    verdict = run([field])
    assert verdict.allowed
    assert verdict.clearance_m == pytest.approx(1_000.0, abs=3.0)
    assert verdict.nearest_zone_id == "K"
    assert run([field], leg(heights=(130.0, 130.0))).allowed
    (violation,) = run([field], leg(heights=(100.0, 140.0))).violations
    assert violation.depth_m == pytest.approx(10.0, abs=0.01)
    assert geodesic_m(violation.entry, leg().start) == pytest.approx(3_000.0, abs=2.0)
    assert "not between floor and ceiling of keep-in zone K" in violation.reason
    (violation,) = run([field], leg(end=offset(CENTER, 90.0, 4_000.0))).violations
    assert violation.kind is ZoneKind.KEEP_IN
    assert violation.depth_m == pytest.approx(1_030.0, rel=0.01)
    assert "leaves keep-in zone K" in violation.reason
    assert geodesic_m(violation.entry, CENTER) == pytest.approx(2_970.0, abs=3.0)
    (violation,) = run([field], leg(end=offset(CENTER, 90.0, 2_980.0))).violations
    assert "within 20.0 m of the border" in violation.reason
    # far from all of its keep-ins a leg is outside of them
    away = offset(CENTER, 0.0, 90_000.0)
    assert not run([field], leg(away, offset(away, 0.0, 10.0))).allowed
    # another class, another time
    bound = zone("R", box(away, 100.0), ZoneKind.KEEP_IN, classes=frozenset({VehicleClass.ROBOT}))
    assert run([field, bound]).allowed
    night = zone(
        "N",
        box(away, 100.0),
        ZoneKind.KEEP_IN,
        schedule=Schedule((Window(start=time(22), end=time(4)),)),
    )
    assert run([field, night]).allowed


def test_keep_in_circles_and_changes_of_the_guard() -> None:
    west, east = offset(CENTER, 270.0, 1_500.0), offset(CENTER, 90.0, 1_500.0)
    first = zone("A", CircleArea(west, 2_000.0), ZoneKind.KEEP_IN)
    second = zone("B", CircleArea(east, 2_000.0), ZoneKind.KEEP_IN)
    assert run([first, second]).allowed
    assert not run([first]).allowed
    # where one ends and the other begins while under way, both must hold the leg
    until = Schedule((Window(start=time(6), end=time(12, 5)),))
    since = Schedule((Window(start=time(12, 5), end=time(20)),))
    shift = [
        Zone("A", "", ZoneKind.KEEP_IN, first.area, schedule=until),
        Zone("B", "", ZoneKind.KEEP_IN, second.area, schedule=since),
    ]
    assert not run(shift).allowed
    both = leg(offset(CENTER, 270.0, 400.0), offset(CENTER, 90.0, 400.0))
    assert run(shift, both).allowed
    # one that ends under way does not count beside one that holds throughout
    lasting = Zone("B", "", ZoneKind.KEEP_IN, second.area)
    assert not run([shift[0], lasting]).allowed
    assert run([shift[0], lasting], leg(CENTER, offset(CENTER, 90.0, 1_000.0))).allowed
    # one that holds throughout is enough
    assert run([*shift, zone("C", box(CENTER, 4_000.0), ZoneKind.KEEP_IN)]).allowed
