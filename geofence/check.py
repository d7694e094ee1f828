"""Whether a path is allowed: every leg and disc exactly against every zone that applies.

Owns the verdict. Must not plan. Predicates are exact in an affine frame of each piece of a leg
(track.py says which line is flown); what the frame and the line leave over is added to the
corridor, so a path is never called allowed that touches a zone. Tolerances, all on the safe side:
TOLERANCE_M and MAX_BOW_M (track), HEIGHT_TOLERANCE_M (contact), PASSAGE_SLACK_S here.

Touching is violating: a zone's border and its height limits belong to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from geofence.contact import CLEARANCE_HORIZON_M, Contacts, depth_m, find_contacts
from geofence.frames import LatLon, geodesic_m
from geofence.heights import Band, Surroundings, resolve
from geofence.keep_in import KeptIn, check_keep_in
from geofence.kernel import Ints
from geofence.path import Disc, FlightPath, PathLeg, Verdict, Violation
from geofence.relief import finer, relief_of
from geofence.schedule import ALWAYS, Calendar, Schedule
from geofence.track import Pieces, pieces_of
from geofence.zones import Zone, ZoneKind
from geofence.zoneset import ZoneSet

__all__ = [
    "CLEARANCE_HORIZON_M",
    "Disc",
    "FlightPath",
    "PathLeg",
    "Surroundings",
    "Verdict",
    "Violation",
    "check",
]

PASSAGE_SLACK_S = 10.0
"""A zone's times are asked this much before entry and after exit, for speeding up and braking."""

PASSAGE_SLACK = 0.05
"""And by this share of the leg's duration, for a speed that is not even."""


SPEED_TOLERANCE_MPS = 1e-6
"""Rounding of a length over a duration: a leg planned at the limit is within it."""


def check(path: FlightPath, zones: ZoneSet, surroundings: Surroundings) -> Verdict:
    """Check every leg and disc of `path` against `zones`.

    Raises FrameError for a path in a place that no frame holds (beyond 84 degrees).
    """
    return _Checker(path, zones, surroundings).verdict()


