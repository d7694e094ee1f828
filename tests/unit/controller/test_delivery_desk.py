"""The desk over a whole controller with vehicles in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.app import App, build
from controller.config import Config, from_dict
from controller.delivery.settling import refusal
from controller.delivery.views import (
    DuplicateParcelError,
    Found,
    IdempotencyConflictError,
    UnknownAlarmError,
    UnknownParcelError,
    UnknownSiteError,
    UnknownVehicleError,
    Update,
)
from controller.domain.alarms import Condition, Severity
from controller.domain.model import CustodianKind, Destination, Parcel, ParcelState
from controller.enrol import make_clock
from geofence.frames import LatLon, geodesic_m, offset
from geofence.zones import CircleArea, Zone, ZoneKind
from tests.support.clock import START
from tests.support.steady import SteadyClock
from vehicles.port import Divert, Outcome, Verb

HUB = LatLon(60.2, 24.9)


def config(folder: Path, **sections: object) -> Config:
    return from_dict(
        {
            "store": {"url": "sqlite+aiosqlite:///w.db"},
            "terrain": {"ground_amsl_m": 10.0, "geoid_m": 18.0},
            "safety": {"stale_s": 600.0, "offline_s": 900.0},
            "sites": [{"id": "hub", "kind": "hub", "lat_deg": HUB.lat_deg, "lon_deg": HUB.lon_deg}],
            "drones": [
                {
                    "id": f"D-{number}",
                    "link": "loopback",
                    "sysid": number,
                    "base": "hub",
                    "pad_lat_deg": HUB.lat_deg,
                    "pad_lon_deg": HUB.lon_deg,
                }
                for number in (1, 2)
            ],
            **sections,
        },
        base=folder,
    )


@asynccontextmanager
async def running(folder: Path, speedup: float = 50.0) -> AsyncIterator[App]:
    clock = SteadyClock(START, speedup)
    async with build(config(folder), clock=clock) as app, asyncio.TaskGroup() as group:
        task = group.create_task(app.run(), name="controller")
        yield app
        task.cancel()


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with running(tmp_path) as made:
        yield made


def parcel(app: App, ident: str, away_m: float = 900.0, **fields: object) -> Parcel:
    now = app.clock.now()
    made = Parcel(
        ident,
        1.0,
        (0.2, 0.2, 0.1),
        "hub",
        Destination(offset(HUB, 30.0, away_m), address="Katu 1"),
        now,
        now + timedelta(hours=2),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool], deadline_s: float = 15.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.01)


def state(app: App, ident: str = "P-1") -> ParcelState:
    view = app.desk.parcel(ident)
    assert view is not None
    return view.state


async def submit(app: App, *idents: str, key: str = "k") -> None:
    await app.desk.submit([parcel(app, i) for i in idents], key=key, fingerprint=key)


async def test_the_same_request_is_answered_again_and_kept_once(app: App) -> None:
    first = await app.desk.submit([parcel(app, "P-1")], key="k", fingerprint="f")
    again = await app.desk.submit([parcel(app, "P-9")], key="k", fingerprint="f")
    assert not first.replayed
    assert again.replayed
    assert [v.parcel.parcel_id for v in again.parcels] == ["P-1"]
    assert [v.parcel.parcel_id for v in app.desk.parcels()] == ["P-1"]
    with pytest.raises(IdempotencyConflictError, match="'k'"):
        await app.desk.submit([parcel(app, "P-2")], key="k", fingerprint="other")


async def test_one_bad_parcel_keeps_all_out(app: App) -> None:
    await submit(app, "P-1")
    bad = parcel(app, "P-3", origin_site_id="nowhere")
    with pytest.raises(UnknownSiteError, match="parcel 'P-3': site 'nowhere'"):
        await app.desk.submit([parcel(app, "P-2"), bad], key="b", fingerprint="b")
    with pytest.raises(DuplicateParcelError, match="P-1"):
        await submit(app, "P-2", "P-1", key="c")
    with pytest.raises(DuplicateParcelError, match="P-2"):
        await submit(app, "P-2", "P-2", key="d")
    assert app.desk.parcel("P-2") is None
    await submit(app, "P-2", key="b")


async def test_a_parcel_is_delivered_and_every_step_is_told(app: App) -> None:
    async with app.desk.updates() as updates:
        await submit(app, "P-1")
        await until(lambda: state(app) is ParcelState.IN_TRANSIT)
        view = app.desk.parcel("P-1")
        assert view is not None
        assert view.eta is not None
        assert view.eta > app.clock.now()
        vehicle = app.desk.vehicle(view.vehicle_id)
        assert vehicle is not None
        assert vehicle.parcel_ids == ("P-1",)
        assert vehicle.sentence == f"{view.vehicle_id} en route to Katu 1, 100 % battery"
        assert len(vehicle.path) >= 2
        explanation = app.desk.explain("P-1")
        assert explanation is not None
        assert explanation.chosen == view.vehicle_id
        await until(lambda: state(app) is ParcelState.DELIVERED)
        topics = await told_until_delivered(updates)
    assert {"parcel", "vehicle"} <= topics
    log = await app.desk.log_after(0)
    kinds = [entry.event.kind for entry in log if entry.event.parcel_id == "P-1"]
    assert [k for k in kinds if k.startswith("parcel.")] == [
        f"parcel.{s}"
        for s in ("submitted", "assigned", "preparing", "in_transit", "released", "delivered")
    ]
    assert [e.seq for e in log] == sorted(e.seq for e in log)
    assert await app.desk.log_after(log[-1].seq - 1, 1) == [log[-1]]


async def told_until_delivered(updates: AsyncIterator[Update]) -> set[str]:
    topics = set()
    async with asyncio.timeout(10.0):
        async for update in updates:
            topics.add(update.topic)
            view = update.view
            if update.topic == "parcel" and getattr(view, "state", "") is ParcelState.DELIVERED:
                break
    return topics


async def test_a_parcel_out_of_reach_is_refused_with_every_vehicles_reason(app: App) -> None:
    await app.desk.submit([parcel(app, "P-1", 60_000.0)], key="k", fingerprint="f")
    await until(lambda: state(app) is ParcelState.REFUSED)
    view = app.desk.parcel("P-1")
    assert view is not None
    assert len(view.reasons) >= 2
    assert all(reason for reason in view.reasons)


async def test_a_hold_of_the_whole_fleet_stops_dispatch_until_it_is_cleared(app: App) -> None:
    results = await app.desk.command_all(Verb.HOLD, by="anna", reason="drill")
    assert set(results) == {"D-1", "D-2"}
    held = app.desk.held
    assert held is not None
    assert (held.by, held.reason) == ("anna", "drill")
    await submit(app, "P-1")
    assert await app.matching.decide() == 0
    assert state(app) is ParcelState.SUBMITTED
    await app.desk.unfreeze(by="anna", reason="over")
    assert app.desk.held is None
    await until(lambda: state(app) is ParcelState.IN_TRANSIT)


async def test_a_hold_outlives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as first:
        await first.desk.command_all(Verb.HOLD, by="anna", reason="drill")
    async with running(tmp_path) as second:
        assert second.desk.held is not None
        assert second.desk.held.by == "anna"


async def test_a_vehicle_in_the_air_is_held_and_resumed(app: App) -> None:
    await submit(app, "P-1")
    await until(lambda: state(app) is ParcelState.IN_TRANSIT)
    view = app.desk.parcel("P-1")
    assert view is not None
    assert (await app.desk.command(view.vehicle_id, Verb.HOLD, by="anna")).done
    vehicle = app.desk.vehicle(view.vehicle_id)
    assert vehicle is not None
    assert vehicle.sentence.startswith(f"{view.vehicle_id} is holding with P-1 aboard")
    assert (await app.desk.command(view.vehicle_id, Verb.RESUME, by="anna")).done
    with pytest.raises(UnknownVehicleError, match="D-9"):
        await app.desk.command("D-9", Verb.HOLD, by="anna")


async def test_nothing_is_demanded_of_a_vehicle_at_rest(app: App) -> None:
    await until(lambda: app.desk.vehicle("D-1").telemetry.armed is False)  # type: ignore[union-attr]
    vehicle = app.desk.vehicle("D-1")
    assert vehicle is not None
    assert vehicle.commands == ()
    for verb in Verb:
        result = await app.desk.command("D-1", verb, by="anna")
        assert result.outcome is Outcome.REFUSED
        assert "D-1 is disarmed" in result.reason
    log = await app.desk.log_after(0)
    assert not [e for e in log if e.event.kind.startswith("command.")]
    await submit(app, "P-1")
    await until(lambda: state(app) is ParcelState.IN_TRANSIT)
    flying = app.desk.vehicle(app.desk.parcel("P-1").vehicle_id)  # type: ignore[union-attr]
    assert flying is not None
    assert set(flying.commands) == {Verb.HOLD, Verb.RETURN, Verb.LAND}


async def test_parameters_are_read_of_vehicles_that_are_enrolled_and_have_some(app: App) -> None:
    name = app.desk.vehicles()[0].telemetry.vehicle_id
    assert "no parameters" in str(await app.desk.parameters(name))
    with pytest.raises(UnknownVehicleError, match="D-99"):
        await app.desk.parameters("D-99")


async def test_a_parcel_is_cancelled_until_it_leaves(app: App) -> None:
    await app.desk.command_all(Verb.HOLD, by="anna", reason="drill")
    await submit(app, "P-1", "P-2")
    assert (await app.desk.cancel("P-1", by="anna", reason="typo")).done
    assert state(app) is ParcelState.CANCELLED
    again = await app.desk.cancel("P-1", by="anna", reason="typo")
    assert again.outcome is Outcome.REFUSED
    assert "P-1 is cancelled" in again.reason
    await app.desk.unfreeze(by="anna", reason="over")
    await until(lambda: state(app, "P-2") is ParcelState.IN_TRANSIT)
    late = await app.desk.cancel("P-2", by="anna", reason="typo")
    vehicle_id = app.ledger.parcels["P-2"].vehicle_id
    assert (late.outcome, late.reason) == (Outcome.DONE, f"{vehicle_id} brings P-2 home")
    assert state(app, "P-2") is ParcelState.RETURNING
    await until(lambda: state(app, "P-2") is ParcelState.CANCELLED)
    told = app.ledger.parcels["P-2"]
    assert told.reasons == ("cancelled by anna: typo",)
    assert (told.custodian.kind, told.proof) == (CustodianKind.SITE, None)
    late = await app.desk.cancel("P-2", by="anna", reason="typo")
    assert late.outcome is Outcome.REFUSED
    with pytest.raises(UnknownParcelError):
        await app.desk.cancel("P-9", by="anna", reason="")


async def strand(app: App) -> str:
    """P-1 stranded on a drone that was told to land on its way; the drone's id."""
    await submit(app, "P-1")
    await until(lambda: state(app) is ParcelState.IN_TRANSIT)
    view = app.desk.parcel("P-1")
    assert view is not None
    process = app.processes[view.vehicle_id]
    home = process.owner.telemetry.home

    def away() -> bool:
        place = process.owner.telemetry.position
        return home is not None and place is not None and geodesic_m(home, place) > 200.0

    await until(away)
    early = await app.desk.settle("P-1", found=Found.ABOARD, by="anna", reason="saw it")
    assert early.outcome is Outcome.REFUSED
    assert "P-1 is in transit: only a stranded parcel is settled" in early.reason
    assert (await app.desk.command(view.vehicle_id, Verb.LAND, by="anna")).done
    await until(lambda: state(app) is ParcelState.STRANDED)
    await until(lambda: view.vehicle_id not in app.ledger.assignments)
    return view.vehicle_id


