"""The shipped parcels, zones and streets are what the demo needs."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geofence.formats.geojson import read_zones
from geofence.frames import LatLon, geodesic_m
from missions.roads import StreetGraph
from missions.roads_file import read_streets
from sitl.referee.zones import RefZone
from sitl.referee.zones import read_zones as referee_zones

SHIPPED = Path(__file__).resolve().parents[3] / "sitl" / "scenarios" / "helsinki"
CONFIG = tomllib.loads((SHIPPED / "waypost.toml").read_text())
SITES = {site["id"]: site for site in CONFIG["sites"]}
PARCELS: list[dict[str, Any]] = json.loads((SHIPPED / "parcels.json").read_text())


def place(parcel: dict[str, Any]) -> LatLon:
    to = parcel["destination"]
    found = SITES[to["site"]] if "site" in to else to
    return LatLon(found["lat_deg"], found["lon_deg"])


@pytest.fixture(scope="module")
def zones() -> dict[str, RefZone]:
    read = referee_zones(SHIPPED / "zones.geojson", ground_amsl_m=15.0, geoid_m=18.0)
    return {zone.zone_id: zone for zone in read}


@pytest.fixture(scope="module")
def streets() -> StreetGraph:
    return read_streets((SHIPPED / "streets.geojson").read_bytes())


def inside(zone: RefZone, spot: LatLon) -> bool:
    here = np.array([[spot.lon_deg, spot.lat_deg]])
    return any(bool(area.contains(here)[0]) for area in zone.areas)


def test_both_readers_read_the_same_zones(zones: dict[str, RefZone]) -> None:
    others = {z.zone_id: z for z in read_zones((SHIPPED / "zones.geojson").read_bytes())}
    assert set(others) == set(zones)
    for zone_id, zone in zones.items():
        assert others[zone_id].kind.value == zone.kind
        assert {c.value for c in others[zone_id].classes} == zone.classes
        assert "not for flight" in others[zone_id].note
    assert {zone.kind for zone in zones.values()} == {
        "keep_in",
        "no_fly",
        "restricted",
        "advisory",
    }


def test_streets_are_small_and_connected(streets: StreetGraph) -> None:
    assert (SHIPPED / "streets.geojson").stat().st_size < 600_000
    first = next(iter(streets.nodes))
    assert len(streets.distances(first)) == len(streets.nodes)


def test_parcels_are_well_formed_and_mixed() -> None:
    assert len(PARCELS) == 60
    assert len({p["id"] for p in PARCELS}) == 60
    assert Counter(p["priority"] for p in PARCELS).keys() == {"normal", "urgent", "medical"}
    assert Counter(p["handling"] for p in PARCELS)["pin"] >= 4
    for parcel in PARCELS:
        assert parcel["origin"] in SITES
        assert 0 <= parcel["ready_in_s"] < parcel["due_in_s"]
        assert parcel["weight_kg"] > 0
        assert all(side > 0 for side in parcel["size_m"])
        assert ("pin" in parcel) == (parcel["handling"] == "pin")


def test_hard_addresses_are_there(zones: dict[str, RefZone], streets: StreetGraph) -> None:
    palace, stadium = zones["government-quarter"], zones["olympic-stadium"]
    drone_kg = max(d["max_payload_kg"] for d in CONFIG["drones"])
    robot_kg = max(r["max_payload_kg"] for r in CONFIG["robots"])
    within = [p for p in PARCELS if inside(palace, place(p))]
    by_robot = [p for p in within if p["weight_kg"] <= robot_kg]
    assert len(by_robot) >= 2
    assert all(streets.nearest(place(p))[1] < 30.0 for p in by_robot)
    assert [p for p in within if p["weight_kg"] > max(drone_kg, robot_kg)]
    assert [p for p in PARCELS if inside(stadium, place(p))]
    heliport = [p for p in PARCELS if inside(zones["meilahti-heliport"], place(p))]
    assert all(streets.nearest(place(p))[1] > 500.0 for p in heliport)
    assert heliport
    behind = [
        p for p in PARCELS if not inside(palace, place(p)) and crosses(palace, origin(p), place(p))
    ]
    assert len(behind) >= 2


def origin(parcel: dict[str, Any]) -> LatLon:
    site = SITES[parcel["origin"]]
    return LatLon(site["lat_deg"], site["lon_deg"])


def crosses(zone: RefZone, start: LatLon, end: LatLon) -> bool:
    a, b = (np.array([p.lon_deg, p.lat_deg]) for p in (start, end))
    return any(area.spans(a, b) for area in zone.areas)


def test_every_destination_is_in_the_operating_area_and_near(zones: dict[str, RefZone]) -> None:
    area = zones["operating-area"]
    for parcel in PARCELS:
        assert inside(area, place(parcel)), parcel["id"]
        assert geodesic_m(origin(parcel), place(parcel)) < 3000.0


def test_pads_are_apart_and_outside_every_zone(zones: dict[str, RefZone]) -> None:
    pads = [LatLon(d["pad_lat_deg"], d["pad_lon_deg"]) for d in CONFIG["drones"]]
    for number, pad in enumerate(pads):
        assert all(geodesic_m(pad, other) >= 8.0 for other in pads[:number])
        for zone in zones.values():
            if zone.binds("multirotor") and zone.kind in {"no_fly", "restricted"}:
                assert not inside(zone, pad)


def test_the_event_in_the_stadium_ends_soon_after_the_start(zones: dict[str, RefZone]) -> None:
    start_s = CONFIG["clock"]["start"].timestamp()
    spans = zones["olympic-stadium"].active_spans(start_s, start_s + 3600.0)
    assert spans == [(start_s, start_s + 900.0)]
