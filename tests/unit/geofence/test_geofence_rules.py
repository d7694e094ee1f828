"""Rules that bind by surface, mass and drive, and speed limits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta

import pytest

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.errors import PathError, ZoneError, ZoneFileError
from geofence.formats.geojson import read_zones, write_zones
from geofence.frames import LatLon, geodesic_m, offset
from geofence.zones import (
    CircleArea,
    Schedule,
    Surface,
    VehicleClass,
    VehicleTraits,
    Window,
    Zone,
    ZoneKind,
)
from geofence.zoneset import ZoneSet

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CENTER = LatLon(60.0, 25.0)
FLAT = Surroundings(10.0, 17.0)
ROBOT, DRONE = VehicleClass.ROBOT, VehicleClass.MULTIROTOR
ON_ROAD = VehicleTraits(ROBOT, Surface.ROAD)
ON_PAVEMENT = VehicleTraits(ROBOT, Surface.PAVEMENT)


def zone(zone_id="Z", kind=ZoneKind.NO_FLY, **more) -> Zone:
    return Zone(zone_id, "Street", kind, CircleArea(CENTER, 100.0), **more)


def leg(seconds=100.0, speed=None, length_m=400.0, at=NOON) -> PathLeg:
    start = offset(CENTER, 270.0, length_m / 2.0)
    end = offset(start, 90.0, length_m)
    leave = at + timedelta(seconds=seconds)
    return PathLeg(0, "street", start, end, 10.0, 10.0, at, leave, 1.0, speed)


def run(zones, traits, *legs, discs=(), permits=()):
    path = FlightPath(
        traits.vehicle_class, legs or (leg(),), tuple(discs), frozenset(permits), traits
    )
    return check(path, ZoneSet(zones), FLAT)


def test_surfaces_part_robots_and_say_nothing_of_drones() -> None:
    road = zone(surfaces=frozenset({Surface.ROAD}))
    assert road.binds(ON_ROAD)
    assert not road.binds(ON_PAVEMENT)
    assert road.binds(ROBOT)
    assert road.binds(VehicleTraits(ROBOT))
    assert road.binds(VehicleTraits(DRONE))
    robots_only = zone(surfaces=frozenset({Surface.ROAD}), classes=frozenset({ROBOT}))
    assert not robots_only.binds(VehicleTraits(DRONE))
    assert not robots_only.binds(DRONE)


@pytest.mark.parametrize(
    ("mass_kg", "bound"), [(24.9, False), (25.0, True), (24.9995, True), (30.0, True), (None, True)]
)
def test_a_mass_limit_binds_from_its_mass_on_and_whoever_does_not_say(mass_kg, bound) -> None:
    assert zone(min_mass_kg=25.0).binds(VehicleTraits(DRONE, mass_kg=mass_kg)) is bound


def test_a_low_emission_zone_binds_whoever_is_not_known_to_be_electric() -> None:
    low = zone(electric_exempt=True)
    assert not low.binds(VehicleTraits(ROBOT, electric=True))
    assert low.binds(VehicleTraits(ROBOT, electric=False))
    assert low.binds(VehicleTraits(ROBOT))
    assert low.binds(ROBOT)
    assert not run([low], VehicleTraits(ROBOT)).allowed
    assert run([low], VehicleTraits(ROBOT, electric=True)).allowed


def test_keep_ins_bind_by_the_same_rules() -> None:
    kept = zone(kind=ZoneKind.KEEP_IN, surfaces=frozenset({Surface.ROAD}))
    assert not run([kept], ON_ROAD).allowed
    assert run([kept], ON_PAVEMENT).allowed


def test_a_pedestrian_street() -> None:
    street = [
        zone("no-road", surfaces=frozenset({Surface.ROAD}), classes=frozenset({ROBOT})),
        zone(
            "walking",
            ZoneKind.ADVISORY,
            surfaces=frozenset({Surface.PAVEMENT}),
            classes=frozenset({ROBOT}),
            max_speed_mps=1.0,
        ),
    ]
    assert [v.zone_id for v in run(street, ON_ROAD, leg(1000.0)).violations] == ["no-road"]
    assert run(street, ON_PAVEMENT, leg(500.0)).allowed
    (fast,) = run(street, ON_PAVEMENT, leg(200.0)).violations
    assert fast.zone_id == "walking"
    assert fast.max_speed_mps == 1.0
    assert fast.reason == (
        "leg 0 (street) moves at 2 m/s in advisory zone walking (Street), which allows 1 m/s"
    )
    # a robot that does not say what it drives on is bound by both
    ids = {v.zone_id for v in run(street, VehicleTraits(ROBOT), leg(200.0)).violations}
    assert ids == {"no-road", "walking"}
    assert run(street, VehicleTraits(DRONE), leg(1.0)).allowed


def test_gate_hours_of_a_community() -> None:
    night = Schedule((Window(start=time(22), end=time(6)),), "Europe/Helsinki")
    gate = zone("gate", classes=frozenset({ROBOT}), schedule=night)
    assert run([gate], ON_PAVEMENT).allowed
    late = leg(at=NOON + timedelta(hours=8))
    assert [v.zone_id for v in run([gate], ON_PAVEMENT, late).violations] == ["gate"]
    assert run([gate], VehicleTraits(DRONE), late).allowed


def test_a_loading_bay_is_entered_with_its_permit_and_slowly() -> None:
    bay = zone("bay", ZoneKind.RESTRICTED, permit="bay-7", max_speed_mps=1.5)
    (barred,) = run([bay], ON_ROAD, leg(100.0)).violations
    assert barred.max_speed_mps is None
    assert "the permit bay-7 lifts it" in barred.reason
    (fast,) = run([bay], ON_ROAD, leg(100.0), permits=["bay-7"]).violations
    assert "moves at 4 m/s in restricted zone bay (Street), which allows 1.5 m/s" in fast.reason
    assert run([bay], ON_ROAD, leg(300.0), permits=["bay-7"]).allowed


def test_a_no_fly_zone_needs_no_speed_limit() -> None:
    (violation,) = run([zone(max_speed_mps=1.0)], ON_ROAD, leg(1.0)).violations
    assert violation.max_speed_mps is None


def test_a_keep_in_may_limit_the_speed_inside() -> None:
    kept = Zone("K", "", ZoneKind.KEEP_IN, CircleArea(CENTER, 1000.0), max_speed_mps=2.0)
    assert run([kept], ON_ROAD, leg(200.0)).allowed
    (fast,) = run([kept], ON_ROAD, leg(199.0)).violations
    assert fast.kind is ZoneKind.KEEP_IN
    assert fast.max_speed_mps == 2.0


def test_speed_counts_only_inside_and_while_the_limit_applies() -> None:
    over = Schedule(valid_to=NOON - timedelta(days=1))
    slow = {"kind": ZoneKind.ADVISORY, "max_speed_mps": 1.0}
    assert run([zone(schedule=over, **slow)], ON_ROAD, leg(1.0)).allowed
    beside = Zone(
        "B", "", ZoneKind.ADVISORY, CircleArea(offset(CENTER, 0.0, 200.0), 100.0), max_speed_mps=1.0
    )
    assert run([beside], ON_ROAD, leg(1.0)).allowed
    waiting = Disc(0, "stop", CENTER, 2.0, 9.0, 12.0, NOON, NOON)
    assert run([zone(**slow)], ON_ROAD, leg(1000.0), discs=[waiting]).allowed


def test_the_speed_of_a_leg() -> None:
    assert leg(100.0).over_ground_mps == pytest.approx(4.0, rel=1e-6)
    assert leg(100.0, speed=7.5).over_ground_mps == 7.5
    assert leg(0.0).over_ground_mps == float("inf")
    still = PathLeg(0, "", CENTER, CENTER, 1.0, 1.0, NOON, NOON, 1.0)
    assert still.over_ground_mps == 0.0
    (unknown,) = run(
        [zone(kind=ZoneKind.ADVISORY, max_speed_mps=1.0)], ON_ROAD, leg(0.0)
    ).violations
    assert "moves at no stated speed" in unknown.reason
    limit = zone(kind=ZoneKind.ADVISORY, max_speed_mps=4.0)
    exact = geodesic_m(leg().start, leg().end) / 4.0
    assert run([limit], ON_ROAD, leg(exact)).allowed
    assert run([limit], ON_ROAD, leg(1e6, speed=4.0)).allowed
    assert not run([limit], ON_ROAD, leg(1e6, speed=4.01)).allowed


def test_the_lower_of_two_limits_and_both_are_told() -> None:
    limits = [zone(str(limit), ZoneKind.ADVISORY, max_speed_mps=limit) for limit in (1.0, 3.0, 5.0)]
    found = run(limits, ON_ROAD, leg(100.0)).violations
    assert {v.max_speed_mps for v in found} == {1.0, 3.0}


def test_nonsense_is_refused() -> None:
    with pytest.raises(ZoneError, match="min_mass_kg"):
        zone(min_mass_kg=-1.0)
    with pytest.raises(ZoneError, match="max_speed_mps"):
        zone(max_speed_mps=float("nan"))
    with pytest.raises(ValueError, match="mass_kg"):
        VehicleTraits(DRONE, mass_kg=0.0)
    with pytest.raises(PathError, match="traits of a robot in the path of a multirotor"):
        FlightPath(DRONE, (), traits=ON_ROAD)
    with pytest.raises(PathError, match="speed_mps"):
        leg(speed=-1.0)


RULED = zone(
    kind=ZoneKind.ADVISORY,
    surfaces=frozenset(Surface),
    min_mass_kg=25.0,
    electric_exempt=True,
    max_speed_mps=2.5,
)


def test_geojson_round_trip_and_version() -> None:
    document = write_zones([RULED])
    assert (
        document["features"][0]["properties"]
        | {
            "surfaces": ["pavement", "road"],
            "min_mass_kg": 25.0,
            "electric_exempt": True,
            "max_speed_mps": 2.5,
        }
        == document["features"][0]["properties"]
    )
    assert read_zones(json.dumps(document)) == (RULED,)
    plain = zone(kind=ZoneKind.ADVISORY)
    versions = {ZoneSet([z]).version for z in (plain, RULED)}
    assert len(versions) == 2


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("surfaces", ["sea"], "'sea' is unknown: use road, pavement"),
        ("surfaces", [], "not a list of road, pavement: leave it out for all"),
        ("min_mass_kg", 0, "0 is not a number above 0"),
        ("min_mass_kg", "25", "'25' is not a number above 0"),
        ("max_speed_mps", True, "True is not a number above 0"),
        ("electric_exempt", "yes", "'yes' is not true or false"),
    ],
)
def test_geojson_names_field_and_value(field, value, said) -> None:
    document = write_zones([RULED])
    document["features"][0]["properties"][field] = value
    with pytest.raises(ZoneFileError) as refused:
        read_zones(json.dumps(document))
    (error,) = refused.value.errors
    assert (error.feature, error.field, error.reason) == ("Z", field, said)
