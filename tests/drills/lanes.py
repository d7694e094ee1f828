"""What the flight drill flies: a lane for every copter with a zone on the straight way.

Owns pads, zones and missions, all drawn from a seed. Every mission is planned and checked as
dispatch does it; the lanes lie so far apart that no two copters meet.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from geofence.check import Surroundings
from geofence.frames import LatLon, offset
from geofence.zones import PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import AirMission, DropDevice
from missions.plan_flight import FlightRequest, plan_flight
from missions.plan_reasons import NoGo
from missions.validate import FlightChecks, validate_flight
from sitl.copter.spec import CopterSpec
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.port import Capability

ORIGIN = LatLon(60.1700, 24.9400)
GROUND_M = 10.0
FLAT = Surroundings(ground_amsl_m=GROUND_M, geoid_m=17.0)
LANE_M, CRUISE_M, SPEED_MPS = 700.0, 40.0, 8.0
KINDS = ("return", "link", "battery", "none")
GCS_TIMEOUT_S = 10.0
CAPABILITY = Capability(
    VehicleClass.MULTIROTOR, 2.5, 1, SPEED_MPS, 500.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER
)


class NoSortieError(Exception):
    """The seed draws a lane that cannot be flown."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One copter's pad and the zone before it."""

    number: int
    pad: LatLon
    zone: Zone

    @property
    def vehicle_id(self) -> str:
        """Its copter."""
        return f"D-{self.number}"


@dataclass(frozen=True, slots=True)
class Sortie:
    """One flight of a lane: what happens `at` (0..1) of the planned time in the air."""

    name: str
    kind: str
    at: float
    silent_s: float
    mission: AirMission


def lane(seed: int, number: int) -> Lane:
    """A pad with a four-cornered zone some way east of it, as wide as 60 to 160 m."""
    rng = random.Random(f"{seed}:lane:{number}")
    pad = offset(ORIGIN, 0.0, LANE_M * number)
    middle = offset(pad, 90.0, rng.uniform(180.0, 220.0))
    corners = tuple(
        offset(middle, bearing + rng.uniform(-30.0, 30.0), rng.uniform(40.0, 80.0))
        for bearing in (0.0, 90.0, 180.0, 270.0)
    )
    zone = Zone(f"Z-{number}", f"Zone {number}", ZoneKind.NO_FLY, PolygonArea(corners))
    return Lane(number, pad, zone)


def vehicle(lane_: Lane, link: str) -> MavlinkVehicle:
    """As enrolled."""
    return MavlinkVehicle(
        lane_.vehicle_id, link, lane_.number + 1, CAPABILITY, lane_.pad, GROUND_M,
        gcs_timeout_s=GCS_TIMEOUT_S, cruise_alt_home_m=CRUISE_M,
    )  # fmt: skip


def spec(lane_: Lane) -> CopterSpec:
    """As the lab has it."""
    return CopterSpec(
        lane_.vehicle_id, lane_.number + 1, lane_.pad.lat_deg, lane_.pad.lon_deg, GROUND_M
    )


def sortie(seed: int, lane_: Lane, turn: int, zones: ZoneSet, depart_at: datetime) -> Sortie:
    """A planned and checked delivery beyond the zone. Raises NoSortieError where there is none."""
    rng = random.Random(f"{seed}:sortie:{lane_.number}:{turn}")
    name = f"{seed}:{lane_.number}:{turn}"
    goal = offset(lane_.pad, 90.0 + rng.uniform(-12.0, 12.0), rng.uniform(340.0, 420.0))
    request = FlightRequest(
        mission_id=f"M-{name}", vehicle_id=lane_.vehicle_id, home=lane_.pad, home_amsl_m=GROUND_M,
        parcel_id=f"P-{name}", weight_kg=1.0, destination=goal, device=DropDevice.GRIPPER,
        cruise_alt_home_m=CRUISE_M, cruise_speed_mps=SPEED_MPS, depart_at=depart_at,
    )  # fmt: skip
    mission = plan_flight(request, zones, FLAT)
    if isinstance(mission, NoGo):
        raise NoSortieError(f"{name}: no way: {'; '.join(r.text for r in mission.reasons)}")
    checks = FlightChecks(
        depart_at=depart_at, loads={request.parcel_id: 1.0}, max_payload_kg=2.5,
        usable_energy_wh=500.0, available_energy_wh=500.0, speed_mps=SPEED_MPS,
    )  # fmt: skip
    told = validate_flight(mission, checks, zones, FLAT)
    if not told.go:
        raise NoSortieError(f"{name}: no-go: {'; '.join(r.text for r in told.reasons)}")
    kind = KINDS[(turn + lane_.number) % len(KINDS)]
    silent_s = GCS_TIMEOUT_S + rng.uniform(5.0, 30.0)
    return Sortie(name, kind, rng.random(), silent_s, mission)
