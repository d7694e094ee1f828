from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from geofence.check import Disc, FlightPath, PathLeg, Surroundings
from geofence.errors import PathError
from geofence.formats.onboard import (
    FenceKind,
    FenceRefused,
    OnboardFence,
    onboard_fence,
)
from geofence.frames import Altitude, Datum, LatLon, offset
from geofence.zones import CircleArea, PolygonArea, Schedule, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FLAT = Surroundings(10.0, 17.0)
HOME = LatLon(60.17, 24.94)


def at(north_m: float, east_m: float, home: LatLon = HOME) -> LatLon:
    return offset(offset(home, 0.0, north_m), 90.0, east_m)


def flight(home: LatLon = HOME) -> FlightPath:
    end = at(1000.0, 0.0, home)
    leg = PathLeg(1, "leg 1", home, end, 70.0, 70.0, NOON, NOON, 25.0)
    disc = Disc(0, "take-off", home, 10.0, 10.0, 70.0, NOON, NOON)
    return FlightPath(VehicleClass.MULTIROTOR, (leg,), (disc,))


def circle(zone_id: str, center: LatLon, radius_m: float = 30.0, **changes) -> Zone:
    made = Zone(zone_id, f"Place {zone_id}", ZoneKind.NO_FLY, CircleArea(center, radius_m))
    return replace(made, **changes)


def box(zone_id: str, south_west, north_east, **changes) -> Zone:
    (s, w), (n, e) = south_west, north_east
    area = PolygonArea((at(s, w), at(s, e), at(n, e), at(n, w)))
    return circle(zone_id, HOME, area=area, **changes)


def fence(*zones: Zone, path: FlightPath | None = None, **how) -> OnboardFence:
    answer = onboard_fence(path or flight(), ZoneSet(zones), FLAT, **how)
    assert isinstance(answer, OnboardFence), answer
    return answer


def refusal(*zones: Zone, **how) -> FenceRefused:
    answer = onboard_fence(flight(), ZoneSet(zones), FLAT, **how)
    assert isinstance(answer, FenceRefused), answer
    return answer


def test_sizes_are_those_of_the_vehicle_and_the_nearest_comes_first():
    far = circle("far", at(500.0, 900.0))
    near = box("near", (400.0, 100.0), (500.0, 200.0))
    made = fence(far, near)
    assert [i.zone_id for i in made.items] == ["near", "far"]
    assert [i.kind for i in made.items] == [
        FenceKind.POLYGON_EXCLUSION,
        FenceKind.CIRCLE_EXCLUSION,
    ]
    assert made.size_bytes == 4 + (2 + 8 * 4) + 13
    assert made.items[1].radius_m == 31.0


@pytest.mark.parametrize(
    "changes",
    [
        {"floor": Altitude(80.0, Datum.AGL)},
        {"ceiling": Altitude(5.0, Datum.AMSL)},
        {"schedule": Schedule(valid_to=NOON - timedelta(hours=1))},
        {"kind": ZoneKind.ADVISORY},
        {"classes": frozenset({VehicleClass.ROBOT})},
        {"area": CircleArea(at(0.0, 9_000.0), 30.0)},
    ],
)
def test_what_does_not_concern_the_flight_is_no_item(changes):
    assert fence(circle("Z-1", at(500.0, 200.0), **changes)).items == ()


def test_a_permit_lifts_a_restricted_zone():
    zone = circle("Z-1", at(500.0, 200.0), kind=ZoneKind.RESTRICTED, permit="P")
    assert len(fence(zone).items) == 1
    assert fence(zone, path=replace(flight(), permits=frozenset({"P"}))).items == ()


def test_a_zone_under_the_track_is_named_not_fenced():
    low = circle("low", at(500.0, 0.0), ceiling=Altitude(30.0, Datum.AGL))
    made = fence(low)
    assert made.items == ()
    (left,) = made.left_out
    assert left.zone_id == "low"
    assert "another height or time" in left.reason


