"""Random material for cases, and adversarial: grids where corners and edges coincide, slivers,
millimetres beside a corridor's edge, limits and hours touched exactly.

Owns the drawing of places, areas, legs and zones. Must not judge.
"""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, time, timedelta

from geofence.frames import Altitude, Datum, LatLon
from geofence.path import Disc, PathLeg
from geofence.zones import (
    ALWAYS,
    Area,
    Calendar,
    CircleArea,
    PolygonArea,
    Schedule,
    VehicleClass,
    Window,
    Zone,
    ZoneKind,
)
from tests.oracle import earth

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

LATITUDES = (0.0, -0.005, 17.3, 47.4, -33.9, 60.17, -52.0, 69.9, 74.99, -75.0)
LONGITUDES = (0.0, 24.94, -71.06, 151.2, 179.99, -179.995, 180.0, -180.0)
STEPS_DEG = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 4.5e-3)
"""A millimetre to half a kilometre."""

WIDTHS_M = (0.0, 0.0, 0.0, 0.001, 0.5, 7.0, 30.0, 62.0, 500.0)
Ring = list[tuple[float, float]]


def origin(rng: random.Random) -> tuple[float, float]:
    """Latitude and longitude of a neighbourhood, from 75 south to 75 north."""
    lat = rng.choice(LATITUDES) if rng.random() < 0.5 else rng.uniform(-75.0, 75.0)
    lon = rng.choice(LONGITUDES) if rng.random() < 0.5 else rng.uniform(-180.0, 180.0)
    return lat, lon


class Lattice:
    """A grid of places some of which coincide; at times jittered by a millimetre or a last bit."""

    def __init__(self, rng: random.Random, step_deg: float | None = None) -> None:
        self.rng = rng
        self.lat, self.lon = origin(rng)
        self.step = step_deg or rng.choice(STEPS_DEG)
        self.share = rng.choice((1.0, 1.0, 0.5, 1.0 / 3.0))
        self.jitter = rng.random() < 0.25

    def place(self, x: float, y: float) -> LatLon:
        lat = self.lat + y * self.share * self.step
        lon = self.lon + x * self.share * self.step
        if self.jitter and self.rng.random() < 0.2:
            lat += self.rng.choice((-1e-8, 1e-8))
            lon = math.nextafter(lon, self.rng.choice((-999.0, 999.0)))
        return LatLon(lat, (lon + 180.0) % 360.0 - 180.0)

    def spot(self) -> tuple[int, int]:
        return self.rng.randint(-4, 8), self.rng.randint(-4, 8)

    def somewhere(self) -> LatLon:
        return self.place(*self.spot())

    def polygon(self) -> PolygonArea:
        """Valid or not: the set of zones refuses what is none."""
        return self.area(ring_on_grid(self.rng, self.spot))

    def area(self, rings: list[Ring]) -> PolygonArea:
        shell, *holes = (tuple(self.place(x, y) for x, y in ring) for ring in rings)
        return PolygonArea(shell, tuple(holes))

    def leg(self, index: int = 0, width_m: float = 0.0, **more) -> PathLeg:
        start = self.somewhere()
        end = start if self.rng.random() < 0.08 else self.somewhere()
        return leg(start, end, index, width_m, **more)


def leg(start: LatLon, end: LatLon, index: int = 0, width_m: float = 0.0, **more) -> PathLeg:
    given = {
        "start_amsl_m": 50.0, "end_amsl_m": 50.0, "enter": NOON, "leave": NOON, "label": "leg",
        "corridor_m": width_m, **more,
    }  # fmt: skip
    return PathLeg(index=index, start=start, end=end, **given)


def disc(center: LatLon, index: int, radius_m: float, **more) -> Disc:
    given = {
        "low_amsl_m": 0.0, "high_amsl_m": 50.0, "enter": NOON, "leave": NOON, "label": "disc",
        **more,
    }  # fmt: skip
    return Disc(index=index, center=center, radius_m=radius_m, **given)


def ring_on_grid(rng: random.Random, spot) -> list[Ring]:
    """Rings of a polygon on whole numbers."""
    kind = rng.choice(("star", "star", "box", "sliver", "hole", "comb", "needle", "frame"))
    x, y = spot()
    w, h = rng.randint(1, 6), rng.randint(1, 6)
    if kind == "box":
        return [box(x, y, w, h)]
    if kind == "sliver":
        a, b = (x, y), spot()
        return [[a, b, (a[0] + 1, a[1])]]
    if kind == "needle":
        return [[(x, y), (x + w, y + h), (x + w + 0.01, y + h)]]
    if kind == "comb":
        teeth = rng.randint(2, 4)
        ring = [(x, y), (x + 2 * teeth, y)]
        for n in range(teeth, 0, -1):
            ring += [(x + 2 * n, y + h), (x + 2 * n - 1, y + h), (x + 2 * n - 1, y + 0.5)]
            ring += [(x + 2 * n - 2, y + 0.5)] if n > 1 else []
        return [ring]
    if kind in {"hole", "frame"}:
        w, h = w + 2, h + 2
        inner = (
            [(x + 1, y + 1), (x + w - 1, y + 1), (x + w - 1, y + h - 1)]
            if kind == "hole"
            else box(x + 1, y + 1, w - 2, h - 2)
        )
        return [box(x, y, w, h), inner]
    corners = list({spot() for _ in range(rng.randint(3, 9))})
    cx = sum(c[0] for c in corners) / len(corners)
    cy = sum(c[1] for c in corners) / len(corners)
    corners.sort(key=lambda c: math.atan2(c[1] - cy, c[0] - cx))
    return [corners]


