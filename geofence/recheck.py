"""New zones against the paths of all that is under way, at once.

Owns the index over active paths and what a change of zones newly forbids, with the time left.
Must not judge by rules of its own: what the index does not rule out is asked of `geofence.check`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import shapely

from geofence.check import FlightPath, Surroundings, Violation, check_all, passage
from geofence.contact import HEIGHT_TOLERANCE_M, boxes_about
from geofence.diff import ZoneSetDiff
from geofence.frames import Array
from geofence.heights import Band, resolve
from geofence.kernel import Bools, Ints
from geofence.path import Disc, Later, PathLeg
from geofence.track import Pieces, pieces_of
from geofence.zones import ZoneKind
from geofence.zoneset import ZoneSet

ANY_HEIGHT = Band(-math.inf, math.inf)

ON_LINE_DEG = 1e-5
"""A violation's entry is on a line that passes this near: a metre."""


@dataclass(frozen=True, slots=True)
class Forbidden(Later):
    """What a change of zones has against one path.

    `first_entry` is the earliest predicted moment at which the path touches a zone that it may
    not, slack of the passage included; `left` is the time until then, never below zero. Both are
    worked out when one is first read; `left` counts from the `now` of the recheck.
    """

    violations: tuple[Violation, ...]
    first_entry: datetime
    left: timedelta

    @classmethod
    def told_later(
        cls, violations: tuple[Violation, ...], entry: _Entry, now: datetime
    ) -> Forbidden:
        """The violations of a path; the times when they are asked for."""

        def later(self: Forbidden, _: str) -> None:
            first = min(_enters(violation, entry) for violation in violations)
            object.__setattr__(self, "first_entry", first)
            object.__setattr__(self, "left", max(first - now, timedelta(0)))

        self = object.__new__(cls)
        object.__setattr__(self, "violations", violations)
        object.__setattr__(self, "_later", later)
        return self


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    path: FlightPath
    pieces: Pieces
    boxes: Array

    @classmethod
    def of(cls, path: FlightPath) -> Self:
        pieces = pieces_of(path)
        return cls(path, pieces, boxes_about(pieces, pieces.reach_m))

    @property
    def height_known(self) -> Bools:
        """Of each piece (n)."""
        owned = np.array([owner.height_known for owner in self.owners], dtype=bool)
        return np.asarray(owned[self.pieces.owner])

    @property
    def owners(self) -> tuple[PathLeg | Disc, ...]:
        return (*self.path.legs, *self.path.discs)


class ActivePaths:
    """An immutable index over paths by id: where their corridors are, and how high.

    Ids may be any text. What is added or left out gives another index; what stays is not
    computed anew.
    """

    __slots__ = ("_boxes", "_entries", "_high_m", "_ids", "_low_m", "_owner", "_path", "_tree")

    def __init__(
        self, paths: Mapping[str, FlightPath], *, known: ActivePaths | None = None
    ) -> None:
        """Index `paths`; what `known` holds of the very same path is taken from there."""
        self._entries: dict[str, _Entry] = {}
        for path_id, path in paths.items():
            entry = known.entry(path_id) if known is not None and path_id in known else None
            same = entry is not None and entry.path is path
            self._entries[path_id] = entry if entry and same else _Entry.of(path)
        self._ids = tuple(self._entries)
        every = list(self._entries.values())
        counts = [len(entry.boxes) for entry in every]
        self._path: Ints = np.repeat(np.arange(len(every)), counts).astype(np.intp)
        self._owner: Ints = _joined([e.pieces.owner for e in every], np.empty(0)).astype(np.intp)
        self._boxes: Array = _joined([e.boxes for e in every], np.empty((0, 4)))
        heights = _joined([e.pieces.heights for e in every], np.empty((0, 2)))
        told = _joined([e.height_known for e in every], np.empty(0)).astype(bool)
        self._low_m = np.where(told, heights.min(axis=1), -np.inf)
        self._high_m = np.where(told, heights.max(axis=1), np.inf)
        self._tree = shapely.STRtree(shapely.box(*self._boxes.T))

    def with_path(self, path_id: str, path: FlightPath) -> ActivePaths:
        """The index with one path more, or another in the place of the one of this id."""
        return ActivePaths({**self._paths(), path_id: path}, known=self)

    def without(self, path_id: str) -> ActivePaths:
        """The index without a path; as it is where the path is not there."""
        return ActivePaths({k: p for k, p in self._paths().items() if k != path_id}, known=self)

    def _paths(self) -> dict[str, FlightPath]:
        return {path_id: entry.path for path_id, entry in self._entries.items()}

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __contains__(self, path_id: object) -> bool:
        return path_id in self._entries

    def __getitem__(self, path_id: str) -> FlightPath:
        return self._entries[path_id].path

    def entry(self, path_id: str) -> _Entry:
        """The path with its pieces."""
        return self._entries[path_id]

    def enters_at(self, path_id: str, violation: Violation) -> datetime:
        """The earliest predicted moment at which a path is at a violation of it."""
        return _enters(violation, self._entries[path_id])

    def near(self, zones: ZoneSet, surroundings: Surroundings) -> Iterator[tuple[str, Ints]]:
        """Paths and the numbers of their legs, then discs, that a zone may touch; a superset."""
        # over uneven ground the zone is looked for at every height: check knows where it is
        bands = [
            ANY_HEIGHT if surroundings.varies(zone) else resolve(zone, surroundings)
            for zone in zones
        ]
        low = np.array([band.low_m for band in bands]) - HEIGHT_TOLERANCE_M
        high = np.array([band.high_m for band in bands]) + HEIGHT_TOLERANCE_M
        found: list[Ints] = []
        for turn in (0.0, 360.0, -360.0):
            west, south, east, north = (zones.bounds + np.array((turn, 0.0, turn, 0.0))).T
            number, piece = self._tree.query(shapely.box(west, south, east, north))
            beside = (self._high_m[piece] >= low[number]) & (self._low_m[piece] <= high[number])
            found.append(piece[beside])
        pieces = np.unique(np.concatenate(found))
        for path in np.unique(self._path[pieces]):
            mine = pieces[self._path[pieces] == path]
            yield self._ids[path], np.unique(self._owner[mine])