async def settled(app: App) -> dict[str, object]:
    log = await app.desk.log_after(0, 5000)
    (event,) = [e.event for e in log if e.event.kind == "parcel.settled"]
    assert event.parcel_id == "P-1"
    return event.data


async def test_a_stranded_parcel_found_aboard_is_back_at_the_base_and_sent_again(app: App) -> None:
    vehicle_id = await strand(app)
    assert any("settle it as found" in a.advice for a in app.desk.alarms())
    result = await app.desk.settle("P-1", found=Found.ABOARD, by="anna", reason="in the box")
    assert result.done
    view = app.desk.parcel("P-1")
    assert view is not None
    assert "returned" in view.times
    assert view.attempts == 1
    assert app.ledger.aboard(vehicle_id) == ()
    assert await settled(app) == {"found": "aboard", "by": "anna", "reason": "in the box"}
    assert not any("settle it as found" in a.advice for a in app.desk.alarms())
    await until(lambda: state(app) is ParcelState.DELIVERED)


async def test_a_stranded_parcel_found_delivered_has_a_proof_with_a_name(app: App) -> None:
    await strand(app)
    result = await app.desk.settle("P-1", found=Found.DELIVERED, by="anna", reason="they rang")
    assert result.done
    view = app.desk.parcel("P-1")
    assert view is not None
    assert view.state is ParcelState.DELIVERED
    assert view.custodian.kind is CustodianKind.RECIPIENT
    assert view.proof is not None
    assert view.proof.evidence[0] == "confirmed by anna: they rang"
    assert "not watched" in view.proof.evidence[1]
    assert await settled(app) == {"found": "delivered", "by": "anna", "reason": "they rang"}
    again = await app.desk.settle("P-1", found=Found.ABOARD, by="anna", reason="no")
    assert again.outcome is Outcome.REFUSED
    assert "P-1 is delivered" in again.reason
    with pytest.raises(UnknownParcelError):
        await app.desk.settle("P-9", found=Found.ABOARD, by="anna", reason="")


