"""One new zone against 1,000 active missions of 10 legs.

Ours: the difference of the two zone sets and `recheck` over the index of active paths. Peer:
`check` of each of the 1,000 paths anew against the new set. `same`: the same violations, told
in the same words, of the same missions. Neither reads places and sentences in the time;
`left_ms` is the recheck with the time left of every mission read too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, Violation, check
from geofence.diff import diff
from geofence.frames import Altitude, Array, Datum, LatLon
from geofence.recheck import ActivePaths, recheck
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from tests.benchmarks.country import polygon_zone, star_corners, to_lonlat
from tests.benchmarks.measure import rounds, told

MISSIONS, LEGS, ZONES = 1_000, 10, 3_000
SIDE_M, LEG_M, CORRIDOR_M = 40_000.0, 1_500.0, 30.0
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
GROUND = Surroundings(ground_amsl_m=400.0, geoid_m=48.0)
LIMITS = {"floor": Altitude(0.0, Datum.AGL), "ceiling": Altitude(120.0, Datum.AGL)}


def make_path(rng: np.random.Generator) -> FlightPath:
    """A walk of 10 legs from somewhere in the square, with a disc at either end."""
    turn = np.cumsum(rng.uniform(-1.0, 1.0, LEGS)) + rng.uniform(0.0, 2.0 * np.pi)
    steps = LEG_M * np.stack((np.cos(turn), np.sin(turn)), axis=-1)
    xy = np.vstack((np.zeros(2), np.cumsum(steps, axis=0))) + rng.uniform(0.0, SIDE_M, 2)
    corners = [LatLon(lat, lon) for lon, lat in to_lonlat(xy).tolist()]
    depart = NOON + timedelta(seconds=float(rng.uniform(0.0, 600.0)))
    legs = tuple(
        PathLeg(
            number,
            "cruise",
            corners[number],
            corners[number + 1],
            480.0,
            480.0,
            depart + timedelta(seconds=100 * number),
            depart + timedelta(seconds=100 * (number + 1)),
            CORRIDOR_M,
        )
        for number in range(LEGS)
    )
    discs = tuple(
        Disc(number, "pad", at, 10.0, 400.0, 483.0, depart, depart + timedelta(hours=1))
        for number, at in ((0, corners[0]), (LEGS, corners[-1]))
    )
    return FlightPath(VehicleClass.MULTIROTOR, legs, discs)


def main() -> None:
    """Run it."""
    rng = np.random.default_rng(7)
    paths = {f"M{number}": make_path(rng) for number in range(MISSIONS)}
    corners: Array = star_corners(rng, ZONES, SIDE_M, radius_m=60.0)
    standing = [polygon_zone(f"Z{n}", each, **LIMITS) for n, each in enumerate(corners)]
    # whoever is under way was let go by the zones that stand
    whole = ZoneSet(standing)
    hit = {v.zone_id for path in paths.values() for v in check(path, whole, GROUND).violations}
    standing = [zone for zone in standing if zone.zone_id not in hit]
    middle = to_lonlat(np.full((1, 2), SIDE_M / 2.0))
    shape = star_corners(rng, 1, 1.0, radius_m=400.0)[0] - to_lonlat(np.zeros((1, 2))) + middle
    old = ZoneSet(standing)
    new = ZoneSet([*standing, polygon_zone("new", shape, **LIMITS)])
    active = ActivePaths(paths)

    def peer() -> dict[str, tuple[Violation, ...]]:
        found = {}
        for path_id, path in paths.items():
            verdict = check(path, new, GROUND)
            fresh = tuple(v for v in verdict.violations if v.zone_id == "new")
            if fresh:
                found[path_id] = fresh
        return found

    def ours() -> dict[str, tuple[Violation, ...]]:
        found = recheck(diff(old, new), active, GROUND, now=NOON)
        return {path_id: each.violations for path_id, each in found.items()}

    def left() -> list[timedelta]:
        found = recheck(diff(old, new), active, GROUND, now=NOON)
        return [each.left for each in found.values()]

    peer_s, ours_s, theirs, mine = rounds(peer, ours, count=5)
    _, left_s, _, _ = rounds(ours, left, count=5)
    print(f"{len(standing)} zones stood before")
    print(f"{len(mine)} of {MISSIONS} missions are newly forbidden")
    print(f"checking each anew {peer_s * 1e3:.1f} ms, recheck {ours_s * 1e3:.2f} ms")
    told(
        bench="recheck",
        ratio=round(peer_s / ours_s, 1),
        same=mine == theirs and bool(mine),
        peer_ms=round(peer_s * 1e3, 2),
        ours_ms=round(ours_s * 1e3, 3),
        left_ms=round(left_s * 1e3, 3),
        forbidden=len(mine),
    )


if __name__ == "__main__":
    main()
