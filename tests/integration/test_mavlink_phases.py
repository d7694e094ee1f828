"""The session's phases along whole flights of light copters, over real sockets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.mavlink_rig import Watched, delivery, light, spec
from vehicles.mavlink.machine import Transition
from vehicles.mavlink.session import MavlinkSession
from vehicles.port import EventKind, Phase

pytestmark = pytest.mark.timeout(180)
P = Phase


def trail(one: Watched) -> list[Transition]:
    assert isinstance(one.session, MavlinkSession)
    return list(one.session.machine.trail)


async def fly(one: Watched) -> None:
    await one.ready()
    mission = delivery()
    assert (await one.session.load(mission)).done
    result = await one.session.start(mission)
    assert result.done, result


async def test_a_delivery_goes_through_its_phases_in_order() -> None:
    async with light() as (watched, _, _):
        one = watched["D-0"]
        await fly(one)
        await one.ended()
        await one.ready()
        seen = [t.after for t in trail(one)]
        flown = seen[seen.index(P.ARMED) :]
        assert flown[:6] == [P.ARMED, P.EN_ROUTE, P.AT_STOP, P.RELEASED, P.RETURNING, P.LANDING]
        assert flown[6] is P.LANDED
        assert flown[-1] is P.READY


async def test_a_battery_failsafe_is_named_in_telemetry_and_in_the_event() -> None:
    small = replace(spec(), param_overrides={"BATT_LOW_MAH": 3000.0})
    async with light(specs=[small]) as (watched, copters, _):
        one = watched["D-0"]
        await fly(one)
        await one.until(lambda: one.session.telemetry.item >= 4, "on its way")
        copter = copters.copter("D-0")
        copter.battery.consumed_mah = copter.battery.true_used_mah = 13500.0
        await one.until(lambda: one.session.telemetry.phase is P.FAILSAFE, "failsafe")
        await one.until(lambda: bool(one.session.telemetry.failsafe), "named")
        assert one.session.telemetry.failsafe[0].startswith("battery: Battery Failsafe")
        await one.until(lambda: EventKind.FAILSAFE in one.kinds(), "told")
        told = one.first(EventKind.FAILSAFE)
        assert "Battery Failsafe" in " ".join(told.evidence)
