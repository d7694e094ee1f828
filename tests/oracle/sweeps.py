"""Two families that are not one path's check: bulk crossings, and the ways back of a contingency.

Owns their cases and what must hold of them, from both sides as judge.py does.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from fractions import Fraction

from geofence.frames import LatLon
from geofence.path import FlightPath, PathLeg
from geofence.zones import CircleArea, VehicleClass, Zone
from missions.contingency import FAN_SPACING_M, ContingencyPolicy
from missions.model import AirItem, AirMission, ItemKind
from missions.plan_flown import DEFAULT_FLIGHT_RULES, FlownLeg
from tests.oracle import draw, earth, plane
from tests.oracle.cases import Case, Drawer, surroundings
from tests.oracle.draw import NOON, Lattice
from tests.oracle.earth import Stretch
from tests.oracle.judge import (
    CIRCLE_TOLERANCE_M,
    Ground,
    Outline,
    certain_polygon,
    limits,
    possible_polygon,
)

Line = tuple[float, float, float, float]

WAY_SLACK_M = 0.25
"""How far the geodesics, chords and lines flown of a kilometre lie from each other, to 75 degrees:
L^2 tan(lat) / (8 R) is 0.1 m for each of two."""

SPEED_MPS = 12.0


def bulk(rng: random.Random) -> Case:
    """Legs and zones of one grid, in one call."""
    grid = Lattice(rng, rng.choice((*draw.STEPS_DEG, 0.05, 0.1)))
    if abs(grid.lat) > 70.0 and grid.step > 0.05:
        grid.lat /= 2.0
    zones = [draw.zone(grid.polygon(), f"Z{n}") for n in range(rng.randint(1, 6))]
    if rng.random() < 0.2:
        radius = rng.uniform(0.2, 3.0) * grid.step * 100_000.0
        zones.append(draw.zone(draw.circle(grid.somewhere(), radius), "C"))
    legs = [grid.leg(n) for n in range(rng.randint(1, 8))]
    path = FlightPath(VehicleClass.ROBOT, tuple(legs))
    return Case("bulk", path, tuple(zones))


def lines_of(case: Case) -> list[Line]:
    """Legs as rows of lon, lat, lon, lat, continuous across the antimeridian."""
    return [
        (
            leg.start.lon_deg,
            leg.start.lat_deg,
            leg.start.lon_deg + (leg.end.lon_deg - leg.start.lon_deg + 180.0) % 360.0 - 180.0,
            leg.end.lat_deg,
        )
        for leg in case.path.legs
    ]


def shares_a_point(line: Line, zone: Zone) -> tuple[bool, bool]:
    """Whether a line and an area surely, and whether they may, share a point."""
    a, b = ((Fraction(line[k]), Fraction(line[k + 1])) for k in (0, 2))
    stretch = Stretch((Fraction(0), Fraction(1)), a, b)
    if isinstance(zone.area, CircleArea):
        bounds = earth.range_bounds(zone.area.center, a, b, zone.area.radius_m)
        slack = float(CIRCLE_TOLERANCE_M)
        certain = bounds.least_high_m + slack <= zone.area.radius_m
        return certain, bounds.least_low_m - slack <= zone.area.radius_m
    middle = (line[0] + line[2]) / 2.0
    certain = any(
        certain_polygon([stretch], Outline(zone, middle + turn), 0.0, where=False)
        for turn in (-360.0, 0.0, 360.0)
    )
    return certain, certain


def fan(rng: random.Random) -> Case:
    """One flown leg or two with a turn between, home beside them, and zones somewhere between."""
    lat, lon = draw.origin(rng)
    lat, lon = max(-74.0, min(74.0, lat)), (lon + 180.0) % 360.0 - 180.0
    home = LatLon(lat, lon)
    start = draw.along(home, rng.uniform(0.0, 360.0), rng.uniform(50.0, 500.0))
    end = draw.along(start, rng.uniform(0.0, 360.0), rng.uniform(20.0, 150.0))
    low = rng.choice((20.0, 40.0))
    high = rng.choice((low, low + 8.0))
    ends, ups = [start, end], [10.0 + low, 10.0 + high]
    if rng.random() < 0.6:
        ends.append(draw.along(end, rng.uniform(0.0, 360.0), rng.uniform(20.0, 150.0)))
        ups.append(10.0 + rng.choice((low, high)))
    legs = [
        PathLeg(1 + n, "out", *ends[n : n + 2], *ups[n : n + 2], NOON, NOON, 0.0, SPEED_MPS)
        for n in range(len(ends) - 1)
    ]
    zones = []
    for n in range(3):
        share, back = rng.random(), rng.uniform(-0.2, 1.2)
        start, end = (leg := rng.choice(legs)).start, leg.end
        dlon = float(earth.wrapped(Fraction(end.lon_deg) - Fraction(start.lon_deg)))
        to = start.lat_deg + share * (end.lat_deg - start.lat_deg), start.lon_deg + share * dlon
        turn = float(earth.wrapped(Fraction(to[1]) - Fraction(home.lon_deg)))
        at = LatLon(
            home.lat_deg + back * (to[0] - home.lat_deg),
            (home.lon_deg + back * turn + 180.0) % 360.0 - 180.0,
        )
        away = draw.along(at, rng.uniform(0.0, 360.0), rng.choice((0.0, 20.0, 60.0, 120.0)))
        area = draw.beside(rng, away, rng.uniform(0.0, 360.0), 0.0, rng.choice((0.2, 5.0, 60.0)))
        zones.append(draw.zone(area, f"Z{n}", **(draw.limits(rng) if rng.random() < 0.5 else {})))
    path = FlightPath(VehicleClass.MULTIROTOR, tuple(legs))
    return Case("fan", path, tuple(zones), Ground(10.0, 17.0), home)


def fan_of(case: Case, contingency_air) -> FlightPath:
    """The air that the policy's answers may use, as a path to check."""
    home_m, home = 10.0, case.origin
    flown: list[FlownLeg] = []
    for leg in case.path.legs:
        length = earth.ranges(leg.start, [leg.end.lon_deg], [leg.end.lat_deg])[0]
        begin = flown[-1].end_s if flown else 30.0
        flown.append(
            FlownLeg(
                index=leg.index, label="out", start=leg.start, end=leg.end,
                start_alt_home_m=leg.start_amsl_m - home_m, end_alt_home_m=leg.end_amsl_m - home_m,
                length_m=length, speed_mps=SPEED_MPS, begin_s=begin,
                end_s=begin + length / SPEED_MPS, energy_wh=1.0, loaded_energy_wh=1.0,
                returning=False,
            )
        )  # fmt: skip
    items = (
        AirItem(ItemKind.TAKEOFF, home, flown[0].start_alt_home_m),
        *(AirItem(ItemKind.WAYPOINT, leg.end, leg.end_alt_home_m) for leg in flown),
        AirItem(ItemKind.LAND, home),
    )
    top_m = max(max(leg.start_alt_home_m, leg.end_alt_home_m) for leg in flown)
    mission = AirMission("m", "D-01", home, home_m, top_m, items, "")
    lines, discs = contingency_air(
        mission,
        tuple(flown),
        ContingencyPolicy(),
        depart_at=NOON,
        rules=DEFAULT_FLIGHT_RULES,
        surroundings=surroundings(case.ground),
    )
    return FlightPath(VehicleClass.MULTIROTOR, lines, discs)