class _Checker:
    def __init__(self, path: FlightPath, zones: ZoneSet, surroundings: Surroundings) -> None:
        self._path = path
        self._zones = zones
        self._surroundings = surroundings
        self._owners: tuple[PathLeg | Disc, ...] = (*path.legs, *path.discs)
        self._pieces: Pieces = pieces_of(path)
        self._relief = relief_of(self._pieces, surroundings)
        self._bands: dict[str, Band] = {}
        self._depths: dict[tuple[float, ...], float] = {}
        self._hours: dict[tuple[Schedule | Calendar, datetime, datetime], bool] = {}

    def verdict(self) -> Verdict:
        contacts, kept = self._look()
        while (finer_pieces := self._finer(contacts, kept)) is not None:
            self._pieces = finer_pieces
            self._relief = relief_of(finer_pieces, self._surroundings)
            contacts, kept = self._look()
        found = [*self._violations(contacts)]
        clearance, nearest = self._clearance(contacts)
        if kept.clearance_m is not None and (clearance is None or kept.clearance_m < clearance):
            clearance, nearest = kept.clearance_m, kept.nearest_zone_id
        violations = [v for v in found if v.kind is not ZoneKind.ADVISORY]
        violations.extend(kept.violations)
        violations.extend(self._speeding())
        violations.sort(key=lambda violation: violation.index)
        return Verdict(
            allowed=not violations,
            zones_version=self._zones.version,
            violations=tuple(violations),
            advisories=tuple(v for v in found if v.kind is ZoneKind.ADVISORY),
            clearance_m=clearance,
            nearest_zone_id=nearest,
        )

    def _look(self) -> tuple[Contacts, KeptIn]:
        contacts = find_contacts(self._pieces, self._zones, self._applies, self._band, self._relief)
        kept = check_keep_in(self._path, self._pieces, self._zones, self._band, self._relief)
        return contacts, kept

    def _finer(self, contacts: Contacts, kept: KeptIn) -> Pieces | None:
        """Shorter pieces where bounds of the ground may have said more than is so, or None."""
        if self._relief is None:
            return None
        varying = {
            int(i) for i in np.unique(contacts.zone) if self._relief.varies(self._zones.zones[i])
        }
        hit = contacts.hit & np.isin(contacts.zone, list(varying))
        chosen = np.zeros(len(self._pieces.owner), dtype=bool)
        chosen[contacts.piece[hit]] = True
        for owner, begin, end in kept.rough:
            part = self._pieces.part
            chosen |= (self._pieces.owner == owner) & (part[:, 1] > begin) & (part[:, 0] < end)
        return finer(self._pieces, np.flatnonzero(chosen))

    def _speeding(self) -> Iterator[Violation]:
        """Legs faster than a zone that lets them in allows; nearest first in the path."""
        if not self._zones.speed_limits:
            return
        contacts = find_contacts(
            self._pieces, self._zones, self._limits_speed, self._band, self._relief
        )
        for owner, zone, rows in self._groups(contacts):
            limit = zone.max_speed_mps
            if limit is None or not isinstance(owner, PathLeg):
                continue
            speed = speed_mps(owner)
            if speed <= limit + SPEED_TOLERANCE_MPS:
                continue
            violation = self._violation(owner, zone, rows, contacts)
            if violation is not None:
                yield replace(
                    violation,
                    max_speed_mps=limit,
                    reason=f"leg {owner.index} ({owner.label}) moves {_speed_text(speed)} in "
                    f"{_KIND[zone.kind]} {zone_text(zone)}, which allows {limit:g} m/s",
                )

    def _limits_speed(self, zone: Zone) -> bool:
        """Whether a zone limits this path's speed; one that forbids it has no need to."""
        if zone.max_speed_mps is None or not zone.binds(self._path.vehicle):
            return False
        forbids = zone.kind in {ZoneKind.NO_FLY, ZoneKind.RESTRICTED}
        return not (forbids and applies(zone, self._path))

    def _applies(self, zone: Zone) -> bool:
        return applies(zone, self._path)

    def _band(self, zone: Zone) -> Band:
        band = self._bands.get(zone.zone_id)
        if band is None:
            band = self._bands[zone.zone_id] = resolve(zone, self._surroundings)
        return band

    def _violations(self, contacts: Contacts) -> Iterator[Violation]:
        for owner, zone, rows in self._groups(contacts):
            violation = self._violation(owner, zone, rows, contacts)
            if violation is not None:
                yield violation

    def _groups(self, contacts: Contacts) -> Iterator[tuple[PathLeg | Disc, Zone, list[int]]]:
        """Rows within reach by leg or disc and zone."""
        hits = np.flatnonzero(contacts.hit)
        groups: dict[tuple[int, int], list[int]] = {}
        for number in hits:
            owner = int(self._pieces.owner[contacts.piece[number]])
            groups.setdefault((owner, int(contacts.zone[number])), []).append(int(number))
        for (owner, zone), rows in sorted(groups.items()):
            yield self._owners[owner], self._zones.zones[zone], rows

    def _violation(
        self, owner: PathLeg | Disc, zone: Zone, rows: list[int], contacts: Contacts
    ) -> Violation | None:
        first = min(rows, key=lambda row: contacts.touch[row, 0])
        last = max(rows, key=lambda row: contacts.touch[row, 1])
        begin, end = float(contacts.touch[first, 0]), float(contacts.touch[last, 1])
        if not self._active(zone, owner, begin, end):
            return None
        depth = max(self._depth_m(contacts, row) for row in rows)
        unknown = self._unknown(zone, contacts.piece[rows])
        return Violation(
            zone_id=zone.zone_id,
            zone_name=zone.name,
            kind=zone.kind,
            index=owner.index,
            label=owner.label,
            entry=_position(contacts, first, begin),
            exit=_position(contacts, last, end),
            depth_m=depth,
            reason=self._reason(owner, zone, float(contacts.distance_m[rows].min()), depth)
            + (f"; {unknown}" if unknown else ""),
            unknown=unknown,
        )

    def _unknown(self, zone: Zone, pieces: Ints) -> str:
        """What is missing to tell the zone's heights at these pieces."""
        if self._relief is None or not self._relief.varies(zone):
            unknown = self._band(zone).unknown
        else:
            bands = (self._relief.band(zone, int(piece), outer=True) for piece in pieces)
            unknown = next((band.unknown for band in bands if band.unknown), "")
        return unknown

    def _reason(self, owner: PathLeg | Disc, zone: Zone, distance_m: float, depth: float) -> str:
        what = "leg" if isinstance(owner, PathLeg) else "disc"
        text = f"{what} {owner.index} ({owner.label}) "
        if distance_m > 0.0:
            width = owner.corridor_m if isinstance(owner, PathLeg) else owner.radius_m
            text += f"comes within {distance_m:.1f} m of {_KIND[zone.kind]} {zone_text(zone)}"
            text += f" and needs {width:.1f} m"
        else:
            text += f"enters {_KIND[zone.kind]} {zone_text(zone)}, {depth:.1f} m deep"
        if zone.kind is ZoneKind.RESTRICTED:
            text += (
                f"; the permit {zone.permit} lifts it" if zone.permit else "; no permit lifts it"
            )
        return text

    def _clearance(self, contacts: Contacts) -> tuple[float | None, str]:
        for row in np.argsort(contacts.distance_m, kind="stable"):
            distance = float(contacts.distance_m[row])
            if distance > CLEARANCE_HORIZON_M:
                break
            zone = self._zones.zones[contacts.zone[row]]
            owner = self._owners[self._pieces.owner[contacts.piece[row]]]
            if zone.kind is not ZoneKind.ADVISORY and self._active(zone, owner, 0.0, 1.0):
                return distance, zone.zone_id
        return None, ""

    def _depth_m(self, contacts: Contacts, row: int) -> float:
        """How deep a row reaches in; legs that are stacked in height share their lines."""
        reach = float(self._pieces.reach_m[contacts.piece[row]])
        key = (int(contacts.zone[row]), reach, *contacts.line[row].tolist())
        known = self._depths.get(key)
        if known is None:
            known = self._depths[key] = depth_m(contacts, row, self._pieces, self._zones)
        return known

    def _active(self, zone: Zone, owner: PathLeg | Disc, begin: float, end: float) -> bool:
        """Whether the zone applies while the part is passed; zones often share their hours."""
        if zone.schedule == ALWAYS:
            return True
        key = (zone.schedule, *passage(owner, begin, end))
        known = self._hours.get(key)
        if known is None:
            known = self._hours[key] = zone.schedule.active_during(*key[1:])
        return known


