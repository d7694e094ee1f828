"""Grids of heights that the operator provides: the ground, and the geoid.

Owns the grid, its surface (bilinear between posts) with exact bounds, and the reading of Esri ASCII
grids from text. Must not open files, and must not guess: beyond the posts, and beside a post
without data, nothing is known.

Along a line of longitude and latitude the surface is a parabola within each cell; over a box it is
bilinear within each cell, so its extremes stand at corners of the cells' parts in the box.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geofence.errors import GridError
from geofence.frames import Array, LatLon

MAX_POSTS = 50_000_000
"""Largest grid read: 200 MB of float32."""

LOWEST_M, HIGHEST_M = -12_000.0, 9_000.0
"""No ground and no geoid is lower or higher."""

_FEW = 6
"""Boxes of no more cells a side are worked out together."""

_EDGE_DEG = 1e-9
"""Rounding of positions: a tenth of a millimetre beyond the last post is on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Heights in metres at posts `step_deg` apart; `posts` (rows, columns) from south and west.

    `west_deg`, `south_deg` are the first post's longitude and latitude. NaN is no data. Raises
    GridError for what is no grid. Two grids are equal only where they are the same.
    """

    west_deg: float
    south_deg: float
    step_lon_deg: float
    step_lat_deg: float
    posts: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("west_deg", "south_deg"):
            if not math.isfinite(getattr(self, name)):
                raise GridError(0, name, f"{getattr(self, name)} is not a number of degrees")
        for name in ("step_lon_deg", "step_lat_deg"):
            if not 0.0 < getattr(self, name) <= 90.0:
                raise GridError(0, name, f"{getattr(self, name)} is not from 0 to 90 degrees")
        rows, columns = self.posts.shape if self.posts.ndim == 2 else (0, 0)
        if rows < 2 or columns < 2:
            raise GridError(0, "posts", "a grid needs at least two rows and two columns")
        if abs(self.south_deg) > 90.0 or self.north_deg > 90.0 + self.step_lat_deg:
            raise GridError(
                0,
                "south_deg",
                f"latitudes {self.south_deg:g} to {self.north_deg:g} are not degrees: give the "
                "grid in WGS84 longitude and latitude",
            )
        if abs(self.west_deg) > 360.0 or self.east_deg - self.west_deg > 360.0:
            raise GridError(
                0,
                "west_deg",
                f"longitudes {self.west_deg:g} to {self.east_deg:g} are not degrees: give the "
                "grid in WGS84 longitude and latitude",
            )
        self.posts.flags.writeable = False

    @property
    def east_deg(self) -> float:
        """Longitude of the last post of a row."""
        return self.west_deg + float(self.posts.shape[1] - 1) * self.step_lon_deg

    @property
    def north_deg(self) -> float:
        """Latitude of the last row."""
        return self.south_deg + float(self.posts.shape[0] - 1) * self.step_lat_deg

    def at(self, position: LatLon) -> float | None:
        """The height in metres at a position, or None where it is not known."""
        height = self.heights(np.array([[position.lon_deg, position.lat_deg]]))[0]
        return float(height) if math.isfinite(height) else None

    def heights(self, lonlat: Array) -> Array:
        """Heights (n) in metres at lon, lat degrees (n, 2); NaN where not known."""
        x, y = self._columns(lonlat[:, 0]), (lonlat[:, 1] - self.south_deg) / self.step_lat_deg
        return self._surface(x, y)

    def _columns(self, lon_deg: Array) -> Array:
        """Longitudes, turned beside the grid, as columns."""
        middle = (self.west_deg + self.east_deg) / 2.0
        turn = 360.0 * np.round((lon_deg - middle) / 360.0)
        return np.asarray((lon_deg - turn - self.west_deg) / self.step_lon_deg)

    def _surface(self, x: Array, y: Array) -> Array:
        rows, columns = self.posts.shape
        slack_x, slack_y = _EDGE_DEG / self.step_lon_deg, _EDGE_DEG / self.step_lat_deg
        known = (x >= -slack_x) & (x <= columns - 1 + slack_x)
        known &= (y >= -slack_y) & (y <= rows - 1 + slack_y)
        x = np.clip(np.where(known, x, 0.0), 0.0, columns - 1)
        y = np.clip(np.where(known, y, 0.0), 0.0, rows - 1)
        column = np.minimum(x.astype(np.intp), columns - 2)
        row = np.minimum(y.astype(np.intp), rows - 2)
        fx, fy = x - column, y - row
        p = self.posts
        south = _mix(p[row, column], p[row, column + 1], fx)
        north = _mix(p[row + 1, column], p[row + 1, column + 1], fx)
        return np.asarray(np.where(known, _mix(south, north, fy), np.nan))

    def box_bounds(self, boxes: Array) -> Array:
        """Lowest and highest height (n, 2) over boxes (n, 4) of west, south, east, north degrees.

        Exact but for rounding. NaN where any part of the box is not known.
        """
        west, south = self._columns(boxes[:, 0]), (boxes[:, 1] - self.south_deg) / self.step_lat_deg
        east = west + (boxes[:, 2] - boxes[:, 0]) / self.step_lon_deg
        north = (boxes[:, 3] - self.south_deg) / self.step_lat_deg
        rows, columns = self.posts.shape
        # a box that is partly outside is not known: it needs no lattice, however large
        known = (np.minimum(west, south) > -1.0) & (east < columns) & (north < rows)
        wide = np.where(known, np.ceil(east) - np.floor(west), 0).astype(np.intp)
        high = np.where(known, np.ceil(north) - np.floor(south), 0).astype(np.intp)
        found = np.full((len(boxes), 2), np.nan)
        few = known & (wide <= _FEW) & (high <= _FEW)
        groups = [np.flatnonzero(few), *(np.array([n]) for n in np.flatnonzero(known & ~few))]
        for some in groups:
            if len(some):
                xs = _lattice(west[some], east[some], int(wide[some].max()))
                ys = _lattice(south[some], north[some], int(high[some].max()))
                x, y = np.broadcast_arrays(xs[:, None, :], ys[:, :, None])
                heights = self._surface(x.reshape(-1), y.reshape(-1)).reshape(len(some), -1)
                found[some] = np.stack((heights.min(axis=1), heights.max(axis=1)), axis=-1)
        return found

    def knots(self, start: LatLon, end: LatLon) -> Array:
        """Shares (k) of the line where it passes from cell to cell, 0 and 1 included."""
        dlon = (end.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
        x0 = float(self._columns(np.array([start.lon_deg]))[0])
        x1 = x0 + dlon / self.step_lon_deg
        y0, y1 = ((p.lat_deg - self.south_deg) / self.step_lat_deg for p in (start, end))
        marks = {0.0, 1.0, *_crossings(x0, x1, self.posts.shape[1])}
        marks.update(_crossings(y0, y1, self.posts.shape[0]))
        return np.array(sorted(marks))

    def profile(self, start: LatLon, end: LatLon) -> Profile | None:
        """The heights along the straight line of longitude and latitude; None where not known."""
        shares = self.knots(start, end)
        middles = (shares[:-1] + shares[1:]) / 2.0
        dlon = (end.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
        dlat = end.lat_deg - start.lat_deg

        def heights(t: Array) -> Array:
            points = np.stack((start.lon_deg + t * dlon, start.lat_deg + t * dlat), axis=-1)
            return self.heights(points)

        found = Profile(shares, heights(shares), heights(middles))
        known = np.isfinite(found.heights_m).all() and np.isfinite(found.middles_m).all()
        return found if known else None


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Heights along a line: at shares (k) of it, and midway between them (k - 1)."""

    shares: Array
    heights_m: Array
    middles_m: Array

    def above(self, start_m: float, end_m: float) -> tuple[float, float]:
        """Least and greatest of a slope from `start_m` to `end_m` less the heights. Exact."""
        t = self.shares
        ends = start_m + t * (end_m - start_m) - self.heights_m
        slope = start_m + (t[:-1] + t[1:]) / 2.0 * (end_m - start_m)
        middle = slope - self.middles_m
        # the parabola through begin, middle and end of a cell: c s^2 + b s + a, s from 0 to 1
        c = 2.0 * (ends[:-1] + ends[1:] - 2.0 * middle)
        b = ends[1:] - ends[:-1] - c
        s = np.clip(-b / np.where(c == 0.0, 1.0, 2.0 * c), 0.0, 1.0)
        extremes = ends[:-1] + s * (b + s * c)
        return (
            float(min(ends.min(), extremes.min(initial=math.inf))),
            float(max(ends.max(), extremes.max(initial=-math.inf))),
        )


