from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from controller.domain.model import (
    Assignment,
    AssignmentState,
    Custodian,
    CustodianKind,
    Destination,
    Event,
    Parcel,
    ParcelState,
    Proof,
)
from controller.domain.records import (
    AssignmentRecord,
    CommandKind,
    CommandRecord,
    CommandState,
    HoldRecord,
    LastKnown,
    ParcelRecord,
)
from controller.store.changes import (
    AssignmentStep,
    Changes,
    HoldChange,
    ParcelStep,
    SubmissionKey,
    ZonesChange,
)
from controller.store.database import Store
from controller.store.errors import (
    ConflictError,
    FencedError,
    StaleStepError,
    StoreClosedError,
    StoreError,
)
from controller.store.schema import metadata
from geofence.frames import LatLon
from missions.model import (
    AirItem,
    AirMission,
    DropDevice,
    GroundMission,
    ItemKind,
    RouteAction,
    RouteEdge,
    RouteNode,
    StopAction,
)

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
HOME = LatLon(60.2, 24.9)
DROP = LatLon(60.21, 24.91)


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    async with Store(database) as opened, asyncio.TaskGroup() as group:
        task = group.create_task(opened.run(), name="store")
        yield opened
        task.cancel()


def parcel(ident: str = "P-1", state: ParcelState = ParcelState.SUBMITTED) -> ParcelRecord:
    return ParcelRecord(
        parcel=Parcel(ident, 1.5, (0.3, 0.2, 0.1), "hub", Destination(DROP), NOW, NOW),
        state=state,
        custodian=Custodian(CustodianKind.SITE, "hub"),
        times={"submitted": NOW},
    )


def air(vehicle: str = "D-1", parcel_id: str = "P-1") -> AirMission:
    items = (
        AirItem(ItemKind.TAKEOFF, HOME, 50.0),
        AirItem(ItemKind.WAYPOINT, DROP, 50.0, label="way"),
        AirItem(ItemKind.RELEASE, DROP, 20.0, device=DropDevice.WINCH, parcel_id=parcel_id),
        AirItem(ItemKind.LAND, HOME),
    )
    return AirMission("m-1", vehicle, HOME, 12.0, 50.0, items, "zv", 100.0, 20.0)


def ground() -> GroundMission:
    pick = RouteAction("a-1", StopAction.PICK, "P-1")
    drop = RouteAction("a-2", StopAction.DROP, "P-1", "ab" * 32)
    nodes = (RouteNode("n-1", HOME, (pick,)), RouteNode("n-2", DROP, (drop,)))
    edges = (RouteEdge("e-1", "n-1", "n-2", 1000.0, 1.5, (HOME, DROP)),)
    return GroundMission("m-2", "R-1", nodes, edges, "zv")


def task(
    ident: str = "A-1",
    vehicle: str = "D-1",
    parcels: tuple[str, ...] = ("P-1",),
    mission: AirMission | GroundMission | None = None,
) -> AssignmentRecord:
    flown = mission or air(vehicle)
    return AssignmentRecord(
        Assignment(
            ident, vehicle, parcels, AssignmentState.OPEN, NOW, mission_hash=flown.content_hash
        ),
        flown,
        epoch=1,
        arrive_at={"P-1": NOW},
    )


def new(record: ParcelRecord) -> ParcelStep:
    return ParcelStep(None, record)


async def test_everything_comes_back_as_it_was_kept(store: Store) -> None:
    proof = Proof(NOW, DROP, 2.5, ("servo", "sensor"))
    kept = replace(parcel(), proof=proof, reasons=("too far",), attempts=2, not_before=NOW)
    command = CommandRecord(
        "C-1", "D-1", 1, CommandKind.LOAD, CommandState.PENDING, NOW, assignment_id="A-1"
    )
    await store.keep(
        Changes(
            parcels=(ParcelStep(None, kept, explanation={"sentence": "why"}),),
            assignments=(AssignmentStep(None, task()),),
            commands=(command,),
            events=(Event("parcel.submitted", NOW, "P-1", data={"n": 1}),),
            key=SubmissionKey("k", "f", ("P-1",), NOW),
            hold=HoldChange(HoldRecord("anna", "wind", NOW)),
            zones=ZonesChange("v2", "v1", {"type": "FeatureCollection"}, "anna", NOW),
        )
    )
    read = await store.read()
    assert read.parcels == (kept,)
    assert read.assignments == (task(),)
    assert read.assignments[0].mission.content_hash == air().content_hash
    assert read.commands == (command,)
    assert read.explanations == {"P-1": {"sentence": "why"}}
    assert read.hold == HoldRecord("anna", "wind", NOW)
    assert read.zones == ("v1", {"type": "FeatureCollection"})
    assert await store.submission("k") == SubmissionKey("k", "f", ("P-1",), NOW)
    assert await store.submission("other") is None
    assert await store.events_after(0, 10) == [
        (1, Event("parcel.submitted", NOW, "P-1", data={"n": 1}))
    ]


