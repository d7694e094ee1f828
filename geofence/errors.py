"""The errors of this package.

GeofenceError
+-- FrameError        a position, altitude or area that no frame can hold
+-- GridError         a grid of heights that cannot be understood: line, field and reason
+-- PathError         a path that cannot be checked: names the leg or disc and the field
+-- ZoneError         a zone that cannot be understood: carries feature id, field and reason
+-- ZoneFileError     a zone file that was refused whole: carries every ZoneError found
"""

from __future__ import annotations


class GeofenceError(Exception):
    """Anything that geofence raises on purpose."""


class FrameError(GeofenceError, ValueError):
    """A position, altitude or area that no frame can hold."""


class GridError(GeofenceError, ValueError):
    """A grid of heights that cannot be understood; `line` counts from 1, 0 where there is none."""

    def __init__(self, line: int, field: str, reason: str) -> None:
        super().__init__(f"line {line}: {field}: {reason}" if line else f"{field}: {reason}")
        self.line = line
        self.field = field
        self.reason = reason


class PathError(GeofenceError, ValueError):
    """A path that cannot be checked."""


class ZoneError(GeofenceError, ValueError):
    """A zone that cannot be understood."""

    def __init__(self, feature: str, field: str, reason: str) -> None:
        super().__init__(f"feature {feature}: {field}: {reason}")
        self.feature = feature
        self.field = field
        self.reason = reason


class ZoneFileError(GeofenceError, ValueError):
    """A zone file that was refused whole; nothing of it may be used."""

    def __init__(self, errors: tuple[ZoneError, ...]) -> None:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{errors[0]}{more}" if errors else "zone file refused")
        self.errors = errors
