"""Requests, checks and zones for mission tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from geofence.check import Surroundings
from geofence.frames import Altitude, Datum, LatLon, offset
from geofence.zones import CircleArea, PolygonArea, VehicleClass, Zone, ZoneKind
from missions.model import AirMission, DropDevice
from missions.plan_flight import FlightRequest
from missions.validate import FlightChecks

NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
HOME = LatLon(60.17, 24.94)
FLAT = Surroundings(ground_amsl_m=10.0, geoid_m=17.0)


def at(north_m: float, east_m: float) -> LatLon:
    return offset(offset(HOME, 0.0, north_m), 90.0, east_m)


def request(destination: LatLon, **changes: object) -> FlightRequest:
    made = FlightRequest(
        mission_id="m-1",
        vehicle_id="D-01",
        home=HOME,
        home_amsl_m=10.0,
        parcel_id="P-1",
        weight_kg=1.5,
        destination=destination,
        device=DropDevice.WINCH,
        cruise_alt_home_m=60.0,
        cruise_speed_mps=12.0,
        depart_at=NOW,
    )
    return replace(made, **changes)


def checks(**changes: object) -> FlightChecks:
    made = FlightChecks(
        depart_at=NOW,
        loads={"P-1": 1.5},
        max_payload_kg=2.5,
        usable_energy_wh=500.0,
        available_energy_wh=500.0,
        speed_mps=12.0,
    )
    return replace(made, **changes)


def circle(zone_id: str, center: LatLon, radius_m: float, **changes: object) -> Zone:
    made = Zone(
        zone_id=zone_id,
        name=f"Place {zone_id}",
        kind=ZoneKind.NO_FLY,
        area=CircleArea(center, radius_m),
        floor=Altitude(0.0, Datum.AGL),
        ceiling=Altitude(120.0, Datum.AGL),
        classes=frozenset({VehicleClass.MULTIROTOR}),
    )
    return replace(made, **changes)


def box(zone_id: str, south_west: tuple[float, float], north_east: tuple[float, float], **changes):
    (s, w), (n, e) = south_west, north_east
    area = PolygonArea((at(s, w), at(s, e), at(n, e), at(n, w)))
    return circle(zone_id, HOME, 1.0, area=area, **changes)


def without_items(mission: AirMission, *kinds) -> AirMission:
    return replace(mission, items=tuple(i for i in mission.items if i.kind not in kinds))
