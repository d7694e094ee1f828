"""One database, several controllers, and a server that goes away: SQLite and PostgreSQL alike."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import make_url

from controller.domain.model import (
    Custodian,
    CustodianKind,
    Destination,
    Event,
    Parcel,
    ParcelState,
)
from controller.domain.records import HoldRecord, ParcelRecord
from controller.store.changes import Changes, HoldChange, ParcelStep
from controller.store.database import Store
from controller.store.dialects import open_engine, reading, writer, writing
from controller.store.errors import FencedError, StoreError, UnfitError
from controller.store.schema import event
from geofence.frames import LatLon
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.timeout(120)
NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
FLEET = ("D-1", "D-2", "R-1")


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    async with Store(url) as store, asyncio.TaskGroup() as group:
        task = group.create_task(store.run(), name="store")
        yield store
        task.cancel()


async def until(condition: Callable[[], bool], wall_s: float = 20.0) -> None:
    async with asyncio.timeout(wall_s):
        while not condition():
            await asyncio.sleep(0.01)


def parcel(ident: str) -> ParcelStep:
    place = LatLon(60.2, 24.9)
    return ParcelStep(
        None,
        ParcelRecord(
            parcel=Parcel(ident, 1.5, (0.3, 0.2, 0.1), "hub", Destination(place), NOW, NOW),
            state=ParcelState.SUBMITTED,
            custodian=Custodian(CustodianKind.SITE, "hub"),
            times={"submitted": NOW},
        ),
    )


async def test_controllers_that_start_at_once_are_fenced_one_by_another(database: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as group:
            coming = [
                group.create_task(stack.enter_async_context(opened(database)), name=f"open {n}")
                for n in range(4)
            ]
        stores = [task.result() for task in coming]
        async with asyncio.TaskGroup() as group:
            taking = [
                group.create_task(store.take_leases(FLEET, f"node-{n}", NOW), name=f"take {n}")
                for n, store in enumerate(stores)
            ]
        epochs = [task.result() for task in taking]
        for vehicle in FLEET:
            assert sorted(e[vehicle] for e in epochs) == [1, 2, 3, 4]
        for store, mine in zip(stores, epochs, strict=True):
            changes = Changes(epochs=mine, events=(Event("mine", NOW),))
            if mine["D-1"] == 4:
                await store.keep(changes)
            else:
                with pytest.raises(FencedError):
                    await store.keep(changes)


async def test_a_lease_is_not_taken_amid_a_commit(database: str) -> None:
    async with Store(database) as other:
        engine = open_engine(database)
        async with writer(engine) as connection:
            async with writing(connection):
                taking = asyncio.create_task(other.take_leases(FLEET, "two", NOW), name="take")
                done, _ = await asyncio.wait({taking}, timeout=0.3)
                assert not done
            assert await taking == dict.fromkeys(FLEET, 1)
        await engine.dispose()


async def test_the_log_is_never_read_past_a_place_that_is_filled_in_later(database: str) -> None:
    """A reader that has seen place n goes on behind it: whatever comes later has a later place."""
    async with opened(database) as one, opened(database) as two:
        engine = open_engine(database)
        async with writer(engine) as connection, writing(connection):
            row = {"kind": "slow", "at": NOW, "parcel_id": "", "vehicle_id": ""}
            await connection.execute(event.insert().values(**row, assignment_id="", data={}))
            quick = asyncio.create_task(two.keep(Changes(events=(Event("quick", NOW),))), name="q")
            await asyncio.wait({quick}, timeout=0.3)
            assert await one.events_after(0, 10) == []
        await quick
        await engine.dispose()
        assert [e.kind for _, e in await one.events_after(0, 10)] == ["slow", "quick"]


async def test_a_start_reads_one_state_of_everything(database: str) -> None:
    async with opened(database) as store:
        await store.keep(Changes(parcels=(parcel("P-1"),)))
        engine = open_engine(database)
        async with reading(engine) as connection:
            names = "SELECT parcel_id FROM parcel ORDER BY parcel_id"
            before = (await connection.exec_driver_sql(names)).scalars().all()
            await store.keep(Changes(parcels=(parcel("P-2"),)))
            after = (await connection.exec_driver_sql(names)).scalars().all()
        await engine.dispose()
        assert before == after == ["P-1"]
        assert len((await store.read()).parcels) == 2


@pytest.mark.postgres
async def test_what_the_database_cannot_hold_takes_nothing_else_with_it(
    postgres_database: str,
) -> None:
    async with opened(postgres_database) as store:
        told: list[Any] = []

        async def keep(changes: Changes) -> None:
            try:
                told.append(await store.keep(changes))
            except UnfitError as error:
                told.append(error)

        long = "P" * 65
        async with asyncio.TaskGroup() as group:
            for changes in (
                Changes(parcels=(parcel("P-1"),)),
                Changes(parcels=(parcel(long),)),
                Changes(hold=HoldChange(HoldRecord("anna", "wind\0", NOW))),
                Changes(parcels=(parcel("P-2"),)),
            ):
                group.create_task(keep(changes), name="keep")
        assert sum(isinstance(answer, UnfitError) for answer in told) == 2
        read = await store.read()
        assert [p.parcel.parcel_id for p in read.parcels] == ["P-1", "P-2"]
        assert read.hold is None


@pytest.mark.postgres
async def test_a_server_that_cuts_every_connection_is_met_again(
    postgres_server: PostgresServer, postgres_database: str
) -> None:
    url = postgres_database
    async with opened(url) as store:
        await store.keep(Changes(parcels=(parcel("P-1"),)))
        name = make_url(url).database
        # the figure waits, in milliseconds, until the connection is really gone
        cut = "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE datname = "
        assert set(postgres_server.sql(f"{cut}'{name}'").split()) == {"t"}
        with pytest.raises(StoreError, match="nothing was kept"):
            await store.keep(Changes(parcels=(parcel("P-2"),)))
        await store.keep(Changes(parcels=(parcel("P-2"),)))
        assert [p.parcel.parcel_id for p in (await store.read()).parcels] == ["P-1", "P-2"]


class Deaf:
    """A line to the server that, once told to, loses the answer to the next COMMIT."""

    def __init__(self, server: Path, own: Path) -> None:
        self._server, self._own = server / ".s.PGSQL.5432", own / ".s.PGSQL.5432"
        self._tasks: set[asyncio.Task[None]] = set()
        self.armed = False
        self.lost = 0
        self.carries = True
        """Whether the COMMIT reaches the server before the line breaks."""

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_unix_server(self._serve, self._own)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_unix_connection(self._server)
        answers = asyncio.create_task(self._pump(there, writer), name="answers")
        self._tasks.add(answers)
        try:
            while data := await reader.read(65536):
                if self.armed and b"COMMIT" in data:
                    self.armed = False
                    answers.cancel()
                    await asyncio.wait({answers})
                    if self.carries:
                        back.write(data)
                        await there.read(65536)
                    self.lost += 1
                    break
                back.write(data)
        finally:
            for end in (writer, back):
                end.close()
            answers.cancel()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


@pytest.mark.postgres
@pytest.mark.parametrize("carries", [True, False], ids=["kept", "lost"])
async def test_a_commit_whose_answer_is_lost_is_asked_for(
    postgres_database: str, carries: bool
) -> None:
    url = make_url(postgres_database)
    folder = Path(str(url.query["host"]))
    with contextlib.ExitStack() as cleanup:
        own = folder.with_name(f"{folder.name}-{carries}")
        own.mkdir()
        cleanup.callback(own.rmdir)
        async with Deaf(folder, own) as line:
            deaf = url.set(query={"host": str(own)}).render_as_string(hide_password=False)
            async with opened(deaf) as store:
                told: list[tuple[int, ...]] = []
                line.armed, line.carries = True, carries
                keeping = store.keep(Changes(parcels=(parcel("P-1"),)), told.append)
                if carries:
                    await keeping
                else:
                    with pytest.raises(StoreError, match="nothing was kept"):
                        await keeping
                assert line.lost == 1
                assert len(told) == int(carries)
                assert len((await store.read()).parcels) == int(carries)
                await store.keep(Changes(parcels=(parcel("P-2"),)))
        (own / ".s.PGSQL.5432").unlink(missing_ok=True)
