"""A change of zones while missions are under way, start and end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.app import App
from controller.clock import ScaledClock
from controller.delivery import rezoning as rezoning_module
from controller.domain.model import AssignmentState
from controller.domain.records import CommandState
from controller.store.errors import StoreError
from geofence.errors import ZoneError
from geofence.formats.geojson import write_zones
from geofence.frames import LatLon, offset
from geofence.heights import Surroundings
from geofence.recheck import recheck
from geofence.zones import CircleArea, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from tests.support.active import Hovering, configured, controller, flight, put_under_way
from tests.support.clock import START
from vehicles.port import Phase, Verb

HUB = LatLon(60.2, 24.9)
FLAT = Surroundings(10.0, 18.0)
HOMES = {f"D-{n}": offset(HUB, 90.0, 1000.0 * n) for n in range(3)}
FAR = Zone("z-far", "Far", ZoneKind.NO_FLY, CircleArea(offset(HUB, 180.0, 9000.0), 100.0))
AWAY_M = 1500.0


def goal(vehicle_id: str) -> LatLon:
    return offset(HOMES[vehicle_id], 0.0, AWAY_M)


def on_way(vehicle_id: str, north_m: float, radius_m: float = 80.0, name: str = "z-new") -> Zone:
    center = offset(HOMES[vehicle_id], 0.0, north_m)
    return Zone(name, "Fire", ZoneKind.NO_FLY, CircleArea(center, radius_m))


@asynccontextmanager
async def running(folder: Path, **sections: Any) -> AsyncIterator[tuple[App, dict[str, Hovering]]]:
    clock = ScaledClock(START, time.time(), 1.0)
    config = configured(folder, HOMES, **sections)
    async with controller(config, HOMES, clock) as (app, drones):
        await app.desk.replace_zones((FAR,), by="anna")
        yield app, drones


async def under_way(app: App, drones: dict[str, Hovering], *vehicle_ids: str) -> None:
    zones = app.desk.zone_set
    missions = [flight(v, HOMES[v], goal(v), zones, FLAT, app.clock) for v in vehicle_ids]
    for vehicle_id in vehicle_ids:
        drones[vehicle_id].fly(offset(HOMES[vehicle_id], 0.0, 100.0))
    await put_under_way(app, missions)
    await until(lambda: set(app.rezoning.under_way.missions) >= set(vehicle_ids))


async def until(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


async def verdicts(app: App) -> list[dict[str, Any]]:
    log = await app.desk.log_after(0, 5000)
    return [
        {"vehicle": e.event.vehicle_id, **e.event.data}
        for e in log
        if e.event.kind == "zones.forbid"
    ]


async def test_paths_are_there_before_the_first_change(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0", "D-1")
        assert set(app.rezoning.under_way.index) == {"D-0", "D-1"}
        assert await verdicts(app) == []


async def test_what_is_newly_forbidden_is_told_with_zone_leg_time_and_action(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0", "D-1")
        await app.desk.replace_zones((FAR, on_way("D-0", 900.0)), by="anna")
        (told,) = await verdicts(app)
        assert told["vehicle"] == "D-0"
        assert (told["zone"], told["zone_name"]) == ("z-new", "Fire")
        assert told["leg"].startswith("leg ")
        assert told["zones_version"] == app.desk.zone_set.version
        # from 100 m to the zone's edge at 820 m, less the corridor, at 12 m/s
        corridor_m = app.rezoning.under_way.missions["D-0"].path.legs[0].corridor_m
        assert told["seconds_left"] == pytest.approx((720.0 - corridor_m) / 12.0, abs=2.0)
        assert (told["action"], told["action_fits"]) == ("hold", True)
        assert drones["D-0"].told == [Verb.HOLD]
        assert drones["D-1"].told == []
        (alarm,) = [a for a in app.desk.alarms() if "Fire" in a.cause]
        assert "now in force, forbids" in alarm.cause
        assert "s at the earliest" in alarm.cause


async def test_the_soonest_is_reacted_to_first(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0", "D-1", "D-2")
        zones = (FAR, on_way("D-2", 500.0, name="z-2"), on_way("D-0", 1100.0, name="z-0"))
        await app.desk.replace_zones(zones, by="anna")
        told = await verdicts(app)
        assert [each["vehicle"] for each in told] == ["D-2", "D-0"]
        assert told[0]["seconds_left"] < told[1]["seconds_left"]


async def test_a_vehicle_inside_has_no_time_left_and_a_hold_does_not_fit(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0")
        await app.desk.replace_zones((FAR, on_way("D-0", 100.0)), by="anna")
        (told,) = await verdicts(app)
        assert told["seconds_left"] == 0.0
        assert told["passed_over"] == {"hold": "it may be in the zone already"}
        assert not told["action_fits"]
        assert drones["D-0"].told[0] is Verb.HOLD
        advice = [a.advice for a in app.desk.alarms() if "now in force" in a.cause]
        assert "decide at once" in advice[0]


@pytest.mark.parametrize(
    ("north_m", "action", "word"),
    [(1100.0, "return", None), (60.0, "hold", "way home")],
)
async def test_a_return_is_chosen_where_its_way_home_is_clear(
    tmp_path: Path, north_m: float, action: str, word: str | None
) -> None:
    safety = {"rezoned": ["return", "hold"], "period_s": 60.0}
    async with running(tmp_path, safety=safety) as (app, drones):
        await under_way(app, drones, "D-0")
        drones["D-0"].fly(offset(HOMES["D-0"], 0.0, 700.0))
        await app.desk.replace_zones((FAR, on_way("D-0", north_m, 30.0)), by="anna")
        (told,) = await verdicts(app)
        assert told["action"] == action
        if word is not None:
            assert word in told["passed_over"]["return"]
        assert drones["D-0"].told == [Verb(action)]


async def test_one_that_is_coming_home_clear_of_the_zone_is_left_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0")
        drones["D-0"].fly(offset(HOMES["D-0"], 0.0, 400.0))
        drones["D-0"].show(phase=Phase.RETURNING)
        await app.desk.replace_zones((FAR, on_way("D-0", 1200.0)), by="anna")
        assert await verdicts(app) == []
        await app.desk.replace_zones((FAR, on_way("D-0", 200.0)), by="anna")
        (told,) = await verdicts(app)
        assert told["vehicle"] == "D-0"


async def test_a_set_that_is_refused_leaves_the_old_one(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0")
        before = app.desk.zone_set
        with pytest.raises(ZoneError):
            await app.desk.replace_zones((on_way("D-0", 900.0), on_way("D-0", 500.0)), by="anna")
        assert app.desk.zone_set is before
        assert await verdicts(app) == []
        assert drones["D-0"].told == []


async def test_a_set_that_cannot_be_kept_is_not_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0")
        before = app.desk.zone_set

        async def full(*_: object) -> None:
            raise StoreError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(app.ledger, "keep", full)
            with pytest.raises(StoreError, match="disk full"):
                await app.desk.replace_zones((on_way("D-0", 900.0),), by="anna")
        assert app.desk.zone_set is before
        assert drones["D-0"].told == []
        # and the next change is judged from the set that stayed
        await app.desk.replace_zones((FAR, on_way("D-0", 900.0)), by="anna")
        assert [each["vehicle"] for each in await verdicts(app)] == ["D-0"]


async def test_one_that_starts_during_the_switch_is_judged_by_the_new_set(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        drone = drones["D-0"]
        drone.starting = asyncio.Event()
        mission = flight("D-0", HOMES["D-0"], goal("D-0"), app.desk.zone_set, FLAT, app.clock)
        drone.show(mission_hash=mission.content_hash)
        await put_under_way(
            app, [mission], state=AssignmentState.LOADED, start=CommandState.PENDING
        )
        process = app.processes["D-0"]
        process.wake()
        await until(lambda: "D-0" in app.rezoning.under_way.records())
        # the start is on its way: the vehicle is still on the ground and refuses to hold
        await app.desk.replace_zones((FAR, on_way("D-0", 900.0)), by="anna")
        (told,) = await verdicts(app)
        assert told["zones_version"] == app.desk.zone_set.version
        assert drone.told == [Verb.HOLD]
        assert drone.telemetry.phase is Phase.READY
        drone.starting.set()
        # it has started now: what it owes is done
        await until(lambda: drone.telemetry.phase is Phase.HOLDING)
        assert drone.told == [Verb.HOLD, Verb.HOLD]


async def test_a_start_that_was_not_sent_is_stopped_by_the_switch(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        mission = flight("D-0", HOMES["D-0"], goal("D-0"), app.desk.zone_set, FLAT, app.clock)
        drones["D-0"].show(mission_hash=mission.content_hash)
        await app.desk.replace_zones((FAR, on_way("D-1", 900.0)), by="anna")
        await put_under_way(
            app, [mission], state=AssignmentState.LOADED, start=CommandState.PENDING
        )
        app.processes["D-0"].wake()
        await until(lambda: "D-0" not in app.ledger.assignments)
        assert not drones["D-0"].telemetry.armed


async def test_a_switch_while_the_start_is_being_kept_takes_the_start_back(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        mission = flight("D-0", HOMES["D-0"], goal("D-0"), app.desk.zone_set, FLAT, app.clock)
        drones["D-0"].show(mission_hash=mission.content_hash)
        await put_under_way(
            app, [mission], state=AssignmentState.LOADED, start=CommandState.PENDING
        )
        other = ZoneSet((FAR, on_way("D-0", 900.0)))

        def switch(changes: Any) -> None:
            if any(c.state is CommandState.SENT for c in changes.commands):
                app.zones.zones = other

        app.ledger.listen(switch)
        app.processes["D-0"].wake()
        await until(lambda: "D-0" not in app.ledger.assignments)
        assert not drones["D-0"].telemetry.armed
        states = [
            e.event.kind
            for e in await app.desk.log_after(0, 5000)
            if e.event.kind.startswith("command.") and e.event.data["kind"] == "start"
        ]
        assert states[:2] == ["command.sent", "command.pending"]


async def test_one_that_ends_during_the_switch_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0", "D-1")

        def ends_meanwhile(*arguments: Any, **words: Any) -> Any:
            app.ledger.assignments.pop("D-1", None)
            return recheck(*arguments, **words)

        monkeypatch.setattr(rezoning_module, "recheck", ends_meanwhile)
        zones = (FAR, on_way("D-0", 900.0, name="z-0"), on_way("D-1", 900.0, name="z-1"))
        await app.desk.replace_zones(zones, by="anna")
        assert "D-0" in {each["vehicle"] for each in await verdicts(app)}
        await app.desk.replace_zones((FAR,), by="anna")
        assert set(app.rezoning.under_way.missions) == {"D-0"}


async def test_two_changes_at_once_are_judged_one_after_the_other(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0", "D-1")
        first = (FAR, on_way("D-0", 900.0, name="z-0"))
        second = (FAR, on_way("D-1", 900.0, name="z-1"))
        async with asyncio.TaskGroup() as group:
            one = group.create_task(app.desk.replace_zones(first, by="anna"), name="first")
            two = group.create_task(app.desk.replace_zones(second, by="bert"), name="second")
        told = {each["vehicle"]: each for each in await verdicts(app)}
        assert set(told) == {"D-0", "D-1"}
        assert told["D-0"]["zones_version"] == one.result().version
        assert told["D-0"]["all_zones"] == ["z-0"]
        assert told["D-1"]["zones_version"] == two.result().version
        assert told["D-1"]["all_zones"] == ["z-1"]


async def test_a_restart_under_other_files_judges_what_flies(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, drones):
        await under_way(app, drones, "D-0")
    clock = ScaledClock(START, time.time(), 1.0)
    file = tmp_path / "zones.geojson"
    file.write_text(json.dumps(write_zones((FAR, on_way("D-0", 900.0)))))
    config = configured(tmp_path, HOMES, zones={"files": [str(file)]})
    async with controller(config, HOMES, clock) as (app, drones):
        drones["D-0"].fly(offset(HOMES["D-0"], 0.0, 100.0))
        await until(lambda: Verb.HOLD in drones["D-0"].told)
        assert [each["vehicle"] for each in await verdicts(app)] == ["D-0"]


async def test_a_permit_that_is_withdrawn_grounds_what_flies_on_it(tmp_path: Path) -> None:
    gate = Zone(
        "z-tower",
        "Tower",
        ZoneKind.RESTRICTED,
        CircleArea(offset(HOMES["D-0"], 0.0, 900.0), 80.0),
        permit="tower",
    )
    async with running(tmp_path) as (app, drones):
        await app.desk.replace_zones((FAR, gate), by="anna")
        granted = await app.desk.grant(
            "tower", vehicle_id="D-0", until=app.clock.now() + timedelta(hours=3), by="anna"
        )
        mission = flight(
            "D-0", HOMES["D-0"], goal("D-0"), app.desk.zone_set, FLAT, app.clock,
            frozenset({"tower"}),
        )  # fmt: skip
        drones["D-0"].fly(offset(HOMES["D-0"], 0.0, 100.0))
        await put_under_way(app, [mission])
        await until(lambda: "D-0" in app.rezoning.under_way.missions)
        assert app.rezoning.under_way.missions["D-0"].path.permits == {"tower"}
        assert await verdicts(app) == []
        await app.desk.withdraw(granted.permit_id, by="anna", reason="closed")
        await until(lambda: Verb.HOLD in drones["D-0"].told)
        (told,) = await verdicts(app)
        assert (told["zone"], told["action"]) == ("z-tower", "hold")
