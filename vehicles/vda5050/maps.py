"""The site map: a robot's metres and radians to WGS84 and back.

Owns the exact conversion through Earth-centred coordinates. VDA 5050 knows no longitude and
latitude: a map is a right-handed plane in metres with an operator's origin. A plane by degrees
would be 0.23 m off at a kilometre and 5.6 m at five; this one is exact.

Convention: the site map's y axis points at azimuth `heading_deg` (0: north up, x east); theta is
counter-clockwise from the x axis. A robot's own map may lie turned and shifted on the site's:
`frame` tells how, see `survey`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from geofence.frames import LatLon, bearing_deg
from vehicles.vda5050.survey import NO_TURN, RigidTransform

_A_M = 6378137.0
_F = 1.0 / 298.257223563
_E2 = _F * (2.0 - _F)
_B_M = _A_M * (1.0 - _F)
_EP2 = _E2 / (1.0 - _E2)

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class SiteMap:
    """One map of a site: the tangent plane at `origin`, turned by `heading_deg`.

    Points of the map lie on the surface `alt_m` above the WGS84 ellipsoid, so that x and y alone
    name a position and both ways agree to less than a millimetre.
    """

    map_id: str
    origin: LatLon
    alt_m: float = 0.0
    heading_deg: float = 0.0
    frame: RigidTransform = NO_TURN
    """From the site's x, y to those of the robots that this map is told to."""
    error_m: float = 0.0
    """Farthest that a surveyed point is off `frame`."""
    version: str = ""
    """What robots must have enabled of it; empty: whatever they have."""

    def to_map(self, position: LatLon) -> tuple[float, float]:
        """Coordinates x, y in metres on the robot's map."""
        return self.frame.forward(*self.to_site(position))

    def to_site(self, position: LatLon) -> tuple[float, float]:
        """Coordinates x, y in metres on the site's map, before `frame`."""
        east, north, _ = self._to_enu(position)
        turn = math.radians(self.heading_deg)
        return (
            east * math.cos(turn) - north * math.sin(turn),
            east * math.sin(turn) + north * math.cos(turn),
        )

    def to_latlon(self, x_m: float, y_m: float) -> LatLon:
        """The position that x and y name."""
        x_m, y_m = self.frame.backward(x_m, y_m)
        turn = math.radians(self.heading_deg)
        east = x_m * math.cos(turn) + y_m * math.sin(turn)
        north = -x_m * math.sin(turn) + y_m * math.cos(turn)
        up = 0.0
        for _ in range(6):
            lat, lon, alt_m = self._from_enu(east, north, up)
            up -= alt_m - self.alt_m
            if abs(alt_m - self.alt_m) < 1e-4:
                break
        return LatLon(lat, lon)

    def heading_true_deg(self, x_m: float, y_m: float, theta_rad: float) -> float:
        """True azimuth of a robot at x, y that looks along theta; 0 to 360 clockwise."""
        here = self.to_latlon(x_m, y_m)
        ahead = self.to_latlon(x_m + math.cos(theta_rad), y_m + math.sin(theta_rad))
        return bearing_deg(here, ahead)

    def _axes(self) -> tuple[Vector, Vector, Vector]:
        lat, lon = math.radians(self.origin.lat_deg), math.radians(self.origin.lon_deg)
        sin_lat, cos_lat, sin_lon, cos_lon = (
            math.sin(lat),
            math.cos(lat),
            math.sin(lon),
            math.cos(lon),
        )
        return (
            (-sin_lon, cos_lon, 0.0),
            (-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat),
            (cos_lat * cos_lon, cos_lat * sin_lon, sin_lat),
        )

    def _to_enu(self, position: LatLon) -> Vector:
        base = _to_ecef(self.origin.lat_deg, self.origin.lon_deg, self.alt_m)
        point = _to_ecef(position.lat_deg, position.lon_deg, self.alt_m)
        delta = tuple(p - b for p, b in zip(point, base, strict=True))
        east, north, up = (
            sum(a * d for a, d in zip(axis, delta, strict=True)) for axis in self._axes()
        )
        return east, north, up

    def _from_enu(self, east: float, north: float, up: float) -> Vector:
        base = _to_ecef(self.origin.lat_deg, self.origin.lon_deg, self.alt_m)
        e_axis, n_axis, u_axis = self._axes()
        x, y, z = (
            base[i] + e_axis[i] * east + n_axis[i] * north + u_axis[i] * up for i in range(3)
        )
        return _from_ecef(x, y, z)


def _to_ecef(lat_deg: float, lon_deg: float, alt_m: float) -> Vector:
    """WGS84 to Earth-centred metres (EPSG guidance note 7-2, section 4.1.1)."""
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    prime_m = _A_M / math.sqrt(1.0 - _E2 * math.sin(lat) ** 2)
    flat = (prime_m + alt_m) * math.cos(lat)
    return (
        flat * math.cos(lon),
        flat * math.sin(lon),
        (prime_m * (1.0 - _E2) + alt_m) * math.sin(lat),
    )


def _from_ecef(x: float, y: float, z: float) -> Vector:
    """Latitude, longitude (degrees), height (metres) by Bowring's method, iterated twice."""
    p = math.hypot(x, y)
    beta = math.atan2(z * _A_M, p * _B_M)
    lat = 0.0
    for _ in range(3):
        lat = math.atan2(
            z + _EP2 * _B_M * math.sin(beta) ** 3, p - _E2 * _A_M * math.cos(beta) ** 3
        )
        beta = math.atan2((1.0 - _F) * math.sin(lat), math.cos(lat))
    sin_lat = math.sin(lat)
    prime_m = _A_M / math.sqrt(1.0 - _E2 * sin_lat**2)
    alt_m = p * math.cos(lat) + z * sin_lat - _A_M**2 / prime_m
    return math.degrees(lat), math.degrees(math.atan2(y, x)), alt_m