_KIND = {
    ZoneKind.NO_FLY: "no-fly zone",
    ZoneKind.RESTRICTED: "restricted zone",
    ZoneKind.ADVISORY: "advisory zone",
    ZoneKind.KEEP_IN: "keep-in zone",
}


def speed_mps(leg: PathLeg) -> float:
    """How fast over ground a leg is moved along; infinite where it takes no time."""
    if leg.speed_mps is not None:
        return leg.speed_mps
    length_m, seconds = geodesic_m(leg.start, leg.end), (leg.leave - leg.enter).total_seconds()
    if length_m == 0.0:
        return 0.0
    return length_m / seconds if seconds > 0.0 else math.inf


def _speed_text(speed: float) -> str:
    return f"at {speed:.4g} m/s" if math.isfinite(speed) else "at no stated speed"


def zone_text(zone: Zone) -> str:
    """The zone as an operator knows it: id, and name where it has one."""
    return f"{zone.zone_id} ({zone.name})" if zone.name else zone.zone_id


def applies(zone: Zone, path: FlightPath) -> bool:
    """Whether a zone, keep-ins apart, speaks to this path at all; time and place not asked."""
    if zone.kind is ZoneKind.KEEP_IN or not zone.binds(path.vehicle):
        return False
    lifted = zone.kind is ZoneKind.RESTRICTED and zone.permit in path.permits
    return not lifted


def passage(owner: PathLeg | Disc, begin: float, end: float) -> tuple[datetime, datetime]:
    """When the part from `begin` to `end` of a leg's parameter is passed, slack included.

    A disc is used for all of its time. A leg is moved along evenly.
    """
    if isinstance(owner, Disc):
        return owner.enter, owner.leave
    span = owner.leave - owner.enter
    slack = timedelta(seconds=PASSAGE_SLACK_S) + PASSAGE_SLACK * span
    return (
        max(owner.enter, owner.enter + begin * span - slack),
        min(owner.leave, owner.enter + end * span + slack),
    )


def _position(contacts: Contacts, row: int, at: float) -> LatLon:
    begin, end = contacts.part[row]
    share = (at - begin) / (end - begin) if end > begin else 0.0
    lon, lat = contacts.line[row, :2] + share * (contacts.line[row, 2:] - contacts.line[row, :2])
    return LatLon(float(lat), float((lon + 180.0) % 360.0 - 180.0))