def test_a_zone_on_the_track_is_refused():
    answer = refusal(circle("Z-1", at(500.0, 40.0)))
    assert answer.zone_ids == ("Z-1",)
    assert "touches Z-1 (Place Z-1)" in answer.reason


def test_a_circle_whose_rounding_would_touch_the_flight_is_refused():
    answer = refusal(circle("Z-1", at(500.0, 5_045.0), 5_000.0))
    assert "leaves the flight free" in answer.reason


def test_the_fence_of_a_flight_inside_a_hole_keeps_it_there():
    ring = box("ring", (-3000.0, -3000.0), (4000.0, 3000.0))
    hole = (at(-500.0, -500.0), at(-500.0, 500.0), at(1500.0, 500.0), at(1500.0, -500.0))
    made = fence(replace(ring, area=PolygonArea(ring.area.shell, (hole,))))
    (item,) = made.items
    assert item.kind is FenceKind.POLYGON_INCLUSION
    assert len(item.vertices) == 4


def test_forty_two_circles_fit_and_the_rest_is_named_or_refused():
    zones = [circle(f"Z-{n:02}", at(25.0 * n, 120.0 + 10.0 * n), 5.0) for n in range(43)]
    made = fence(*zones, required_m=100.0)
    assert len(made.items) == 42
    assert made.size_bytes == 550
    assert [left.zone_id for left in made.left_out] == ["Z-42"]
    answer = refusal(*zones, required_m=2_000.0)
    assert "43 zones within 2000 m" in answer.reason
    assert len(answer.zone_ids) == 43


def test_room_left_goes_to_the_nearest_first():
    near = box("near", (400.0, 100.0), (500.0, 200.0))
    far = box("far", (400.0, 500.0), (500.0, 600.0))
    assert [i.kind for i in fence(near, far, capacity_bytes=55).items] == [
        FenceKind.POLYGON_EXCLUSION,
        FenceKind.CIRCLE_EXCLUSION,
    ]
    assert [len(i.vertices) for i in fence(near, far, capacity_bytes=43).items] == [3, 0]


def test_neighbouring_keep_ins_become_one_and_a_round_one_stays_round():
    kept = {"kind": ZoneKind.KEEP_IN}
    one = box("one", (-500.0, -400.0), (600.0, 400.0), **kept)
    two = box("two", (400.0, -300.0), (2000.0, 300.0), **kept)
    (item,) = fence(one, two).items
    assert item.kind is FenceKind.POLYGON_INCLUSION
    assert item.zone_id == "one+two"
    (ring,) = fence(circle("round", at(500.0, 0.0), 900.0, **kept)).items
    assert (ring.kind, ring.radius_m) == (FenceKind.CIRCLE_INCLUSION, 892.0)
    answer = refusal(one)
    assert "not wholly inside one (Place one)" in answer.reason
    lower = box("low", (-500.0, -400.0), (2000.0, 400.0), **kept, ceiling=Altitude(50.0, Datum.AGL))
    assert "for all its heights" in refusal(lower).reason


def test_near_the_antimeridian_circles_are_held_and_polygons_that_cross_it_are_circles():
    home = LatLon(10.0, 179.9995)
    near = circle("near", at(500.0, 200.0, home))
    corners = ((400.0, -300.0), (400.0, 200.0), (500.0, 200.0), (500.0, -200.0))
    shell = tuple(at(n, e + 400.0, home) for n, e in corners)
    across = circle("across", home, area=PolygonArea(shell))
    made = fence(near, path=flight(home))
    assert made.items[0].center is not None
    answer = onboard_fence(flight(home), ZoneSet((across,)), FLAT)
    assert isinstance(answer, OnboardFence | FenceRefused)


def test_a_flight_without_legs_has_no_fence():
    with pytest.raises(PathError):
        onboard_fence(FlightPath(VehicleClass.MULTIROTOR, ()), ZoneSet(()), FLAT)
