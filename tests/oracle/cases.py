"""The families of cases: what is drawn together.

Owns one function a family, each from a seeded generator alone, so that a case is told by its seed,
its family and its number. Must not judge.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from geofence.frames import Altitude, Datum, LatLon
from geofence.heights import Surroundings
from geofence.path import FlightPath
from geofence.zones import PolygonArea, Surface, VehicleClass, VehicleTraits, Zone, ZoneKind
from tests.oracle import draw, earth, times
from tests.oracle.draw import NOON, Lattice
from tests.oracle.judge import Ground

FLAT = Ground(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Case:
    """A path against zones. `origin`: of the autopilot's frame; `before`: the zones that were."""

    family: str
    path: FlightPath
    zones: tuple[Zone, ...]
    ground: Ground = FLAT
    origin: LatLon | None = None
    before: tuple[Zone, ...] | None = None


Drawer = Callable[[random.Random], Case]


def surroundings(ground: Ground) -> Surroundings:
    """Ground and geoid as the code takes them."""
    return Surroundings(ground.ground_amsl_m, ground.geoid_m)


def one(family, vehicle, legs, zones, **more) -> Case:
    discs = more.pop("discs", ())
    permits = more.pop("permits", frozenset())
    traits = more.pop("traits", None)
    path = FlightPath(vehicle, tuple(legs), tuple(discs), permits, traits)
    return Case(family, path, tuple(zones), **more)


def touching(rng: random.Random) -> Case:
    """No corridor: edges, corners and legs of one grid share points exactly."""
    grid = Lattice(rng)
    zones = [draw.zone(grid.polygon(), f"Z{n}") for n in range(rng.choice((1, 1, 2, 3)))]
    legs = [grid.leg(n) for n in range(rng.choice((1, 1, 2, 4)))]
    return one("touching", VehicleClass.ROBOT, legs, zones)


def corridor(rng: random.Random) -> Case:
    grid = Lattice(rng)
    vehicle = draw.vehicle(rng)
    width = rng.choice(draw.WIDTHS_M)
    legs = [grid.leg(n, width) for n in range(rng.choice((1, 1, 3)))]
    zones = [draw.zone(grid.polygon(), f"Z{n}") for n in range(rng.choice((1, 2)))]
    return one("corridor", vehicle, legs, zones, origin=legs[0].start)


def _ride(rng: random.Random, lengths: tuple[float, ...], about: tuple[float, float] | None = None):
    lat, lon = about or draw.origin(rng)
    start = LatLon(lat, (lon + 180.0) % 360.0 - 180.0)
    heading = rng.choice((rng.uniform(0.0, 360.0), 0.0, 90.0, 45.0, 315.0, 180.0))
    length = rng.choice(lengths) * rng.uniform(0.2, 1.0)
    end = draw.along(start, heading, length)
    if abs(end.lat_deg) > 76.0:
        end = draw.along(start, (180.0 - heading) % 360.0, length)
    return start, end, length


def _spot(stretches, share: float) -> tuple[LatLon, float]:
    """A place on a line, and the line's heading there."""
    s = stretches[min(int(share * len(stretches)), len(stretches) - 1)]
    k = share * len(stretches) % 1.0
    (x0, y0), (x1, y1) = ((float(v) for v in p) for p in (s.a, s.b))
    lon, lat = x0 + k * (x1 - x0), y0 + k * (y1 - y0)
    east, north = earth.metres_per_degree(lat)
    heading = math.degrees(math.atan2((x1 - x0) * east, (y1 - y0) * north))
    return LatLon(lat, (lon + 180.0) % 360.0 - 180.0), heading


