"""The Helsinki scenario, decided once: real streets, authored zones, the whole fleet ready."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import timedelta
from importlib import resources

import pytest

from controller.dispatch.engine import Engine, dispatch
from controller.dispatch.model import ActiveFlight, ParcelFacts, VehicleFacts, World
from controller.domain.model import Destination, Handling, Parcel, Priority, Site, SiteKind
from geofence.check import Surroundings
from geofence.conflict import Hub, Track, TrackIndex, Uncertainty, conflicts
from geofence.formats.geojson import read_zones
from geofence.frames import LatLon
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.flown_track import track_of
from missions.model import AirMission, DropDevice
from missions.plan_flown import flown_legs
from missions.roads_file import read_streets
from tests.unit.controller.dispatch_worlds import numbered
from vehicles.port import Capability, LinkState, Phase, Telemetry

# two seconds of computing on a quiet machine; a busy one must not fail it
pytestmark = pytest.mark.timeout(240)
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
    kept_apart = {
        refusal.vehicle_id
        for told in decision.explanations.values()
        for refusal in told.refusals
        if refusal.code == "airspace"
    }
    assert drones == kept_apart | {o.vehicle_id for o in decision.offers if o.vehicle_id in drones}
    assert kept_apart.isdisjoint(o.vehicle_id for o in decision.offers)
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


DELIVERABLE = 58
STEP_S = 60.0
TURNAROUND_S = 60.0


# some forty decisions over the whole scenario, on a machine that others use too
@pytest.mark.timeout(240)
def test_every_deliverable_parcel_is_delivered_with_drones_kept_apart(world):
    """The whole scenario, decided again and again as missions end; flights as planned."""
    engine, ids = Engine(), numbered()
    left = {facts.parcel.parcel_id: facts for facts in world.parcels}
    busy: dict[str, float] = {}
    active: dict[str, ActiveFlight] = {}
    flown: list[Track] = []
    refused: set[str] = set()
    waited = 0
    clock_s, settings = 0.0, world.settings
    while left and clock_s < 3.0 * 3600.0:
        now = world.now + timedelta(seconds=clock_s)
        busy = {v: until for v, until in busy.items() if until > clock_s}
        active = {v: flight for v, flight in active.items() if v in busy}
        if len(busy) < len(world.vehicles):
            seen = tuple(
                replace(
                    v,
                    assigned="A" if v.vehicle_id in busy else "",
                    telemetry=replace(v.telemetry, received_at=now),
                )
                for v in world.vehicles
            )
            here = replace(
                world, now=now, vehicles=seen, parcels=tuple(left.values()),
                active=tuple(active.values()),
            )  # fmt: skip
            decision = engine.dispatch(here, ids=ids, seed=1)
            for parcel_id, told in decision.explanations.items():
                if parcel_id not in decision.unservable:
                    waited += any(r.code == "airspace" for r in told.refusals)
            for parcel_id in decision.unservable:
                refused.add(parcel_id)
                del left[parcel_id]
            for offer in decision.offers:
                depart_s = clock_s + settings.preparation_s
                busy[offer.vehicle_id] = depart_s + offer.mission.duration_s + TURNAROUND_S
                if isinstance(offer.mission, AirMission):
                    at = now + timedelta(seconds=settings.preparation_s)
                    active[offer.vehicle_id] = ActiveFlight(
                        offer.vehicle_id, offer.mission, now, at
                    )
                    legs = flown_legs(
                        offer.mission, loads={}, speed_mps=20.0,
                        model=settings.multirotor, rules=settings.flight,
                    )  # fmt: skip
                    flown.append(
                        track_of(f"{len(flown)}", offer.mission, legs, depart_at=at,
                                 uncertainty=Uncertainty())
                    )  # fmt: skip
                for parcel_id in offer.parcel_ids:
                    del left[parcel_id]
        clock_s += STEP_S
    assert not left
    assert len(world.parcels) - len(refused) == DELIVERABLE
    hubs = [
        Hub(position, settings.hub_radius_m)
        for position in {v.base.position for v in world.vehicles}
    ]
    assert not conflicts(TrackIndex(flown, settings.separation, hubs))
    assert waited > 0
    # decided every 15 s it takes 1,995 s, and 1,815 s without separation
    assert clock_s < 2_400.0
