"""Two parcels in one flight, through a whole controller with vehicles in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from controller.app import App, build
from controller.config import Config, from_dict
from controller.delivery.cancelling import due
from controller.domain.model import (
    AssignmentState,
    CustodianKind,
    Destination,
    Parcel,
    ParcelState,
)
from controller.enrol import capability_of
from geofence.frames import LatLon, geodesic_m, offset
from missions.model import AirMission
from tests.support.clock import START
from tests.support.steady import SteadyClock
from vehicles.loopback.fleet import LoopbackFleet, LoopbackSession, LoopbackVehicle
from vehicles.port import EventKind, VehicleSession

HUB = LatLon(60.2, 24.9)
PLACES = {
    "P-1": offset(HUB, 30.0, 600.0),
    "P-2": offset(HUB, 33.0, 800.0),
    "P-3": offset(HUB, 35.0, 1000.0),
}
P = ParcelState


def config(folder: Path, slots: int = 2, **sections: object) -> Config:
    return from_dict(
        {
            "store": {"url": "sqlite+aiosqlite:///w.db"},
            "terrain": {"ground_amsl_m": 10.0, "geoid_m": 18.0},
            "safety": {"stale_s": 600.0, "offline_s": 900.0},
            "delivery": {"retry_backoff_s": 1.0, "vehicle_rest_s": 1.0},
            "sites": [{"id": "hub", "kind": "hub", "lat_deg": HUB.lat_deg, "lon_deg": HUB.lon_deg}],
            "drones": [
                {
                    "id": "D-1",
                    "link": "loopback",
                    "sysid": 1,
                    "base": "hub",
                    "pad_lat_deg": HUB.lat_deg,
                    "pad_lon_deg": HUB.lon_deg,
                    "parcel_slots": slots,
                    "drop_device": "gripper",
                }
            ],
            **sections,
        },
        base=folder,
    )


class Sticking(LoopbackSession):
    """A drone in memory whose device does not let some parcels go, and which counts releases."""

    stuck: frozenset[str] = frozenset()
    let_go: Counter[str]

    def _arrive(self, step: Any) -> None:
        if step.kind is EventKind.RELEASED:
            if step.parcel_id in self.stuck:
                self._released.add(step.parcel_id)  # it goes on, as after a planned ending
                self._pending.pop(0)
                self._tell(
                    EventKind.RELEASE_FAILED, parcel_id=step.parcel_id, detail="it did not open"
                )
                return
            self.let_go[step.parcel_id] += 1
        super()._arrive(step)


class World:
    """One drone that outlives controllers; what it tells while nobody listens is lost."""

    def __init__(self, made: Config, clock: SteadyClock) -> None:
        capability = capability_of(made.drones[0])
        vehicle = LoopbackVehicle("D-1", capability, HUB, 0.0)
        self.fleet = LoopbackFleet([vehicle], clock)
        self.drone = Sticking(vehicle, clock)
        self.drone.let_go = Counter()
        self.fleet._live["D-1"] = self.drone

    async def __aenter__(self) -> Self:
        while not self.drone._events.empty():
            self.drone._events.get_nowait()
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    @property
    def sessions(self) -> dict[str, VehicleSession]:
        return self.fleet.sessions

    async def run(self) -> None:
        await asyncio.Event().wait()


@asynccontextmanager
async def living(folder: Path, **changes: Any) -> AsyncIterator[tuple[World, Config, SteadyClock]]:
    made = config(folder, **changes)
    clock = SteadyClock(START, 50.0)
    world = World(made, clock)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(world.fleet.run(), name="drone")
        yield world, made, clock
        task.cancel()


@asynccontextmanager
async def controller(world: World, made: Config, clock: SteadyClock) -> AsyncIterator[App]:
    async with build(made, clock=clock, adapters=[world]) as app, asyncio.TaskGroup() as group:  # type: ignore[list-item]
        task = group.create_task(app.run(), name="controller")
        yield app
        task.cancel()


@asynccontextmanager
async def running(folder: Path, **changes: Any) -> AsyncIterator[tuple[App, World]]:
    async with (
        living(folder, **changes) as (world, made, clock),
        controller(world, made, clock) as app,
    ):
        yield app, world


async def submit(app: App, *idents: str) -> None:
    now = app.clock.now()
    parcels = [
        Parcel(
            ident, 0.5, (0.2, 0.2, 0.1), "hub", Destination(PLACES[ident]), now,
            now + timedelta(hours=2),
        )
        for ident in idents
    ]  # fmt: skip
    await app.desk.submit(parcels, key="k", fingerprint="k")


def state(app: App, ident: str) -> ParcelState:
    return app.ledger.parcels[ident].state


async def until(condition: Callable[[], bool], deadline_s: float = 15.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


async def kinds_of(app: App, ident: str) -> list[str]:
    log = await app.desk.log_after(0, 5000)
    told = [e.event.kind for e in log if e.event.parcel_id == ident]
    return [k.removeprefix("parcel.") for k in told if k.startswith("parcel.")]


async def assignments(app: App) -> int:
    log = await app.desk.log_after(0, 5000)
    return sum(e.event.kind == "assignment.open" for e in log)


WHOLE = ["submitted", "assigned", "preparing", "in_transit", "released", "delivered"]


async def test_two_parcels_are_delivered_by_one_flight_each_at_its_own_place(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (app, world):
        await submit(app, "P-1", "P-2")
        await until(lambda: state(app, "P-2") is P.IN_TRANSIT)
        views = [app.desk.parcel(p) for p in ("P-1", "P-2")]
        etas = [view.eta for view in views if view is not None and view.eta is not None]
        assert app.clock.now() < etas[0] < etas[1]
        vehicle = app.desk.vehicle("D-1")
        assert vehicle is not None
        assert vehicle.parcel_ids == ("P-1", "P-2")
        told = app.desk.explain("P-1")
        assert told is not None
        assert "in one flight with P-2" in told.sentence
        await until(lambda: state(app, "P-1") is P.DELIVERED)
        # the second has a custodian of its own, still
        record = app.ledger.parcels["P-2"]
        assert (record.state, record.custodian.ident) == (P.IN_TRANSIT, "D-1")
        await until(lambda: state(app, "P-2") is P.DELIVERED)
        await until(lambda: not app.ledger.assignments)
        for ident, place in list(PLACES.items())[:2]:
            proof = app.ledger.parcels[ident].proof
            assert proof is not None
            assert geodesic_m(proof.position, place) < 5.0
            assert await kinds_of(app, ident) == WHOLE
        assert world.drone.let_go == {"P-1": 1, "P-2": 1}
        assert await assignments(app) == 1


async def test_a_third_parcel_waits_for_the_next_flight(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, world):
        await submit(app, "P-1", "P-2", "P-3")
        await until(lambda: bool(app.ledger.assignments))
        (task,) = app.ledger.assignments.values()
        assert len(task.assignment.parcel_ids) == 2
        (left,) = set(PLACES) - set(task.assignment.parcel_ids)
        told = app.desk.explain(left)
        assert told is not None
        assert "its 2 slots are full" in told.sentence
        await until(lambda: all(state(app, p) is P.DELIVERED for p in PLACES))
        assert sum(world.drone.let_go.values()) == 3


async def test_a_release_that_fails_brings_that_parcel_home_and_the_other_is_delivered(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (app, world):
        world.drone.stuck = frozenset({"P-1"})
        await submit(app, "P-1", "P-2")
        await until(lambda: state(app, "P-1") is P.RETURNING)
        assert app.ledger.parcels["P-1"].reasons == ("it did not open",)
        assert state(app, "P-2") is P.IN_TRANSIT
        world.drone.stuck = frozenset()
        await until(lambda: state(app, "P-2") is P.DELIVERED)
        assert state(app, "P-1") is P.RETURNING
        assert app.ledger.parcels["P-1"].custodian.ident == "D-1"
        # home, and then on its way again by itself
        await until(lambda: state(app, "P-1") is P.DELIVERED)
        assert world.drone.let_go == {"P-1": 1, "P-2": 1}
        assert (await kinds_of(app, "P-2")) == WHOLE
        assert (await kinds_of(app, "P-1"))[4:7] == ["returning", "returned", "submitted"]


async def test_a_controller_that_dies_between_the_stops_finds_one_delivered_and_one_aboard(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as (world, made, clock):
        async with controller(world, made, clock) as first:
            await submit(first, "P-1", "P-2")
            await until(lambda: state(first, "P-1") is P.DELIVERED)
            assert state(first, "P-2") is P.IN_TRANSIT
        async with controller(world, made, clock) as second:
            record = second.ledger.parcels["P-2"]
            assert (record.state, record.custodian.ident) == (P.IN_TRANSIT, "D-1")
            assert state(second, "P-1") is P.DELIVERED
            await until(lambda: state(second, "P-2") is P.DELIVERED)
            await until(lambda: not second.ledger.assignments)
            assert world.drone.let_go == {"P-1": 1, "P-2": 1}
            assert await kinds_of(second, "P-1") == WHOLE


async def test_a_controller_that_is_away_over_the_first_stop_reads_it_after(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as (world, made, clock):
        async with controller(world, made, clock) as first:
            await submit(first, "P-1", "P-2")
            await until(lambda: state(first, "P-2") is P.IN_TRANSIT)
        await until(lambda: world.drone.let_go["P-1"] == 1)
        async with controller(world, made, clock) as second:
            await until(lambda: state(second, "P-1") is P.DELIVERED)
            evidence = second.ledger.parcels["P-1"].proof
            assert evidence is not None
            assert "read from the vehicle after the fact" in evidence.evidence
            await until(lambda: state(second, "P-2") is P.DELIVERED)
            assert world.drone.let_go == {"P-1": 1, "P-2": 1}


async def test_cancelling_one_of_two_before_the_start_plans_the_other_anew(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, dispatch={"approve": "operator"}) as (app, world):
        await submit(app, "P-1", "P-2")

        def loaded() -> bool:
            task = app.ledger.assignments.get("D-1")
            return task is not None and task.assignment.state is AssignmentState.LOADED

        await until(loaded)
        before = app.ledger.assignments["D-1"]
        assert before.assignment.parcel_ids == ("P-1", "P-2")
        seen = await app.desk.missions.preview(before.mission.mission_id)
        assert seen is not None
        assert seen.shut == ""
        assert seen.picture.allowed
        letting_go = {m.words: m.position for m in seen.picture.marks if m.words}
        assert set(letting_go) == {"drop P-1", "drop P-2"}
        assert geodesic_m(letting_go["drop P-1"], PLACES["P-1"]) < 1.0
        assert (await app.desk.cancel("P-1", by="anna", reason="typo")).done
        assert state(app, "P-1") is P.CANCELLED
        await until(lambda: loaded() and app.ledger.assignments["D-1"] is not before)
        after = app.ledger.assignments["D-1"]
        assert after.assignment.parcel_ids == ("P-2",)
        assert after.mission.parcel_ids == ("P-2",)
        mission = after.mission
        assert (await app.desk.missions.launch(mission.mission_id, "", by="anna")).done
        await until(lambda: state(app, "P-2") is P.DELIVERED)
        assert world.drone.let_go == {"P-2": 1}


async def test_cancelling_the_second_under_way_delivers_the_first_and_brings_it_home(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (app, world):
        await submit(app, "P-1", "P-2")
        await until(lambda: state(app, "P-2") is P.IN_TRANSIT)
        told = await app.desk.cancel("P-2", by="anna", reason="typo")
        assert told.done
        assert told.reason == "D-1 brings P-2 home, after it has delivered P-1"
        assert state(app, "P-2") is P.RETURNING
        await until(lambda: state(app, "P-1") is P.DELIVERED)
        await until(lambda: state(app, "P-2") is P.CANCELLED)
        record = app.ledger.parcels["P-2"]
        assert (record.custodian.kind, record.custodian.ident) == (CustodianKind.SITE, "hub")
        assert record.reasons == ("cancelled by anna: typo",)
        assert world.drone.let_go == {"P-1": 1}
        await until(lambda: not app.ledger.assignments)


async def test_cancelling_the_first_under_way_brings_both_home_and_the_second_goes_again(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (app, world):
        await submit(app, "P-1", "P-2")
        await until(lambda: state(app, "P-2") is P.IN_TRANSIT)
        told = await app.desk.cancel("P-1", by="anna", reason="typo")
        assert told.reason == ("D-1 brings P-1 home; P-2 comes back, too, and is offered again")
        await until(lambda: state(app, "P-2") is P.RETURNING)
        await until(lambda: state(app, "P-1") is P.CANCELLED)
        await until(lambda: state(app, "P-2") is P.DELIVERED)
        assert world.drone.let_go == {"P-2": 1}
        assert await assignments(app) == 2


async def test_a_cancel_under_way_outlives_a_restart(tmp_path: Path) -> None:
    async with living(tmp_path) as (world, made, clock):
        async with controller(world, made, clock) as first:
            await submit(first, "P-1", "P-2")
            await until(lambda: state(first, "P-2") is P.IN_TRANSIT)
            assert (await first.desk.cancel("P-2", by="anna", reason="typo")).done
            assert state(first, "P-1") is P.IN_TRANSIT
        async with controller(world, made, clock) as second:
            await until(lambda: state(second, "P-1") is P.DELIVERED)
            await until(lambda: state(second, "P-2") is P.CANCELLED)
            assert world.drone.let_go == {"P-1": 1}


async def test_one_slot_stays_one_parcel_a_flight(tmp_path: Path) -> None:
    async with running(tmp_path, slots=1) as (app, world):
        await submit(app, "P-1", "P-2")
        await until(lambda: all(state(app, p) is P.DELIVERED for p in ("P-1", "P-2")))
        assert await assignments(app) == 2
        assert world.drone.let_go == {"P-1": 1, "P-2": 1}


@pytest.mark.parametrize(
    ("states", "recalled", "wanted"),
    [
        ((P.IN_TRANSIT, P.RETURNING), "P-2", ()),
        ((P.DELIVERED, P.RETURNING), "P-2", ("P-2",)),
        ((P.RETURNING, P.RETURNING), "P-2", ("P-2",)),
        ((P.RETURNING, P.IN_TRANSIT), "P-1", ("P-1",)),
        # released all the same: nothing to come home for
        ((P.IN_TRANSIT, P.DELIVERED), "P-2", ()),
        ((P.IN_TRANSIT, P.IN_TRANSIT), "", ()),
    ],
)
async def test_when_a_drone_turns_home_for_a_cancelled_parcel(
    tmp_path: Path, states: tuple[P, P], recalled: str, wanted: tuple[str, ...]
) -> None:
    async with running(tmp_path) as (app, _):
        await submit(app, "P-1", "P-2")
        await until(lambda: state(app, "P-2") is P.IN_TRANSIT)
        task = app.ledger.assignments["D-1"]
        assert isinstance(task.mission, AirMission)
        parcels = {
            ident: replace(
                app.ledger.parcels[ident],
                state=now,
                times={"recalled": START} if ident == recalled else {},
            )
            for ident, now in zip(("P-1", "P-2"), states, strict=True)
        }
        assert due(task, parcels) == wanted
