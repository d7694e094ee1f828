"""One mission of 12 legs, its ways home with it, against 1,000 zones.

Ours is the full check: corridors, heights with their error, times, take-off, drops and landing,
and a straight return from every corner. Peer: the obvious loop, `for zone in prepared: for leg in
legs: zone.intersects(leg)`, of shapely zones that were widened by the corridor and prepared
before; plane geometry of the 12 legs alone. `same`: on the zones that bind at this height and
hour, both name the same (leg, zone) pairs. `ratio_same_lines` is against the same loop over all
lines that the check judges, ways home and discs with it.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

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


def make_path() -> FlightPath:
    """A round of 12 legs of 7 km, with discs at its corners and straight ways home."""
    angle = np.linspace(0.0, 2.0 * np.pi, LEGS, endpoint=False)
    middle, reach = SIDE_M / 2.0, 13_500.0
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


def main() -> None:
    """Run it."""
    rng = np.random.default_rng(12)
    zones, binding = make_zones(rng)
    zone_set, path = ZoneSet(zones), make_path()
    frame = LocalFrame(path.legs[0].end)
    shapes = [
        shapely.buffer(
            shapely.Polygon(frame.to_xy(np.array([(p.lon_deg, p.lat_deg) for p in z.area.shell]))),  # type: ignore[union-attr]
            CORRIDOR_M,
            quad_segs=16,
        )
        for z in zones
    ]
    ready = [prepared.prep(shape) for shape in shapes]
    mission = [leg for leg in path.legs if leg.index < LEGS][::2]
    lines = [shapely.LineString([frame.xy(leg.start), frame.xy(leg.end)]) for leg in mission]

    every = [shapely.LineString([frame.xy(g.start), frame.xy(g.end)]) for g in path.legs[::2]]
    every += [shapely.Point(frame.xy(disc.center)) for disc in path.discs]

    def loop(legs: list[shapely.Geometry]) -> list[tuple[int, int]]:
        found = []
        for number, zone in enumerate(ready):
            for leg, line in enumerate(legs):
                if zone.intersects(line):
                    found.append((leg, number))
        return found

    def ours() -> Verdict:
        return check(path, zone_set, GROUND)

    peer_s, ours_s, pairs, verdict = rounds(lambda: loop(lines), ours, count=15)
    all_s, again_s, _, _ = rounds(lambda: loop(every), ours, count=15)
    theirs = {(leg, f"Z{zone}") for leg, zone in pairs if binding[zone]}
    mine = {(v.index, v.zone_id) for v in verdict.violations if v.label == "cruise"}
    print(
        f"{len(pairs)} pairs in the plane, {len(theirs)} of them bind; the check found {len(mine)}"
    )
    print(f"and {len(verdict.violations) - len(mine)} more of drops and ways home")
    print(f"prepared loop {peer_s * 1e3:.2f} ms, full check {ours_s * 1e3:.2f} ms")
    told(
        bench="mission_check",
        ratio=round(peer_s / ours_s, 2),
        same=mine == theirs and bool(mine),
        ratio_same_lines=round(all_s / again_s, 2),
        peer_ms=round(peer_s * 1e3, 3),
        ours_ms=round(ours_s * 1e3, 3),
        pairs=len(mine),
    )


if __name__ == "__main__":
    main()