def edge(rng: random.Random) -> Case:
    """Zones millimetres on this and that side of the corridor's edge."""
    start, end, _ = _ride(rng, (5.0, 300.0, 5_000.0, 20_000.0))
    vehicle = draw.vehicle(rng)
    width = rng.choice((0.0, 0.5, 7.0, 30.0, 62.0, 300.0))
    line = (
        earth.flown(start, end, start)
        if vehicle is VehicleClass.MULTIROTOR
        else earth.straight(start, end, 1.0)
    )
    zones = []
    for n in range(rng.choice((1, 1, 2))):
        spot, heading = _spot(line, rng.uniform(0.02, 0.98))
        slip = rng.choice((-0.1, -0.01, -0.002, -0.001, 0.0, 0.001, 0.002, 0.01, 0.06, 0.3))
        area = draw.beside(rng, spot, heading, width + slip, rng.choice((0.01, 1.0, 50.0, 3_000.0)))
        zones.append(draw.zone(area, f"Z{n}"))
    return one("edge", vehicle, [draw.leg(start, end, 0, width)], zones, origin=start)


def flown(rng: random.Random) -> Case:
    """Long legs of a drone with its frame's origin anywhere about, small zones by their line."""
    start, end, _ = _ride(rng, (2_000.0, 10_000.0, 40_000.0))
    far = rng.choice((0.0, 500.0, 5_000.0, 20_000.0, 49_900.0))
    origin = draw.along(start, rng.choice((rng.uniform(0.0, 360.0), 90.0)), far)
    line = earth.flown(start, end, origin)
    width = rng.choice((0.0, 0.0, 0.5, 30.0))
    zones = []
    for n in range(rng.choice((1, 2, 4))):
        spot, heading = _spot(line, rng.uniform(0.02, 0.98))
        off = rng.choice((-4.0, -0.5, -0.05, 0.0, 0.03, 0.1, 1.0, 4.0))
        if rng.random() < 0.5:
            off = width + rng.choice((-0.05, -0.01, -0.003, 0.003, 0.01))
        area = draw.beside(rng, spot, heading, off, rng.choice((0.3, 5.0, 500.0)))
        zones.append(draw.zone(area, f"Z{n}"))
    leg = draw.leg(start, end, 0, width)
    return one("flown", VehicleClass.MULTIROTOR, [leg], zones, origin=origin)


def spread(rng: random.Random) -> Case:
    """One path in places far from each other, zones millimetres beside each of its legs."""
    lat, lon = draw.origin(rng)
    vehicle, width = draw.vehicle(rng), rng.choice((0.0, 0.5, 7.0, 30.0, 300.0))
    far = rng.choice((0.01, 0.3, 3.0, 9.0))
    legs, discs, zones = [], [], []
    for n in range(rng.randint(2, 4)):
        about = (
            max(-74.0, min(74.0, lat + rng.uniform(-far, far))),
            lon + rng.uniform(-far, far),
        )
        start, end, _ = _ride(rng, (0.5, 300.0, 3_000.0, 12_000.0), about)
        drone = vehicle is VehicleClass.MULTIROTOR
        line = earth.flown(start, end, start) if drone else earth.straight(start, end, 1.0)
        spot, heading = _spot(line, rng.uniform(0.02, 0.98))
        if rng.random() < 0.2:
            discs.append(draw.disc(spot, n, width))
        else:
            legs.append(draw.leg(start, end, n, width))
        slip = rng.choice((-0.1, -0.02, -0.01, -0.001, 0.0, 0.001, 0.01, 0.02, 0.1))
        size = rng.choice((0.01, 1.0, 50.0, 3_000.0))
        area = draw.beside(rng, spot, heading, width + slip, size)
        if rng.random() < 0.3:
            radius = rng.choice((0.5, 40.0, 2_000.0, 20_000.0))
            area = draw.circle(draw.along(spot, heading + 90.0, radius + width + slip), radius)
        zones.append(draw.zone(area, f"Z{n}", **_some_limits(rng)))
    return one("spread", vehicle, legs, zones, discs=discs)


