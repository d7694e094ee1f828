"""The height profile of a flight: heights along the way, ground, and the zones passed in plan.

Owns those figures, in metres AMSL over metres along the way. Must not draw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely

from geofence.check import PathLeg
from geofence.frames import LatLon, LocalFrame, offset
from geofence.heights import Band, Place, Surroundings, resolve
from geofence.zones import CircleArea, Zone, ZoneKind
from missions.inspect import Inspection
from missions.model import AirMission
from missions.plan_flown import FlownLeg

GROUND_STEP_M = 50.0
"""Between neighbouring heights of the ground."""

_SAMPLES = 9
_SPAN_JOIN_M = 1.0
_ON_LEG_M = 0.05


@dataclass(frozen=True, slots=True)
class ProfileBand:
    """A zone that the corridor passes in plan; None: unlimited."""

    zone: Zone
    begin_m: float
    end_m: float
    low_amsl_m: float | None
    high_amsl_m: float | None
    hit: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """The way as (metres along, metres AMSL); climbs and descents stand upright."""

    way: tuple[tuple[float, float], ...]
    ground: tuple[tuple[float, float], ...]
    """Empty where the ground is not known."""
    bands: tuple[ProfileBand, ...]
    turns: tuple[tuple[float, str], ...]
    """Where legs begin, with the leg's name."""

    @property
    def length_m(self) -> float:
        """Of the whole way."""
        return self.way[-1][0] if self.way else 0.0


def profile_of(seen: Inspection, hit: set[str]) -> Profile:
    """The profile of a flight, way back included."""
    home_m = seen.mission.home_amsl_m if isinstance(seen.mission, AirMission) else 0.0
    way: list[tuple[float, float]] = [(0.0, home_m + seen.legs[0].start_alt_home_m)]
    turns: list[tuple[float, str]] = []
    bands: list[ProfileBand] = []
    ground: list[tuple[float, float]] = []
    along_m = 0.0
    corridors = _Corridors(seen.own.legs)
    for leg in seen.legs:
        length_m = 0.0 if leg.vertical else leg.length_m
        if not leg.vertical:
            turns.append((along_m, leg.label))
            ground.extend(_ground(leg, along_m, seen.surroundings))
            for zone, begin_m, end_m in _passed(leg, corridors.along(leg), seen):
                band = _band(zone, leg, (begin_m, end_m), seen.surroundings)
                bands.append(
                    ProfileBand(
                        zone=zone,
                        begin_m=along_m + begin_m,
                        end_m=along_m + end_m,
                        low_amsl_m=_finite(band.low_m),
                        high_amsl_m=_finite(band.high_m),
                        hit=zone.zone_id in hit,
                    )
                )
        along_m += length_m
        way.append((along_m, home_m + leg.end_alt_home_m))
    return Profile(tuple(way), tuple(ground), tuple(_joined(bands)), tuple(turns))


def _joined(bands: list[ProfileBand]) -> Iterator[ProfileBand]:
    """Parts of one zone that touch, as where a leg ends inside it, made one."""
    last: dict[str, ProfileBand] = {}
    for band in bands:
        known = last.get(band.zone.zone_id)
        if known is not None and band.begin_m - known.end_m <= _SPAN_JOIN_M:
            last[band.zone.zone_id] = replace(
                known,
                end_m=max(known.end_m, band.end_m),
                low_amsl_m=_least(known.low_amsl_m, band.low_amsl_m),
                high_amsl_m=_most(known.high_amsl_m, band.high_amsl_m),
            )
            continue
        if known is not None:
            yield known
        last[band.zone.zone_id] = band
    yield from last.values()


def _least(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)


