"""The robot's map: metres on a tangent plane to WGS84 degrees and back.

Owns map maths independent of the master's: forward by rotation of Earth-centred differences,
back by Newton steps on the forward map, so that no formula of the way back is shared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_A = 6378137.0
_E2 = 0.0066943799901413165


def _ecef(lat_deg: float, lon_deg: float, alt_m: float) -> tuple[float, float, float]:
    phi, lam = math.radians(lat_deg), math.radians(lon_deg)
    n = _A / math.sqrt(1.0 - _E2 * math.sin(phi) ** 2)
    return (
        (n + alt_m) * math.cos(phi) * math.cos(lam),
        (n + alt_m) * math.cos(phi) * math.sin(lam),
        (n * (1.0 - _E2) + alt_m) * math.sin(phi),
    )


@dataclass(frozen=True, slots=True)
class RobotMap:
    """A site map. The y axis points at azimuth `heading_deg`; `alt0` is the ground, metres."""

    map_id: str
    lat0: float
    lon0: float
    alt0: float = 0.0
    heading_deg: float = 0.0

    def to_xy(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """Map coordinates of a point on the ground surface."""
        ox, oy, oz = _ecef(self.lat0, self.lon0, self.alt0)
        px, py, pz = _ecef(lat_deg, lon_deg, self.alt0)
        dx, dy, dz = px - ox, py - oy, pz - oz
        phi, lam = math.radians(self.lat0), math.radians(self.lon0)
        outward = math.cos(lam) * dx + math.sin(lam) * dy
        east = -math.sin(lam) * dx + math.cos(lam) * dy
        north = -math.sin(phi) * outward + math.cos(phi) * dz
        return self._turn(east, north, self.heading_deg)

    def to_latlon(self, x: float, y: float) -> tuple[float, float]:
        """Latitude and longitude in degrees whose `to_xy` is x, y to a tenth of a millimetre."""
        phi = math.radians(self.lat0)
        w2 = 1.0 - _E2 * math.sin(phi) ** 2
        per_lat = math.radians(_A * (1.0 - _E2) / w2**1.5 + self.alt0)
        per_lon = math.radians((_A / math.sqrt(w2) + self.alt0) * math.cos(phi))
        lat, lon = self.lat0, self.lon0
        for _ in range(12):
            got_x, got_y = self.to_xy(lat, lon)
            miss_e, miss_n = self._turn(x - got_x, y - got_y, -self.heading_deg)
            if abs(miss_e) + abs(miss_n) < 1e-4:
                break
            lat += miss_n / per_lat
            lon += miss_e / per_lon
        return lat, lon

    def azimuth_deg(self, theta: float) -> float:
        """Azimuth of a direction on the map, degrees clockwise from the plane's north."""
        return (90.0 - math.degrees(theta) + self.heading_deg) % 360.0

    @staticmethod
    def _turn(a: float, b: float, by_deg: float) -> tuple[float, float]:
        c, s = math.cos(math.radians(by_deg)), math.sin(math.radians(by_deg))
        return a * c - b * s, a * s + b * c