def _mix(one: Array, other: Array, share: Array) -> Array:
    """Between two heights in double precision; a post that does not count may be without data."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    mixed = a + share * (b - a)
    return np.where(share == 0.0, a, np.where(share == 1.0, b, mixed))


def _lattice(low: Array, high: Array, count: int) -> Array:
    """Both ends (n) and the post lines between them, `count` + 1 a row; ends stand repeatedly."""
    lines = np.floor(low)[:, None] + np.arange(count + 1)
    lines[:, -1] = high
    return np.clip(lines, low[:, None], high[:, None])


def _crossings(begin: float, end: float, count: int) -> Iterator[float]:
    """Shares between 0 and 1 where a coordinate passes a whole number of the grid."""
    low, high = max(min(begin, end), -1.0), min(max(begin, end), float(count))
    for line in range(math.floor(low) + 1, math.ceil(high)):
        share = (line - begin) / (end - begin)
        if 0.0 < share < 1.0:
            yield share


_KEYS = {
    "ncols": "ncols", "nrows": "nrows", "cellsize": "cellsize", "dx": "dx", "dy": "dy",
    "xllcorner": "xllcorner", "yllcorner": "yllcorner", "xllcenter": "xllcenter",
    "yllcenter": "yllcenter", "nodata_value": "nodata_value",
}  # fmt: skip
_KEY = re.compile(r"[A-Za-z_]+")


def read_esri_ascii(text: str) -> Grid:
    """The grid of an Esri ASCII raster in degrees of WGS84, metres; rows run from north to south.

    Heights stand at the middles of cells (`xllcorner` is the corner of the first, `xllcenter` its
    middle). `dx`, `dy` may stand for `cellsize`, as GDAL writes them. Raises GridError naming line
    and value.
    """
    lines = text.split("\n")
    header, first = _header(lines)
    columns, rows = _count(header, "ncols"), _count(header, "nrows")
    if rows * columns > MAX_POSTS:
        line = header["ncols"][0]
        raise GridError(line, "ncols", f"{rows * columns} posts, more than {MAX_POSTS}: cut it")
    step_lon, step_lat = _step(header, "dx"), _step(header, "dy")
    values = _values(lines, first, columns, rows)
    if "nodata_value" in header:
        values[values == np.float32(header["nodata_value"][1])] = np.nan
    _check_range(values, lines, first)
    west, south = _lower_left(header, "x", step_lon), _lower_left(header, "y", step_lat)
    try:
        return Grid(west, south, step_lon, step_lat, values[::-1].copy())
    except GridError as error:
        key = "yllcorner" if error.field == "south_deg" else "xllcorner"
        line = header.get(key, header.get(key.replace("corner", "center"), (0, 0.0)))[0]
        raise GridError(line, error.field, error.reason) from error


def _header(lines: list[str]) -> tuple[dict[str, tuple[int, float]], int]:
    header: dict[str, tuple[int, float]] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if not _KEY.fullmatch(words[0]) or words[0].lower() in {"nan", "inf"}:
            return header, number
        key = words[0].lower()
        if key not in _KEYS:
            raise GridError(number, words[0], f"unknown key: use {', '.join(sorted(_KEYS))}")
        if key in header:
            raise GridError(number, words[0], "stands twice")
        if len(words) != 2:
            raise GridError(number, words[0], "needs one number behind it")
        header[key] = number, _number(number, words[0], words[1])
    raise GridError(len(lines), "rows", "the file ends before any height")


def _number(line: int, field: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise GridError(line, field, f"{word!r} is not a number") from None
    if not math.isfinite(value) and field.lower() != "nodata_value":
        raise GridError(line, field, f"{word!r} is not a finite number")
    return value


def _count(header: dict[str, tuple[int, float]], key: str) -> int:
    if key not in header:
        raise GridError(1, key, "is missing from the header")
    line, value = header[key]
    if value != int(value) or value < 2:
        raise GridError(line, key, f"{value:g} is not a whole number from 2")
    return int(value)


def _step(header: dict[str, tuple[int, float]], key: str) -> float:
    found = header.get(key) or header.get("cellsize")
    if found is None:
        raise GridError(1, "cellsize", "is missing from the header")
    if not 0.0 < found[1] <= 10.0:
        raise GridError(
            found[0],
            "cellsize",
            f"{found[1]:g} is not from 0 to 10 degrees: give the grid in WGS84 longitude and "
            "latitude (gdalwarp -t_srs EPSG:4326)",
        )
    return found[1]


def _lower_left(header: dict[str, tuple[int, float]], axis: str, step: float) -> float:
    corner, center = header.get(f"{axis}llcorner"), header.get(f"{axis}llcenter")
    if corner is not None and center is not None:
        raise GridError(center[0], f"{axis}llcenter", f"{axis}llcorner stands there too")
    if corner is not None:
        return corner[1] + step / 2.0
    if center is not None:
        return center[1]
    raise GridError(1, f"{axis}llcorner", "is missing from the header")


def _values(lines: list[str], first: int, columns: int, rows: int) -> npt.NDArray[np.float32]:
    values = np.empty((rows, columns), dtype=np.float32)
    row = 0
    for number, line in enumerate(itertools.islice(lines, first - 1, None), start=first):
        words = line.split()
        if not words:
            continue
        if row == rows:
            raise GridError(number, "nrows", f"more than {rows} rows of heights")
        if len(words) != columns:
            raise GridError(number, "ncols", f"{len(words)} heights, not {columns}")
        try:
            values[row] = np.array(words, dtype=np.float64)
        except ValueError:
            wrong = next(word for word in words if not _is_number(word))
            raise GridError(number, "height", f"{wrong!r} is not a number") from None
        row += 1
    if row < rows:
        raise GridError(len(lines), "nrows", f"{row} rows of heights, not {rows}")
    return values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _check_range(values: npt.NDArray[np.float32], lines: list[str], first: int) -> None:
    wild = ~np.isnan(values) & ~((values >= LOWEST_M) & (values <= HIGHEST_M))
    if not wild.any():
        return
    row, column = (int(i) for i in np.argwhere(wild)[0])
    filled = [n for n in range(first, len(lines) + 1) if lines[n - 1].strip()]
    raise GridError(
        filled[row],
        "height",
        f"{float(values[row, column]):g} m in column {column + 1} is no height on earth "
        f"({LOWEST_M:g} to {HIGHEST_M:g}): name it as NODATA_value if it means no data",
    )
