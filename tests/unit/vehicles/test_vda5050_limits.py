"""A factsheet's limits on instant actions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vehicles.test_vda5050_session import Wire
from vehicles.port import EventKind, Outcome, Verb
from vehicles.vda5050.engine_model import BrokerUp
from vehicles.vda5050.factsheet import Factsheet, ProtocolLimits
from vehicles.vda5050.limits import fitted_id, instant_fault, stop_fault
from vehicles.vda5050.models import Action, ActionParameter


def sheet(arrays: dict[str, int] | None = None, **strings: Any) -> Factsheet:
    return Factsheet(
        version="2.1.0",
        manufacturer="ACME",
        serial_number="R-1",
        protocol_limits=ProtocolLimits(max_string_lens=strings, max_array_lens=arrays or {}),
    )


def action(kind: str = "stateRequest", parameters: int = 0) -> Action:
    some = tuple(ActionParameter(key=f"k{n}", value=n) for n in range(parameters))
    return Action(action_type=kind, action_id="a", blocking_type="NONE", action_parameters=some)


def of_bytes(count: int):
    return lambda actions: count


@given(st.text(min_size=1, max_size=120), st.integers(0, 60), st.booleans())
def test_an_id_fits_stays_so_and_differs_from_another(
    ident: str, longest: int, numerical: bool
) -> None:
    limits = sheet(idLen=longest, idNumericalOnly=numerical)
    fit = fitted_id(ident, limits)
    assert not longest or len(fit) <= longest
    assert not numerical or fit.isdigit()
    assert fitted_id(fit, limits) == fit
    if not longest or longest >= 12:
        assert fitted_id(ident + "x", limits) != fit


def test_an_id_that_fits_is_left_as_it_is() -> None:
    assert fitted_id("action-1", None) == "action-1"
    assert fitted_id("action-1", sheet()) == "action-1"
    assert fitted_id("action-1", sheet(idLen=8)) == "action-1"
    assert fitted_id("12345", sheet(idNumericalOnly=True)) == "12345"


@pytest.mark.parametrize(
    ("limits", "parameters", "said"),
    [
        (sheet(), 9, ""),
        (sheet({"actions.actionsParameters": 0}), 9, ""),
        (sheet({"actions.actionsParameters": 2}), 2, ""),
        (sheet({"actions.actionsParameters": 2}), 3, "actions.actionsParameters is 2"),
        (sheet({"instantActions": 1}), 0, ""),
        (sheet(enumLen=12), 0, ""),
        (sheet(enumLen=11), 0, "enumLen is 11: 'stateRequest' has 12"),
        (sheet(msgLen=300), 0, ""),
        (sheet(msgLen=299), 0, "msgLen is 299: stateRequest has 300 bytes"),
    ],
)
def test_each_limit_is_named(limits: Factsheet, parameters: int, said: str) -> None:
    fault = instant_fault(action(parameters=parameters), limits, of_bytes(300))
    assert said in fault
    assert bool(fault) is bool(said)


def test_without_a_factsheet_nothing_is_ruled_out() -> None:
    assert instant_fault(action(parameters=60), None, of_bytes(10**9)) == ""
    assert stop_fault(None, of_bytes(10**9)) == ""


@pytest.mark.parametrize(("limits", "bars"), [(sheet(enumLen=11), False), (sheet(enumLen=8), True)])
def test_a_robot_that_could_not_be_stopped_is_not_sent_out(limits: Factsheet, bars: bool) -> None:
    assert bool(stop_fault(limits, of_bytes(100))) is bars


@pytest.fixture
def wire() -> Wire:
    return Wire()


def told(wire: Wire, **limits: Any) -> None:
    wire.up()
    body = msgspec.to_builtins(sheet(**limits))
    wire.session.received("factsheet", msgspec.json.encode(body))
    wire.sent.clear()


async def test_what_is_too_long_is_not_sent_and_told_once(wire: Wire) -> None:
    told(wire, enumLen=11)
    wire.events  # noqa: B018 - drains what was told before
    for _ in range(3):
        wire.session.feed(BrokerUp())
        await wire.passes(30)
    assert wire.actions("stateRequest") == []
    assert wire.events.count(EventKind.ALARM) == 1


async def test_a_pause_is_sent_whatever_the_factsheet_says(wire: Wire) -> None:
    told(wire, enumLen=8)
    assert any("could not be stopped" in why for why in wire.session.telemetry.not_ready)
    with pytest.raises(TimeoutError):
        async with wire.clock.timeout(0.0):
            await wire.session.execute(Verb.HOLD)
    assert len(wire.actions("startPause")) == 1
    refused = await wire.session.execute(Verb.RESUME)
    assert refused.outcome is Outcome.REFUSED
    assert "enumLen is 8: 'stopPause' has 9" in refused.reason


async def test_ids_are_cut_to_what_the_robot_takes_and_followed_by_it(wire: Wire) -> None:
    body = msgspec.to_builtins(sheet(idLen=6))
    wire.session.received("factsheet", msgspec.json.encode(body))
    wire.session.feed(BrokerUp())
    sent = wire.actions("stateRequest")
    assert sent
    assert all(len(ident) == 6 for ident in sent)
    (track,) = (i for i in wire.session._engine.instants if i.action.action_id == sent[-1])
    assert not track.over
