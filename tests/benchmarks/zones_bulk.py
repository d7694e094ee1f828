"""10,000 legs of 7 km against 100,000 zones of 20 vertices in a country of 200 x 200 km.

Peer: shapely's STRtree over the same polygons, bulk query with predicate="intersects". Both are
built before; timed is the query alone. `rss_mib` is the process's peak when the zone set stands
and has been asked, before the peer is built.
"""

from __future__ import annotations

import time

import numpy as np
import shapely

from geofence.bulk import crossings
from geofence.zoneset import ZoneSet
from tests.benchmarks.country import legs, polygon_zone, star_corners
from tests.benchmarks.measure import peak_rss_mib, rounds, told

LEGS, ZONES, CORNERS = 10_000, 100_000, 20
SIDE_M, LEG_M, RADIUS_M = 200_000.0, 7_000.0, 200.0


def main() -> None:
    """Run it."""
    rng = np.random.default_rng(20)
    corners = star_corners(rng, ZONES, SIDE_M, radius_m=RADIUS_M, corners=CORNERS)
    flown = legs(rng, LEGS, SIDE_M, length_m=LEG_M)
    listed = [polygon_zone(f"Z{number}", each) for number, each in enumerate(corners)]
    begin = time.perf_counter()
    zones = ZoneSet(listed)
    build_s = time.perf_counter() - begin
    crossings(flown, zones)
    rss_mib = peak_rss_mib()
    tree = shapely.STRtree(shapely.polygons(corners))
    lines = shapely.linestrings(flown.reshape(-1, 2, 2))
    peer_s, ours_s, peer, ours = rounds(
        lambda: tree.query(lines, predicate="intersects"), lambda: crossings(flown, zones)
    )
    order = np.lexsort((peer[1], peer[0]))
    same = bool(np.array_equal(peer[:, order], np.stack(ours)))
    print(f"{LEGS} legs x {ZONES} zones: {len(ours[0])} pairs, zone set built in {build_s:.1f} s")
    print(
        f"STRtree.query(predicate='intersects') {peer_s * 1e3:.1f} ms, ours {ours_s * 1e3:.1f} ms"
    )
    told(
        bench="zones_bulk",
        ratio=round(peer_s / ours_s, 2),
        same=same,
        rss_mib=round(rss_mib, 1),
        peer_ms=round(peer_s * 1e3, 2),
        ours_ms=round(ours_s * 1e3, 2),
        pairs=len(ours[0]),
        build_s=round(build_s, 2),
    )


if __name__ == "__main__":
    main()
