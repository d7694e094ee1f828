"""Closest approach in four dimensions between our own flights, and when a new one may start.

Owns tracks, their index and the question who comes too near to whom. Must not know zones, missions
or vehicles.

A flight moves evenly between its points. Where it is at time t is known to a radius that grows:
r(t) = radius + growth tau + v (slop + share tau), tau seconds after its start, v its greatest speed
within the time slop; heights likewise with the rate of climb. Two flights conflict when at one
instant they are nearer than the horizontal separation and both radii, and the same vertically. On
two even pieces that is a quadratic and two linear inequalities in t: solved exactly, not sampled.

Pieces are cut at global 40 s borders; the border's number is an offset along y, so that a plain
two-dimensional tree is an index in space and time. Near a hub, flights are parted by slots (see
slots.py): two that are both within its radius do not conflict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from geofence.errors import PathError
from geofence.frames import Array, LatLon, LocalFrame
from geofence.kernel import Bools, Ints
from geofence.meridian import frame_of, is_whole

BUCKET_S = 40.0
_BUCKET_OFFSET_M = 1e7
_STILL_S = 1e-9


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """How well a flight's place is known; `radius_m` and `slop_s` at its start."""

    radius_m: float = 0.0
    growth_mps: float = 0.0
    """Metres for each second since the start."""
    slop_s: float = 0.0
    """How much earlier or later than told it may be anywhere."""
    slop_share: float = 0.0
    """Seconds of slop for each second since the start."""

    def __post_init__(self) -> None:
        for name in ("radius_m", "growth_mps", "slop_s", "slop_share"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise PathError(f"uncertainty: {name} {value} must not be negative")


@dataclass(frozen=True, slots=True)
class Separation:
    """Two flights nearer than both are in conflict. Metres."""

    horizontal_m: float = 50.0
    vertical_m: float = 15.0

    def __post_init__(self) -> None:
        for name in ("horizontal_m", "vertical_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise PathError(f"separation: {name} {value} must be a positive number")


@dataclass(frozen=True, slots=True)
class Hub:
    """Where pads and their corridors have slots, from the ground up."""

    center: LatLon
    radius_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One flight: `lonlat` (n, 2) degrees, `amsl_m` (n), `t_s` (n) seconds, rising; n >= 2.

    Times are of any clock that all tracks of an index share (POSIX seconds in the controller).
    Raises PathError for what is no track.
    """

    track_id: str
    lonlat: Array
    amsl_m: Array
    t_s: Array
    uncertainty: Uncertainty = Uncertainty()

    def __post_init__(self) -> None:
        what = f"track {self.track_id}"
        count = len(self.t_s)
        if count < 2 or self.lonlat.shape != (count, 2) or self.amsl_m.shape != (count,):
            raise PathError(f"{what}: needs as many places as heights as times, two at least")
        if not (
            np.isfinite(self.lonlat).all()
            and np.isfinite(self.amsl_m).all()
            and np.isfinite(self.t_s).all()
        ):
            raise PathError(f"{what}: a place, height or time is not finite")
        if (np.diff(self.t_s) < 0.0).any():
            raise PathError(f"{what}: its times go back")

    def delayed(self, delay_s: float) -> Track:
        """The same flight, later."""
        return replace(self, t_s=self.t_s + delay_s)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two flights that come too near, from `begin_s` on; the distances are of that instant."""

    one: str
    other: str
    begin_s: float
    horizontal_m: float
    vertical_m: float


@dataclass(frozen=True, slots=True, eq=False)
class _Slices:
    """Even pieces within one bucket.

    `motion` (n, 3, 2) is x, y, z at time 0 of the index and their rates; `reach` (n, 2, 2) the
    radius and vertical error likewise; `span` (n, 2) seconds; `hub` (n) the hub's number or -1.
    """

    track: Ints
    span: Array
    motion: Array
    reach: Array
    hub: Ints

    def __len__(self) -> int:
        return len(self.track)


class TrackIndex:
    """Many flights, immutable; their ids must differ. `about`: flights to be asked about as well.

    East-west distances are never taken too long: the frame is at a latitude as far from the equator
    as any flight comes, or up to half a degree farther.
    """

    def __init__(
        self,
        tracks: Iterable[Track],
        separation: Separation | None = None,
        hubs: Sequence[Hub] = (),
        about: Sequence[Track] = (),
    ) -> None:
        self.tracks: tuple[Track, ...] = tuple(tracks)
        self.separation = separation or Separation()
        self.hubs, self._about = tuple(hubs), bool(about)
        if len({track.track_id for track in self.tracks}) < len(self.tracks):
            raise PathError("two tracks of one index have the same id")
        self._frame: LocalFrame | None = None
        self._epoch_s = 0.0
        if not self.tracks:
            return
        self._frame = frame_of([track.lonlat for track in (*self.tracks, *about)])
        first_s = min(float(track.t_s[0]) for track in self.tracks)
        self._epoch_s = math.floor(first_s / BUCKET_S) * BUCKET_S
        self._slices = self._cut(self.tracks)
        self._boxes = self._boxed(self._slices)
        self._tree = shapely.STRtree(self._boxes)

    def __len__(self) -> int:
        return len(self.tracks)

    def with_track(self, track: Track) -> TrackIndex:
        """A new index with one more flight."""
        return TrackIndex((*self.tracks, track), self.separation, self.hubs)

    def among(self) -> tuple[Conflict, ...]:
        """See `conflicts`."""
        if self._frame is None:
            return ()
        one, other = self._tree.query(self._boxes)
        chosen = self._slices.track[one] < self._slices.track[other]
        return self._judge(self._slices, one[chosen], other[chosen], self.tracks)

    def against(self, tracks: Sequence[Track]) -> tuple[tuple[int, Conflict], ...]:
        """Every conflict of each of these with an indexed flight of another id, by its number."""
        if self._frame is None or not tracks:
            return ()
        if not self._about and not is_whole([track.lonlat for track in tracks], self._frame):
            return TrackIndex(self.tracks, self.separation, self.hubs, tracks).against(tracks)
        slices = self._cut(tracks)
        one, other = self._tree.query(self._boxed(slices))
        number = {track.track_id: i for i, track in enumerate(self.tracks)}
        own = np.array([number.get(track.track_id, -1) for track in tracks], dtype=np.intp)
        chosen = own[slices.track[one]] != self._slices.track[other]
        one, other = one[chosen], other[chosen]
        found = self._judge_rows(slices, one, other)
        return tuple(
            (a, Conflict(tracks[a].track_id, self.tracks[b].track_id, *told))
            for a, b, told in found
        )

    def _judge(
        self, slices: _Slices, one: Ints, other: Ints, tracks: Sequence[Track]
    ) -> tuple[Conflict, ...]:
        return tuple(
            Conflict(tracks[a].track_id, self.tracks[b].track_id, *told)
            for a, b, told in self._judge_rows(slices, one, other)
        )

    def _judge_rows(
        self, slices: _Slices, one: Ints, other: Ints
    ) -> list[tuple[int, int, tuple[float, float, float]]]:
        """First conflict of every pair of tracks among pairs of slices."""
        mine = self._slices
        lowest, highest = _heights(slices, self.separation.vertical_m)
        floor, ceiling = _heights(mine, 0.0)
        apart = (slices.hub[one] < 0) | (slices.hub[one] != mine.hub[other])
        apart &= (lowest[one] < ceiling[other]) & (floor[other] < highest[one])
        one, other = one[apart], other[apart]
        low = np.maximum(slices.span[one, 0], mine.span[other, 0])
        high = np.minimum(slices.span[one, 1], mine.span[other, 1])
        motion = slices.motion[one] - mine.motion[other]
        reach = slices.reach[one] + mine.reach[other]
        reach[:, 0, 0] += self.separation.horizontal_m
        reach[:, 1, 0] += self.separation.vertical_m
        hit, begin = meeting(low, high, motion, reach)
        one, other, begin, motion = one[hit], other[hit], begin[hit], motion[hit]
        order = np.lexsort((begin, mine.track[other], slices.track[one]))
        pair = np.stack((slices.track[one[order]], mine.track[other[order]]), axis=-1)
        fresh = np.ones(len(pair), dtype=bool)
        fresh[1:] = (pair[1:] != pair[:-1]).any(axis=1)
        rows = order[fresh]
        at = motion[rows, :, 0] + motion[rows, :, 1] * begin[rows, None]
        told = np.stack(
            (begin[rows] + self._epoch_s, np.hypot(at[:, 0], at[:, 1]), np.abs(at[:, 2])), axis=-1
        )
        return [
            (int(a), int(b), (float(t), float(h), float(v)))
            for (a, b), (t, h, v) in zip(pair[fresh], told, strict=True)
        ]

    def _boxed(self, slices: _Slices) -> object:
        ends = slices.motion[:, :2, :1] + slices.motion[:, :2, 1:] * slices.span[:, None, :]
        wide = (slices.reach[:, 0, :1] + slices.reach[:, 0, 1:] * slices.span).max(axis=1)
        wide += self.separation.horizontal_m / 2.0 + 0.001
        low, high = ends.min(axis=2) - wide[:, None], ends.max(axis=2) + wide[:, None]
        shift = np.floor(slices.span.mean(axis=1) / BUCKET_S) * _BUCKET_OFFSET_M
        low[:, 1] += shift
        high[:, 1] += shift
        # the tree is asked for boxes alone, and a diagonal has the same one for less
        return shapely.linestrings(np.stack((low, high), axis=1))

    def _cut(self, tracks: Sequence[Track]) -> _Slices:
        """Pieces of the tracks, cut at hubs and at bucket borders."""
        assert self._frame is not None  # noqa: S101 - only called with one
        xyz, t, owner, slack = _corners(tracks, self._frame, self._epoch_s)
        step, seconds = np.diff(xyz, axis=0), np.diff(t)
        kept = (owner[1:] == owner[:-1]) & (seconds > _STILL_S)
        start, step, begin, end = xyz[:-1][kept], step[kept], t[:-1][kept], t[1:][kept]
        track, seconds = owner[:-1][kept], seconds[kept]
        rate = step / seconds[:, None]
        reach = _reaches(rate, begin, end, track, slack)
        motion = np.stack((start - rate * begin[:, None], rate), axis=-1)
        span = np.stack((begin, end), axis=-1)
        row, span = _cut_at_hubs(span, motion, self._hub_circles())
        more, span = _cut_at_buckets(span)
        row = row[more]
        motion = motion[row]
        return _Slices(track[row], span, motion, reach[row], self._hub_of(span, motion))

    def _hub_circles(self) -> Array:
        assert self._frame is not None  # noqa: S101 - only called with one
        return np.array([(*self._frame.xy(hub.center), hub.radius_m) for hub in self.hubs]).reshape(
            -1, 3
        )

    def _hub_of(self, span: Array, motion: Array) -> Ints:
        middle = motion[:, :2, 0] + motion[:, :2, 1] * span.mean(axis=1)[:, None]
        found = np.full(len(span), -1, dtype=np.intp)
        for number, (x, y, radius) in enumerate(self._hub_circles()):
            found[np.hypot(middle[:, 0] - x, middle[:, 1] - y) <= radius] = number
        return found


def _heights(slices: _Slices, margin_m: float) -> tuple[Array, Array]:
    """Lowest and highest (n) that each slice may be, a margin beyond."""
    ends = slices.motion[:, 2, :1] + slices.motion[:, 2, 1:] * slices.span
    high = (slices.reach[:, 1, :1] + slices.reach[:, 1, 1:] * slices.span).max(axis=1)
    high += margin_m + 0.001
    return ends.min(axis=1) - high, ends.max(axis=1) + high


def _corners(
    tracks: Sequence[Track], frame: LocalFrame, epoch_s: float
) -> tuple[Array, Array, Ints, Array]:
    """All points (m, 3), times (m), track numbers (m), and by track: start and uncertainty (k, 5).

    A flight that may be early or late is at its first point before, and at its last after its time.
    """
    counts = np.array([len(track.t_s) for track in tracks], dtype=np.intp)
    known = np.array(
        [
            (
                float(track.t_s[0]) - epoch_s,
                track.uncertainty.radius_m,
                track.uncertainty.growth_mps,
                track.uncertainty.slop_s,
                track.uncertainty.slop_share,
            )
            for track in tracks
        ]
    )
    xyz = np.column_stack(
        (
            frame.to_xy(np.concatenate([track.lonlat for track in tracks])),
            np.concatenate([track.amsl_m for track in tracks]),
        )
    )
    t = np.concatenate([track.t_s for track in tracks]) - epoch_s
    last = np.cumsum(counts) - 1
    first = last - counts + 1
    late = known[:, 3] + known[:, 4] * (t[last] - t[first])
    # a slop that grows is still growing while the flight is late
    late /= np.maximum(1.0 - known[:, 4], 0.1)
    # where two tracks meet, the end of the first is put in before the start of the second
    where = np.concatenate((last + 1, first))
    xyz = np.insert(xyz, where, np.vstack((xyz[last], xyz[first])), 0)
    t = np.insert(t, where, np.concatenate((t[last] + late, t[first] - known[:, 3])))
    return xyz, t, np.repeat(np.arange(len(tracks)), counts + 2), known


def _reaches(rate: Array, begin: Array, end: Array, track: Ints, known: Array) -> Array:
    """Radius and vertical error (n, 2, 2) of pieces: at time 0, and their rates."""
    start, radius, growth, slop, share = known[track].T
    speed = np.stack((np.hypot(rate[:, 0], rate[:, 1]), np.abs(rate[:, 2])), axis=-1)
    widest = slop + share * np.maximum(end - start, 0.0)
    fastest = speed.copy()
    # the speeds of all pieces that the flight may be on while it is told to be on this one
    for ahead in range(1, len(rate)):
        same = track[ahead:] == track[:-ahead]
        near = same & (begin[ahead:] - end[:-ahead] < np.maximum(widest[:-ahead], widest[ahead:]))
        if not near.any():
            break
        rows = np.flatnonzero(near)
        np.maximum.at(fastest, rows, speed[rows + ahead])
        np.maximum.at(fastest, rows + ahead, speed[rows])
    at_zero = slop - share * start
    reach = np.empty((len(rate), 2, 2))
    reach[:, 0, 0] = radius - growth * start + fastest[:, 0] * at_zero
    reach[:, 0, 1] = growth + fastest[:, 0] * share
    reach[:, 1, 0] = fastest[:, 1] * at_zero
    reach[:, 1, 1] = fastest[:, 1] * share
    # before its start it is known as well as at its start
    early = end <= start + _STILL_S
    reach[early, 0, 0] = radius[early] + fastest[early, 0] * slop[early]
    reach[early, 1, 0] = fastest[early, 1] * slop[early]
    reach[early, :, 1] = 0.0
    return reach


def _cut_at_hubs(span: Array, motion: Array, hubs: Array) -> tuple[Ints, Array]:
    """Row numbers and spans of what is left when pieces are cut where they cross a circle."""
    cuts = [span]
    for x, y, radius in hubs:
        off = motion[:, :2, 0] - (x, y)
        rate = motion[:, :2, 1]
        a, b = (rate * rate).sum(axis=1), (off * rate).sum(axis=1)
        c = (off * off).sum(axis=1) - radius * radius
        root2 = b * b - a * c
        crossing = (root2 > 0.0) & (a > 0.0)
        root, safe = np.sqrt(np.where(crossing, root2, 0.0)), np.where(crossing, a, 1.0)
        for sign in (-1.0, 1.0):
            at = np.where(crossing, (-b + sign * root) / safe, span[:, 0])
            cuts.append(np.clip(at, span[:, 0], span[:, 1])[:, None])
    borders = np.sort(np.hstack(cuts), axis=1)
    pieces = np.stack((borders[:, :-1], borders[:, 1:]), axis=-1)
    row, part = np.nonzero(pieces[..., 1] - pieces[..., 0] > 0.0)
    return row.astype(np.intp), pieces[row, part]


def _cut_at_buckets(span: Array) -> tuple[Ints, Array]:
    first = np.floor(span[:, 0] / BUCKET_S)
    count = (np.maximum(np.ceil(span[:, 1] / BUCKET_S), first + 1.0) - first).astype(np.intp)
    row = np.repeat(np.arange(len(span)), count).astype(np.intp)
    step = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    begin = (first[row] + step) * BUCKET_S
    low = np.maximum(begin, span[row, 0])
    return row, np.stack((low, np.minimum(begin + BUCKET_S, span[row, 1])), axis=-1)


def meeting(low: Array, high: Array, motion: Array, reach: Array) -> tuple[Bools, Array]:
    """Whether, and from when, relative motions are within reach in [low, high].

    `motion` (n, 3, 2): x, y, z and their rates; `reach` (n, 2, 2): horizontal, vertical and their
    rates. All at time 0.
    """
    for sign in (1.0, -1.0):
        # sign dz - v < 0, linear
        value = sign * motion[:, 2, 0] - reach[:, 1, 0]
        rate = sign * motion[:, 2, 1] - reach[:, 1, 1]
        still = np.abs(rate) < 1e-12
        root = -value / np.where(still, 1.0, rate)
        low = np.where(still, np.where(value < 0.0, low, np.inf), low)
        high = np.where(~still & (rate > 0.0), np.minimum(high, root), high)
        low = np.where(~still & (rate < 0.0), np.maximum(low, root), low)
    ok = low <= high
    # about the middle of the interval, where squares of times stay small
    middle = np.where(ok, (low + high) / 2.0, 0.0)
    off = motion[:, :2, 0] + motion[:, :2, 1] * middle[:, None]
    rate2 = motion[:, :2, 1]
    r, dr = reach[:, 0, 0] + reach[:, 0, 1] * middle, reach[:, 0, 1]
    a = (rate2 * rate2).sum(axis=1) - dr * dr
    b = (off * rate2).sum(axis=1) - r * dr
    c = (off * off).sum(axis=1) - r * r
    left, right = np.where(ok, low - middle, 0.0), np.where(ok, high - middle, 0.0)

    def value_at(t: Array) -> Array:
        return np.asarray((a * t + 2.0 * b) * t + c)

    curved = np.abs(a) > 1e-12
    vertex = np.clip(-b / np.where(curved, a, 1.0), left, right)
    at_left, at_right = value_at(left), value_at(right)
    least = np.minimum(at_left, at_right)
    least = np.where(a > 1e-12, np.minimum(least, value_at(vertex)), least)
    hit = ok & (least < 0.0)
    root = np.sqrt(np.maximum(b * b - a * c, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        enter = np.where(curved, (-b - root) / a, -c / (2.0 * b))
    enter = np.where(np.isfinite(enter), np.clip(enter, left, right), left)
    begin = middle + np.where(at_left < 0.0, left, enter)
    return hit, begin


def conflicts(index: TrackIndex) -> tuple[Conflict, ...]:
    """Every pair of indexed flights that comes too near, once, with its first instant."""
    return index.among()


def conflicts_with(track: Track, index: TrackIndex) -> tuple[Conflict, ...]:
    """Every indexed flight (of another id) that this one comes too near to; earliest first."""
    found = [conflict for _, conflict in index.against([track])]
    return tuple(sorted(found, key=lambda conflict: conflict.begin_s))


def first_free(track: Track, index: TrackIndex, delays: Sequence[float]) -> float | None:
    """The first of the delays (s) with which the flight comes near nobody, or None."""
    taken = {number for number, _ in index.against([track.delayed(d) for d in delays])}
    return next((d for number, d in enumerate(delays) if number not in taken), None)


@dataclass(frozen=True, slots=True)
class Admitted:
    """It may start `delay_s` later than asked, on `level` (None: as asked)."""

    delay_s: float
    level: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """None of the delays and levels is free. `others` and `begin_s` are of the flight as asked."""

    reason: str
    others: tuple[str, ...]
    begin_s: float


def admit(
    track: Track,
    index: TrackIndex,
    levels: Mapping[float, Track],
    delays: Sequence[float],
    *,
    level_cost_s: float = 0.0,
) -> Admitted | Refused:
    """The least delay, on the flight's own level or one of `levels` (its track on each).

    Another level is taken where it saves more than `level_cost_s`. Delays ascend.
    """
    choices: list[tuple[float, int, float, float | None, Track]] = []
    for rank, (level, there) in enumerate([(None, track), *levels.items()]):
        cost = level_cost_s if rank else 0.0
        choices.extend((d + cost, rank, d, level, there.delayed(d)) for d in delays)
    choices.sort(key=lambda choice: choice[:3])
    taken = {number for number, _ in index.against([choice[4] for choice in choices])}
    for number, (_, _, delay_s, level, _) in enumerate(choices):
        if number not in taken:
            return Admitted(delay_s, level)
    found = conflicts_with(track, index)
    others = tuple(dict.fromkeys(conflict.other for conflict in found))
    if not found:
        return Refused("no delay was given to start it with", (), float(track.t_s[0]))
    first = found[0]
    return Refused(
        f"it would come within {first.horizontal_m:.0f} m and {first.vertical_m:.0f} m in height "
        f"of {first.other}, and no start within {max(delays, default=0.0):.0f} s is free",
        others,
        first.begin_s,
    )
