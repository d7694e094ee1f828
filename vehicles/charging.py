"""Vehicles that charge between their rounds.

Owns the protocol between the controller and an adapter. Must not say when a vehicle charges: that
is the controller's policy.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from vehicles.port import CommandResult


@runtime_checkable
class Charging(Protocol):
    """A session whose vehicle charges where it stands."""

    @property
    def charges_by_itself(self) -> bool:
        """Whether it begins and ends by itself at its charger, so that nobody asks it."""

    async def charge(self, *, on: bool) -> CommandResult:
        """Begin to charge, or end it; DONE when its state shows so.

        The start of a mission ends it as well.
        """
