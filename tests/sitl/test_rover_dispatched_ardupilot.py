"""Real ArduRover enrolled in a controller's configuration: a parcel in, delivered, and home."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from controller.app import App, build
from controller.config import Config, from_dict
from controller.domain.model import Destination, Parcel, ParcelState
from controller.enrol import enrol, make_adapters, sites_of
from geofence.frames import LatLon, geodesic_m, offset
from missions.roads import StreetEdge, StreetGraph, StreetNode
from missions.roads_file import write_streets
from sitl.ardupilot import ROVER, ArduPilotFleet, find_ardupilot
from sitl.copter.spec import CopterSpec
from sitl.world import TruthSample
from tests.integration.mavlink_rig import wall_clocks
from vehicles.mavlink.fleet import MavlinkFleet

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.ardupilot,
    pytest.mark.skipif(
        find_ardupilot(kind=ROVER) is None,
        reason="ardurover not found: set WAYPOST_ARDUPILOT_BIN to the directory that holds it",
    ),
]
SPEEDUP = 6.0
LINK = "udpin:127.0.0.1:0"
HUB = LatLon(60.1700, 24.9400)
CORNER = offset(HUB, 90.0, 60.0)
DOOR = offset(CORNER, 0.0, 50.0)


def streets() -> StreetGraph:
    nodes = [StreetNode("hub", HUB), StreetNode("corner", CORNER), StreetNode("door", DOOR)]
    ways = [("e-1", nodes[0], nodes[1]), ("e-2", nodes[1], nodes[2])]
    edges = [
        StreetEdge(
            name, a.node_id, b.node_id, geodesic_m(a.position, b.position), 4.0,
            (a.position, b.position), "service", one_way=False,
        )
        for name, a, b in ways
    ]  # fmt: skip
    return StreetGraph(nodes, edges)


def config(folder: Path) -> Config:
    (folder / "streets.geojson").write_text(json.dumps(write_streets(streets())))
    return from_dict(
        {
            "store": {"url": f"sqlite+aiosqlite:///{folder / 'waypost.db'}"},
            "clock": {"speedup": SPEEDUP},
            "terrain": {"ground_amsl_m": 10.0, "geoid_m": 18.0},
            "streets": {"file": "streets.geojson"},
            "mavlink": {"apply_baseline": True},
            "sites": [
                {
                    "id": "hub", "kind": "hub", "lat_deg": HUB.lat_deg, "lon_deg": HUB.lon_deg,
                    "ground_amsl_m": 10.0,
                }
            ],
            "rovers": [{"id": "G-1", "base": "hub", "link": LINK, "sysid": 1,
                        "cruise_speed_mps": 4.0, "gcs_timeout_s": 60.0}],
        },
        base=folder,
    )  # fmt: skip


async def until(condition: Callable[[], bool], app: App, deadline_s: float = 150.0) -> None:
    try:
        async with asyncio.timeout(deadline_s):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        (vehicle,) = app.desk.vehicles()
        pytest.fail(f"{app.desk.parcel('P-1')}; {vehicle.sentence}; {vehicle.telemetry}")


async def test_a_parcel_is_carried_by_a_rover_that_the_configuration_names(tmp_path: Path) -> None:
    whole = config(tmp_path)
    clock, theirs = wall_clocks(SPEEDUP)
    (fleet,) = make_adapters(whole, enrol(whole, sites_of(whole)), clock)
    assert isinstance(fleet, MavlinkFleet)
    truth: list[TruthSample] = []
    spec = CopterSpec("G-1", 1, HUB.lat_deg, HUB.lon_deg, 10.0, heading_deg=90.0)
    async with build(whole, clock=clock, adapters=[fleet]) as app:
        program = ArduPilotFleet(
            [spec],
            controller=fleet.udp_address(LINK),
            clock=theirs,
            on_truth=truth.append,
            kind=ROVER,
        )
        async with program, asyncio.TaskGroup() as group:
            serving = group.create_task(app.run(), name="controller")
            now = clock.now()
            to = Destination(DOOR)
            parcel = Parcel("P-1", 2.0, (0.3, 0.2, 0.2), "hub", to, now, now + timedelta(hours=2))
            await app.desk.submit([parcel], key="k", fingerprint="f")
            await until(lambda: app.ledger.parcels["P-1"].state is ParcelState.DELIVERED, app)
            await until(lambda: not app.desk.vehicles()[0].assignment_id, app)
            serving.cancel()
        proof = app.ledger.parcels["P-1"].proof
        assert proof is not None
        assert geodesic_m(proof.position, DOOR) < 5.0
        dropped = [t for t in truth if t.event == "released"]
        assert len(dropped) == 1
        assert geodesic_m(LatLon(dropped[0].lat_deg, dropped[0].lon_deg), DOOR) < 5.0
        assert geodesic_m(LatLon(truth[-1].lat_deg, truth[-1].lon_deg), HUB) < 5.0
