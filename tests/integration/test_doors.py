"""Doors from end to end: a parcel in by the API, a robot on a real broker, a customer's word."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from controller.domain.model import CustodianKind, ParcelState
from sitl.robot import Comes
from sitl.robot.door import cast
from tests.support.doors import PIN, street
from vehicles.vda5050.profile import SHIPPED

pytestmark = pytest.mark.timeout(120)
P = ParcelState
WITH_PIN = {"handling": "pin", "pin": PIN}
BROKERS = ["iotcore", pytest.param("mosquitto", marks=pytest.mark.broker)]


@pytest.mark.parametrize("kind", BROKERS)
async def test_a_door_opens_for_the_pin_and_for_nothing_else(tmp_path: Path, kind: str) -> None:
    async with street(tmp_path, doors=2, kind=kind) as s:
        told = await s.submit("P-1", 1, **WITH_PIN)
        assert told["handover"] == "door"
        early = await s.trigger("P-1", PIN)
        assert early["outcome"] == "refused"
        await s.until(lambda: s.at_door("P-1"))
        door = (await s.parcel("P-1"))["door"]
        assert (door["asks"], door["tries_left"]) == ("pin", 3)
        assert (await s.trigger("P-1"))["reason"] == "P-1 needs its PIN"
        wrong = await s.trigger("P-1", "0000")
        assert wrong["reason"] == "wrong PIN: 2 tries are left"
        assert not s.seen("lid_opened")
        for _ in range(2):
            assert (await s.trigger("P-1", PIN))["outcome"] == "done"
        await s.until(lambda: s.state("P-1") is P.DELIVERED)
        assert s.seen("lid_opened") == ["P-1"]
        assert s.seen("dropped") == ["P-1"]
        await s.until(lambda: s.app.desk.vehicles()[0].assignment_id == "")
        log = await s.client.get("/v1/log?after=0&limit=500")
        assert PIN not in log.text
        assert (await s.trigger("P-1", PIN))["outcome"] == "refused"
        assert await s.judged() == []


async def test_nobody_comes_and_the_robot_goes_on_and_brings_it_back(tmp_path: Path) -> None:
    async with street(tmp_path, doors=3) as s:
        both = {"P-1", "P-2"}
        await s.submit_all(s.body("P-1", 1, **WITH_PIN), s.body("P-2", 2, **WITH_PIN))
        await s.until(lambda: any(s.at_door(p) for p in both))
        (missed,) = [p for p in sorted(both) if s.at_door(p)]
        (other,) = both - {missed}
        aboard = s.app.ledger.parcels[missed].custodian
        assert (aboard.kind, aboard.ident) == (CustodianKind.VEHICLE, "R-1")
        await s.until(lambda: s.state(missed) is P.RETURNING)
        assert s.app.ledger.parcels[missed].custodian == aboard
        late = await s.trigger(missed, PIN)
        assert "not handed over any more" in late["reason"]
        await s.until(lambda: s.at_door(other))
        assert (await s.trigger(other, PIN))["outcome"] == "done"
        await s.until(lambda: s.state(other) is P.DELIVERED)
        await s.until(lambda: s.state(missed) is P.RETURNED)
        assert s.seen("dropped") == [other]
        assert s.seen("lid_opened") == [other]
        told = await s.parcel(missed)
        assert told["custodian"] == {"kind": "site", "id": "hub"}
        assert told["reasons"] == ["nobody came to the door in 120 s"]
        assert told["resendable"]
        assert told["attempts"] == 0
        again = await s.client.post(f"/v1/parcels/{missed}/resend", json={"reason": "home now"})
        assert again.json()["outcome"] == "done"
        await s.until(lambda: s.at_door(missed))
        assert (await s.trigger(missed, PIN))["outcome"] == "done"
        await s.until(lambda: s.state(missed) is P.DELIVERED)
        assert s.seen("dropped") == [other, missed]
        assert await s.judged() == []


async def test_a_robot_of_version_3_waits_in_its_own_action(tmp_path: Path) -> None:
    async with street(tmp_path, doors=2, profile="pavement-door-3", version="3.0.0") as s:
        await s.submit_all(s.body("P-1", 1, **WITH_PIN), s.body("P-2", 2, handover="door"))
        await s.until(lambda: s.at_door("P-1") or s.at_door("P-2"))
        (first,) = [p for p in ("P-1", "P-2") if s.at_door(p)]
        (second,) = {"P-1", "P-2"} - {first}
        deeds = s.robots["R-1"].core.m.deeds
        assert [d.status for d in deeds if d.kind == "waitForTrigger"].count("RUNNING") == 1
        await s.until(lambda: s.state(first) is P.RETURNING)
        await s.until(lambda: s.at_door(second))
        assert (await s.trigger(second, PIN))["outcome"] == "done"
        await s.until(lambda: s.state(second) is P.DELIVERED)
        await s.until(lambda: s.state(first) is P.RETURNED)
        assert s.seen("dropped") == [second]
        triggers = [d for d in s.robots["R-1"].core.m.instants if d.kind == "trigger"]
        assert [d.status for d in triggers] == ["FINISHED", "FINISHED"]


async def test_a_pin_that_is_wrong_too_often_sends_it_back(tmp_path: Path) -> None:
    async with street(tmp_path, doors=1) as s:
        await s.submit("P-1", 1, **WITH_PIN)
        await s.until(lambda: s.at_door("P-1"))
        told = [(await s.trigger("P-1", wrong))["reason"] for wrong in ("0000", "1111", "2222")]
        assert told[-1] == "the PIN was wrong 3 times: P-1 goes back"
        assert (await s.trigger("P-1", PIN))["outcome"] == "refused"
        await s.until(lambda: s.state("P-1") is P.RETURNED)
        assert s.seen("lid_opened") == s.seen("dropped") == []
        assert await s.judged() == []


async def test_a_controller_that_restarts_at_the_door_goes_on_as_it_was(tmp_path: Path) -> None:
    async with street(tmp_path, doors=2) as s:
        await s.submit_all(s.body("P-1", 1, **WITH_PIN), s.body("P-2", 2, **WITH_PIN))
        await s.until(lambda: any(s.at_door(p) for p in ("P-1", "P-2")))
        (first,) = [p for p in ("P-1", "P-2") if s.at_door(p)]
        (second,) = {"P-1", "P-2"} - {first}
        await s.trigger(first, "0000")
        async with s.again() as (app, client):
            s.app, s.client = app, client
            await s.until(lambda: s.at_door(first))
            door = (await s.parcel(first))["door"]
            assert door["tries_left"] == 2, "tries outlive a restart"
            await s.until(lambda: s.state(first) is P.RETURNING)
            await s.until(lambda: s.at_door(second))
            assert (await s.trigger(second, PIN))["outcome"] == "done"
            await s.until(lambda: s.state(second) is P.DELIVERED)
            await s.until(lambda: s.state(first) is P.RETURNED)
            assert s.seen("dropped") == [second]
            assert await s.judged() == []


async def test_a_restart_after_the_wait_was_over_leaves_the_hand_over_out(tmp_path: Path) -> None:
    async with street(tmp_path, doors=2) as s:
        await s.submit_all(s.body("P-1", 1, **WITH_PIN), s.body("P-2", 2, **WITH_PIN))
        await s.until(lambda: P.RETURNING in {s.state("P-1"), s.state("P-2")})
        async with s.again() as (app, client):
            s.app, s.client = app, client
            await s.until(lambda: {s.state("P-1"), s.state("P-2")} == {P.RETURNED})
            assert s.seen("lid_opened") == s.seen("dropped") == []
            assert await s.judged() == []


async def test_nothing_is_handed_over_before_its_time(tmp_path: Path) -> None:
    async with street(tmp_path, doors=1, profile="default") as s:
        opens = s.now() + timedelta(seconds=400)
        told = await s.submit("P-1", 1, earliest_at=opens.isoformat(), service_s=20)
        assert told["service_s"] == 20.0
        await s.until(lambda: s.state("P-1") is P.IN_TRANSIT)
        assert s.app.desk.parcel("P-1").eta >= opens
        await s.until(lambda: s.app.ledger.parcels["P-1"].times.get("door_at") is not None)
        assert s.now() < opens
        await s.until(lambda: s.state("P-1") is P.DELIVERED)
        (dropped,) = [x for x in s.truth if x.event == "dropped"]
        assert opens < dropped.t < opens + timedelta(seconds=120)


async def test_all_four_customers_at_a_robots_own_pad(tmp_path: Path) -> None:
    parcels = [f"P-{i}" for i in range(1, 5)]
    customers = cast(parcels, seed=3, wait_s=60.0)
    profile = (SHIPPED / "pavement-pad.toml").read_text().replace("timeout = 300", "timeout = 60")
    (tmp_path / "pad.toml").write_text(profile)
    async with street(tmp_path, doors=4, profile="pad.toml", customers=customers) as s:
        await s.submit_all(*(s.body(p, n, **WITH_PIN) for n, p in enumerate(parcels, 1)))
        ended = {P.DELIVERED, P.RETURNED}
        await s.until(lambda: all(s.state(p) in ended for p in parcels))
        took = {p for p in parcels if customers[p].comes in {Comes.IN_TIME, Comes.LATE}}
        assert {p for p in parcels if s.state(p) is P.DELIVERED} == took
        assert set(s.seen("dropped")) == set(s.seen("lid_opened")) == took
        for ident in set(parcels) - took:
            told = await s.parcel(ident)
            assert told["resendable"]
            assert any(w in told["reasons"][0] for w in ("nobody came", "PIN wrong"))
        assert await s.judged() == []


async def test_a_locker_is_opened_for_nobody_in_particular(tmp_path: Path) -> None:
    async with street(tmp_path, doors=1) as s:
        await s.submit("P-1", 1, destination={"site": "locker"}, handover="locker")
        await s.until(lambda: s.state("P-1") is P.DELIVERED)
        assert s.seen("locker_opened") == s.seen("dropped") == ["P-1"]
        assert "door_at" not in s.app.ledger.parcels["P-1"].times