def _joined(parts: list[Array] | list[Ints] | list[Bools], none: Array) -> Array:
    return np.concatenate(parts) if parts else none


def recheck(
    changes: ZoneSetDiff, paths: ActivePaths, surroundings: Surroundings, *, now: datetime
) -> dict[str, Forbidden]:
    """What the changes forbid, by path id; paths they have nothing against are not in it.

    The violations are those that `check` finds in the new set by zones that were added or
    changed; where a keep-in came, went or changed, also by what is to be kept now. Paths are taken
    whole: whoever is late is not thought to be past a zone.
    """
    arrived = {zone.zone_id for zone in changes.arrived}
    asked = ZoneSet(
        zone
        for zone in changes.new
        if (changes.keep_ins if zone.kind is ZoneKind.KEEP_IN else zone.zone_id in arrived)
    )
    if not len(asked) or not len(paths):
        return {}
    found: dict[str, Forbidden] = {}
    near = dict(_everything(paths) if changes.keep_ins else paths.near(asked, surroundings))
    parts = [_part(paths[path_id], owners) for path_id, owners in near.items()]
    for path_id, verdict in zip(near, check_all(parts, asked, surroundings), strict=True):
        if verdict.violations:
            found[path_id] = Forbidden.told_later(verdict.violations, paths.entry(path_id), now)
    return found


def _everything(paths: ActivePaths) -> Iterator[tuple[str, Ints]]:
    for path_id in paths:
        yield path_id, np.arange(len(paths.entry(path_id).owners))


def _part(path: FlightPath, owners: Ints) -> FlightPath:
    """The path with these of its legs and discs alone; each is checked by itself anyhow."""
    if len(owners) == len(path.legs) + len(path.discs):
        return path
    chosen = set(owners.tolist())
    first_disc = len(path.legs)
    return replace(
        path,
        legs=tuple(leg for n, leg in enumerate(path.legs) if n in chosen),
        discs=tuple(disc for n, disc in enumerate(path.discs, first_disc) if n in chosen),
    )


def _enters(violation: Violation, entry: _Entry) -> datetime:
    """The earliest that any leg or disc of the violation's name is at the violation's entry."""
    at = np.array((violation.entry.lon_deg, violation.entry.lat_deg))
    times: list[datetime] = []
    same = []
    for number, owner in enumerate(entry.owners):
        if (owner.index, owner.label) != (violation.index, violation.label):
            continue
        same.append(owner.enter)
        mine = entry.pieces.owner == number
        share, off_deg = _nearest(entry.pieces.line[mine], entry.pieces.part[mine], at)
        if off_deg <= ON_LINE_DEG:
            times.append(passage(owner, share, share)[0])
    return min(times or same)


def _nearest(line: Array, part: Array, at: Array) -> tuple[float, float]:
    """The owner's parameter where its pieces (n, 4) are nearest to a place, and how far off."""
    step = line[:, 2:] - line[:, :2]
    to = at - line[:, :2]
    to[:, 0] = (to[:, 0] + 180.0) % 360.0 - 180.0
    length2 = (step * step).sum(axis=1)
    t = np.clip((to * step).sum(axis=1) / np.where(length2 > 0.0, length2, 1.0), 0.0, 1.0)
    off = np.hypot(*(to - t[:, None] * step).T)
    best = int(off.argmin())
    share = part[best, 0] + t[best] * (part[best, 1] - part[best, 0])
    return float(share), float(off[best])
