"""Missions of 12 legs, their ways home with them, against 1,000 zones; figures are of one mission.

Ours is the full check: corridors, heights with their error, times, take-off, drops and landing,
and a straight return from every corner; which legs touch which zones is settled then. Peer:
the obvious loop, `for zone in prepared: for leg in legs: zone.intersects(leg)`, of shapely zones
that were widened by the corridor and prepared before, over lines made before; plane geometry of
the 12 legs alone. Every mission lies elsewhere and none is checked twice. Of a path nothing is
prepared but the numbers of its legs, a row of doubles that each packs when it is made, as the
peer's lines are made before; a zone set keeps what it has worked out of itself. One check before
the clock runs loads what is compiled, of a mission that is not among them. `same`: on the
zones that bind at this height and hour, both name the same (leg, zone) pairs of every mission.
`ratio_same_lines` is against the same loop over all lines that the check judges, ways home and
discs with it. `ratio_listed` and `ratio_told` are the first ratio where the names of all that touch
are listed in the time too, and where everything that a verdict tells is read: places, depths,
sentences, the nearest zone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from shapely import prepared

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, Verdict, check
from geofence.frames import Altitude, Array, Datum, LatLon, LocalFrame
from geofence.zones import Schedule, VehicleClass, Window, Zone
from geofence.zoneset import ZoneSet
from tests.benchmarks.country import polygon_zone, star_corners, to_lonlat
from tests.benchmarks.measure import rounds, told

ZONES, LEGS = 1_000, 12
ROUNDS, BATCH = 11, 25
SIDE_M, RADIUS_M, CORRIDOR_M = 200_000.0, 1_000.0, 30.0
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
GROUND = Surroundings(ground_amsl_m=400.0, geoid_m=48.0)
CRUISE_AMSL_M, VERTICAL_ERROR_M, SPEED_MPS = 480.0, 3.0, 15.0
NIGHT = Schedule((Window(start=time(22), end=time(6)),), "Europe/Zurich")


def make_zones(rng: np.random.Generator) -> tuple[list[Zone], Array]:
    """Zones, and which of them (n) bind a flight at this height at noon."""
    corners = star_corners(rng, ZONES, SIDE_M, radius_m=RADIUS_M)
    kinds = rng.choice(4, ZONES, p=(0.4, 0.2, 0.2, 0.2))
    rules: tuple[dict[str, object], ...] = (
        {"floor": Altitude(0.0, Datum.AGL), "ceiling": Altitude(120.0, Datum.AGL)},
        {"floor": Altitude(440.0, Datum.AMSL), "ceiling": None},
        {"floor": Altitude(150.0, Datum.AGL), "ceiling": Altitude(900.0, Datum.WGS84)},
        {"floor": Altitude(0.0, Datum.AGL), "schedule": NIGHT},
    )
    zones = [
        polygon_zone(f"Z{number}", each, **rules[kind])
        for number, (each, kind) in enumerate(zip(corners, kinds, strict=True))
    ]
    return zones, kinds < 2


def make_path(rng: np.random.Generator) -> FlightPath:
    """A round of 12 legs of 7 km, with discs at its corners and straight ways home."""
    reach = 13_500.0
    angle = rng.uniform(0.0, 2.0 * np.pi) + np.linspace(0.0, 2.0 * np.pi, LEGS, endpoint=False)
    middle = rng.uniform(reach, SIDE_M - reach, 2)
    xy = middle + reach * np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    corners = [LatLon(lat, lon) for lon, lat in to_lonlat(xy).tolist()]
    corners.append(corners[0])
    legs: list[PathLeg] = []
    for number, (start, end) in enumerate(pairwise(corners)):
        enter = NOON + timedelta(seconds=480 * number)
        leave = enter + timedelta(seconds=900)
        legs.extend(_levels(number, "cruise", start, end, (enter, leave)))
        home = (enter, enter + timedelta(seconds=3_600))
        if number:
            legs.extend(_levels(LEGS + number, "straight return", start, corners[0], home))
    discs = tuple(
        Disc(number, "drop", corner, 10.0, 400.0, 483.0, NOON, NOON + timedelta(hours=2))
        for number, corner in enumerate(corners)
    )
    return FlightPath(VehicleClass.MULTIROTOR, tuple(legs), discs)


def _levels(
    index: int, label: str, start: LatLon, end: LatLon, times: tuple[datetime, datetime]
) -> list[PathLeg]:
    return [
        PathLeg(index, label, start, end, amsl_m, amsl_m, *times, CORRIDOR_M)
        for amsl_m in (CRUISE_AMSL_M - VERTICAL_ERROR_M, CRUISE_AMSL_M + VERTICAL_ERROR_M)
    ]


class Peer:
    """The zones widened and prepared, and the lines of missions, in one plane of metres."""

    def __init__(self, zones: list[Zone]) -> None:
        self.frame = LocalFrame(LatLon(*to_lonlat(np.full((1, 2), SIDE_M / 2.0))[0, ::-1].tolist()))
        shells = [np.array([(p.lon_deg, p.lat_deg) for p in z.area.shell]) for z in zones]  # type: ignore[union-attr]
        self.zones = [
            prepared.prep(
                shapely.buffer(shapely.Polygon(self.frame.to_xy(s)), CORRIDOR_M, quad_segs=16)
            )
            for s in shells
        ]

    def lines(self, path: FlightPath, *, every: bool) -> list[shapely.Geometry]:
        """The 12 legs; with every line, ways home and discs too. Both heights share a line."""
        legs = [g for g in path.legs[::2] if every or g.index < LEGS]
        lines = [shapely.LineString([self.frame.xy(g.start), self.frame.xy(g.end)]) for g in legs]
        points = [shapely.Point(self.frame.xy(disc.center)) for disc in path.discs]
        return lines + points if every else lines

    def loop(self, lines: list[shapely.Geometry]) -> list[tuple[int, int]]:
        """What each line meets."""
        found = []
        for number, zone in enumerate(self.zones):
            for leg, line in enumerate(lines):
                if zone.intersects(line):
                    found.append((leg, number))
        return found


def found_by(path: FlightPath, zones: ZoneSet) -> Verdict:
    """Ours."""
    return check(path, zones, GROUND)


def listed_by(path: FlightPath, zones: ZoneSet) -> list[tuple[int, str, str]]:
    """Ours, with what touches what put into a list of names."""
    return [(v.index, v.label, v.zone_id) for v in check(path, zones, GROUND).violations]


def told_by(path: FlightPath, zones: ZoneSet) -> tuple[list[str], float | None]:
    """Ours, all of it read."""
    verdict = check(path, zones, GROUND)
    return [v.reason for v in verdict.violations], verdict.clearance_m


def main() -> None:
    """Run it."""
    rng = np.random.default_rng(12)
    zones, binding = make_zones(rng)
    zone_set, peer = ZoneSet(zones), Peer(zones)

    def compare(
        ours: Callable[[FlightPath, ZoneSet], Any], *, every: bool
    ) -> tuple[float, float, list[Any], list[Any]]:
        """Seconds of the peer and of ours for one mission, and what both found in each."""
        paths = [make_path(rng) for _ in range((ROUNDS + 1) * BATCH)]
        lines = [peer.lines(path, every=every) for path in paths]
        theirs: list[Any] = []
        mine: list[Any] = []

        def run_theirs() -> None:
            begin = len(theirs)
            theirs.extend([peer.loop(each) for each in lines[begin : begin + BATCH]])

        def run_ours() -> None:
            begin = len(mine)
            mine.extend([ours(path, zone_set) for path in paths[begin : begin + BATCH]])

        peer_s, ours_s, _, _ = rounds(run_theirs, run_ours, count=ROUNDS)
        return peer_s / BATCH, ours_s / BATCH, theirs, mine

    check(make_path(rng), zone_set, GROUND)
    peer_s, ours_s, theirs, mine = compare(found_by, every=False)
    all_s, again_s, _, _ = compare(found_by, every=True)
    named_s, listed_s, _, _ = compare(listed_by, every=False)
    plain_s, told_s, _, _ = compare(told_by, every=False)
    meant = [{(leg, f"Z{zone}") for leg, zone in pairs if binding[zone]} for pairs in theirs]
    cruise = [
        {(v.index, v.zone_id) for v in verdict.violations if v.label == "cruise"}
        for verdict in mine
    ]
    pairs = sum(map(len, cruise))
    print(f"{len(mine)} missions, {pairs} pairs of a cruise leg and a zone that binds")
    every = sum(len(verdict.violations) for verdict in mine)
    print(f"and {every - 2 * pairs} more of drops and, at both heights, of ways home")
    print(f"prepared loop {peer_s * 1e3:.2f} ms, full check {ours_s * 1e3:.3f} ms")
    told(
        bench="mission_check",
        ratio=round(peer_s / ours_s, 2),
        same=meant == cruise and pairs > 0,
        ratio_same_lines=round(all_s / again_s, 2),
        ratio_listed=round(named_s / listed_s, 2),
        ratio_told=round(plain_s / told_s, 2),
        peer_ms=round(peer_s * 1e3, 3),
        ours_ms=round(ours_s * 1e3, 3),
        told_ms=round(told_s * 1e3, 3),
        missions=len(mine),
        pairs=pairs,
    )


if __name__ == "__main__":
    main()
