"""What the configuration says of vehicles and of the ground, and where it goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.config import Config, ConfigError, from_dict, load
from controller.dispatch.model import DispatchSettings
from controller.dispatch.plans import Plans, robots_in_common
from controller.domain.model import Priority
from controller.enrol import capability_of, dispatch_settings, read_surroundings
from geofence.frames import LatLon
from geofence.zones import Surface, VehicleClass, VehicleTraits, ZoneKind
from tests.unit.controller.dispatch_worlds import at, drone, no_fly, robot, world

GRID = "ncols 2\nnrows 2\nxllcenter 24\nyllcenter 60\ncellsize 1\n5 6\n7 8\n"

FLEET = {
    "sites": [{"id": "hub", "lat_deg": 60.2, "lon_deg": 24.9}],
    "robots": [
        {
            "id": "R-01", "base": "hub", "manufacturer": "loopback", "serial": "1",
            "surface": "pavement", "mass_kg": 40.0, "electric": True,
        }
    ],
    "drones": [
        {
            "id": "D-01", "base": "hub", "link": "loopback", "sysid": 1,
            "pad_lat_deg": 60.2, "pad_lon_deg": 24.9, "mass_kg": 9.5,
        }
    ],
}  # fmt: skip


def config(tmp_path: Path, **sections: object) -> Config:
    return from_dict({**FLEET, **sections}, base=tmp_path)


def test_traits_count_the_heaviest_load(tmp_path: Path) -> None:
    made = config(tmp_path)
    on_pavement = capability_of(made.robots[0]).traits
    assert on_pavement == VehicleTraits(VehicleClass.ROBOT, Surface.PAVEMENT, 60.0, True)
    flying = capability_of(made.drones[0]).traits
    assert flying == VehicleTraits(VehicleClass.MULTIROTOR, None, 12.0, None)


def test_a_surface_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "waypost.toml"
    path.write_text(
        '[[sites]]\nid = "hub"\nlat_deg = 60.0\nlon_deg = 24.0\n[[robots]]\nid = "R-01"\n'
        'base = "hub"\nmanufacturer = "m"\nserial = "1"\nsurface = "sea"\n'
    )
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert refused.value.problems == ("robots.0.surface: Input should be 'road' or 'pavement'",)


def test_grids_are_read_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "ground.asc").write_text(GRID)
    (tmp_path / "geoid.asc").write_text(GRID)
    made = config(
        tmp_path, terrain={"grid": "ground.asc", "geoid_grid": "geoid.asc", "ground_amsl_m": 3.0}
    )
    assert made.terrain.grid == tmp_path / "ground.asc"
    surroundings = read_surroundings(made)
    assert surroundings.terrain is not None
    assert surroundings.geoid is not None
    assert surroundings.ground_at(LatLon(60.0, 24.0)) == 7.0
    assert surroundings.ground_at(LatLon(61.0, 25.0)) == 6.0
    flat = read_surroundings(config(tmp_path, terrain={"ground_amsl_m": 3.0}))
    assert flat.terrain is None
    assert flat.ground_at(LatLon(0.0, 0.0)) == 3.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (GRID.replace("7 8", "7 x").encode(), "line 7: height: 'x' is not a number"),
        (b"\xff\xfe\x00", "byte 0 is no text of an Esri ASCII grid"),
    ],
)
def test_a_bad_grid_file_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "ground.asc").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_surroundings(config(tmp_path, terrain={"grid": "ground.asc"}))
    assert str(refused.value) == f"{tmp_path / 'ground.asc'}: {said}"


def on(number: int, **traits: object):
    made = robot(number)
    return replace(made, capability=replace(made.capability, **traits))


def test_streets_are_open_as_to_the_most_bound_robot() -> None:
    road, walk = on(1, surface=Surface.ROAD, electric=True), on(2, surface=Surface.PAVEMENT)
    assert robots_in_common([road]) == VehicleTraits(
        VehicleClass.ROBOT, Surface.ROAD, None, electric=True
    )
    assert robots_in_common([road, walk]) == VehicleTraits(
        VehicleClass.ROBOT, None, None, electric=False
    )
    heavy, light = on(1, mass_kg=50.0), on(2, mass_kg=10.0)
    assert robots_in_common([heavy, light, drone()]).mass_kg == 70.0
    assert robots_in_common([heavy, on(2)]).mass_kg is None
    assert robots_in_common([]).electric is False


def test_dispatch_slows_and_closes_streets_by_what_its_robots_are() -> None:
    robots = frozenset({VehicleClass.ROBOT})
    middle = at(375.0, 0.0)
    walk = no_fly("walk", middle, 60.0, kind=ZoneKind.ADVISORY, classes=robots, max_speed_mps=0.5)
    zones = (
        replace(walk, surfaces=frozenset({Surface.PAVEMENT})),
        no_fly("road", middle, 60.0, classes=robots, surfaces=frozenset({Surface.ROAD})),
    )
    plans = Plans()
    walking = plans.streets(world((on(1, surface=Surface.PAVEMENT),), (), zones))
    assert walking is not None
    assert walking.closed == {}
    assert walking.graph.edges["n5-4:n6-4"].max_speed_mps == 0.5
    driving = plans.streets(world((on(1, surface=Surface.ROAD),), (), zones))
    assert driving is not None
    assert driving.closed == {"n5-4:n6-4": ("road",)}
    assert "n5-4:n6-4" not in driving.graph.edges


BRIDGE = {"name": "bridge", "line": [[60.2, 24.9], [60.21, 24.9]], "headway_s": 20.0}


def test_corridors_are_read_for_dispatch(tmp_path: Path) -> None:
    (read,) = config(tmp_path, corridors=[{**BRIDGE, "high_amsl_m": 90.0}]).corridors
    made = read.corridor()
    assert made.line == (LatLon(60.2, 24.9), LatLon(60.21, 24.9))
    assert (made.low_amsl_m, made.high_amsl_m) == (float("-inf"), 90.0)
    assert (made.capacity, made.headway_s, made.one_way) == (1, 20.0, False)


@pytest.mark.parametrize(
    ("corridors", "word"),
    [
        ([BRIDGE, BRIDGE], "bridge"),
        ([{**BRIDGE, "line": [[60.2, 24.9], [60.2, 24.9]]}], "line"),
        ([{**BRIDGE, "low_amsl_m": 50.0, "high_amsl_m": 40.0}], "low_amsl_m"),
        ([{**BRIDGE, "capacity": 0}], "capacity"),
        ([{**BRIDGE, "halfwidth_m": 3.0}], "half_width_m"),
    ],
)
def test_a_wrong_corridor_is_named(tmp_path: Path, corridors: object, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        config(tmp_path, corridors=corridors)


def test_dispatch_is_by_default_as_it_says_itself() -> None:
    made = dispatch_settings(Config(), max_telemetry_age_s=15.0)
    assert made == DispatchSettings()


def test_dispatch_takes_what_is_configured(tmp_path: Path) -> None:
    told = {
        "drone_use": 9.0,
        "waiting": {"normal": 1.5, "urgent": 2.5, "medical": 6.0},
        "separation": {"horizontal_m": 80.0},
        "flying": {"growth_mps": 0.2, "slop_s": 1.0},
        "margins": {"nav_error_m": 4.0, "reserve": 0.3},
        "street": {"corridor_m": 2.0},
    }
    settings = dispatch_settings(config(tmp_path, dispatch=told), max_telemetry_age_s=15.0)
    assert settings.drone_use == 9.0
    assert settings.waiting[Priority.MEDICAL] == 6.0
    assert settings.lateness == DispatchSettings().lateness
    assert (settings.separation.horizontal_m, settings.separation.vertical_m) == (80.0, 15.0)
    assert (settings.flying.growth_mps, settings.flying.radius_m) == (0.2, 5.0)
    assert (settings.flight.nav_error_m, settings.flight.reserve) == (4.0, 0.3)
    assert settings.flight.corridor_m(12.0) == DispatchSettings().flight.corridor_m(12.0) - 3.0
    assert settings.round.corridor_m == 2.0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[dispatch]\ndrone_us = 1", "unknown key 'dispatch.drone_us'; did you mean 'drone_use'?"),
        ("[dispatch.margins]\nreserv = 0.1", "unknown key 'dispatch.margins.reserv'; did you mean"),
        ("[dispatch.margins]\nreserve = 1.5", "dispatch.margins.reserve: "),
        ("[dispatch.separation]\nvertical_m = 0", "dispatch.separation.vertical_m: "),
        ("[dispatch.flying]\nslop_s = -1.0", "dispatch.flying.slop_s: "),
        (
            "[dispatch.waiting]\nnormal = 1.0\nurgent = 2.0",
            "key 'dispatch.waiting.medical' is missing",
        ),
        ("[dispatch]\nenergy_per_wh = nan", "dispatch.energy_per_wh: "),
        ("[dispatch]\nhub_radius_m = inf", "dispatch.hub_radius_m: "),
        ("[[dispatch.permits]]\nvehicle = 'D-01'", "key 'dispatch.permits.0.permit' is missing"),
        (
            "[[dispatch.permits]]\npermit = 'x'\nuntil = 2026-01-01T08:00:00",
            "dispatch.permits.0.until: has no time zone",
        ),
        (
            "[[dispatch.permits]]\npermit = 'x'\nvehicl = 'D-01'",
            "unknown key 'dispatch.permits.0.vehicl'; did you mean 'vehicle'?",
        ),
        (
            "[[dispatch.permits]]\npermit = 'x'\nvehicle = 'D-07'",
            "dispatch.permits.0.vehicle: 'D-07' is no vehicle",
        ),
        ("[safety]\nrezoned = []", "safety.rezoned: "),
        ("[safety]\nrezoned = ['hover']", "safety.rezoned.0: "),
    ],
)
def test_each_error_names_its_key(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "waypost.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert any(each.startswith(problem) for each in refused.value.problems), refused.value.problems


def test_a_divert_is_among_the_reactions_and_drones_tell_how_many_parcels_they_let_go(
    tmp_path: Path,
) -> None:
    path = tmp_path / "waypost.toml"
    path.write_text(
        "[safety]\nrezoned = ['return', 'divert', 'hold']\n"
        "[[sites]]\nid = 'hub'\nkind = 'hub'\nlat_deg = 60.0\nlon_deg = 24.0\n"
        "[[sites]]\nid = 'clinic'\nlat_deg = 60.01\nlon_deg = 24.0\nlanding = true\n"
        "[[drones]]\nid = 'D-1'\nlink = 'loopback'\nsysid = 1\nbase = 'hub'\n"
        "pad_lat_deg = 60.0\npad_lon_deg = 24.0\nparcel_slots = 2\n"
    )
    read = load(path)
    assert read.safety.rezoned == ("return", "divert", "hold")
    assert read.drones[0].parcel_slots == 2
    assert [site.landing for site in read.sites] == [False, True]
    path.write_text(path.read_text().replace("parcel_slots = 2", "parcel_slots = 9"))
    with pytest.raises(ConfigError, match="parcel_slots"):
        load(path)
    text = path.read_text().replace("parcel_slots = 9", 'parcel_slots = 2\nprofile = "px4"')
    path.write_text(text)
    with pytest.raises(ConfigError, match="several parcels a flight need the profile"):
        load(path)