def box(x: float, y: float, w: float, h: float) -> Ring:
    return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]


def zone(area: Area, zone_id: str = "Z", kind: ZoneKind = ZoneKind.NO_FLY, **more) -> Zone:
    return Zone(zone_id, "", kind, area, **more)


HEIGHTS_M = (0.0, 40.0, 49.98, 49.999, 50.0, 50.001, 50.02, 60.0, 90.1, 120.0)


def limit(rng: random.Random) -> Altitude | None:
    if rng.random() < 0.25:
        return None
    return Altitude(rng.choice(HEIGHTS_M), rng.choice((Datum.AMSL, Datum.AGL, Datum.WGS84)))


def limits(rng: random.Random) -> dict[str, Altitude | None]:
    """A floor and a ceiling, in whatever datums; a set refuses those upside down."""
    floor, ceiling = limit(rng), limit(rng)
    if floor and ceiling and floor.datum is ceiling.datum and floor.value_m > ceiling.value_m:
        floor, ceiling = ceiling, floor
    return {"floor": floor, "ceiling": ceiling}


OFFSETS = (
    timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1), timedelta(seconds=10),
    timedelta(seconds=-10), timedelta(seconds=-25), timedelta(seconds=40), timedelta(minutes=3),
    timedelta(hours=-2),
)  # fmt: skip


def schedule(rng: random.Random, moments: list[datetime]) -> Schedule | Calendar:
    """Hours that begin and end at, or a microsecond or seconds beside, one of the moments."""

    def edge() -> datetime:
        return rng.choice(moments) + rng.choice(OFFSETS)

    kind = rng.choice(("always", "dates", "dates", "until", "from", "week", "night", "several"))
    if kind == "always":
        return ALWAYS
    if kind == "until":
        return Schedule(valid_to=edge())
    if kind == "from":
        return Schedule(valid_from=edge())
    if kind in {"week", "night"}:
        zone_name = rng.choice(("UTC", "Europe/Helsinki", "Pacific/Auckland"))
        hours = [edge().replace(microsecond=0) for _ in range(2)]
        from zoneinfo import ZoneInfo

        one, two = (at.astimezone(ZoneInfo(zone_name)).time() for at in hours)
        start, end = (one, two) if kind == "week" else (time(22), two)
        days = frozenset(rng.sample(range(7), rng.randint(1, 7)))
        return Schedule((Window(days, start, end),), zone_name)
    pairs = [sorted((edge(), edge())) for _ in range(1 if kind == "dates" else 3)]
    periods = tuple(Schedule(valid_from=a, valid_to=b) for a, b in pairs)
    return periods[0] if len(periods) == 1 else Calendar(periods)


def vehicle(rng: random.Random) -> VehicleClass:
    return rng.choice((VehicleClass.ROBOT, VehicleClass.MULTIROTOR))


def along(start: LatLon, heading_deg: float, length_m: float) -> LatLon:
    return earth.beyond(start.lat_deg, start.lon_deg, heading_deg, length_m)


def beside(
    rng: random.Random, spot: LatLon, heading_deg: float, off_m: float, size_m: float
) -> PolygonArea:
    """An area whose nearest corner or side is `off_m` off a line through `spot`."""
    east, north = earth.metres_per_degree(spot.lat_deg)
    side = math.radians(heading_deg + rng.choice((90.0, -90.0)))

    def place(across: float, forward: float) -> LatLon:
        x = across * math.sin(side) - forward * math.cos(side)
        y = across * math.cos(side) + forward * math.sin(side)
        lon = spot.lon_deg + x / east
        return LatLon(spot.lat_deg + y / north, (lon + 180.0) % 360.0 - 180.0)

    deep = rng.choice((0.3, 1.0, 3.0)) * size_m
    shape = rng.choice(("corner", "side", "needle"))
    if shape == "side":
        ring = [(off_m, -size_m), (off_m, size_m), (off_m + deep, size_m), (off_m + deep, -size_m)]
    elif shape == "corner":
        ring = [(off_m, 0.0), (off_m + deep, size_m), (off_m + 2 * deep, 0.0),
                (off_m + deep, -size_m)]  # fmt: skip
    else:
        ring = [(off_m, 0.0), (off_m + deep, 0.02 * size_m), (off_m + deep, -0.02 * size_m)]
    return PolygonArea(tuple(place(a, f) for a, f in ring))


def circle(center: LatLon, radius_m: float) -> CircleArea:
    return CircleArea(center, radius_m)
