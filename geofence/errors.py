"""The errors of this package.

    GeofenceError
    +-- FrameError        a position, altitude or area that no frame can hold
    +-- ZoneError         a zone that cannot be understood: carries feature id, field and reason
"""

from __future__ import annotations


class GeofenceError(Exception):
    """Anything that geofence raises on purpose."""


class FrameError(GeofenceError, ValueError):
    """A position, altitude or area that no frame can hold."""


class ZoneError(GeofenceError, ValueError):
    """A zone that cannot be understood."""

    def __init__(self, feature: str, field: str, reason: str) -> None:
        super().__init__(f"feature {feature}: {field}: {reason}")
        self.feature = feature
        self.field = field
        self.reason = reason