def crowd(rng: random.Random) -> Case:
    """Thousands of zones."""
    grid = Lattice(rng, 1e-3)
    grid.jitter = False
    path, _ = _mission(rng, grid, 6)
    zones = []
    for n in range(rng.choice((4_100, 6_000))):
        x, y = n % 80 - 40, n // 80 - 30
        box = draw.box(x / 4.0, y / 4.0, rng.choice((0.05, 0.22, 0.25)), 0.25)
        zones.append(draw.zone(grid.area([box]), f"Z{n}", **_some_limits(rng)))
    return Case("crowd", path, tuple(zones), Ground(0.0, 17.3), path.legs[0].start)


def heights(rng: random.Random) -> Case:
    """Slopes, stacked layers, limits touched exactly, datums."""
    grid = Lattice(rng)
    ground = rng.choice((FLAT, Ground(0.1, 17.3), Ground(12.7, -0.3), Ground(None, None)))
    width = rng.choice((0.0, 0.0, 0.0, 30.0))
    legs = []
    for n in range(rng.choice((1, 2))):
        made = grid.leg(n, width)
        low, high = rng.choice(draw.HEIGHTS_M), rng.choice(draw.HEIGHTS_M)
        low, high = (low, low) if rng.random() < 0.4 else (low, high)
        legs.append(replace(made, start_amsl_m=low, end_amsl_m=high))
    if rng.random() < 0.3:
        area = grid.polygon()
        marks = sorted(rng.sample(draw.HEIGHTS_M, 4))
        zones = [
            draw.zone(area, f"L{n}", floor=Altitude(a, Datum.AMSL), ceiling=Altitude(b, Datum.AMSL))
            for n, (a, b) in enumerate(itertools.pairwise(marks))
        ]
    else:
        zones = [draw.zone(grid.polygon(), f"Z{n}", **draw.limits(rng)) for n in range(2)]
    return one("heights", VehicleClass.ROBOT, legs, zones, ground=ground)


def hours(rng: random.Random) -> Case:
    """Schedules whose borders are the moments of the passage."""
    grid = Lattice(rng)
    lasts = timedelta(seconds=rng.choice((0, 1, 60, 600)))
    enter = NOON + timedelta(seconds=rng.choice((0, 7)))
    times = {"enter": enter, "leave": enter + lasts}
    legs = [grid.leg(0, rng.choice((0.0, 0.0, 30.0)), **times)]
    discs = [draw.disc(grid.somewhere(), 1, 5.0, **times)] if rng.random() < 0.3 else []
    moments = [enter, enter + lasts, enter + lasts / 2, enter + lasts / 3]
    zones = [
        draw.zone(grid.polygon(), f"Z{n}", schedule=draw.schedule(rng, moments)) for n in range(2)
    ]
    return one("hours", VehicleClass.ROBOT, legs, zones, discs=discs)


def circles(rng: random.Random) -> Case:
    """Legs that graze round zones within a metre."""
    lat, lon = draw.origin(rng)
    lat = max(-74.0, min(74.0, lat))
    center = LatLon(lat, (lon + 180.0) % 360.0 - 180.0)
    radius = rng.choice((1.0, 30.0, 800.0, 5_000.0, 40_000.0)) * rng.uniform(0.5, 1.0)
    width = rng.choice((0.0, 7.0, 30.0))
    slip = rng.choice((-1.0, -0.01, -0.001, 0.0, 0.001, 0.004, 0.01, 0.3, 1.0))
    bearing = rng.uniform(0.0, 360.0)
    spot = draw.along(center, bearing, max(radius + width + slip, 0.001))
    heading = bearing + rng.choice((90.0, 90.0, 270.0, rng.uniform(0.0, 360.0)))
    length = rng.choice((0.1, 10.0, 900.0, 4_000.0, 9_000.0))
    share = rng.choice((0.5, 0.0, rng.random()))
    start = draw.along(spot, heading, length * share)
    end = draw.along(spot, heading + 180.0, length * (1.0 - share))
    if max(abs(start.lat_deg), abs(end.lat_deg)) > 76.0:
        start = end = spot
    zones = [draw.zone(draw.circle(center, radius), "C", **_some_limits(rng))]
    leg = draw.leg(start, end, 0, width)
    return one("circles", draw.vehicle(rng), [leg], zones, origin=start)


