"""Which optional fields an order has for one robot.

Owns the choice, by profile first and factsheet second. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.profile import (
    LENGTH,
    MAX_SPEED,
    NOT_SUPPORTED,
    REQUIRED,
    TRAJECTORY,
    Profile,
)

_ALSO = {MAX_SPEED: "order.edges.maximumSpeed"}
"""Names that version 3 has for the same field."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How streets become edges. `longest_curve`: control points of a trajectory; 0: no limit."""

    curves: bool = False
    always_curves: bool = False
    speeds: bool = True
    lengths: bool = False
    longest_curve: int = 0

    def curve(self, points: int) -> bool:
        """Whether a street of so many points goes as a trajectory."""
        if not self.curves or points < 2:
            return False
        fits = not self.longest_curve or points <= self.longest_curve
        return fits and (points > 2 or self.always_curves)


def shape_of(sheet: Factsheet | None, profile: Profile) -> Shape:
    """The shape of orders for one robot."""
    points = sheet.limit("trajectory.controlPoints") if sheet else 0
    knots = sheet.limit("trajectory.knotVector") if sheet else 0
    limits = [n for n in (points, max(0, knots - 2)) if n]
    return Shape(
        curves=supported(TRAJECTORY, sheet, profile),
        always_curves=_required(TRAJECTORY, sheet, profile),
        speeds=supported(MAX_SPEED, sheet, profile),
        lengths=_required(LENGTH, sheet, profile),
        longest_curve=min(limits, default=0),
    )


def supported(field: str, sheet: Factsheet | None, profile: Profile) -> bool:
    """Whether an optional field may be sent.

    Where neither profile nor factsheet says anything, speeds are sent and curves are not: a robot
    that does not know a trajectory would cut the corner.
    """
    said = profile.optional.get(field)
    if said is not None:
        return said != NOT_SUPPORTED
    features = sheet.protocol_features if sheet is not None else None
    if sheet is None or features is None or not features.optional_parameters:
        return field == MAX_SPEED
    return sheet.understands(field) or sheet.understands(_ALSO.get(field, field))


def _required(field: str, sheet: Factsheet | None, profile: Profile) -> bool:
    said = profile.optional.get(field)
    if said is not None:
        return said == REQUIRED
    return sheet is not None and sheet.support(field) == REQUIRED
