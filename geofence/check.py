"""Whether a path is allowed: every leg and disc exactly against every zone that applies.

Owns the verdict. Must not plan. Predicates are exact in an affine frame of each piece of a leg
(track.py says which line is flown); what the frame and the line leave over is added to the
corridor, so a path is never called allowed that touches a zone. Tolerances, all on the safe side:
TOLERANCE_M and MAX_BOW_M (track), HEIGHT_TOLERANCE_M (contact), PASSAGE_SLACK_S here.

Touching is violating: a zone's border and its height limits belong to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter

import numpy as np

from geofence.apart import asked_apart, has_unknown
from geofence.contact import CLEARANCE_HORIZON_M, Contacts, Depths, find_contacts
from geofence.frames import LatLon
from geofence.heights import Band, Surroundings, resolve
from geofence.keep_in import KeptIn, check_keep_in
from geofence.kernel import Ints
from geofence.narrow import narrow
from geofence.path import Disc, FlightPath, PathLeg, Verdict, Violation
from geofence.relief import finer, relief_of
from geofence.schedule import ALWAYS, Calendar, Schedule
from geofence.sieve import Sieved, sieve
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
    "check_all",
]

PASSAGE_SLACK_S = 10.0
"""A zone's times are asked this much before entry and after exit, for speeding up and braking."""

PASSAGE_SLACK = 0.05
"""And by this share of the leg's duration, for a speed that is not even."""

TOLD_AT_ONCE = 2048
"""Violations whose details are worked out together."""
SPEED_TOLERANCE_MPS = 1e-6
"""Rounding of a length over a duration: a leg planned at the limit is within it."""


def check(path: FlightPath, zones: ZoneSet, surroundings: Surroundings) -> Verdict:
    """Check every leg and disc of `path` against `zones`.

    Raises FrameError for a path in a place that no frame holds (beyond 84 degrees).
    """
    (verdict,) = check_all((path,), zones, surroundings)
    return verdict


def check_all(
    paths: Sequence[FlightPath], zones: ZoneSet, surroundings: Surroundings
) -> list[Verdict]:
    """`check` of each of several paths; faster together where they lie near each other."""
    if any(has_unknown(path) for path in paths):
        return [_apart(path, zones, surroundings) for path in paths]
    owners: list[PathLeg | Disc] = []
    first = []
    for path in paths:
        first.append(len(owners))
        owners += path.legs
        owners += path.discs
    found = sieve(owners, zones, surroundings, flown=all(path.flown for path in paths))
    if found is None and len(paths) > 1:
        return [check(path, zones, surroundings) for path in paths]
    verdicts = []
    for number, path in enumerate(paths):
        begin, end = first[number], first[number + 1] if number + 1 < len(first) else len(owners)
        mine = found if found is None or len(paths) == 1 else found.part(begin, end)
        verdict = None if mine is None else _sifted(path, zones, surroundings, mine)
        verdicts.append(verdict or _Checker(path, zones, surroundings).verdict())
    return verdicts


def _apart(path: FlightPath, zones: ZoneSet, surroundings: Surroundings) -> Verdict:
    if not has_unknown(path):
        return check(path, zones, surroundings)
    return asked_apart(path, surroundings, lambda part, over: check(part, zones, over))


def _sifted(
    path: FlightPath, zones: ZoneSet, surroundings: Surroundings, found: Sieved
) -> Verdict | None:
    """The verdict by proofs where they do, by contacts for the few pairs where they do not.

    None where what is near depends on the ground of the place or limits speed.
    """
    uneven = surroundings.terrain is not None or surroundings.geoid is not None
    if uneven and (found.touched or found.asked or zones.keep_ins):
        return None
    touching, asked = found.touched, found.asked
    every, plain = zones.zones, zones.plain
    if zones.speed_limits and any(
        zone.max_speed_mps is not None
        for zone in (*(every[zone] for _, zone in touching + asked), *zones.keep_ins)
    ):
        return None
    touching = [pair for pair in touching if plain[pair[1]] or applies(every[pair[1]], path)]
    asked = [pair for pair in asked if plain[pair[1]] or applies(every[pair[1]], path)]
    if asked:
        closer = narrow(path, zones, zones.table(surroundings), asked)
        touching += closer.touched
        if closer.asked:
            touching += _Checker(path, zones, surroundings, sorted(closer.asked)).touching()
    kept = _Checker(path, zones, surroundings).kept() if zones.keep_ins else KeptIn()
    forbidden = any(
        plain[zone] or every[zone].kind is not ZoneKind.ADVISORY for _, zone in touching
    )
    later = _Telling((path, zones, surroundings), touching, kept)
    return Verdict.told_later(
        zones.version, allowed=not (forbidden or kept.violations), later=later.tell
    )


