"""The line that a vehicle really takes, cut into pieces that are straight in longitude/latitude.

Owns the autopilot's leg geometry and the reach of a corridor, errors of the frame included.
Must not know zones.

ArduPilot flies a leg straight in its own frame: north = dlat R, east = dlon R cos(mean latitude
of point and origin), R = 6378100 m (libraries/AP_Common/Location.cpp,
get_vector_xy_from_origin_NE and offset_latlng). Against the straight line in longitude and
latitude such a leg bows by dN dE tan(lat) / (8 R): north of the equator a leg to the north-east
or south-west bows west, to the north-west or south-east east. Along it the longitude x from the
origin obeys x'' = x' dlat tan(m) + x dlat^2 / 4, m the mean latitude of point and origin; so an
origin D from the leg's start moves its line by at most

    D dN / (8 R^2) (dE / (2 cos(m)^2) + dN / 4).

Flown by ArduCopter 4.6.2 in SITL, still air, 15 m/s, four diagonals of 5 km round a square at
60.2 N, 1490 truth samples each (those fed to its GPS), offset at the middle of the leg from the
chord, east positive: NE -0.32, NW +0.31, SW -0.32, SE +0.30 m; by the formula -0.30 and +0.30.
Over the middle 88 % of a leg no sample of the truth was more than 0.037 m from the line of the
formula, none of the vehicle's own estimate more than 0.030 m. Four of 2.5 km at 47.4 N: formula
0.05 m, farthest sample 0.037 m. `MAX_BOW_M` and the corridor hold that; a zero corridor would not
hold what a corner adds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geofence.frames import Array, metres_per_degree
from geofence.path import ROW, FlightPath, PathLeg

Ints = npt.NDArray[np.intp]

ARDUPILOT_RADIUS_M = 6_378_100.0
"""The radius of ArduPilot's sphere."""

MAX_BOW_M = 0.05
"""Farthest that the line flown may lie from a piece; what is left is added to the corridor."""

BOW_SLACK = 0.02
"""Share of a leg's bow that is left over for what its formula leaves out."""

FARTHEST_ORIGIN_M = 50_000.0
"""How far from a leg's start the origin of the autopilot's frame, which is not known, may lie."""

MAX_PIECE_M = 5_000.0
"""Longest piece: keeps the scale error of its frame under 0.07 % at 60 degrees."""

TOLERANCE_M = 0.001
"""Nearer than this to the limit is over it: a million times the rounding of the predicates."""

SECOND_ORDER = 2e-5
"""Relative error of an affine frame beyond its first order, to 84 degrees and 5 km pieces."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Pieces of a path, one row each.

    `owner` numbers legs, then discs. `line` (n, 4) is lon, lat, lon, lat in degrees, continuous
    across the antimeridian within one owner. `part` (n, 2) is the span of the owner's parameter,
    `heights` (n, 2) the owner's heights in metres AMSL at parameter 0 and 1. `origin` (n, 2) and
    `scale` (n, 2) are the local frame: degrees, and metres per degree. `reach_m` (n) is the
    corridor with every error of frame and bow added.
    """

    owner: Ints
    line: Array
    part: Array
    heights: Array
    corridor_m: Array
    reach_m: Array
    origin: Array
    scale: Array


def split_leg(leg: PathLeg, *, autopilot: bool = True) -> tuple[Array, float]:
    """Corners (n + 1, 2) of the leg's pieces in lon, lat degrees, and the bow left over in metres.

    `autopilot` False: the vehicle's line is not ArduPilot's; the whole bow is left over.
    """
    lat, lon = leg.start.lat_deg, leg.start.lon_deg
    dlat = leg.end.lat_deg - lat
    dlon = (leg.end.lon_deg - lon + 180.0) % 360.0 - 180.0
    middle = math.radians(lat + dlat / 2.0)
    north_m = abs(math.radians(dlat)) * ARDUPILOT_RADIUS_M
    east_m = abs(math.radians(dlon)) * ARDUPILOT_RADIUS_M * math.cos(middle)
    steepest = math.tan(math.radians(max(abs(lat), abs(leg.end.lat_deg))))
    bow_m = north_m * east_m * steepest / (8.0 * ARDUPILOT_RADIUS_M)
    count = max(1, math.ceil(math.hypot(north_m, east_m) * 1.01 / MAX_PIECE_M))
    if autopilot:
        count = max(count, math.ceil(math.sqrt(bow_m / MAX_BOW_M)))
    t = np.linspace(0.0, 1.0, count + 1)
    lats = lat + t * dlat
    if autopilot:
        lons = lon + t * dlon * math.cos(middle) / np.cos(np.radians(lat + t * dlat / 2.0))
        left_m = bow_m / count**2 + BOW_SLACK * bow_m
        left_m += float(_of_origin_m(north_m, east_m, np.array(steepest)))
    else:
        lons = lon + t * dlon
        left_m = bow_m
    lons[-1], lats[-1] = lon + dlon, leg.end.lat_deg
    return np.stack((lons, lats), axis=-1), left_m


