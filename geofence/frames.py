"""Positions, altitudes and the frames that the predicates are computed in.

Owns the WGS84 position type, the altitude datums, the local affine frame and geodesic
lengths. Must not know what a zone is.

Straight edges of zones (RFC 7946, section 3.1.1) and of ArduPilot's fences are straight in
longitude and latitude; an affine frame keeps them straight, so predicates in it are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from pyproj import Geod

from geofence.errors import FrameError

Array = npt.NDArray[np.float64]

WGS84 = Geod(ellps="WGS84")
_A_M = 6378137.0
_E2 = 6.69437999014e-3

MAX_LATITUDE_DEG = 84.0
"""Beyond this the affine frame is useless: refused, never guessed."""

MAX_FRAME_SPAN_M = 300_000.0
"""Farthest that a point may lie from the origin of a local frame."""


@dataclass(frozen=True, slots=True)
class LatLon:
    """A WGS84 position in degrees. Raises FrameError where it is not one."""

    lat_deg: float
    lon_deg: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lat_deg) and math.isfinite(self.lon_deg)):
            raise FrameError(f"position {self.lat_deg}, {self.lon_deg} is not finite")
        if not (-90.0 <= self.lat_deg <= 90.0 and -180.0 <= self.lon_deg <= 180.0):
            raise FrameError(
                f"position {self.lat_deg}, {self.lon_deg} is out of range: latitude is -90 to 90, "
                "longitude -180 to 180 degrees"
            )


class Datum(StrEnum):
    """What an altitude is measured from."""

    AMSL = "AMSL"
    HOME = "HOME"
    AGL = "AGL"
    WGS84 = "WGS84"


@dataclass(frozen=True, slots=True)
class Altitude:
    """A height in metres above its datum."""

    value_m: float
    datum: Datum

    def __post_init__(self) -> None:
        if not math.isfinite(self.value_m):
            raise FrameError(f"altitude {self.value_m} is not finite")


def metres_per_degree(lat_deg: Array) -> tuple[Array, Array]:
    """Metres per degree of longitude and of latitude at each latitude (WGS84 N cos(lat), M)."""
    lat = np.radians(lat_deg)
    w2 = 1.0 - _E2 * np.sin(lat) ** 2
    prime_m = _A_M / np.sqrt(w2)
    meridian_m = _A_M * (1.0 - _E2) / (w2 * np.sqrt(w2))
    per_degree = math.pi / 180.0
    return prime_m * np.cos(lat) * per_degree, meridian_m * per_degree


def metres_per_degree_at(lat_deg: float) -> tuple[float, float]:
    """The same at one latitude."""
    sin = math.sin(math.radians(lat_deg))
    w2 = 1.0 - _E2 * sin * sin
    prime_m = _A_M / math.sqrt(w2)
    meridian_m = _A_M * (1.0 - _E2) / (w2 * math.sqrt(w2))
    per_degree = math.pi / 180.0
    return prime_m * math.cos(math.radians(lat_deg)) * per_degree, meridian_m * per_degree


@dataclass(frozen=True, slots=True)
class Scale:
    """Metres per degree of longitude and latitude over some latitudes, and what they bring.

    `east` and `north` are the least, `east_most` and `north_most` the greatest. `bow` is the stray
    in metres for each degree of longitude and degree of latitude of a leg, `stretch` how much wider
    than written a corridor is taken at most, as a share. What the origin of an autopilot's frame
    moves is `origin` metres for the same and `rise` for each degree of latitude squared. `flat` and
    `steep` are the latitudes nearest to the equator and farthest from it.
    """

    flat: float
    steep: float
    east: float
    north: float
    east_most: float
    north_most: float
    bow: float
    stretch: float
    origin: float
    rise: float


def geodesic_m(start: LatLon, end: LatLon) -> float:
    """Length in metres of the WGS84 geodesic between two positions."""
    _, _, length_m = WGS84.inv(start.lon_deg, start.lat_deg, end.lon_deg, end.lat_deg)
    return float(length_m)


def bearing_deg(start: LatLon, end: LatLon) -> float:
    """Initial azimuth of the geodesic, 0 to 360 degrees clockwise from true north."""
    azimuth, _, _ = WGS84.inv(start.lon_deg, start.lat_deg, end.lon_deg, end.lat_deg)
    return float(azimuth) % 360.0


def offset(start: LatLon, azimuth_deg: float, length_m: float) -> LatLon:
    """The position `length_m` along the geodesic that leaves `start` at `azimuth_deg`."""
    lon, lat, _ = WGS84.fwd(start.lon_deg, start.lat_deg, azimuth_deg, length_m)
    return LatLon(float(lat), float(lon))


@dataclass(frozen=True, slots=True)
class LocalFrame:
    """Metres east and north of an origin, affine in longitude and latitude.

    x = (lon - lon0) N cos(lat0), y = (lat - lat0) M, with the WGS84 radii of curvature N (prime
    vertical) and M (meridian) at the origin. Longitudes are unwrapped about the origin, so the
    antimeridian is no seam.
    """

    origin: LatLon

    def __post_init__(self) -> None:
        if abs(self.origin.lat_deg) > MAX_LATITUDE_DEG:
            raise FrameError(
                f"no local frame at latitude {self.origin.lat_deg}: it works up to "
                f"{MAX_LATITUDE_DEG} degrees"
            )

    @property
    def scale(self) -> tuple[float, float]:
        """Metres per degree of longitude and of latitude at the origin."""
        return metres_per_degree_at(self.origin.lat_deg)

    def to_xy(self, lonlat: Array) -> Array:
        """Array (n, 2) of longitude, latitude in degrees to (n, 2) of x, y in metres."""
        east, north = self.scale
        points = np.asarray(lonlat, dtype=np.float64)
        lon = (points[..., 0] - self.origin.lon_deg + 180.0) % 360.0 - 180.0
        lat = points[..., 1] - self.origin.lat_deg
        return np.stack((lon * east, lat * north), axis=-1)

    def to_lonlat(self, xy: Array) -> Array:
        """Array (n, 2) of x, y in metres to (n, 2) of longitude, latitude in degrees."""
        east, north = self.scale
        points = np.asarray(xy, dtype=np.float64)
        lon = points[..., 0] / east + self.origin.lon_deg
        lon = (lon + 180.0) % 360.0 - 180.0
        return np.stack((lon, points[..., 1] / north + self.origin.lat_deg), axis=-1)

    def xy(self, position: LatLon) -> tuple[float, float]:
        """One position in metres."""
        east, north = self.scale
        lon = (position.lon_deg - self.origin.lon_deg + 180.0) % 360.0 - 180.0
        return lon * east, (position.lat_deg - self.origin.lat_deg) * north

    def latlon(self, x_m: float, y_m: float) -> LatLon:
        """One point of the frame as a position."""
        lon, lat = self.to_lonlat(np.array([x_m, y_m]))
        return LatLon(float(lat), float(lon))
