"""Admission and slots: what is answered, and why."""

from __future__ import annotations

import numpy as np
import pytest

from geofence.conflict import (
    Admitted,
    Refused,
    Separation,
    Track,
    TrackIndex,
    Uncertainty,
    admit,
    conflicts,
    conflicts_with,
)
from geofence.errors import PathError
from geofence.slots import Need, Slot, SlotBook, Taken


def along(name: str, height_m: float = 60.0, start_s: float = 0.0) -> Track:
    """A kilometre to the north in 100 s."""
    lonlat = np.array([[24.9, 60.0], [24.9, 60.009]])
    return Track(name, lonlat, np.full(2, height_m), start_s + np.array([0.0, 100.0]))


def test_free_air_admits_at_once() -> None:
    assert admit(along("A"), TrackIndex([]), {}, [0.0]) == Admitted(0.0, None)
    assert conflicts(TrackIndex([])) == ()


def test_the_least_delay_and_the_cheaper_of_level_and_delay() -> None:
    index = TrackIndex([along("B")])
    assert [c.other for c in conflicts_with(along("A"), index)] == ["B"]
    # 50 m at 10 m/s are 5 s
    delays = [0.0, 2.0, 4.0, 6.0, 8.0]
    assert admit(along("A"), index, {}, delays) == Admitted(6.0, None)
    levels = {80.0: along("A", 80.0)}
    assert admit(along("A"), index, levels, delays, level_cost_s=5.0) == Admitted(0.0, 80.0)
    assert admit(along("A"), index, levels, delays, level_cost_s=7.0) == Admitted(6.0, None)


def test_a_refusal_says_with_whom_and_when() -> None:
    index = TrackIndex([along("B", start_s=1.0)])
    answer = admit(along("A"), index, {70.0: along("A", 70.0)}, [0.0, 2.0])
    assert isinstance(answer, Refused)
    assert answer.others == ("B",)
    assert answer.begin_s == pytest.approx(1.0)
    assert "of B" in answer.reason


def test_impossible_tracks() -> None:
    with pytest.raises(PathError, match="go back"):
        Track("A", np.zeros((2, 2)), np.zeros(2), np.array([1.0, 0.0]))
    with pytest.raises(PathError, match="same id"):
        TrackIndex([along("A"), along("A")])
    with pytest.raises(PathError, match="growth_mps"):
        Uncertainty(growth_mps=-1.0)
    with pytest.raises(PathError, match="vertical_m"):
        Separation(50.0, 0.0)


def test_a_full_pad_says_who_holds_it_and_until_when() -> None:
    book = SlotBook().reserve("pad", Slot(0.0, 30.0, "A"))
    assert isinstance(book, SlotBook)
    assert book.reserve("pad", Slot(29.0, 40.0, "B")) == Taken("pad", ("A",), 30.0)
    assert isinstance(book.reserve("pad", Slot(30.0, 40.0, "B")), SlotBook)
    needs = [Need("pad", 10.0, 5.0)]
    assert book.earliest(needs, 0.0) == 20.0
    assert book.earliest(needs, 0.0, "A") == 0.0
    assert book.earliest(needs, 0.0, latest_s=19.0) == Taken("pad", ("A",), 30.0)
    assert isinstance(book.take(needs, 0.0, "B"), Taken)
    assert book.release("A").earliest(needs, 0.0) == 0.0
    assert book.before(30.0).earliest(needs, 0.0) == 0.0
