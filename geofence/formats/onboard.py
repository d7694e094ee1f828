"""The part of a ZoneSet that matters to one flight, as fence items that ArduPilot can hold.

    FenceItem       one polygon or circle, its size in the vehicle's store
    OnboardFence    the items, nearest threat first, and what was left out and why
    FenceRefused    no fence can be made, and which zones are to blame

Owns selection, order and fit. Must not talk to a vehicle, nor decide whether a flight is allowed:
a fence is a second line behind the check, never in its place.

ArduPilot's fence (libraries/AC_Fence/AC_PolyFence_loader.cpp) has no heights and no times, and
560 bytes on ArduCopter: 4, and 2 + 8 n for a polygon of n corners, and 13 for a circle. Several
inclusions must all be kept (FENCE_OPTIONS bit 1 clear). So a zone counts where its heights and
times meet the flight's; what the flight lawfully passes above, below or at another time cannot be
told to the vehicle, and is named instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import shapely

from geofence.check import FlightPath, Surroundings
from geofence.formats.fence_shapes import (
    Ring,
    crosses_antimeridian,
    grown_rungs,
    round_position,
    shrunk_rungs,
    unwrapped,
)
from geofence.formats.onboard_flight import (
    HEIGHT_TOLERANCE_M,
    OnboardFlight,
    inner,
    shape,
)
from geofence.frames import LatLon, geodesic_m
from geofence.zones import CircleArea, PolygonArea, Zone
from geofence.zoneset import ZoneSet

CAPACITY_BYTES = 560
"""ArduCopter's fence store (libraries/StorageManager/StorageManager.cpp)."""

MAX_CORNERS = 69
"""What one polygon can have within CAPACITY_BYTES."""

RADIUS_SLACK = 0.008
"""Share by which circles change: ArduPilot's sphere of 6,378,100 m is up to 0.7 % off WGS84."""

HORIZON_M = 5_000.0
REQUIRED_M = 500.0
"""ArduPilot lands by itself where it is more than 100 m outside its fence."""

_HEADER_BYTES = 4
_SMALLEST_BYTES = 13


class FenceKind(StrEnum):
    """What an item demands; the names of MAV_CMD_NAV_FENCE_*."""

    POLYGON_INCLUSION = "polygon_inclusion"
    POLYGON_EXCLUSION = "polygon_exclusion"
    CIRCLE_INCLUSION = "circle_inclusion"
    CIRCLE_EXCLUSION = "circle_exclusion"


@dataclass(frozen=True, slots=True)
class FenceItem:
    """A polygon with `vertices`, or a circle with `center` and `radius_m` in whole metres.

    Positions are on the grid of 1e-7 degrees.
    """

    kind: FenceKind
    zone_id: str
    vertices: tuple[LatLon, ...] = ()
    center: LatLon | None = None
    radius_m: float = 0.0

    @property
    def size_bytes(self) -> int:
        """Room in the vehicle's store."""
        return 13 if self.center is not None else 2 + 8 * len(self.vertices)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A zone that the fence does not hold, and why."""

    zone_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class OnboardFence:
    """Items, nearest threat first. `left_out` is for the operator to read."""

    items: tuple[FenceItem, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Room in the vehicle's store, the header included."""
        return _HEADER_BYTES + sum(item.size_bytes for item in self.items)


@dataclass(frozen=True, slots=True)
class FenceRefused:
    """There is no fence that is both safe and lets this flight pass."""

    reason: str
    zone_ids: tuple[str, ...]