def test_what_is_still_in_the_air_is_not_settled_as_aboard() -> None:
    stranded = ParcelState.STRANDED
    known = {"custodian": "D-1", "base_id": "hub"}
    told = refusal("P-1", stranded, Found.ABOARD, **known, open_task=True)
    assert "D-1 is still under way with it" in told
    assert not refusal("P-1", stranded, Found.DELIVERED, **known, open_task=True)
    gone = refusal("P-1", stranded, Found.ABOARD, custodian="D-1", base_id="", open_task=False)
    assert "D-1 is not configured" in gone


def around(position: LatLon, radius_m: float = 80.0) -> Zone:
    return Zone("z-new", "Fire", ZoneKind.NO_FLY, CircleArea(position, radius_m))


async def test_zones_put_in_force_outlive_a_restart_until_the_files_change(tmp_path: Path) -> None:
    async with running(tmp_path) as first:
        zones = await first.desk.replace_zones((around(HUB),), by="anna")
        assert first.desk.zone_set.version == zones.version
    async with running(tmp_path) as second:
        assert second.desk.zone_set.version == zones.version
        assert len(second.desk.zone_set) == 1


async def test_a_zone_across_a_mission_under_way_holds_its_vehicle(app: App) -> None:
    await submit(app, "P-1")
    await until(lambda: state(app) is ParcelState.IN_TRANSIT)
    await app.desk.replace_zones((around(offset(HUB, 30.0, 850.0)),), by="anna")
    causes = [a.cause for a in app.desk.alarms()]
    assert any("Fire, now in force, forbids" in cause for cause in causes), causes
    assert any(re.search(r"; it (is there in \d+ min \d\d s|may be)", each) for each in causes)
    log = await app.desk.log_after(0)
    sent = [e.event.data for e in log if e.event.kind == "command.sent"]
    assert sent[-1]["kind"] == "hold"
    assert sent[-1]["by"] == "safety"