def _some_limits(rng: random.Random):
    return draw.limits(rng) if rng.random() < 0.2 else {}


def discs(rng: random.Random) -> Case:
    grid = Lattice(rng)
    made = []
    for n in range(rng.choice((1, 2))):
        low, high = sorted((rng.choice(draw.HEIGHTS_M), rng.choice(draw.HEIGHTS_M)))
        radius = rng.choice((0.0, 0.5, 5.0, 400.0))
        made.append(
            draw.disc(grid.somewhere(), n, radius, low_amsl_m=low, high_amsl_m=high)
        )  # fmt: skip
    zones = [draw.zone(grid.polygon(), "P", **_some_limits(rng))]
    if rng.random() < 0.5:
        far = rng.choice((1.0, 100.0, 3_000.0))
        area = draw.circle(draw.along(made[0].center, rng.uniform(0, 360), far), far)
        zones.append(draw.zone(area, "C", **_some_limits(rng)))
    return one("discs", draw.vehicle(rng), [], zones, discs=made)


def holes(rng: random.Random) -> Case:
    """Inside a hole, along its border, out through it."""
    grid = Lattice(rng)
    w, h = rng.randint(6, 9), rng.randint(6, 9)
    hx, hy = rng.randint(1, 3), rng.randint(1, 3)
    hole = draw.box(hx, hy, w - hx - 1, h - hy - 1)
    if rng.random() < 0.3:
        hole = [(hx, hy), (w - 1, hy), (hx + 1, h - 1)]
    area = grid.area([draw.box(0, 0, w, h), hole])

    def spot() -> LatLon:
        x, y = rng.choice(hole) if rng.random() < 0.3 else (rng.uniform(0, w), rng.uniform(0, h))
        inner = rng.random() < 0.5
        return grid.place(
            min(max(x, hx + 0.2), w - 1.2) if inner else x,
            min(max(y, hy + 0.2), h - 1.2) if inner else y,
        )

    legs = [draw.leg(spot(), spot(), n, rng.choice((0.0, 0.0, 0.5, 30.0))) for n in range(3)]
    kind = rng.choice((ZoneKind.NO_FLY, ZoneKind.KEEP_IN))
    return one("holes", VehicleClass.ROBOT, legs, [draw.zone(area, kind=kind)])