async def test_a_ground_mission_comes_back_with_its_hash(store: Store) -> None:
    record = task("A-9", "R-1", ("P-1",), ground())
    await store.keep(Changes(parcels=(new(parcel()),), assignments=(AssignmentStep(None, record),)))
    read = (await store.read()).assignments[0]
    assert read.mission == ground()
    assert read.mission.content_hash == ground().content_hash


async def test_a_parcel_has_one_open_assignment(store: Store) -> None:
    await store.keep(Changes(parcels=(new(parcel()),), assignments=(AssignmentStep(None, task()),)))
    with pytest.raises(ConflictError):
        await store.keep(
            Changes(
                assignments=(AssignmentStep(None, task("A-2", "D-2")),),
                events=(Event("assigned", NOW),),
            )
        )
    assert await store.events_after(0, 10) == []


async def test_a_vehicle_has_one_open_assignment_until_it_ends(store: Store) -> None:
    await store.keep(
        Changes(
            parcels=(new(parcel()), new(parcel("P-2"))),
            assignments=(AssignmentStep(None, task()),),
        )
    )
    second = AssignmentStep(None, task("A-2", "D-1", ("P-2",)))
    with pytest.raises(ConflictError):
        await store.keep(Changes(assignments=(second,)))
    ended = replace(task(), assignment=replace(task().assignment, state=AssignmentState.FAILED))
    await store.keep(Changes(assignments=(AssignmentStep(AssignmentState.OPEN, ended),)))
    await store.keep(Changes(assignments=(second,)))
    assert [a.assignment.assignment_id for a in (await store.read()).assignments] == ["A-2"]


async def test_a_step_from_another_state_changes_nothing(store: Store) -> None:
    await store.keep(Changes(parcels=(new(parcel()),)))
    taken = replace(parcel(), state=ParcelState.ASSIGNED)
    await store.keep(Changes(parcels=(ParcelStep(ParcelState.SUBMITTED, taken),)))
    cancelled = replace(parcel(), state=ParcelState.CANCELLED)
    with pytest.raises(StaleStepError, match="P-1 is no longer submitted"):
        await store.keep(Changes(parcels=(ParcelStep(ParcelState.SUBMITTED, cancelled),)))
    assert (await store.read()).parcels[0].state is ParcelState.ASSIGNED


async def test_a_failed_unit_leaves_its_neighbours_in_the_batch_alone(store: Store) -> None:
    told: list[str] = []
    async with asyncio.TaskGroup() as group:
        for ident in ("P-1", "P-2", "P-1", "P-3"):
            group.create_task(keep(store, ident, told), name=ident)
    assert told == ["P-1", "P-2", "conflict", "P-3"] or sorted(told) == sorted(
        ["P-1", "P-2", "P-3", "conflict"]
    )
    assert [p.parcel.parcel_id for p in (await store.read()).parcels] == ["P-1", "P-2", "P-3"]


async def keep(store: Store, ident: str, told: list[str]) -> None:
    try:
        await store.keep(
            Changes(parcels=(new(parcel(ident)),)), on_kept=lambda _: told.append(ident)
        )
    except ConflictError:
        told.append("conflict")


async def test_one_row_a_vehicle_tells_where_it_was_last(store: Store) -> None:
    first = tuple(LastKnown(f"v-{n}", NOW, HOME, phase="ready") for n in range(3))
    await store.keep(Changes(last_known=first))
    moved = LastKnown("v-1", NOW + timedelta(seconds=2), DROP, 52.0, 40.0, 181.5, 77.25, "en_route")
    nowhere = LastKnown("v-2", NOW, phase="not_ready")
    await store.keep_at_once(Changes(last_known=(moved, nowhere)))
    kept = {record.vehicle_id: record for record in (await store.read()).last_known}
    assert kept == {"v-0": first[0], "v-1": moved, "v-2": nowhere}


async def test_who_lost_a_vehicle_does_not_write_where_it_was(store: Store) -> None:
    await store.take_leases(("v-1",), "first", NOW)
    await store.take_leases(("v-1",), "second", NOW)
    late = Changes(last_known=(LastKnown("v-1", NOW, HOME),), epochs={"v-1": 1})
    for keep in (store.keep, store.keep_at_once):
        with pytest.raises(FencedError):
            await keep(late)
    assert (await store.read()).last_known == ()


async def test_a_stop_goes_before_all_that_waits(database: str) -> None:
    told: list[str] = []
    async with Store(database) as opened, asyncio.TaskGroup() as group:

        def wait(name: str, *, ahead: bool = False) -> None:
            unit = Changes(events=(Event(name, NOW),))
            kept = opened.keep(unit, on_kept=lambda _: told.append(name), ahead=ahead)
            group.create_task(kept, name=name)

        for number in range(300):
            wait(f"unit {number}")
        wait("stop", ahead=True)
        await asyncio.sleep(0)
        writer = group.create_task(opened.run(), name="store")
        async with asyncio.timeout(15.0):
            while len(told) < 301:
                await asyncio.sleep(0.01)
        writer.cancel()
        kinds = [event.kind for _, event in await opened.events_after(0, 400)]
    assert told == ["stop", *(f"unit {number}" for number in range(300))]
    assert kinds == told