SHARES = (Fraction(0), Fraction(137, 1000), Fraction(1, 2), Fraction(77, 100), Fraction(1))

Failure = tuple[plane.Point, Fraction, str]
"""Where it comes, how high in metres AMSL, and that place in words."""


def on_a_way_back(case: Case, zone: Zone) -> tuple[str, bool]:
    """Whether a zone surely is where a failure sends the vehicle (and which), and whether it may.

    From points of the legs and of the turn between them: straight home at the higher of its height
    and RTL's, and down where it is. May: within corridor, spacing and turn of the triangles of leg
    and home.
    """
    legs, home = case.path.legs, case.origin
    (low, high), _ = limits(zone, case.ground)
    whole = DEFAULT_FLIGHT_RULES.corridor_m(SPEED_MPS)
    a = Fraction(legs[0].start.lon_deg)
    h = a + earth.wrapped(Fraction(home.lon_deg) - a), Fraction(home.lat_deg)
    outline = Outline(zone, float(a))
    rtl_m = Fraction(10) + Fraction(DEFAULT_FLIGHT_RULES.rtl_alt_home_m)
    part = Fraction(0), Fraction(1)
    certain = ""
    for p, up, where in failures(case):
        over = max(up, rtl_m)
        home_high = (low is None or low <= over) and (high is None or over <= high)
        below = (low is None or low <= up) and (high is None or high >= 10)
        for meets, to, what in ((home_high, h, "home"), (below, p, "down")):
            way = [Stretch(part, p, to)]
            if meets and certain_polygon(way, outline, whole - WAY_SLACK_M, where=False):
                certain = f"{what} from {where}"
    climb = [Fraction(v) for leg in legs for v in (leg.start_amsl_m, leg.end_amsl_m)]
    top = max(*climb, rtl_m) + Fraction(DEFAULT_FLIGHT_RULES.vertical_error_m) + 1
    if (low is not None and low > top) or (high is not None and high < 6):
        return certain, False
    # a corner is passed within the waypoint radius
    turning = DEFAULT_FLIGHT_RULES.waypoint_radius_m if len(legs) > 1 else 0.0
    wide = math.hypot(whole + turning, (whole + turning) / 2.0) + FAN_SPACING_M + WAY_SLACK_M
    for p, q in _ends(case):
        sides = [Stretch(part, *ends) for ends in ((p, q), (q, h), (h, p))]
        near = possible_polygon(sides, outline, wide, 0.1, where=False)[0] is not None
        if near or plane.inside(outline.rings[0][0], [[p, q, h]]):
            return certain, True
    return certain, False