def sizes(rng: random.Random) -> Case:
    """Zones of a millimetre and of a country."""
    start, end, _ = _ride(rng, (0.05, 30.0, 4_000.0, 60_000.0))
    size = rng.choice((1e-8, 1e-6, 2.0, 30.0))
    k = rng.random()
    dlon = (end.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
    lon, lat = start.lon_deg + k * dlon, start.lat_deg + k * (end.lat_deg - start.lat_deg)
    wide = min(size, 80.0)
    high = min(size, 80.0 - abs(lat)) if size < 1.0 else min(size, 8.0)
    shift = rng.choice((0.0, 0.0, 1.0, -1.0, 0.999_999, 1.01)) * wide / 2.0
    west, east = (lon + shift + s * wide / 2.0 for s in (-1.0, 1.0))
    if west < -180.0 or east > 180.0:
        return sizes(rng)
    south, north = lat - high / 2.0, lat + high / 2.0
    ring = [LatLon(south, west), LatLon(south, east), LatLon(north, east), LatLon(north, west)]
    leg = draw.leg(start, end, 0, rng.choice((0.0, 0.001, 30.0)))
    zones = [draw.zone(PolygonArea(tuple(ring)), **_some_limits(rng))]
    return one("sizes", draw.vehicle(rng), [leg], zones, origin=start)


def kept(rng: random.Random) -> Case:
    """Keep-ins alone, side by side, overlapping, a millimetre apart, by height and hour."""
    grid = Lattice(rng, rng.choice((1e-5, 1e-4, 1e-3)))
    grid.share, grid.jitter = 1.0, False
    kind = rng.choice(("alone", "alone", "seam", "gap", "overlap", "steps", "hours"))
    width = rng.choice((0.0, 0.0, 0.5, 30.0))
    cut = rng.randint(2, 6) + 0.5
    more: list[dict] = [{}, {}]
    if kind == "steps":
        more = [{"ceiling": Altitude(60.0, Datum.AMSL)}, {"floor": Altitude(50.0, Datum.AGL)}]
    if kind == "hours":
        moments = [NOON, NOON + timedelta(seconds=60)]
        more = [{"schedule": draw.schedule(rng, moments)} for _ in range(2)]
        if any(times.has_empty_period(each["schedule"]) for each in more):
            return kept(rng)
    gap = 3e-8 / grid.step if kind == "gap" else -1.0 if kind in {"overlap", "steps"} else 0.0
    areas = [grid.area([draw.box(0, 0, cut, 8)]), grid.area([draw.box(cut + gap, 0, 8 - cut, 8)])]
    if kind == "alone":
        areas = [grid.polygon()]
    zones = [draw.zone(area, f"K{n}", ZoneKind.KEEP_IN, **more[n]) for n, area in enumerate(areas)]
    legs = []
    for n in range(2):
        start = grid.place(rng.choice((0, 0.5, 1, cut, 3.3)), rng.choice((0.5, 1, 4.2, 7.5, 8)))
        end = grid.place(rng.choice((1, cut, 5.2, 7.5, 8.5)), rng.choice((0.5, 1, 4.2, 7.5)))
        up = rng.choice((50.0, 55.0, 60.0, 60.000_01, 49.9))
        lasts = timedelta(seconds=60)
        legs.append(
            draw.leg(start, end, n, width, start_amsl_m=55.0, end_amsl_m=up, leave=NOON + lasts)
        )
    discs = [draw.disc(grid.somewhere(), 2, 5.0, low_amsl_m=50.0)] if rng.random() < 0.3 else []
    vehicle = draw.vehicle(rng)
    return one("kept", vehicle, legs, zones, discs=discs, origin=legs[0].start)


def kept_round(rng: random.Random) -> Case:
    lat, lon = draw.origin(rng)
    center = LatLon(max(-74.0, min(74.0, lat)), (lon + 180.0) % 360.0 - 180.0)
    radius = rng.choice((60.0, 900.0, 5_000.0, 40_000.0))
    width = rng.choice((0.0, 7.0, 30.0))
    far = radius - width + rng.choice((-0.5, -0.2, -0.09, -0.01, -0.001, 0.001, 0.01, 0.5))
    start = draw.along(center, rng.uniform(0.0, 360.0), far)
    end = draw.along(center, rng.uniform(0.0, 360.0), far * rng.random())
    if max(abs(start.lat_deg), abs(end.lat_deg)) > 76.0:
        return kept_round(rng)
    zones = [draw.zone(draw.circle(center, radius), "C", ZoneKind.KEEP_IN, **_some_limits(rng))]
    leg = draw.leg(start, end, 0, width)
    return one("kept_round", VehicleClass.ROBOT, [leg], zones)


def _anything(rng: random.Random, grid: Lattice, zone_id: str, moments) -> Zone:
    """A zone with rules of all kinds."""
    scale_m = grid.step * 50_000.0
    area = (
        draw.circle(grid.somewhere(), max(0.01, rng.uniform(0.1, 2.0) * scale_m))
        if rng.random() < 0.25
        else grid.polygon()
    )
    made = draw.zone(
        area,
        zone_id,
        rng.choice((ZoneKind.NO_FLY, ZoneKind.NO_FLY, ZoneKind.RESTRICTED, ZoneKind.ADVISORY)),
        permit=rng.choice((None, "A", "B")),
        classes=rng.choice((frozenset(), frozenset({rng.choice(list(VehicleClass))}))),
    )
    if rng.random() < 0.4:
        made = replace(made, **draw.limits(rng))
    if rng.random() < 0.3:
        made = replace(made, schedule=draw.schedule(rng, moments))
    if rng.random() < 0.2:
        made = replace(made, max_speed_mps=rng.choice((1.0, 5.0, 12.0)))
    if rng.random() < 0.1:
        made = replace(made, min_mass_kg=rng.choice((0.25, 4.0)), electric_exempt=True)
    if rng.random() < 0.1:
        made = replace(made, surfaces=frozenset({rng.choice(list(Surface))}))
    return made


def _mission(rng: random.Random, grid: Lattice, legs: int) -> tuple[FlightPath, list]:
    """Legs one after the other on the grid, and a pad."""
    vehicle = draw.vehicle(rng)
    width, at, place = rng.choice(draw.WIDTHS_M), NOON, grid.somewhere()
    made, moments = [], [NOON]
    for n in range(legs):
        end, lasts = grid.somewhere(), timedelta(seconds=rng.choice((0, 30, 90)))
        low, high = rng.choice(draw.HEIGHTS_M), rng.choice(draw.HEIGHTS_M)
        speed = rng.choice((None, 5.0, 12.0, 12.5))
        made.append(
            draw.leg(
                place,
                end,
                n,
                width,
                start_amsl_m=low,
                end_amsl_m=high,
                enter=at,
                leave=at + lasts,
                speed_mps=speed,
            )
        )
        place, at = end, at + lasts
        moments.append(at)
    traits = None
    if rng.random() < 0.3:
        surface = rng.choice(list(Surface)) if vehicle is VehicleClass.ROBOT else None
        mass = rng.choice((None, 0.2, 3.9995, 25.0))
        traits = VehicleTraits(vehicle, surface, mass, rng.choice((None, True, False)))
    pads = (draw.disc(made[0].start, legs, 5.0, leave=at),)
    permits = rng.choice((frozenset(), frozenset({"A"})))
    return FlightPath(vehicle, tuple(made), pads, permits, traits), moments


def many(rng: random.Random) -> Case:
    """A mission against many zones with rules of all kinds."""
    grid = Lattice(rng)
    path, moments = _mission(rng, grid, rng.randint(3, 8))
    zones = [_anything(rng, grid, f"Z{n}", moments) for n in range(rng.randint(8, 30))]
    if rng.random() < 0.3:
        zones.append(
            draw.zone(
                draw.circle(grid.place(2, 2), 12 * grid.step * 111_000), "K", ZoneKind.KEEP_IN
            )
        )
    return Case("many", path, tuple(zones), Ground(0.0, 17.3), path.legs[0].start)


def rechecked(rng: random.Random) -> Case:
    """A change of zones against paths under way."""
    grid = Lattice(rng)
    path, moments = _mission(rng, grid, rng.randint(1, 4))
    stay = [_anything(rng, grid, f"S{n}", moments) for n in range(2)]
    before = [*stay, *(_anything(rng, grid, f"C{n}", moments) for n in range(2))]
    zones = [*stay, *(_anything(rng, grid, f"C{n}", moments) for n in range(1, 4))]
    return Case(
        "rechecked", path, tuple(zones), Ground(0.0, 17.3), path.legs[0].start, tuple(before)
    )


DRAWERS: dict[str, tuple[float, Drawer]] = {
    "touching": (16, touching), "corridor": (12, corridor), "edge": (14, edge),
    "flown": (6, flown), "heights": (10, heights), "hours": (8, hours), "circles": (7, circles),
    "discs": (6, discs), "holes": (6, holes), "sizes": (5, sizes), "kept": (6, kept),
    "kept_round": (3, kept_round), "many": (1, many), "rechecked": (3, rechecked),
    "spread": (6, spread), "crowd": (0.004, crowd),
}  # fmt: skip
"""Families judged by the check of a path, with their shares of a campaign."""