async def test_a_stop_that_comes_amid_a_batch_waits_for_the_unit_under_way_alone(
    database: str,
) -> None:
    told: list[str] = []
    async with Store(database) as opened, asyncio.TaskGroup() as group:
        begun = asyncio.Event()
        tried = opened._try

        async def noticed(*args: object) -> Exception | None:
            begun.set()
            return await tried(*args)  # type: ignore[arg-type]

        opened._try = noticed  # type: ignore[method-assign]

        async def kept(name: str, *, ahead: bool = False) -> None:
            unit = Changes(events=(Event(name, NOW),))
            await opened.keep(unit, on_kept=lambda _: told.append(name), ahead=ahead)

        units = [group.create_task(kept(f"unit {n}"), name=f"unit {n}") for n in range(100)]
        await asyncio.sleep(0)
        writer = group.create_task(opened.run(), name="store")
        await begun.wait()
        await kept("stop", ahead=True)
        assert told == ["unit 0", "stop"]
        await asyncio.gather(*units)
        writer.cancel()
    assert len(told) == 101


async def test_a_command_to_everybody_is_one_step(store: Store) -> None:
    names = tuple(f"v-{n}" for n in range(40))
    epochs = await store.take_leases(names, "one", NOW)
    sent = tuple(
        CommandRecord(f"c-{name}", name, 1, CommandKind.HOLD, CommandState.SENT, NOW, tries=1)
        for name in names
    )
    events = tuple(Event("command.sent", NOW, vehicle_id=name) for name in names)
    seqs = await store.keep(Changes(commands=sent, events=events, epochs=epochs))
    assert list(seqs) == sorted(set(seqs))
    done = tuple(replace(c, state=CommandState.DONE, ended_at=NOW) for c in sent)
    await store.keep(Changes(commands=done, epochs=epochs))
    assert [(seq, e.vehicle_id) for seq, e in await store.events_after(seqs[0] - 1, 100)] == list(
        zip(seqs, names, strict=True)
    )
    with pytest.raises(FencedError):
        await store.keep(Changes(commands=sent, events=events, epochs={**epochs, "v-7": 9}))
    with pytest.raises(FencedError):
        await store.keep(Changes(epochs={"v-7": 9}))
    assert len(await store.events_after(0, 100)) == 40


async def test_a_new_lease_fences_the_old_owner(store: Store) -> None:
    assert await store.take_leases(("D-1",), "one", NOW) == {"D-1": 1}
    await store.keep(Changes(epochs={"D-1": 1}, events=(Event("ok", NOW),)))
    assert await store.take_leases(("D-1",), "two", NOW) == {"D-1": 2}
    with pytest.raises(FencedError, match="another controller"):
        await store.keep(Changes(epochs={"D-1": 1}, events=(Event("never", NOW),)))
    assert [e.kind for _, e in await store.events_after(0, 10)] == ["ok"]


async def test_a_store_opens_again_with_what_it_held(database: str) -> None:
    for _ in range(2):
        async with Store(database) as opened, asyncio.TaskGroup() as group:
            writer = group.create_task(opened.run(), name="store")
            await opened.keep(Changes(events=(Event("up", NOW),)))
            seqs = [seq for seq, _ in await opened.events_after(0, 10)]
            writer.cancel()
    assert seqs == [1, 2]
    with pytest.raises(StoreClosedError):
        await opened.keep(Changes())


async def test_the_migrations_lead_to_the_schema(database: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        return list(compare_metadata(context, metadata))

    async with Store(database):
        pass
    engine = create_async_engine(database)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        if connection.dialect.name == "sqlite":
            mode = await connection.exec_driver_sql("PRAGMA journal_mode")
            assert mode.scalar() == "wal"
    await engine.dispose()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "no database URL"),
        ("postgresql+asyncpg://anna:secret@127.0.0.1:1/w", r"anna:\*\*\*@.* cannot be opened"),
    ],
)
async def test_a_database_that_cannot_be_opened_is_told_without_its_password(
    url: str, words: str
) -> None:
    pytest.importorskip("asyncpg", reason="asyncpg is not installed: it comes with postgres")
    with pytest.raises(StoreError, match=words) as caught:
        await Store(url).__aenter__()
    assert "secret" not in str(caught.value)


async def test_a_driver_that_is_not_installed_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(StoreError, match=r"waypost\[postgres\]"):
        await Store("postgresql+asyncpg://anna@127.0.0.1:1/w").__aenter__()
