"""The Helsinki scenario, decided once: real streets, authored zones, the whole fleet ready."""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from importlib import resources

import pytest

from controller.dispatch.engine import dispatch
from controller.dispatch.model import ParcelFacts, VehicleFacts, World
from controller.domain.model import Destination, Handling, Parcel, Priority, Site, SiteKind
from geofence.check import Surroundings
from geofence.formats.geojson import read_zones
from geofence.frames import LatLon
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.model import DropDevice
from missions.roads import read_streets
from tests.unit.controller.dispatch_worlds import numbered
from vehicles.port import Capability, LinkState, Phase, Telemetry

# two seconds of computing on a quiet machine; a busy one must not fail it
pytestmark = pytest.mark.timeout(60)
FOLDER = resources.files("sitl") / "scenarios" / "helsinki"


def scenario() -> World:
    config = tomllib.loads((FOLDER / "waypost.toml").read_text())
    now = config["clock"]["start"]
    sites = {
        s["id"]: Site(
            s["id"],
            s["name"],
            SiteKind(s["kind"]),
            LatLon(s["lat_deg"], s["lon_deg"]),
            s["ground_amsl_m"],
        )
        for s in config["sites"]
    }
    bodies = json.loads((FOLDER / "parcels.json").read_text())
    terrain = config["terrain"]
    return World(
        now=now,
        zones=ZoneSet(read_zones((FOLDER / "zones.geojson").read_text())),
        surroundings=Surroundings(terrain["ground_amsl_m"], terrain["geoid_m"]),
        streets=read_streets((FOLDER / "streets.geojson").read_text()),
        vehicles=tuple(
            vehicle(entry, sites, now) for entry in (*config["drones"], *config["robots"])
        ),
        parcels=tuple(parcel(body, sites, now) for body in bodies),
    )


def vehicle(entry, sites, now) -> VehicleFacts:
    flying = "drop_device" in entry
    base = sites[entry["base"]]
    place = LatLon(entry["pad_lat_deg"], entry["pad_lon_deg"]) if flying else base.position
    return VehicleFacts(
        vehicle_id=entry["id"],
        capability=Capability(
            vehicle_class=VehicleClass.MULTIROTOR if flying else VehicleClass.ROBOT,
            max_payload_kg=entry["max_payload_kg"],
            parcel_slots=entry.get("parcel_slots", 1),
            cruise_speed_mps=entry["cruise_speed_mps"],
            usable_energy_wh=entry["usable_energy_wh"],
            max_parcel_size_m=tuple(entry["max_parcel_size_m"]),
            drop_device=DropDevice(entry["drop_device"]) if flying else None,
            handover_pin=entry.get("handover_pin", False),
        ),
        telemetry=Telemetry(
            vehicle_id=entry["id"],
            received_at=now,
            link=LinkState.ONLINE,
            phase=Phase.READY,
            position=place,
            battery_pct=100.0,
            home=place if flying else None,
            home_amsl_m=base.ground_amsl_m if flying else None,
        ),
        base=base,
        cruise_alt_home_m=entry.get("cruise_alt_home_m", 60.0),
    )


def parcel(body, sites, now) -> ParcelFacts:
    where = body["destination"]
    place = (
        sites[where["site"]].position
        if "site" in where
        else LatLon(where["lat_deg"], where["lon_deg"])
    )
    made = Parcel(
        parcel_id=body["id"],
        weight_kg=body["weight_kg"],
        size_m=tuple(body["size_m"]),
        origin_site_id=body["origin"],
        destination=Destination(place),
        ready_at=now - timedelta(seconds=1),
        due_at=now + timedelta(seconds=body["due_in_s"]),
        priority=Priority(body["priority"]),
        handling=Handling(body["handling"]),
    )
    return ParcelFacts(made, sites[body["origin"]])


@pytest.fixture(scope="module")
def world() -> World:
    return scenario()


def test_the_whole_scenario_is_offered_waits_or_is_refused_for_good_reason(world):
    decision = dispatch(world, ids=numbered(), seed=1)
    offered = [p for offer in decision.offers for p in offer.parcel_ids]
    assert len(offered) == len(set(offered))
    drones = {v.vehicle_id for v in world.vehicles if v.capability.drop_device is not None}
    assert drones == {o.vehicle_id for o in decision.offers if o.vehicle_id in drones}
    for parcel_id, told in decision.explanations.items():
        assert len(told.candidates) + len(told.refusals) == len(world.vehicles)
        assert (told.chosen != "") == (parcel_id in offered)
        if parcel_id not in offered and parcel_id not in decision.unservable:
            assert told.candidates or any(not r.permanent for r in told.refusals)
    for parcel_id, reasons in decision.unservable.items():
        codes = {reason.code for reason in reasons}
        assert codes <= {"payload", "size", "zone", "no_route", "street", "origin", "pin", "range"}
        assert parcel_id not in offered
    assert decision.unservable
