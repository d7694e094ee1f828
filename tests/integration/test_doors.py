"""Doors from end to end: a parcel in by the API, a robot on a real broker, a customer's word."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.domain.model import CustodianKind, ParcelState
from tests.support.doors import PIN, street

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


async def test_nobody_comes_and_the_robot_goes_on_and_brings_it_back(tmp_path: Path) -> None:
    async with street(tmp_path, doors=3) as s:
        both = {"P-1", "P-2"}
        await s.submit("P-1", 1, **WITH_PIN)
        await s.submit("P-2", 2, **WITH_PIN)
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
