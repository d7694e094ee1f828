"""The errors of this package.

    MissionsError
    +-- RequestError        a planning request whose numbers make no sense: names the field
    +-- MissionFileError    a mission file that cannot be read: names the item or line

A mission that may not be flown is not an error: it is a NoGo with its reasons. The street
graph raises its own StreetError, see roads.py.
"""

from __future__ import annotations


class MissionsError(Exception):
    """Anything that this package raises on purpose."""


class RequestError(MissionsError, ValueError):
    """A planning request whose numbers make no sense."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class MissionFileError(MissionsError, ValueError):
    """A mission file that cannot be read."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason
