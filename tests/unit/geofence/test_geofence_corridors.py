"""Corridors: when a track is in one, which way, and who has to wait for whom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.conflict import Track, Uncertainty
from geofence.corridors import Corridor, passages
from geofence.errors import PathError
from geofence.frames import LatLon, LocalFrame
from geofence.slots import Need, Slot, SlotBook, Taken

FRAME = LocalFrame(LatLon(60.0, 24.0))
LINE = tuple(FRAME.latlon(*xy) for xy in ((0.0, 0.0), (600.0, 0.0), (600.0, 400.0)))
NARROW = Corridor("Bridge", LINE, 40.0, low_amsl_m=50.0, high_amsl_m=90.0)


def track(places, heights, times, **unsure) -> Track:
    lonlat = FRAME.to_lonlat(np.array(places, dtype=float))
    return Track("T", lonlat, np.array(heights, float), np.array(times, float),
                 Uncertainty(**unsure))  # fmt: skip


def test_a_track_along_the_line_and_back():
    flown = track([(-200, 0), (600, 0), (600, 600), (600, 0), (-200, 0)], [60.0] * 5,
                  [0, 80, 140, 200, 280])  # fmt: skip
    # it turns back 200 m beyond the end of the line
    out, back = passages(flown, NARROW)
    assert (out.way, back.way) == (1, -1)
    assert (out.enter_s, out.leave_s) == pytest.approx((16.0, 124.0), abs=0.05)
    assert (back.enter_s, back.leave_s) == pytest.approx((156.0, 264.0), abs=0.05)


def test_one_that_turns_round_within_it_is_one_stay_across_and_above_none():
    (turned,) = passages(track([(-200, 0), (300, 0), (-200, 0)], [60.0] * 3, [0, 50, 100]), NARROW)
    assert turned.way == 0
    (across,) = passages(track([(300, -200), (300, 200)], [60.0] * 2, [0, 40]), NARROW)
    assert (across.way, across.leave_s - across.enter_s) == (0, pytest.approx(8.0, abs=0.05))
    assert passages(track([(300, -200), (300, 200)], [91.0] * 2, [0, 40]), NARROW) == ()
    (climbs,) = passages(track([(0, 0), (500, 0)], [40.0, 140.0], [0, 100]), NARROW)
    assert (climbs.enter_s, climbs.leave_s) == pytest.approx((10.0, 50.0))
    (still,) = passages(track([(300, 10), (300, 10)], [60.0] * 2, [0, 40]), NARROW)
    assert (still.enter_s, still.leave_s, still.way) == (0.0, 40.0, 0)


def test_what_is_unsure_about_the_time_widens_the_stay():
    places = [(300, -200), (300, 200)]
    (known,) = passages(track(places, [60.0] * 2, [0, 40]), NARROW)
    (unsure,) = passages(track(places, [60.0] * 2, [0, 40], slop_s=2.0, slop_share=0.1), NARROW)
    assert known.enter_s - unsure.enter_s == pytest.approx(2.0 + 0.1 * known.enter_s)
    assert unsure.leave_s - known.leave_s == pytest.approx(2.0 + 0.1 * known.leave_s)


def inside(place: np.ndarray, line: np.ndarray, wide: float) -> bool:
    a, b = line[:-1], line[1:]
    share = np.clip(((place - a) * (b - a)).sum(1) / ((b - a) ** 2).sum(1), 0.0, 1.0)
    return bool((np.hypot(*(a + share[:, None] * (b - a) - place).T) <= wide).any())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-300, 900), st.integers(-300, 700), st.integers(40, 100)),
        min_size=2, max_size=5,
    )
)  # fmt: skip
def test_stays_cover_every_moment_that_a_fine_sampling_finds(points):
    times = np.arange(len(points)) * 60.0
    flown = track([p[:2] for p in points], [p[2] for p in points], times)
    stays = passages(flown, NARROW)
    at, line = np.array([p[:2] for p in points], float), FRAME.to_xy(
        np.array([(p.lon_deg, p.lat_deg) for p in LINE])
    )  # fmt: skip
    heights = np.array([p[2] for p in points], float)
    for moment in np.linspace(0.0, times[-1], 400):
        place = np.array([np.interp(moment, times, at[:, i]) for i in (0, 1)])
        high = np.interp(moment, times, heights)
        covered = any(s.enter_s - 1e-6 <= moment <= s.leave_s + 1e-6 for s in stays)
        if inside(place, line, 39.9) and 50.001 <= high <= 89.999:
            assert covered
        elif not (inside(place, line, 40.1) and 49.9 <= high <= 90.1):
            # out of it for less than a second is not out
            assert not covered or any(
                s.enter_s + 0.1 < moment < s.leave_s - 0.1 or s.leave_s - s.enter_s <= 1.0
                for s in stays
            )


def test_opposite_ways_wait_and_the_same_way_keeps_its_headway():
    book = SlotBook({"c": 3}, headway_s={"c": 10.0})
    book = book.hold("c", Slot(100.0, 160.0, "A", 1))
    along, against = Need("c", 0.0, 60.0, 1), Need("c", 0.0, 60.0, -1)
    assert book.bar([against], 120.0) == Taken("c", ("A",), 160.0, "opposite")
    assert book.earliest([against], 120.0) == 160.0
    assert book.earliest([against], 40.0) == 40.0
    assert book.bar([along], 105.0) == Taken("c", ("A",), 110.0, "headway")
    assert book.earliest([along], 105.0) == 110.0
    assert book.earliest([along], 90.0) == 90.0
    assert book.earliest([along], 91.0) == 110.0
    # a faster one would come out too near: it has to enter later still
    assert book.earliest([Need("c", 0.0, 40.0, 1)], 105.0) == 130.0
    assert book.earliest([Need("c", 0.0, 60.0, 0)], 105.0) == 105.0


WAYS = st.tuples(st.integers(0, 60), st.integers(1, 20), st.sampled_from([-1, 0, 1]))


@settings(max_examples=150, deadline=None)
@given(st.lists(WAYS, max_size=8), WAYS, st.integers(1, 3), st.integers(0, 6))
def test_the_earliest_start_is_the_first_of_all_whole_seconds(held, asked, capacity, headway):
    book = SlotBook({"c": capacity}, headway_s={"c": float(headway)})
    for number, (begin, lasts, way) in enumerate(held):
        book = book.hold("c", Slot(float(begin), float(begin + lasts), str(number), way))
    after, lasts, way = asked
    need = Need("c", 0.0, float(lasts), way)

    def free(start: int) -> bool:
        end = start + lasts
        for begin, other_lasts, other in held:
            stop = begin + other_lasts
            if way and other == -way and begin < end and start < stop:
                return False
            ahead = start + headway <= begin and end + headway <= stop
            behind = begin + headway <= start and stop + headway <= end
            if way and other == way and not (ahead or behind):
                return False
        return all(
            sum(b <= moment < b + n for b, n, _ in held) < capacity for moment in range(start, end)
        )

    found = book.earliest([need], float(after))
    assert found == next(float(s) for s in range(after, 400) if free(s))
    assert book.bar([need], found) is None


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name": ""}, "name"), ({"line": LINE[:1]}, "line"), ({"half_width_m": 0.0}, "half_width"),
        ({"low_amsl_m": 95.0}, "low_amsl_m"), ({"capacity": 0}, "capacity"),
        ({"headway_s": -1.0}, "headway_s"),
    ],
)  # fmt: skip
def test_a_corridor_that_makes_no_sense_names_its_field(changes, word):
    told = {"name": "B", "line": LINE, "half_width_m": 40.0, "high_amsl_m": 90.0, **changes}
    with pytest.raises(PathError, match=word):
        Corridor(**told)