async def test_alarms_are_acknowledged_by_name(app: App) -> None:
    app.board.happen(Condition("k", Severity.CAUTION, "odd", "look", "D-1"))
    alarm = app.desk.alarms()[0]
    vehicle = app.desk.vehicle("D-1")
    assert vehicle is not None
    assert vehicle.alarms == 1
    await app.desk.acknowledge(alarm.alarm_id, by="anna")
    assert app.desk.alarms() == []
    with pytest.raises(UnknownAlarmError):
        await app.desk.acknowledge(alarm.alarm_id, by="anna")


def test_the_clock_follows_the_configuration(tmp_path: Path) -> None:
    made = make_clock(config(tmp_path, clock={"start": START, "speedup": 10.0}).clock)
    assert abs((made.now() - START).total_seconds()) < 60.0


async def test_a_drone_under_way_tells_what_its_battery_will_be(app: App) -> None:
    await submit(app, "P-1")
    await until(lambda: state(app) is ParcelState.IN_TRANSIT)
    vehicle_id = app.ledger.parcels["P-1"].vehicle_id

    def forecast() -> tuple[float | None, float | None]:
        view = app.desk.vehicle(vehicle_id)
        assert view is not None
        return view.battery_at_landing_pct, view.battery_if_returned_pct

    await until(lambda: None not in forecast())
    landing, returned = forecast()
    assert landing is not None
    assert returned is not None
    # a kilogram 900 m out and back on 300 Wh; the loopback drone uses nothing
    assert 50.0 < landing <= 100.0
    assert landing - 5.0 < returned <= 100.0
    await until(lambda: app.desk.vehicle(vehicle_id).assignment_id == "")  # type: ignore[union-attr]
    await until(lambda: forecast() == (None, None))


