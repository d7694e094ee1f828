"""Bounds by which the chord of a leg proves something of the line flown, and of zones beside it.

Owns those bounds, in metres of one frame for a whole path. Must not look at legs or zones: that is
`compiled`'s, which reads them.

The frame takes degrees times the least metres per degree that any piece's own frame has, so lengths
here are never longer than there; times the greatest by the least they are never shorter. A leg is
taken along its chord in longitude and latitude; the line flown (track.py) strays from it by at most

    dlat dlon tan(lat) cos(mean lat) / (8 cos(lat)),

here with the greatest factors of the path and 1 % on top, and by what the origin of the
autopilot's frame moves it (track.py), to either side. If all are flown by an autopilot the bow is
to one side only: in the north west of a chord to the north-east or south-west, east of one to the
north-west or south-east, in the south the other way. A chord moved there by half the most that it
may strays by no more than that half from the place that is passed when it says so.

Far: farther than the reach of any piece and the stray. The reach of a piece is more than its
corridor by the bow of its leg at most where that is not cut (and an autopilot's then has less than
MAX_BOW_M), else by a quarter of it and the share of it that is never known (track.split_leg).
Near: no farther than the corridor less the stray. Floats: numbers are 2e7 m at most and each is a
few operations old, so what is computed of them is within 1e-7 m; SLACK_M is 1e5 times that.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from geofence.frames import Array, Scale, metres_per_degree_at
from geofence.path import STILL_DEG
from geofence.track import (
    ARDUPILOT_RADIUS_M,
    BOW_SLACK,
    FARTHEST_ORIGIN_M,
    MAX_BOW_M,
    SECOND_ORDER,
    TOLERANCE_M,
)

SLACK_M = 0.01
"""Added to what counts as far, taken off what counts as near."""

FAR_STRAYS = 1.0 + 0.25 + 2.0 * BOW_SLACK
"""Bows beyond the corridor that are clear: of the line flown from the chord, and of the reach."""

FAR_ORIGINS = 2.1
"""The same of what the origin of the autopilot's frame moves, with 5 % on top: it counts whole in
both."""

FAR_MORE_M = 1.1 * MAX_BOW_M + SLACK_M + TOLERANCE_M
"""And as much more, for the bow of a leg that is not cut and for rounding."""

LEVEL_M = 1e-6
"""A slope that rises less is level, see contact.clip_heights."""

LEAST_DEGREE_M = 110_000.0
"""Under the least length of a degree of latitude."""

MAX_STEEP_DEG = 88.0
"""Circles that reach beyond are left to `contact`."""


def scale_of(south: float, north: float, half_m: float) -> Scale:
    """The scale of a path between two latitudes, its widest corridor to either side `half_m`."""
    steep, flat = max(-south, north), max(south, -north, 0.0)
    east_least, north_most = metres_per_degree_at(steep)
    east_most, north_least = metres_per_degree_at(flat)
    bow = 1.01 * east_most / east_least * east_most / 8.0
    bow *= math.radians(1.0) * math.tan(math.radians(steep))
    # see track.py; a degree of longitude is no longer than one at the least latitude
    once = FARTHEST_ORIGIN_M * math.radians(1.0) ** 2 / 16.0
    cos = math.cos(math.radians(steep) + FARTHEST_ORIGIN_M / 2.0 / ARDUPILOT_RADIUS_M)
    half = math.radians(north - south) / 2.0
    beyond = math.tan(min(math.radians(steep) + half, math.radians(89.0)))
    stretch = 1.05 * beyond * (half + half_m / ARDUPILOT_RADIUS_M) + SECOND_ORDER
    return Scale(
        flat, steep, east_least, north_least, east_most, north_most,
        bow, stretch, once / cos**2, once / 2.0,
    )  # fmt: skip


def farthest_m(scale: Scale, corridor_m: float, wide_deg: float, tall_deg: float) -> float:
    """What is clear of a corridor whose leg is no wider and no taller."""
    far = corridor_m * (1.0 + scale.stretch) + FAR_MORE_M
    far += FAR_STRAYS * scale.bow * wide_deg * tall_deg
    return far + FAR_ORIGINS * (scale.origin * wide_deg + scale.rise * tall_deg) * tall_deg


def frame_of(scale: Scale, side: int = 0, circle_deg: float = 0.0) -> Array:
    """The bounds (compiled.FRAME_SIZE) for legs of a path.

    `side`: 1 where all are an autopilot's and in the north, -1 in the south, else 0. `circle_deg`:
    how many degrees of latitude circles and the reach of legs may span at most.
    """
    from geofence import compiled as to  # noqa: PLC0415 - numba comes with it

    frame = {
        to.EAST: scale.east,
        to.NORTH: scale.north,
        to.RATIO: max(scale.east_most / scale.east, scale.north_most / scale.north),
        to.SHIFT: 0.5 * side * scale.bow / scale.east_most,
        to.STRETCH: 1.0 + scale.stretch,
        to.BOW: (0.5 if side else 1.0) * scale.bow,
        to.BOW_FAR: (FAR_STRAYS - 0.5 if side else FAR_STRAYS) * scale.bow,
        to.ORIGIN: scale.origin,
        to.RISE: scale.rise,
        to.ORIGIN_FAR: FAR_ORIGINS,
        to.FAR_MORE: FAR_MORE_M,
        to.MEETS_M: TOLERANCE_M / 2.0,
        to.STILL_DEG: STILL_DEG,
        to.LEVEL_M: LEVEL_M,
    }
    frame |= _of_circles(scale, circle_deg)
    return np.array([frame[place] for place in range(to.FRAME_SIZE)])


def frame_of_pieces(scale: Scale, circle_deg: float) -> Array:
    """The bounds for pieces whose lines do not stray, their reach less SLACK_M for a corridor."""
    from geofence import compiled as to  # noqa: PLC0415 - as above

    plain = replace(scale, bow=0.0, stretch=0.0, origin=0.0, rise=0.0)
    frame = frame_of(plain, 0, circle_deg)
    frame[to.FAR_MORE] = 2.0 * SLACK_M
    return frame


def _of_circles(scale: Scale, circle_deg: float) -> dict[int, float]:
    """What geodesics need: within the reach of a circle they leave the path's latitudes by that."""
    from geofence import compiled as to  # noqa: PLC0415 - as above

    steep, flat = scale.steep + circle_deg, max(scale.flat - circle_deg, 0.0)
    # of what is no number nothing is proven
    east_least = north_least = east_most = north_most = math.nan
    if steep <= MAX_STEEP_DEG:
        east_least, north_most = metres_per_degree_at(steep)
        east_most, north_least = metres_per_degree_at(flat)
    return {
        to.C_EAST: east_least,
        to.C_NORTH: north_least,
        to.C_EAST_MOST: east_most,
        to.C_NORTH_MOST: north_most,
        to.C_STRAY: east_most / scale.east_most,
        to.C_SLACK_M: SLACK_M,
    }