def failures(case: Case) -> Iterator[Failure]:
    """Points of the legs, and the middle of the turn between two.

    While both legs are blended the target is the corner less what is left of the first and plus
    what is gone of the second. Half way they are equal, and the target is at the waypoint radius
    from the corner where braking, v^2 / (2 a), does not need less.
    """
    legs, rules = case.path.legs, DEFAULT_FLIGHT_RULES
    ends = _ends(case)
    for leg, (a, b) in zip(legs, ends, strict=True):
        low, high = Fraction(leg.start_amsl_m), Fraction(leg.end_amsl_m)
        for t in SHARES:
            yield plane.at(a, b, t), low + t * (high - low), f"{float(t)} of {leg.index}"
    for one, ((a, corner), (_, b)) in zip(legs, itertools.pairwise(ends), strict=False):
        east, north = earth.metres_per_degree(one.end.lat_deg)
        x, y = (
            [float(v) * scale for v, scale in ((q[0] - p[0], east), (q[1] - p[1], north))]
            for p, q in ((a, corner), (corner, b))
        )
        u, v = ([c / math.hypot(*step) for c in step] for step in (x, y))
        # as long as twice the sine of half of the turn
        way = [v[k] - u[k] for k in (0, 1)]
        left = SPEED_MPS**2 / (2.0 * rules.corner_accel_mps2)
        if math.hypot(*way) > 0.0:
            left = min(left, rules.waypoint_radius_m / math.hypot(*way))
        turned = (
            corner[0] + Fraction(left * way[0] / east),
            corner[1] + Fraction(left * way[1] / north),
        )
        yield turned, Fraction(one.end_amsl_m), f"the turn behind {one.index}"


def _ends(case: Case) -> list[tuple[plane.Point, plane.Point]]:
    """Start and end of each leg, continuous across the antimeridian from the first start on."""
    points = [case.path.legs[0].start, *(leg.end for leg in case.path.legs)]
    lon = Fraction(points[0].lon_deg)
    places = [(lon + earth.wrapped(Fraction(p.lon_deg) - lon), Fraction(p.lat_deg)) for p in points]
    return list(itertools.pairwise(places))


WEIGHTS = {"bulk": 8, "fan": 1}
DRAWERS: dict[str, Drawer] = {"bulk": bulk, "fan": fan}