class _Telling:
    """What a verdict tells when it is asked for more than was decided."""

    __slots__ = ("_asked", "_kept", "_number", "_told", "_touching")

    def __init__(
        self,
        asked: tuple[FlightPath, ZoneSet, Surroundings],
        touching: list[tuple[int, int]],
        kept: KeptIn,
    ) -> None:
        self._asked = asked
        self._touching = touching
        self._kept = kept
        self._told: list[Violation] = []
        self._number: dict[int, int] = {}

    def tell(self, verdict: Verdict, name: str) -> None:
        """Set the field of this name."""
        if name in {"clearance_m", "nearest_zone_id"}:
            clearance_m, nearest = self._touched() or _Checker(*self._asked).clearance()
            verdict.tell(clearance_m=clearance_m, nearest_zone_id=nearest)
        else:
            self._list(verdict)

    def _touched(self) -> tuple[float, str] | None:
        """Of thousands that are touched one that is crossed, with no search for what is nearer.

        None where there are fewer, or none is seen to be crossed.
        """
        if len(self._touching) <= TOLD_AT_ONCE:
            return None
        some = sorted(self._touching)[:TOLD_AT_ONCE]
        clearance_m, nearest = _Checker(*self._asked, some).clearance_among()
        return (0.0, nearest) if clearance_m == 0.0 else None

    def _list(self, verdict: Verdict) -> None:
        path, zones, _ = self._asked
        owners: tuple[PathLeg | Disc, ...] = (*path.legs, *path.discs)
        self._touching.sort()
        self._told = [
            Violation.told_later(zones.zones[zone], owners[owner], self._detail)
            for owner, zone in self._touching
        ]
        violations = [v for v in self._told if v.kind is not ZoneKind.ADVISORY]
        violations.extend(self._kept.violations)
        violations.sort(key=attrgetter("index"))
        verdict.tell(
            violations=tuple(violations),
            advisories=tuple([v for v in self._told if v.kind is ZoneKind.ADVISORY]),
        )

    def _detail(self, wanted: Violation, _: str) -> None:
        """Where, how deep and why: of violations beside each other at once, they share work."""
        if not self._number:
            self._number.update((id(each), number) for number, each in enumerate(self._told))
        number = self._number[id(wanted)]
        begin = number - number % TOLD_AT_ONCE
        end = begin + TOLD_AT_ONCE
        pairs = self._touching[begin:end]
        found = _Checker(*self._asked, pairs).details()
        for violation, pair in zip(self._told[begin:end], pairs, strict=True):
            violation.tell(found[pair])