def _most(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ground(
    leg: FlownLeg, along_m: float, surroundings: Surroundings
) -> Iterator[tuple[float, float]]:
    flat = surroundings.terrain is None
    count = 1 if flat else max(1, math.ceil(leg.length_m / GROUND_STEP_M))
    for step in range(count + 1):
        share = step / count
        height_m = surroundings.ground_at(_at(leg, share))
        if height_m is not None:
            yield along_m + leg.length_m * share, height_m


def _at(leg: FlownLeg, share: float) -> LatLon:
    frame = LocalFrame(leg.start)
    x, y = frame.xy(leg.end)
    return frame.latlon(x * share, y * share)


class _Corridors:
    """The corridors that the check takes along each leg: its own, and wider ones at its corners."""

    def __init__(self, legs: tuple[PathLeg, ...]) -> None:
        rows = {(g.start, g.end, g.corridor_m): None for g in legs}
        self._wide_m = [wide_m for _, _, wide_m in rows]
        ends = [[(p.lon_deg, p.lat_deg) for p in (start, end)] for start, end, _ in rows]
        self._ends = np.array(ends).reshape(-1, 2, 2)

    def along(self, leg: FlownLeg) -> list[tuple[float, shapely.LineString]]:
        """Half widths, and the lines on the leg that have them, in the frame of its start.

        The way back is asked as one with the way out, so that direction means nothing.
        """
        frame = LocalFrame(leg.start)
        lonlat = self._ends.reshape(-1, 2).copy()
        lonlat[:, 0] = (lonlat[:, 0] - leg.start.lon_deg + 180.0) % 360.0 - 180.0
        lonlat[:, 0] += leg.start.lon_deg
        ends = frame.to_xy(lonlat).reshape(-1, 2, 2)
        line = shapely.LineString([(0.0, 0.0), frame.xy(leg.end)])
        away = shapely.distance(shapely.points(ends), line)
        found = np.flatnonzero((away < _ON_LEG_M).all(axis=1))
        return [(self._wide_m[n], shapely.LineString(ends[n])) for n in found.tolist()]


def _passed(
    leg: FlownLeg, corridors: list[tuple[float, shapely.LineString]], seen: Inspection
) -> Iterator[tuple[Zone, float, float]]:
    """Where along a leg its corridors pass each zone in plan, from and to in metres."""
    frame = LocalFrame(leg.start)
    whole = shapely.LineString([(0.0, 0.0), frame.xy(leg.end)])
    widest_m = max((wide_m for wide_m, _ in corridors), default=0.0)
    for zone in _near(leg, widest_m, seen):
        shape = _shape(frame, zone)
        for wide_m, line in corridors:
            if line.length == 0.0 or shapely.distance(shape, line) > wide_m:
                continue
            inside = line.intersection(shape.buffer(wide_m))
            for part in shapely.get_parts(inside):
                ends = [whole.project(shapely.Point(c)) for c in part.coords]
                scale = leg.length_m / whole.length
                yield zone, min(ends) * scale, max(ends) * scale


def _near(leg: FlownLeg, wide_m: float, seen: Inspection) -> Iterator[Zone]:
    ends = np.array([[leg.start.lon_deg, leg.start.lat_deg], [leg.end.lon_deg, leg.end.lat_deg]])
    corner = offset(offset(leg.start, 0.0, wide_m), 90.0, wide_m)
    dlat = abs(corner.lat_deg - leg.start.lat_deg)
    dlon = 1.2 * abs((corner.lon_deg - leg.start.lon_deg + 180.0) % 360.0 - 180.0)
    ends[1, 0] = ends[0, 0] + (ends[1, 0] - ends[0, 0] + 180.0) % 360.0 - 180.0
    (west, south), (east, north) = ends.min(axis=0), ends.max(axis=0)
    box = np.array([[west - dlon, south - dlat, east + dlon, north + dlat]])
    _, numbers, _ = seen.zones.near(box)
    for number in sorted({int(n) for n in numbers}):
        zone = seen.zones.zones[number]
        if zone.kind is not ZoneKind.KEEP_IN and zone.binds(seen.own.vehicle):
            yield zone


def _shape(frame: LocalFrame, zone: Zone) -> shapely.Geometry:
    if isinstance(zone.area, CircleArea):
        return shapely.Point(frame.xy(zone.area.center)).buffer(zone.area.radius_m)
    rings = [zone.area.shell, *zone.area.holes]
    shell, *holes = ([frame.xy(p) for p in ring] for ring in rings)
    return shapely.Polygon(shell, holes)


def _band(zone: Zone, leg: FlownLeg, span: tuple[float, float], surroundings: Surroundings) -> Band:
    """The zone's heights over the part of the leg that it is passed on."""
    if not surroundings.varies(zone):
        return resolve(zone, surroundings)
    length_m = max(leg.length_m, 1e-9)
    places = [_at(leg, s / length_m) for s in np.linspace(span[0], span[1], _SAMPLES)]
    ground = [surroundings.ground_at(place) for place in places]
    geoid = [surroundings.geoid.at(p) if surroundings.geoid else None for p in places]
    return resolve(zone, surroundings, Place(_range(ground), _range(geoid)))


def _range(values: list[float | None]) -> tuple[float, float]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return math.nan, math.nan
    return min(known), max(known)
