"""Which state may follow which, and who has a parcel in each.

Owns the transition tables of parcels and assignments and the rule of custody, as pure functions.
Must not know how a step is stored or what brings it about.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from controller.domain.errors import CustodyError, TransitionError
from controller.domain.model import AssignmentState as A
from controller.domain.model import Custodian, CustodianKind
from controller.domain.model import ParcelState as P

AT_SITE = frozenset({P.SUBMITTED, P.ASSIGNED, P.PREPARING, P.RETURNED, P.REFUSED, P.CANCELLED})
"""From each of these a parcel is stranded on a vehicle that shows that it picked it on an order
that nobody counted on: evidence outweighs what was expected."""

PARCEL_STEPS: Mapping[P, frozenset[P]] = MappingProxyType(
    {
        P.SUBMITTED: frozenset({P.ASSIGNED, P.REFUSED, P.CANCELLED, P.STRANDED}),
        P.ASSIGNED: frozenset({P.PREPARING, P.SUBMITTED, P.CANCELLED, P.STRANDED}),
        P.PREPARING: frozenset({P.IN_TRANSIT, P.SUBMITTED, P.CANCELLED, P.STRANDED}),
        P.IN_TRANSIT: frozenset({P.RELEASED, P.RETURNING, P.STRANDED}),
        P.RELEASED: frozenset({P.DELIVERED}),
        # a release may be seen late: what the vehicle shows outweighs what was expected
        P.RETURNING: frozenset({P.RETURNED, P.STRANDED, P.RELEASED}),
        P.STRANDED: frozenset({P.RETURNED, P.RELEASED}),
        P.RETURNED: frozenset({P.SUBMITTED, P.CANCELLED, P.REFUSED, P.STRANDED}),
        P.DELIVERED: frozenset(),
        P.REFUSED: frozenset({P.STRANDED}),
        P.CANCELLED: frozenset({P.STRANDED}),
    }
)

ASSIGNMENT_STEPS: Mapping[A, frozenset[A]] = MappingProxyType(
    {
        A.OPEN: frozenset({A.LOADED, A.FAILED}),
        # a vehicle that rebooted or lost its mission is loaded again
        A.LOADED: frozenset({A.STARTED, A.OPEN, A.FAILED}),
        A.STARTED: frozenset({A.DONE, A.FAILED}),
        A.DONE: frozenset(),
        A.FAILED: frozenset(),
    }
)

CUSTODY: Mapping[P, CustodianKind] = MappingProxyType(
    {
        P.SUBMITTED: CustodianKind.SITE,
        P.ASSIGNED: CustodianKind.SITE,
        P.PREPARING: CustodianKind.SITE,
        P.IN_TRANSIT: CustodianKind.VEHICLE,
        P.RETURNING: CustodianKind.VEHICLE,
        P.STRANDED: CustodianKind.VEHICLE,
        P.RELEASED: CustodianKind.RECIPIENT,
        P.DELIVERED: CustodianKind.RECIPIENT,
        P.RETURNED: CustodianKind.SITE,
        P.REFUSED: CustodianKind.SITE,
        P.CANCELLED: CustodianKind.SITE,
    }
)
"""Who has a parcel in each state: exactly one, always."""

FINAL_PARCEL = frozenset({P.DELIVERED, P.REFUSED, P.CANCELLED})
ABOARD = frozenset(s for s, kind in CUSTODY.items() if kind is CustodianKind.VEHICLE)
BEFORE_PICKUP = frozenset({P.ASSIGNED, P.PREPARING})
OPEN_ASSIGNMENT = frozenset({A.OPEN, A.LOADED, A.STARTED})

_S = TypeVar("_S", bound=StrEnum)


def may_follow(steps: Mapping[_S, frozenset[_S]], before: _S, after: _S) -> bool:
    """Whether `after` may directly follow `before` in a table."""
    return after in steps[before]


def check_step(ident: str, steps: Mapping[_S, frozenset[_S]], before: _S, after: _S) -> None:
    """Raise TransitionError where the table does not know the step."""
    if not may_follow(steps, before, after):
        raise TransitionError(ident, before.value, after.value)


def hand_over(parcel_id: str, now: Custodian, after: P, to: Custodian | None = None) -> Custodian:
    """The custodian once the parcel is in `after`.

    `to` names the new one where the kind changes; where it stays the same `to` may be left out,
    and then the custodian stays who it was. Raises CustodyError where nobody, or somebody of the
    wrong kind, would have the parcel.
    """
    custodian = now if to is None else to
    if custodian.kind is not CUSTODY[after] or not custodian.ident:
        raise CustodyError(
            f"{parcel_id}: in state {after.value} a {CUSTODY[after].value} must have it, "
            f"not {custodian.kind.value} {custodian.ident!r}"
        )
    return custodian