class _Checker:
    def __init__(
        self,
        path: FlightPath,
        zones: ZoneSet,
        surroundings: Surroundings,
        pairs: list[tuple[int, int]] | None = None,
    ) -> None:
        """`pairs`: the only legs (discs behind them) and zones to look at, ascending."""
        self._path = path
        self._zones = zones
        self._surroundings = surroundings
        self._owners: tuple[PathLeg | Disc, ...] = (*path.legs, *path.discs)
        self._pairs = pairs
        asked = None if pairs is None else np.unique(np.array(pairs, dtype=np.intp)[:, 0])
        self._pieces: Pieces = pieces_of(path, asked)
        self._relief = relief_of(self._pieces, surroundings)
        self._bands: dict[str, Band] = {}
        self._depths = Depths()
        self._hours: dict[tuple[Schedule | Calendar, datetime, datetime], bool] = {}

    def verdict(self) -> Verdict:
        contacts, kept = self._settled()
        found = [*self._violations(contacts)]
        clearance, nearest = self._least(contacts, kept)
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

    def touching(self) -> list[tuple[int, int]]:
        """Pairs of owner and zone within reach at an hour when the zone holds."""
        contacts = self._contacts()
        return [
            pair
            for pair, rows in self._rows(contacts)
            if self._span(contacts, *pair, rows) is not None
        ]

    def details(self) -> dict[tuple[int, int], Violation]:
        """Violations of pairs that are within reach, whatever the hour."""
        contacts = self._contacts()
        return {pair: self._told(*pair, rows, contacts) for pair, rows in self._rows(contacts)}

    def kept(self) -> KeptIn:
        """What the keep-ins say of the pieces as they are."""
        return check_keep_in(self._path, self._pieces, self._zones, self._band, self._relief)

    def clearance_among(self) -> tuple[float | None, str]:
        """The clearance from the zones of the pairs alone."""
        return self._clearance(self._contacts())

    def clearance(self) -> tuple[float | None, str]:
        """Metres from the line to the nearest zone or border of a keep-in, and its id."""
        return self._least(*self._settled())

    def _least(self, contacts: Contacts, kept: KeptIn) -> tuple[float | None, str]:
        clearance, nearest = self._clearance(contacts)
        if kept.clearance_m is not None and (clearance is None or kept.clearance_m < clearance):
            return kept.clearance_m, kept.nearest_zone_id
        return clearance, nearest

    def _settled(self) -> tuple[Contacts, KeptIn]:
        """Contacts and keep-ins of pieces as fine as the ground asks for."""
        if self._relief is not None:
            while (
                finer_pieces := self._finer(self._contacts(nearest=False), self.kept())
            ) is not None:
                self._pieces = finer_pieces
                self._relief = relief_of(finer_pieces, self._surroundings)
        return self._contacts(), self.kept()

    def _contacts(self, *, nearest: bool = True) -> Contacts:
        pairs = None if self._pairs is None else self._pieces_by_zone(self._pairs)
        return find_contacts(
            self._pieces,
            self._zones,
            self._applies,
            self._band,
            self._relief,
            among=pairs,
            nearest=nearest,
        )

    def _pieces_by_zone(self, pairs: list[tuple[int, int]]) -> tuple[Ints, Ints]:
        """Every piece of each pair's owner, with the pair's zone."""
        owner, zone = np.array(pairs, dtype=np.intp).T
        first = np.searchsorted(self._pieces.owner, owner)
        counts = np.searchsorted(self._pieces.owner, owner, side="right") - first
        start = np.repeat(first - (np.cumsum(counts) - counts), counts)
        return np.arange(len(start)) + start, np.repeat(zone, counts)

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
            self._pieces,
            self._zones,
            self._limits_speed,
            self._band,
            self._relief,
            nearest=False,
        )
        for pair, rows in self._rows(contacts):
            owner, zone = self._owners[pair[0]], self._zones.zones[pair[1]]
            limit = zone.max_speed_mps
            if limit is None or not isinstance(owner, PathLeg):
                continue
            speed = owner.over_ground_mps
            if speed <= limit + SPEED_TOLERANCE_MPS:
                continue
            if self._span(contacts, *pair, rows) is not None:
                yield replace(
                    self._told(*pair, rows, contacts),
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
        for pair, rows in self._rows(contacts):
            if self._span(contacts, *pair, rows) is not None:
                yield self._told(*pair, rows, contacts)

    def _rows(self, contacts: Contacts) -> Iterator[tuple[tuple[int, int], list[int]]]:
        """Rows within reach by numbers of owner and zone."""
        hits = np.flatnonzero(contacts.hit)
        groups: dict[tuple[int, int], list[int]] = {}
        owners, zones = self._pieces.owner[contacts.piece[hits]], contacts.zone[hits]
        for owner, zone, number in zip(owners.tolist(), zones.tolist(), hits.tolist(), strict=True):
            groups.setdefault((owner, zone), []).append(number)
        yield from sorted(groups.items())

    def _span(
        self, contacts: Contacts, owner: int, zone: int, rows: list[int]
    ) -> tuple[float, float] | None:
        """The owner's parameter at first and last touch, or None where the zone is off then."""
        begin, end = float(contacts.touch[rows, 0].min()), float(contacts.touch[rows, 1].max())
        holds = self._active(self._zones.zones[zone], self._owners[owner], begin, end)
        return (begin, end) if holds else None

    def _told(
        self, owner_number: int, zone_number: int, rows: list[int], contacts: Contacts
    ) -> Violation:
        owner, zone = self._owners[owner_number], self._zones.zones[zone_number]
        first = min(rows, key=lambda row: contacts.touch[row, 0])
        last = max(rows, key=lambda row: contacts.touch[row, 1])
        depth = self._depths.deepest_m(contacts, rows, self._pieces, self._zones)
        unknown = self._unknown(zone, contacts.piece[rows])
        return Violation(
            zone_id=zone.zone_id,
            zone_name=zone.name,
            kind=zone.kind,
            index=owner.index,
            label=owner.label,
            entry=_position(contacts, first, float(contacts.touch[first, 0])),
            exit=_position(contacts, last, float(contacts.touch[last, 1])),
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
