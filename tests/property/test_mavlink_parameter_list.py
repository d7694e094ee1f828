"""The parameter list under loss, duplication, reordering and delay."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.test_mavlink_transfers import VEHICLE, Air, Faults, drive, faults
from vehicles.mavlink.messages import Message, ParamValue
from vehicles.mavlink.parameter_list import Listed, ParameterList


class Listing:
    """A vehicle that streams its list, ten values at once, and answers by index."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.queue: list[int] = []
        self.grows_at_s = float("inf")

    def receive(self, message: Any, now_s: float) -> list[Message]:
        del now_s
        if message.get_type() == "PARAM_REQUEST_LIST":
            self.queue = list(range(self.count))
            return []
        return [self.value(message.param_index)] if message.param_index < self.count else []

    def tick(self, now_s: float) -> list[Message]:
        if now_s >= self.grows_at_s:
            self.grows_at_s = float("inf")
            self.count += 5
        out, self.queue = self.queue[:10], self.queue[10:]
        return [self.value(index) for index in out]

    def value(self, index: int) -> ParamValue:
        return ParamValue(float(index * index), self.count, index, f"P_{self.count}_{index}", 9)


def run(vehicle: Listing, air: Air) -> Listed:
    found = drive(ParameterList(*VEHICLE), vehicle, air)  # type: ignore[arg-type]
    assert isinstance(found, Listed)
    return found


@settings(max_examples=120, deadline=None)
@given(faults, st.integers(0, 2**32), st.integers(1, 80))
def test_a_list_is_whole_and_in_order_or_there_is_none(
    fault: Faults, seed: int, count: int
) -> None:
    vehicle = Listing(count)
    found = run(vehicle, Air(fault, seed))
    if found.values is None:
        assert found.reason
    else:
        assert list(found.values) == [f"P_{count}_{n}" for n in range(count)]
        assert [v.param_value for v in found.values.values()] == [n * n for n in range(count)]


@settings(max_examples=80, deadline=None)
@given(faults, st.integers(0, 2**32), st.floats(0.0, 3.0))
def test_a_list_that_grows_meanwhile_is_never_of_two_lengths(
    fault: Faults, seed: int, at_s: float
) -> None:
    vehicle = Listing(40)
    vehicle.grows_at_s = at_s
    found = run(vehicle, Air(fault, seed))
    if found.values is not None:
        counts = {value.param_count for value in found.values.values()}
        assert counts == {len(found.values)}
        assert len({name.split("_")[1] for name in found.values}) == 1


def test_a_vehicle_that_is_silent_is_told() -> None:
    found = run(Listing(5), Air(Faults(loss=1.0), 1))
    assert found.values is None
    assert "no answer" in found.reason


def test_what_never_comes_is_counted() -> None:
    vehicle = Listing(12)
    value = vehicle.value

    def without(index: int) -> ParamValue:
        # its message is lost each time: another answers for it
        return value(index if index not in (3, 7) else 0)

    vehicle.value = without  # type: ignore[method-assign]
    found = run(vehicle, Air(Faults(), 1))
    assert found.values is None
    assert "2 of 12 parameters never came" in found.reason


def test_two_indices_of_one_name_are_no_list() -> None:
    vehicle = Listing(3)
    value = vehicle.value
    vehicle.value = lambda index: value(index)._replace(param_id="SAME")  # type: ignore[method-assign]
    found = run(vehicle, Air(Faults(), 1))
    assert found.values is None
    assert "one name" in found.reason


def test_values_that_were_set_or_asked_for_by_name_have_no_place_in_it() -> None:
    reading = ParameterList(*VEHICLE)
    reading.start(0.0)
    for index in (65535, 2, 900):
        assert reading.receive(ParamValue(1.0, 2, index, "X", 9), 0.1) == []
    for index in (0, 1):
        reading.receive(ParamValue(1.0, 2, index, f"X{index}", 9), 0.2)
    assert reading.result is not None
    assert reading.result.values is not None
    assert list(reading.result.values) == ["X0", "X1"]
    assert reading.receive(ParamValue(1.0, 2, 0, "X0", 9), 0.3) == []
