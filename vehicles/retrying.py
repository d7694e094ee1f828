"""Vehicles that stop at a failed action until a person says what becomes of it.

Owns the protocol between the controller and an adapter. Must not decide.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from vehicles.port import CommandResult


@runtime_checkable
class Retrying(Protocol):
    """A session whose vehicle tries a failed action again, or goes on without it."""

    async def retry(self, *, again: bool) -> CommandResult:
        """Try it again, or (False) let it be failed; DONE when the vehicle took the word."""