def onboard_fence(
    path: FlightPath,
    zones: ZoneSet,
    surroundings: Surroundings,
    *,
    capacity_bytes: int = CAPACITY_BYTES,
    required_m: float = REQUIRED_M,
    horizon_m: float = HORIZON_M,
) -> OnboardFence | FenceRefused:
    """The fence for one flight.

    Zones within `required_m` of the corridor must be held, those within `horizon_m` are held
    while there is room. First every zone gets its smallest shape, nearest first; then shapes are
    made finer with the room that is left, nearest first. Raises PathError for a flight without
    legs, or one too long for one frame.
    """
    flight = OnboardFlight(path, surroundings)
    found = [_met(flight, zone) for zone in flight.near(zones, horizon_m)]
    met = [each for each in found if isinstance(each, _Met) and each.distance_m <= horizon_m]
    met.sort(key=lambda each: (each.distance_m, each.zone.zone_id))
    # what has no room at its smallest is not drawn
    most = max(0, (capacity_bytes - _HEADER_BYTES) // _SMALLEST_BYTES)
    answers: list[_Threat | FenceRefused | None] = [_keep_in(flight, zones)]
    answers.extend(_drawn(flight, each) for each in met[:most])
    refused = [each for each in (*found, *answers) if isinstance(each, FenceRefused)]
    if refused:
        ids = tuple(zone_id for each in refused for zone_id in each.zone_ids)
        return FenceRefused("; ".join(each.reason for each in refused), ids)
    threats = [each for each in answers if isinstance(each, _Threat)]
    threats += [_Threat(each.zone.zone_id, each.distance_m, ()) for each in met[most:]]
    left_out = [each for each in found if isinstance(each, LeftOut)]
    return _fitted(threats, left_out, capacity_bytes, required_m)


@dataclass(frozen=True, slots=True)
class _Met:
    """A zone that counts, not yet drawn; metres from the corridor."""

    zone: Zone
    area: shapely.Geometry
    distance_m: float


@dataclass(frozen=True, slots=True)
class _Threat:
    zone_id: str
    distance_m: float
    """From the corridor; 0 for what the flight must stay inside of."""
    rungs: tuple[FenceItem, ...]
    """Finest first, sizes falling; none for a zone beyond those that can have room."""

    @property
    def least_bytes(self) -> int:
        return self.rungs[-1].size_bytes if self.rungs else _SMALLEST_BYTES


def _fitted(
    threats: Sequence[_Threat], left_out: list[LeftOut], capacity: int, required_m: float
) -> OnboardFence | FenceRefused:
    room = capacity - _HEADER_BYTES
    needed = sum(t.least_bytes for t in threats if t.distance_m <= required_m)
    if needed > room:
        ids = tuple(t.zone_id for t in threats if t.distance_m <= required_m)
        return FenceRefused(
            f"{len(ids)} zones within {required_m:g} m of the flight take {needed} bytes at "
            f"their coarsest, and the vehicle's fence has {room}: fly a shorter or another way, "
            "or fit the vehicle with BRD_SD_FENCE",
            ids,
        )
    held: list[_Threat] = []
    for threat in threats:
        if threat.rungs and threat.least_bytes <= room:
            room -= threat.least_bytes
            held.append(threat)
        else:
            away = f"{threat.distance_m:.0f} m from the corridor"
            left_out.append(LeftOut(threat.zone_id, f"no room left for it; it is {away}"))
    items: list[FenceItem] = []
    for threat in held:
        spare = room + threat.least_bytes
        chosen = next(item for item in threat.rungs if item.size_bytes <= spare)
        room = spare - chosen.size_bytes
        items.append(chosen)
    return OnboardFence(tuple(items), tuple(left_out))


def _met(flight: OnboardFlight, zone: Zone) -> _Met | LeftOut | FenceRefused:
    area = shape(flight.frame, zone)
    away = float((shapely.distance(area, flight.lines) - flight.reach).min())
    if away >= 0.0:
        return _Met(zone, area, away)
    if flight.meets_in_height_and_time(area, zone):
        return FenceRefused(f"the flight itself touches {_name(zone)}", (zone.zone_id,))
    return LeftOut(
        zone.zone_id,
        "the flight passes it at another height or time, which a fence cannot tell",
    )


def _drawn(flight: OnboardFlight, met: _Met) -> _Threat | FenceRefused:
    rungs = _exclusions(flight, met.zone, met.area)
    if rungs:
        return _Threat(met.zone.zone_id, met.distance_m, _falling(rungs))
    return FenceRefused(
        f"no simpler shape of {_name(met.zone)} leaves the flight free: it passes "
        f"{met.distance_m:.0f} m beside it",
        (met.zone.zone_id,),
    )


def _exclusions(flight: OnboardFlight, zone: Zone, area: shapely.Geometry) -> list[FenceItem]:
    if isinstance(zone.area, CircleArea):
        return _round_exclusion(flight, zone.zone_id, zone.area)
    filled = shapely.Polygon(area.exterior)
    if not flight.clear_of(filled):
        return _holes(flight, zone, area)
    rings = _whole(grown_rungs(flight.frame, filled, flight.clear_of, MAX_CORNERS))
    kind = FenceKind.POLYGON_EXCLUSION
    items = [FenceItem(kind, zone.zone_id, ring) for ring in rings]
    return items + _bounding_circle(flight, zone.zone_id, zone.area, filled)


def _holes(flight: OnboardFlight, zone: Zone, area: shapely.Geometry) -> list[FenceItem]:
    """The flight is in a hole of the zone: it must stay in there."""
    for ring in area.interiors:
        hole = shapely.Polygon(ring)
        if flight.inside(hole):
            return _inclusions(flight, zone.zone_id, hole)
    return []


def _inclusions(flight: OnboardFlight, zone_id: str, area: shapely.Polygon) -> list[FenceItem]:
    rings = _whole(shrunk_rungs(flight.frame, area, flight.inside, MAX_CORNERS))
    return [FenceItem(FenceKind.POLYGON_INCLUSION, zone_id, ring) for ring in rings]


def _whole(rings: Iterable[Ring]) -> list[Ring]:
    """Rings that ArduPilot's plain integer test of longitudes can hold."""
    return [ring for ring in rings if not crosses_antimeridian(ring)]


def _round_exclusion(flight: OnboardFlight, zone_id: str, area: CircleArea) -> list[FenceItem]:
    center = round_position(area.center)
    moved_m = geodesic_m(center, area.center)
    radius_m = float(math.ceil((area.radius_m + moved_m) * (1.0 + RADIUS_SLACK)))
    at = shapely.Point(unwrapped(flight.frame, (center,))[0])
    if not flight.clear_of_circle(at, radius_m):
        return []
    return [FenceItem(FenceKind.CIRCLE_EXCLUSION, zone_id, center=center, radius_m=radius_m)]


def _bounding_circle(
    flight: OnboardFlight, zone_id: str, area: PolygonArea, filled: shapely.Polygon
) -> list[FenceItem]:
    middle = shapely.minimum_bounding_circle(filled).centroid
    center = round_position(flight.frame.latlon(middle.x, middle.y))
    farthest_m = max(geodesic_m(center, corner) for corner in area.shell)
    radius_m = float(math.ceil(farthest_m * (1.0 + RADIUS_SLACK)))
    at = shapely.Point(unwrapped(flight.frame, (center,))[0])
    if not flight.clear_of_circle(at, radius_m):
        return []
    kind = FenceKind.CIRCLE_EXCLUSION
    return [FenceItem(kind, zone_id, center=center, radius_m=radius_m)]


def _falling(items: Sequence[FenceItem]) -> tuple[FenceItem, ...]:
    """Only items that are smaller than every one before."""
    kept: list[FenceItem] = []
    for item in items:
        if not kept or item.size_bytes < kept[-1].size_bytes:
            kept.append(item)
    return tuple(kept)


def _keep_in(flight: OnboardFlight, zones: ZoneSet) -> _Threat | FenceRefused | None:
    """What the flight must stay inside of, as one inclusion."""
    binding = [
        zone
        for zone in zones.keep_ins
        if zone.binds(flight.path.vehicle_class)
        and zone.schedule.active_during(flight.enter, flight.leave)
    ]
    if not binding:
        return None
    ids = tuple(zone.zone_id for zone in binding)
    holding = [zone for zone in binding if _holds_throughout(flight, zone)]
    for zone in holding:
        item = _round_inclusion(flight, zone)
        if item is not None:
            return _Threat(zone.zone_id, 0.0, (item,))
    union = shapely.union_all([inner(flight.frame, zone) for zone in holding])
    for part in shapely.get_parts(union):
        if part.geom_type == "Polygon" and flight.inside(part):
            return _kept_part(flight, part, holding)
    return FenceRefused(
        f"the flight is not wholly inside {' and '.join(map(_name, binding))} for all its heights "
        "and times",
        ids,
    )


def _kept_part(
    flight: OnboardFlight, part: shapely.Polygon, holding: Sequence[Zone]
) -> _Threat | FenceRefused:
    filled = shapely.Polygon(part.exterior)
    holders = [z for z in holding if filled.intersects(inner(flight.frame, z))]
    zone_id = "+".join(zone.zone_id for zone in holders)
    ids = tuple(zone.zone_id for zone in holders)
    if part.interiors:
        return FenceRefused(
            f"{' and '.join(map(_name, holders))} leave a hole, which one inclusion cannot tell",
            ids,
        )
    rungs = _inclusions(flight, zone_id, part)
    if not rungs:
        return FenceRefused(
            f"no simpler shape of {' and '.join(map(_name, holders))} holds the flight", ids
        )
    return _Threat(zone_id, 0.0, _falling(rungs))


def _holds_throughout(flight: OnboardFlight, zone: Zone) -> bool:
    band = flight.band(zone)
    return (
        not band.unknown
        and band.low_m - HEIGHT_TOLERANCE_M <= flight.low_m
        and band.high_m + HEIGHT_TOLERANCE_M >= flight.high_m
        and zone.schedule.active_throughout(flight.enter, flight.leave)
    )


def _round_inclusion(flight: OnboardFlight, zone: Zone) -> FenceItem | None:
    if not isinstance(zone.area, CircleArea):
        return None
    center = round_position(zone.area.center)
    moved_m = geodesic_m(center, zone.area.center)
    radius_m = float(math.floor((zone.area.radius_m - moved_m) * (1.0 - RADIUS_SLACK)))
    at = shapely.Point(unwrapped(flight.frame, (center,))[0])
    if radius_m < 1.0 or not flight.inside_circle(at, radius_m):
        return None
    kind = FenceKind.CIRCLE_INCLUSION
    return FenceItem(kind, zone.zone_id, center=center, radius_m=radius_m)


def _name(zone: Zone) -> str:
    return f"{zone.zone_id} ({zone.name})" if zone.name else zone.zone_id
