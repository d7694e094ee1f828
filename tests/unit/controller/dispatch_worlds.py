"""Small worlds to decide about: a grid of streets, hubs, drones, robots, parcels."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from controller.dispatch.model import DispatchSettings, ParcelFacts, VehicleFacts, World
from controller.domain.model import Destination, Handling, Parcel, Priority, Site, SiteKind
from geofence.check import Surroundings
from geofence.frames import Altitude, Datum, LatLon, geodesic_m, offset
from geofence.zones import CircleArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import DropDevice
from missions.roads import StreetEdge, StreetGraph, StreetNode
from vehicles.port import Capability, LinkState, Phase, Telemetry

NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
CENTER = LatLon(60.17, 24.94)
FLAT = Surroundings(ground_amsl_m=10.0, geoid_m=17.0)
HUB = Site("hub-a", "Hub A", SiteKind.HUB, CENTER, 10.0)


def at(north_m: float, east_m: float) -> LatLon:
    return offset(offset(CENTER, 0.0, north_m), 90.0, east_m)


def grid(size: int = 9, step_m: float = 250.0) -> StreetGraph:
    half = size // 2
    nodes = {
        (i, j): StreetNode(f"n{i}-{j}", at((i - half) * step_m, (j - half) * step_m))
        for i in range(size)
        for j in range(size)
    }
    edges = []
    for (i, j), node in nodes.items():
        for other in (nodes.get((i + 1, j)), nodes.get((i, j + 1))):
            if other is not None:
                line = (node.position, other.position)
                edges.append(
                    StreetEdge(
                        edge_id=f"{node.node_id}:{other.node_id}",
                        start_node_id=node.node_id,
                        end_node_id=other.node_id,
                        length_m=geodesic_m(*line),
                        max_speed_mps=3.0,
                        geometry=line,
                        kind="footway",
                    )
                )
    return StreetGraph(nodes.values(), edges)


def no_fly(zone_id: str, center: LatLon, radius_m: float, **changes: object) -> Zone:
    zone = Zone(
        zone_id=zone_id,
        name=f"Zone {zone_id}",
        kind=ZoneKind.NO_FLY,
        area=CircleArea(center, radius_m),
        floor=Altitude(0.0, Datum.AGL),
        ceiling=Altitude(120.0, Datum.AGL),
        classes=frozenset({VehicleClass.MULTIROTOR}),
    )
    return replace(zone, **changes)


def drone(number: int = 1, **changes: object) -> VehicleFacts:
    vehicle_id = f"D-{number:02}"
    pad = at(0.0, 5.0 * number)
    facts = VehicleFacts(
        vehicle_id=vehicle_id,
        capability=Capability(
            vehicle_class=VehicleClass.MULTIROTOR,
            max_payload_kg=2.5,
            parcel_slots=1,
            cruise_speed_mps=12.0,
            usable_energy_wh=400.0,
            max_parcel_size_m=(0.4, 0.3, 0.2),
            drop_device=DropDevice.WINCH,
        ),
        telemetry=Telemetry(
            vehicle_id=vehicle_id,
            received_at=NOW,
            link=LinkState.ONLINE,
            phase=Phase.READY,
            position=pad,
            battery_pct=100.0,
            home=pad,
            home_amsl_m=10.0,
        ),
        base=HUB,
        cruise_alt_home_m=50.0 + 2.0 * number,
    )
    return replace(facts, **changes)


def robot(number: int = 1, **changes: object) -> VehicleFacts:
    vehicle_id = f"R-{number:02}"
    facts = VehicleFacts(
        vehicle_id=vehicle_id,
        capability=Capability(
            vehicle_class=VehicleClass.ROBOT,
            max_payload_kg=20.0,
            parcel_slots=4,
            cruise_speed_mps=1.7,
            usable_energy_wh=1000.0,
            max_parcel_size_m=(0.6, 0.4, 0.4),
            handover_pin=True,
        ),
        telemetry=Telemetry(
            vehicle_id=vehicle_id,
            received_at=NOW,
            link=LinkState.ONLINE,
            phase=Phase.READY,
            position=HUB.position,
            battery_pct=100.0,
        ),
        base=HUB,
    )
    return replace(facts, **changes)


def parcel(number: int, place: LatLon, **changes: object) -> ParcelFacts:
    made = Parcel(
        parcel_id=f"P-{number:03}",
        weight_kg=1.2,
        size_m=(0.3, 0.2, 0.1),
        origin_site_id=HUB.site_id,
        destination=Destination(place),
        ready_at=NOW,
        due_at=NOW + timedelta(hours=1),
    )
    return ParcelFacts(replace(made, **changes), HUB)


def world(
    vehicles: tuple[VehicleFacts, ...],
    parcels: tuple[ParcelFacts, ...],
    zones: tuple[Zone, ...] = (),
    **changes: object,
) -> World:
    made = World(
        now=NOW,
        zones=ZoneSet(zones),
        surroundings=FLAT,
        streets=grid(),
        vehicles=vehicles,
        parcels=parcels,
        settings=DispatchSettings(),
    )
    return replace(made, **changes)


def random_world(seed: int, drones: int = 4, robots: int = 2, parcels: int = 15) -> World:
    rng = random.Random(seed)
    zones = tuple(
        no_fly(
            f"Z-{i}",
            at(rng.uniform(-1500, 1500), rng.uniform(-1500, 1500)),
            rng.uniform(40, 250),
            classes=frozenset(rng.choice([(), (VehicleClass.MULTIROTOR,)])),
        )
        for i in range(rng.randint(0, 6))
    )
    waiting = tuple(
        parcel(
            i,
            at(rng.uniform(-1000, 1000), rng.uniform(-1000, 1000)),
            weight_kg=rng.choice([0.4, 1.2, 2.4, 3.5, 9.0, 30.0]),
            priority=rng.choice(list(Priority)),
            handling=rng.choice([Handling.CONTACTLESS, Handling.CONTACTLESS, Handling.PIN]),
            ready_at=NOW + timedelta(minutes=rng.choice([-5, 0, 20])),
            due_at=NOW + timedelta(minutes=rng.uniform(5, 120)),
        )
        for i in range(parcels)
    )
    fleet = [drone(i + 1) for i in range(drones)] + [robot(i + 1) for i in range(robots)]
    fleet = [replace(v, assigned=rng.choice(["", "", "", "A-1"])) for v in fleet]
    return world(tuple(fleet), waiting, zones)


def joined_world(seed: int, drones: int = 3, robots: int = 1, parcels: int = 10) -> World:
    """A random world whose drones let one to three parcels go, some at landing sites."""
    made = random_world(seed, drones, robots, parcels)
    rng = random.Random(seed + 1)
    fleet = []
    for vehicle in made.vehicles:
        capability = vehicle.capability
        if capability.drop_device is not None:
            capability = replace(
                capability,
                parcel_slots=rng.choice([1, 2, 2, 3]),
                drop_device=rng.choice(list(DropDevice)),
            )
        fleet.append(replace(vehicle, capability=capability))
    light = [0.3, 0.8, 1.2, 1.6, 2.4]
    waiting = tuple(
        replace(
            facts,
            parcel=replace(facts.parcel, weight_kg=rng.choice(light)),
            landing=rng.random() < 0.3,
        )
        for facts in made.parcels
    )
    return replace(made, vehicles=tuple(fleet), parcels=waiting)


def numbered():
    numbers = count(1)
    return lambda kind: f"{kind}-{next(numbers)}"
