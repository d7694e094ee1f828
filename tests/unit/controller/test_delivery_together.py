"""A demand of the whole fleet: what is kept, in which order, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.delivery.draft import Draft
from controller.delivery.together import demand_of_all
from controller.domain.records import CommandKind, CommandRecord, CommandState, HoldRecord
from controller.store.changes import Changes
from controller.store.errors import StoreError
from vehicles.port import CommandResult, LinkState, Outcome, Telemetry, Verb

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
HOLD = HoldRecord("anna", "drill", NOW)
DONE = CommandResult(Outcome.DONE)


class Journal:
    """A ledger that writes down what it is given; `amid` is called while it is being kept."""

    def __init__(self, told: list[str], amid: Callable[[], None] = lambda: None) -> None:
        self.told = told
        self.amid = amid
        self.kept: list[tuple[Changes, bool]] = []

    def draft(self) -> Draft:
        return Draft({}, now=NOW, ids=lambda kind: kind)

    async def keep(self, changes: Changes, *, ahead: bool = False) -> tuple[int, ...]:
        self.amid()
        self.kept.append((changes, ahead))
        self.told.append("kept" if ahead else "ended")
        return ()


class Vehicle:
    """Process and owner of one vehicle at once."""

    def __init__(self, vehicle_id: str, told: list[str], *, armed: bool = True) -> None:
        self.vehicle_id = vehicle_id
        self.told = told
        self.telemetry = Telemetry(vehicle_id, received_at=NOW, link=LinkState.ONLINE, armed=armed)

    @property
    def owner(self) -> Vehicle:
        return self

    def demanded(self, kind: CommandKind, by: str, reason: str) -> CommandRecord:
        return CommandRecord(
            f"c-{self.vehicle_id}", self.vehicle_id, 1, kind, CommandState.PENDING, NOW,
            by=by, reason=reason,
        )  # fmt: skip

    def as_sent(self, command: CommandRecord) -> CommandRecord:
        return replace(command, state=CommandState.SENT)

    async def perform(
        self, sent: CommandRecord, mission: None
    ) -> tuple[CommandRecord, CommandResult]:
        del mission
        self.told.append(self.vehicle_id)
        return replace(sent, state=CommandState.DONE), DONE

    def note_demanded(
        self, draft: Draft, record: CommandRecord, result: CommandResult, reason: str
    ) -> None:
        del result, reason
        draft.command(record)


async def stop(ledger: Journal, vehicles: list[Vehicle]) -> dict[str, CommandResult]:
    fleet: Any = vehicles
    journal: Any = ledger
    return await demand_of_all(journal, fleet, Verb.HOLD, HOLD)


async def test_hold_and_every_command_are_one_unit_before_anybody_is_told() -> None:
    told: list[str] = []
    ledger, names = Journal(told), [f"v-{n:03}" for n in range(120)]
    results = await stop(ledger, [Vehicle(name, told) for name in names])
    assert results == dict.fromkeys(names, DONE)
    first, ahead = ledger.kept[0]
    assert ahead
    assert first.hold is not None
    assert first.hold.after == HOLD
    assert {c.vehicle_id for c in first.commands} == set(names)
    assert {c.state for c in first.commands} == {CommandState.SENT}
    assert first.epochs == dict.fromkeys(names, 1)
    assert told[0] == "kept"
    assert [word for word in told[1:] if word in names] == names
    ended = [c for changes, _ in ledger.kept[1:] for c in changes.commands]
    assert sorted(c.vehicle_id for c in ended) == names


async def test_who_is_at_rest_is_not_told_unless_it_starts_amid_the_commit() -> None:
    told: list[str] = []
    flying, resting, starting = (
        Vehicle("flying", told),
        Vehicle("resting", told, armed=False),
        Vehicle("starting", told, armed=False),
    )

    def armed_meanwhile() -> None:
        starting.telemetry = replace(starting.telemetry, armed=True)

    ledger = Journal(told, armed_meanwhile)
    results = await stop(ledger, [flying, resting, starting])
    assert results["flying"] == results["starting"] == DONE
    assert results["resting"].outcome is Outcome.REFUSED
    assert told.count("starting") == 1
    assert "resting" not in told
    kept = [c.vehicle_id for changes, ahead in ledger.kept if ahead for c in changes.commands]
    assert kept == ["flying", "starting"]


async def test_nobody_is_told_what_could_not_be_kept() -> None:
    told: list[str] = []

    def full() -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="full"):
        await stop(Journal(told, full), [Vehicle("v", told)])
    assert told == []


async def test_a_fleet_at_rest_is_frozen_all_the_same() -> None:
    told: list[str] = []
    ledger = Journal(told)
    results = await stop(ledger, [Vehicle("v", told, armed=False)])
    assert results["v"].outcome is Outcome.REFUSED
    assert [c.hold is not None for c, _ in ledger.kept] == [True]
