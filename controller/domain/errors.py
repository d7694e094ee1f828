"""The errors of this package.

DomainError
+-- TransitionError       a step that the transition table does not know
+-- CustodyError          a step that would leave a parcel with no custodian, or a wrong one
"""

from __future__ import annotations


class DomainError(Exception):
    """Anything that the domain raises on purpose."""


class TransitionError(DomainError):
    """A step that the transition table does not know."""

    def __init__(self, ident: str, before: str, after: str) -> None:
        super().__init__(f"{ident}: no step leads from {before} to {after}")
        self.ident = ident
        self.before = before
        self.after = after


class CustodyError(DomainError):
    """A step that would leave a parcel with no custodian, or a wrong one."""