async def test_a_drone_that_could_not_land_with_its_reserve_is_told_to_return(
    tmp_path: Path,
) -> None:
    clock = SteadyClock(START, 50.0)
    # more than any flight leaves it: the first forecast already asks for the return
    made = config(tmp_path, safety={"stale_s": 600.0, "offline_s": 900.0, "return_pct": 99.9})
    async with build(made, clock=clock) as app, asyncio.TaskGroup() as group:
        task = group.create_task(app.run(), name="controller")
        await submit(app, "P-1")
        await until(lambda: state(app) is ParcelState.RETURNING)
        reasons = app.ledger.parcels["P-1"].reasons
        assert any("told to return by safety: it would land with" in r for r in reasons)
        task.cancel()


async def test_a_divert_is_refused_by_the_zones_before_anything_is_sent(app: App) -> None:
    place = offset(HUB, 90.0, 500.0)
    with pytest.raises(UnknownVehicleError):
        await app.desk.divert("D-9", Divert(place, 60.0), by="anna")
    await until(lambda: app.desk.vehicle("D-1").telemetry.armed is False)  # type: ignore[union-attr]
    rest = await app.desk.divert("D-1", Divert(place, 60.0), by="anna")
    assert rest.outcome is Outcome.REFUSED
    assert "disarmed" in rest.reason
    await submit(app, "P-1")
    await until(lambda: state(app) is ParcelState.IN_TRANSIT)
    vehicle_id = app.ledger.parcels["P-1"].vehicle_id
    barred = Zone("z-p", "Port", ZoneKind.NO_FLY, CircleArea(offset(HUB, 90.0, 3000.0), 100.0))
    await app.desk.replace_zones((barred,), by="anna")

    async def journalled() -> list[object]:
        log = await app.desk.log_after(0)
        return [e for e in log if e.event.data.get("kind") == "divert"]

    at_zone = Divert(barred.area.center, 60.0)  # type: ignore[union-attr]
    refused = await app.desk.divert(vehicle_id, at_zone, by="anna", reason="helicopter")
    assert "the way there is not allowed: Port" in refused.reason
    assert not await journalled()
    # allowed, and then refused by what it is: the loopback drone takes no other way
    allowed = await app.desk.divert(vehicle_id, Divert(place, 60.0), by="anna")
    assert "takes no other way" in allowed.reason
    assert len(await journalled()) == 2
