"""Permits: who holds them, until when, over restarts, and what they open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.app import App, build
from controller.clock import ScaledClock
from controller.config import Config, from_dict
from controller.delivery.permits import UnknownPermitError
from controller.delivery.views import UnknownVehicleError
from controller.dispatch.flights import FlightPlan, question
from controller.dispatch.model import VehicleFacts
from controller.dispatch.plans import Plans
from controller.domain.model import Destination, Parcel, ParcelState
from controller.domain.permits import Permit, names_held
from geofence.frames import LatLon, offset
from geofence.zones import CircleArea, Zone, ZoneKind
from tests.support.clock import START
from tests.unit.controller.dispatch_worlds import at, drone, parcel, world

HUB = LatLon(60.2, 24.9)
GOAL = offset(HUB, 30.0, 900.0)
LATER = START + timedelta(hours=2)
TOWER = Zone("z-tower", "Tower", ZoneKind.RESTRICTED, CircleArea(GOAL, 150.0), permit="tower")


def permit(**fields: Any) -> Permit:
    return Permit("p-1", "tower", **fields)


@pytest.mark.parametrize(
    ("made", "held"),
    [
        (permit(), True),
        (permit(vehicle_id="D-1"), True),
        (permit(vehicle_id="D-2"), False),
        (permit(parcel_id="P-1"), True),
        (permit(parcel_id="P-2"), False),
        (permit(vehicle_id="D-1", parcel_id="P-2"), False),
        (permit(until=LATER), True),
        (permit(until=LATER - timedelta(seconds=1)), False),
    ],
)
def test_whom_a_permit_covers(made: Permit, held: bool) -> None:
    names = names_held([made], "D-1", ("P-1",), LATER)
    assert names == (frozenset({"tower"}) if held else frozenset())


@given(st.integers(0, 7200), st.integers(0, 7200))
def test_what_is_held_longer_is_held_for_less(one_s: int, other_s: int) -> None:
    made = [permit(until=START + timedelta(seconds=one_s))]
    held = names_held(made, "D-1", (), START + timedelta(seconds=other_s))
    assert bool(held) is (other_s <= one_s)


def test_an_end_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        permit(until=LATER.replace(tzinfo=None))


def test_dispatch_asks_with_what_the_vehicle_holds_for_this_parcel_until_it_is_back() -> None:
    one, other = drone(1), drone(2)
    facts = parcel(1, at(900.0, 0.0))
    made = world((one, other), (facts,))

    def asked(*permits: Permit, vehicle: VehicleFacts = one) -> frozenset[str]:
        here = replace(made, permits=permits)
        depart = here.now + timedelta(seconds=60)
        found = question(here, vehicle, facts, depart_at=depart, rules=here.settings.flight)
        assert found is not None
        return found.request.permits

    assert asked() == frozenset()
    assert asked(permit(parcel_id="P-001")) == {"tower"}
    assert asked(permit(vehicle_id="D-02")) == frozenset()
    assert asked(permit(vehicle_id="D-02"), vehicle=other) == {"tower"}
    assert asked(permit(until=made.now + timedelta(minutes=3))) == frozenset()
    assert asked(permit(until=made.now + timedelta(hours=1))) == {"tower"}


def test_drones_of_different_permits_are_not_checked_in_one_go() -> None:
    """One that may be in the zone must not let in another."""
    tower = Zone("z", "Tower", ZoneKind.RESTRICTED, CircleArea(at(450, 0), 50.0), permit="tower")
    one, other = drone(1), drone(2)
    facts = parcel(1, at(900.0, 0.0))
    made = world((one, other), (facts,), (tower,), permits=(permit(vehicle_id="D-01"),))
    plans = Plans()
    plans.prepare(made, [(one, facts), (other, facts)])
    through, round_it = (plans.known_flight(made, each, facts) for each in (one, other))
    assert isinstance(through, FlightPlan)
    assert isinstance(round_it, FlightPlan)
    assert through.detour_m < 1.0 < round_it.detour_m


def config(folder: Path, **sections: object) -> Config:
    return from_dict(
        {
            "store": {"url": f"sqlite+aiosqlite:///{folder / 'w.db'}"},
            "terrain": {"ground_amsl_m": 10.0, "geoid_m": 18.0},
            "delivery": {"retry_backoff_s": 1.0},
            "sites": [{"id": "hub", "kind": "hub", "lat_deg": HUB.lat_deg, "lon_deg": HUB.lon_deg}],
            "drones": [
                {
                    "id": f"D-{n}", "link": "loopback", "sysid": n, "base": "hub",
                    "pad_lat_deg": HUB.lat_deg + n * 1e-4, "pad_lon_deg": HUB.lon_deg,
                }
                for n in (1, 2)
            ],
            **sections,
        },
        base=folder,
    )  # fmt: skip


@asynccontextmanager
async def running(folder: Path, **sections: object) -> AsyncIterator[App]:
    clock = ScaledClock(START, time.time(), 50.0)
    async with build(config(folder, **sections), clock=clock) as app, asyncio.TaskGroup() as group:
        task = group.create_task(app.run(), name="controller")
        yield app
        task.cancel()


async def submit(app: App, ident: str) -> None:
    now = app.clock.now()
    made = Parcel(
        ident, 1.0, (0.2, 0.2, 0.1), "hub", Destination(GOAL), now, now + timedelta(hours=3)
    )
    await app.desk.submit([made], key=ident, fingerprint=ident)


async def ended(app: App, ident: str, *states: ParcelState) -> ParcelState:
    async with asyncio.timeout(15.0):
        while (view := app.desk.parcel(ident)) is None or view.state not in states:
            await asyncio.sleep(0.01)
    return view.state


async def test_a_permit_for_one_flight_opens_the_zone_for_it_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as app:
        await app.desk.replace_zones((TOWER,), by="anna")
        await app.desk.grant("tower", parcel_id="P-1", by="anna", reason="agreed by phone")
        await submit(app, "P-1")
        assert await ended(app, "P-1", ParcelState.DELIVERED, ParcelState.REFUSED) is (
            ParcelState.DELIVERED
        )
        await submit(app, "P-2")
        assert await ended(app, "P-2", ParcelState.DELIVERED, ParcelState.REFUSED) is (
            ParcelState.REFUSED
        )
        log = [e.event for e in await app.desk.log_after(0, 5000)]
        (granted,) = [e for e in log if e.kind == "permit.granted"]
        assert granted.parcel_id == "P-1"
        assert granted.data["permit"] == "tower"
        assert (granted.data["by"], granted.data["reason"]) == ("anna", "agreed by phone")
        # it was in the zone on a permit: the watch had nothing to hold it for
        assert not [e for e in log if e.kind == "alarm.raised" and "Tower" in str(e.data)]


async def test_permits_outlive_a_restart_and_withdrawn_ones_do_not(tmp_path: Path) -> None:
    until = START + timedelta(days=1)
    async with running(tmp_path) as app:
        await app.desk.replace_zones((TOWER,), by="anna")
        kept = await app.desk.grant("tower", vehicle_id="D-1", until=until, by="anna")
        gone = await app.desk.grant("tower", by="anna")
        await app.desk.withdraw(gone.permit_id, by="bert", reason="mistake")
        with pytest.raises(UnknownPermitError):
            await app.desk.withdraw(gone.permit_id, by="bert")
    async with running(tmp_path) as app:
        (found,) = app.desk.permits()
        assert found == kept


async def test_a_permit_that_nobody_could_hold_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as app:
        await app.desk.replace_zones((TOWER,), by="anna")
        with pytest.raises(ValueError, match="'tour' is named by no zone in force; there are: tow"):
            await app.desk.grant("tour", by="anna")
        with pytest.raises(UnknownVehicleError, match="D-9"):
            await app.desk.grant("tower", vehicle_id="D-9", by="anna")
        with pytest.raises(ValueError, match="is over: give a time to come"):
            await app.desk.grant("tower", until=START - timedelta(days=1), by="anna")
        assert app.desk.permits() == []


async def test_those_of_the_configuration_stand_and_cannot_be_withdrawn(tmp_path: Path) -> None:
    standing = {"permits": [{"permit": "tower", "vehicle": "D-1", "until": LATER}]}
    async with running(tmp_path, dispatch=standing) as app:
        (found,) = app.desk.permits()
        assert (found.name, found.vehicle_id, found.until) == ("tower", "D-1", LATER)
        with pytest.raises(ValueError, match=r"take it out of \[\[dispatch.permits\]\]"):
            await app.desk.withdraw(found.permit_id, by="anna")
