"""The errors of this package.

    VehicleError
    +-- LinkError             the transport failed: broker or socket gone, port taken
    +-- VehicleTimeoutError   the vehicle gave no answer in time
    +-- ProtocolError         the vehicle answered nonsense
    +-- MissionError          the vehicle holds something else than what was sent
    +-- ConfigurationError    an adapter's settings name something that does not exist

A vehicle that says no is not an error: it is a CommandResult with a reason.
"""

from __future__ import annotations


class VehicleError(Exception):
    """Anything that a vehicle adapter raises on purpose."""

    def __init__(self, vehicle_id: str, reason: str) -> None:
        super().__init__(f"{vehicle_id}: {reason}")
        self.vehicle_id = vehicle_id
        self.reason = reason


class LinkError(VehicleError):
    """The transport failed."""


class VehicleTimeoutError(VehicleError, TimeoutError):
    """The vehicle gave no answer in time."""


class ProtocolError(VehicleError):
    """The vehicle answered nonsense."""


class MissionError(VehicleError):
    """The vehicle holds something else than what was sent."""


class ConfigurationError(VehicleError, ValueError):
    """An adapter's settings name something that does not exist."""
