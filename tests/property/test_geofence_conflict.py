"""Closest approach against dense sampling; slots against a count moment by moment."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.conflict import (
    Hub,
    Separation,
    Track,
    TrackIndex,
    Uncertainty,
    conflicts,
    conflicts_with,
    first_free,
)
from geofence.frames import LatLon, LocalFrame
from geofence.slots import Need, Slot, SlotBook, Taken

# tracks below come to 60 degrees at most: the index takes this latitude for its frame
FRAME = LocalFrame(LatLon(60.0, 24.9))
LIMITS = Separation(50.0, 15.0)
EXAMPLES = settings(max_examples=80, deadline=None)

PLACE = st.tuples(
    st.integers(-4, 4).map(lambda v: v * 45.0),
    st.integers(-12, 0).map(lambda v: v * 45.0),
    st.integers(0, 5).map(lambda v: v * 10.0),
)


@st.composite
def tracks(draw, name: str, unsure: bool = False) -> Track:
    points = np.array(draw(st.lists(PLACE, min_size=2, max_size=6)))
    gaps = draw(
        st.lists(
            st.sampled_from([0.0, 2.5, 10.0, 17.0, 55.0]),
            min_size=len(points) - 1, max_size=len(points) - 1,
        )
    )  # fmt: skip
    t = draw(st.sampled_from([-33.0, 0.0, 7.3, 40.0, 90.0])) + np.concatenate(
        ([0.0], np.cumsum(gaps))
    )
    # an instant move is none: the place of the earlier point holds
    for i, gap in enumerate(gaps):
        if gap == 0.0:
            points[i + 1] = points[i]
    grown = Uncertainty(
        draw(st.sampled_from([0.0, 4.0])),
        draw(st.sampled_from([0.0, 0.3])),
        draw(st.sampled_from([0.0, 6.0])) if unsure else 0.0,
        draw(st.sampled_from([0.0, 0.1])) if unsure else 0.0,
    )
    return Track(name, FRAME.to_lonlat(points[:, :2]), points[:, 2], t, grown)


PAIRS = st.tuples(tracks("A"), tracks("B"))


def places(track: Track, t: np.ndarray) -> np.ndarray:
    xy = FRAME.to_xy(track.lonlat)
    return np.stack(
        [np.interp(t, track.t_s, v) for v in (xy[:, 0], xy[:, 1], track.amsl_m)], axis=-1
    )


def sampled(one: Track, other: Track, slack_m: float, step_s: float = 0.01) -> tuple[bool, float]:
    """Whether samples of both, limits widened by a slack, meet; and when first."""
    low = max(one.t_s[0], other.t_s[0])
    high = min(one.t_s[-1], other.t_s[-1])
    if low >= high:
        return False, 0.0
    t = np.unique(np.concatenate((np.arange(low, high, step_s), [high])))
    gap = places(one, t) - places(other, t)
    radius = sum(
        f.uncertainty.radius_m + f.uncertainty.growth_mps * (t - f.t_s[0]) for f in (one, other)
    )
    near = np.hypot(gap[:, 0], gap[:, 1]) < LIMITS.horizontal_m + radius + slack_m
    near &= np.abs(gap[:, 2]) < LIMITS.vertical_m + slack_m
    return bool(near.any()), float(t[np.argmax(near)])


@EXAMPLES
@given(PAIRS)
def test_exact_equals_dense_sampling(pair) -> None:
    """What samples see is found; what is found, samples see with a little slack, and then."""
    one, other = pair
    found = conflicts(TrackIndex([one, other], LIMITS))
    seen, first_s = sampled(one, other, -1e-6)
    assert len(found) <= 1
    if seen:
        assert found
        assert found[0].begin_s <= first_s + 1e-6
    if found:
        assert {found[0].one, found[0].other} == {"A", "B"}
        # 36 m/s and a rate of climb of 20 m/s, both ways: under 1 m in a step
        nearly, first_s = sampled(one, other, 1.0)
        assert nearly
        assert found[0].begin_s >= first_s - 0.02


@EXAMPLES
@given(st.lists(tracks("T"), min_size=2, max_size=7), st.data())
def test_no_pair_is_missed_and_every_way_of_asking_agrees(many, data) -> None:
    named = [Track(f"T{i}", t.lonlat, t.amsl_m, t.t_s, t.uncertainty) for i, t in enumerate(many)]
    pairs = {frozenset((c.one, c.other)) for c in conflicts(TrackIndex(named, LIMITS))}
    one_by_one = {
        frozenset((a.track_id, b.track_id))
        for a, b in itertools.combinations(named, 2)
        if conflicts(TrackIndex([a, b], LIMITS))
    }
    assert pairs == one_by_one
    new, *rest = named
    index = TrackIndex(rest, LIMITS)
    others = {c.other for c in conflicts_with(new, index)}
    assert others == {next(iter(p - {"T0"})) for p in pairs if "T0" in p}
    delays = [0.0, 10.0, 20.0, 45.0, 100.0]
    free = [d for d in delays if not conflicts_with(new.delayed(d), index)]
    assert first_free(new, index, delays) == (free[0] if free else None)


@EXAMPLES
@given(
    tracks("A", unsure=True), tracks("B", unsure=True), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0)
)
def test_time_slop_covers_every_flight_that_is_early_or_late(one, other, early, late) -> None:
    """Two flights displaced in time within their slop that meet are told as a conflict."""

    def shifted(track: Track, share: float) -> Track:
        slop = track.uncertainty.slop_s + track.uncertainty.slop_share * (track.t_s - track.t_s[0])
        return Track(
            track.track_id, track.lonlat, track.amsl_m, track.t_s + share * slop,
            Uncertainty(track.uncertainty.radius_m),
        )  # fmt: skip

    seen, _ = sampled(shifted(one, early), shifted(other, late), -1e-6, step_s=0.1)
    if seen:
        assert conflicts(TrackIndex([one, other], LIMITS))


@EXAMPLES
@given(PAIRS, st.integers(20, 300))
def test_at_one_hub_flights_do_not_conflict(pair, radius) -> None:
    one, other = pair
    center = np.array([30.0, -200.0])
    hub = Hub(FRAME.latlon(*center), float(radius))
    found = conflicts(TrackIndex([one, other], LIMITS, [hub]))
    low, high = max(one.t_s[0], other.t_s[0]), min(one.t_s[-1], other.t_s[-1])
    t = np.arange(low, high, 0.01)
    a, b = places(one, t), places(other, t)
    grown = sum(
        f.uncertainty.radius_m + f.uncertainty.growth_mps * (t - f.t_s[0]) for f in (one, other)
    )
    outside = [np.hypot(*(p[:, :2] - center).T) > radius + 0.01 for p in (a, b)]
    near = np.hypot(*(a - b)[:, :2].T) < LIMITS.horizontal_m + grown - 1e-6
    near &= np.abs((a - b)[:, 2]) < LIMITS.vertical_m - 1e-6
    if (near & (outside[0] | outside[1])).any():
        assert found
    if found:
        assert sampled(one, other, 1.0)[0]


SLOTS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from("abc")), max_size=14
)


NEEDED = st.lists(
    st.tuples(st.sampled_from("pq"), st.integers(-3, 6), st.integers(1, 5)), min_size=1, max_size=3
)


@EXAMPLES
@given(SLOTS, st.integers(1, 3), NEEDED, st.integers(0, 20))
def test_earliest_start_is_the_first_that_fits(wanted, capacity, needed, not_before) -> None:
    book = SlotBook({"p": capacity})
    for begin, lasts, holder in wanted:
        slot = Slot(float(begin), float(begin + lasts), holder + str(begin))
        for place in ("p", "q"):
            made = book.reserve(place, slot)
            book = made if isinstance(made, SlotBook) else book
    for place, count in (("p", capacity), ("q", 1)):
        for moment in range(60):
            here = [s for s in book.slots.get(place, ()) if s.begin_s <= moment < s.end_s]
            assert len({s.holder for s in here}) <= count
    needs = [Need(place, float(after), float(lasts)) for place, after, lasts in needed]

    def fits(start: int) -> bool:
        return all(
            sum(s.begin_s <= moment < s.end_s for s in book.slots.get(need.place, ()))
            < (capacity if need.place == "p" else 1)
            for need in needs
            for moment in np.arange(start + need.after_s, start + need.after_s + need.lasts_s)
        )

    found = book.earliest(needs, float(not_before), "x")
    # slots begin and end on whole seconds, so the first start is one too
    assert not isinstance(found, Taken)
    assert found == next(start for start in range(not_before, 200) if fits(start))
