"""A path over ground that is known in parts: each part asked by itself, the answers put together.

Owns that. Must not judge: whoever calls says how a part is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from geofence.heights import Surroundings
from geofence.path import FlightPath, Verdict
from geofence.zones import VehicleClass


def has_unknown(path: FlightPath) -> bool:
    """Whether any height of the path is not known; what flies knows its own."""
    if path.vehicle_class is not VehicleClass.ROBOT:
        return False
    return not (
        all(leg.height_known for leg in path.legs) and all(disc.height_known for disc in path.discs)
    )


def asked_apart(
    path: FlightPath, surroundings: Surroundings, ask: Callable[[FlightPath, Surroundings], Verdict]
) -> Verdict:
    """The verdict on a path with `has_unknown`.

    Where the path's height is not known, a limit that is not above ground is taken as none, and
    the violation says what is missing.
    """
    if not surroundings.path_heights_known:
        return ask(_part(path, known=None), surroundings)
    blind = replace(surroundings, path_heights_known=False)
    found = [
        ask(_part(path, known=True), surroundings),
        ask(_part(path, known=False), blind),
    ]
    near = [verdict for verdict in found if verdict.clearance_m is not None]
    nearest = min(near, key=lambda verdict: verdict.clearance_m or 0.0, default=found[0])
    violations = [violation for verdict in found for violation in verdict.violations]
    return Verdict(
        allowed=all(verdict.allowed for verdict in found),
        zones_version=found[0].zones_version,
        violations=tuple(sorted(violations, key=lambda violation: violation.index)),
        advisories=tuple(advisory for verdict in found for advisory in verdict.advisories),
        clearance_m=nearest.clearance_m,
        nearest_zone_id=nearest.nearest_zone_id,
    )


def _part(path: FlightPath, *, known: bool | None) -> FlightPath:
    """The legs and discs of known height, or the others; None: all, told as known."""
    return replace(
        path,
        legs=tuple(
            replace(leg, height_known=True)
            for leg in path.legs
            if known is None or leg.height_known is known
        ),
        discs=tuple(
            replace(disc, height_known=True)
            for disc in path.discs
            if known is None or disc.height_known is known
        ),
    )