def _of_origin_m(north_m: Array | float, east_m: Array | float, steepest: Array) -> Array:
    """How far an origin anywhere about moves the line flown, see the module."""
    # the mean of a leg's latitude and its origin's lies up to D / (2 R) beyond the leg's
    steepest = np.tan(np.arctan(steepest) + FARTHEST_ORIGIN_M / 2.0 / ARDUPILOT_RADIUS_M)
    turned = east_m * (1.0 + steepest * steepest) / 2.0 + north_m / 4.0
    return np.asarray(FARTHEST_ORIGIN_M * north_m * turned / (8.0 * ARDUPILOT_RADIUS_M**2))


def reach_m(corridor_m: Array, lat_deg: Array, half_deg: Array, bow_m: Array) -> Array:
    """Corridor in metres of a frame at `lat_deg`, valid `half_deg` of latitude either side.

    East-west scale changes by tan(lat) dlat, so a distance of the frame may be short by that.
    """
    stray = np.radians(half_deg) + corridor_m / ARDUPILOT_RADIUS_M
    tangent = np.tan(np.minimum(np.radians(np.abs(lat_deg) + half_deg), math.radians(89.0)))
    stretch = 1.05 * tangent * stray + SECOND_ORDER
    return np.asarray(corridor_m * (1.0 + stretch) + bow_m + TOLERANCE_M, dtype=np.float64)


def pieces_of(path: FlightPath, owners: Ints | None = None) -> Pieces:
    """Every leg and disc of the path, cut up; or those of these numbers, ascending."""
    autopilot = path.flown
    every = (*path.legs, *path.discs)
    numbers = np.arange(len(every)) if owners is None else owners
    packed = b"".join([every[number].row for number in numbers])
    row = np.frombuffer(packed).reshape(-1, ROW.COUNT)
    legs = int(np.searchsorted(numbers, len(path.legs)))
    discs = row[legs:].take(_ENDS, axis=1)
    counts, line, part, left_m = _split(row[:legs].take(_ENDS, axis=1), autopilot=autopilot)
    counts = np.concatenate((counts, np.ones(len(discs), dtype=np.intp)))
    left_m = np.concatenate((left_m, np.zeros(len(discs))))
    part = np.vstack((part, np.tile((0.0, 1.0), (len(discs), 1))))
    rows = np.column_stack((row[:, ROW.START], row[:, ROW.END], row[:, ROW.HALF], left_m))
    owner = np.repeat(numbers, counts).astype(np.intp)
    return _assemble(np.vstack((line, discs)), part, owner, np.repeat(rows, counts, axis=0))


_ENDS = np.array((ROW.LON, ROW.LAT, ROW.TO_LON, ROW.TO_LAT))


def _split(ends: Array, *, autopilot: bool) -> tuple[Ints, Array, Array, Array]:
    """split_leg for many legs (n, 4): pieces (n), lines (k, 4), parts (k, 2), bows left (n)."""
    lon, lat, end_lon, end_lat = ends.T
    dlat = end_lat - lat
    dlon = (end_lon - lon + 180.0) % 360.0 - 180.0
    across = np.cos(np.radians(lat + dlat / 2.0))
    north_m = np.abs(np.radians(dlat)) * ARDUPILOT_RADIUS_M
    east_m = np.abs(np.radians(dlon)) * ARDUPILOT_RADIUS_M * across
    steepest = np.tan(np.radians(np.maximum(np.abs(lat), np.abs(end_lat))))
    left_m = north_m * east_m * steepest / (8.0 * ARDUPILOT_RADIUS_M)
    count = np.maximum(1.0, np.ceil(np.hypot(north_m, east_m) * 1.01 / MAX_PIECE_M))
    if autopilot:
        count = np.maximum(count, np.ceil(np.sqrt(left_m / MAX_BOW_M)))
        left_m = left_m / count**2 + BOW_SLACK * left_m
        left_m += _of_origin_m(north_m, east_m, steepest)
    counts = count.astype(np.intp)
    leg = np.repeat(np.arange(len(ends)), counts)
    step = np.arange(len(leg)) - np.repeat(np.cumsum(counts) - counts, counts)
    part = np.stack((step, step + 1), axis=-1) / count[leg][:, None]
    lats = lat[leg, None] + part * dlat[leg, None]
    lons = part * dlon[leg, None]
    if autopilot:
        middle = np.radians(lat[leg, None] + part * dlat[leg, None] / 2.0)
        lons = lons * across[leg, None] / np.cos(middle)
    lons += lon[leg, None]
    last = step + 1 == counts[leg]
    lons[last, 1] = lon + dlon
    lats[last, 1] = end_lat
    line = np.stack((lons[:, 0], lats[:, 0], lons[:, 1], lats[:, 1]), axis=-1)
    return counts, line, part, left_m


def _assemble(line: Array, part: Array, owner: Ints, row: Array) -> Pieces:
    origin = (line[:, :2] + line[:, 2:]) / 2.0
    half = np.abs(line[:, 3] - line[:, 1]) / 2.0
    corridor = row[:, 2]
    return Pieces(
        owner=owner,
        line=line,
        part=part,
        heights=row[:, :2],
        corridor_m=corridor,
        reach_m=reach_m(corridor, origin[:, 1], half, row[:, 3]),
        origin=origin,
        scale=np.stack(metres_per_degree(origin[:, 1]), axis=-1),
    )
