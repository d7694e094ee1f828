"""The north-east frame in which ArduPilot flies straight legs.

Owns the conversion between WGS84 degrees and metres north and east of an origin, as
ArduPilot's ``Location::get_vector_xy_from_origin_NE`` does it (AP_Common/Location.cpp):
a sphere of 6 378 100 m, east scaled by the cosine of the mean latitude.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

METRES_PER_DEG = 6378100.0 * math.pi / 180.0

Vec3 = tuple[float, float, float]
"""North, east (metres from the origin) and altitude (metres AMSL)."""


@dataclass(frozen=True, slots=True)
class NorthEastFrame:
    """A frame about an origin in WGS84 degrees."""

    lat_deg: float
    lon_deg: float

    def to_ne(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """Metres north and east of the origin."""
        scale = max(math.cos(math.radians((lat_deg + self.lat_deg) / 2.0)), 0.01)
        dlon = (lon_deg - self.lon_deg + 180.0) % 360.0 - 180.0
        return (lat_deg - self.lat_deg) * METRES_PER_DEG, dlon * METRES_PER_DEG * scale

    def to_latlon(self, north_m: float, east_m: float) -> tuple[float, float]:
        """WGS84 degrees of a point given in metres; the exact inverse of ``to_ne``."""
        lat = self.lat_deg + north_m / METRES_PER_DEG
        scale = max(math.cos(math.radians((lat + self.lat_deg) / 2.0)), 0.01)
        lon = self.lon_deg + east_m / (METRES_PER_DEG * scale)
        return lat, (lon + 180.0) % 360.0 - 180.0


def deg_e7(degrees: float) -> int:
    """Degrees as the integer of 1e-7 degrees that MAVLink carries."""
    return round(degrees * 1e7)
