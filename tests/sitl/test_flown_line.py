"""The line that a copter flies lies where the check looks for it."""

import itertools
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely

from geofence.frames import LatLon, offset
from geofence.path import FlightPath, PathLeg
from geofence.track import pieces_of
from geofence.zones import VehicleClass
from tests.sitl.ground import ground_to, item, waypoint

# far north a leg bows most: 0.30 m in 2.5 km
PAD = (78.2, 15.6, 20.0)
LEG_M = 2_500.0
CORRIDOR_M = 3.0
"""Narrower than any that is planned with: holds corners and take-off too."""
TRACKING_M = 0.2
"""How far a copter may be off its line on the way: less than the bow, which it is told from."""
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def legs_of(corners: list[LatLon], corridor_m: float) -> list[PathLeg]:
    return [
        PathLeg(i, "", a, b, 50.0, 50.0, NOON, NOON, corridor_m)
        for i, (a, b) in enumerate(itertools.pairwise(corners))
    ]


def beyond_reach_m(legs: list[PathLeg], samples: np.ndarray) -> np.ndarray:
    """How far each sample (n, 2: lon, lat) is outside all that the check takes as used."""
    pieces = pieces_of(FlightPath(VehicleClass.MULTIROTOR, tuple(legs)))
    beyond = []
    for line, origin, scale, reach in zip(
        pieces.line, pieces.origin, pieces.scale, pieces.reach_m, strict=True
    ):
        piece = shapely.LineString((line.reshape(2, 2) - origin) * scale)
        beyond.append(shapely.distance(piece, shapely.points((samples - origin) * scale)) - reach)
    return np.min(beyond, axis=0)


def east_of_chord_m(leg: PathLeg, samples: np.ndarray) -> np.ndarray:
    """Offset from the straight line in longitude and latitude, positive to the east of it."""
    ends = np.array([(p.lon_deg, p.lat_deg) for p in (leg.start, leg.end)])
    scale = np.array([np.cos(np.radians(ends[:, 1].mean())), 1.0]) * np.radians(6_371_000.0)
    along, off = (ends[1] - ends[0]) * scale, (samples - ends[0]) * scale
    right = (off[:, 0] * along[1] - off[:, 1] * along[0]) / np.hypot(*along)
    return np.asarray(right * np.sign(along[1]))


def on_the_way(leg: PathLeg, samples: np.ndarray) -> np.ndarray:
    """The samples of a leg in its middle four fifths, away from the corners."""
    share = (samples[:, 1] - leg.start.lat_deg) / (leg.end.lat_deg - leg.start.lat_deg)
    return samples[(share > 0.1) & (share < 0.9)]


@pytest.mark.timeout(300)
async def test_diagonals_are_flown_within_the_reach_of_the_check(kind):
    """Out to the north-east, which bows west, then to the north-west, which bows east."""
    corners = [LatLon(*PAD[:2])]
    for heading_deg in (45.0, 315.0):
        corners.append(offset(corners[-1], heading_deg, LEG_M))
    # a second at the corner: what is asked is the line, not how the corner is cut
    items = [item(22, alt=30), item(178, 1, 15, -1)]
    items += [waypoint(c.lat_deg, c.lon_deg, 30, p1=1) for c in corners[1:]]
    speedup = 100.0 if kind == "light" else 16.0
    params = {"AUTO_OPTIONS": 3, "WPNAV_SPEED": 1500}
    async with ground_to(kind, home=PAD, speedup=speedup, **params) as ground:
        await ground.ready()
        assert await ground.upload(items) == 0
        since, first = len(ground.seen), len(ground.truth)
        marks = []
        assert await ground.command(176, 1, 3) == 0
        assert await ground.command(400, 1) == 0
        for number in (3, 4):
            await ground.until(
                lambda number=number: f"Reached command #{number}" in ground.texts(since),
                f"corner {number}", 45.0,
            )  # fmt: skip
            marks.append(len(ground.truth))
        truth = np.array([(s.lon_deg, s.lat_deg) for s in ground.truth])
    assert marks[1] - marks[0] > 200
    assert beyond_reach_m(legs_of(corners, CORRIDOR_M), truth[first : marks[1]]).max() <= 0.0
    narrow = legs_of(corners, TRACKING_M)
    for leg, part, side in zip(narrow, ((first, marks[0]), marks), (-1, 1), strict=True):
        flown = on_the_way(leg, truth[part[0] : part[1]])
        assert beyond_reach_m([leg], flown).max() <= 0.0
        middle = flown[len(flown) // 3 : -len(flown) // 3]
        assert 0.15 < side * east_of_chord_m(leg, middle).mean() < 0.45
