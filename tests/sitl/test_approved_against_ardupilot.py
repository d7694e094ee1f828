"""What is approved is what flies: fence, rally list, home and parameters, light and real."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from geofence.formats.onboard import FenceItem, FenceKind
from geofence.frames import offset
from sitl.ardupilot import find_ardupilot
from tests.integration.mavlink_rig import HOME, delivery, light, real, spec
from tests.sitl.test_lists_against_ardupilot import put
from vehicles.audit import Audit, Remedy
from vehicles.mavlink.lists import FENCE, RALLY, fence_items, rally_items
from vehicles.mavlink.parameters import ParameterWrite
from vehicles.port import EventKind, FlightFence, Outcome, RallyPlace

pytestmark = pytest.mark.timeout(200)

ASIDE = FenceItem(
    FenceKind.CIRCLE_EXCLUSION, "z-1", center=offset(HOME, 0.0, 500.0), radius_m=100.0
)
RING = FenceItem(
    FenceKind.POLYGON_EXCLUSION,
    "z-2",
    tuple(offset(offset(HOME, 180.0, 600.0), 90.0 * n, 80.0) for n in range(4)),
)


def rig(kind: str, **how: Any) -> Any:
    if kind == "light":
        return light(onboard_fence=True, **how)
    if find_ardupilot() is None:
        pytest.skip("arducopter not found: set WAYPOST_ARDUPILOT_BIN to its directory")
    return real(onboard_fence=True, **how)


async def test_a_flight_has_its_own_fence_and_avoidance_counts_only_with_it(kind: str) -> None:
    avoiding = replace(spec(), param_overrides={"OA_TYPE": 2.0, "OA_MARGIN_MAX": 12.0})
    async with rig(kind, specs=[avoiding]) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        session, mission = one.session, delivery()
        told = session.telemetry.failsafes
        assert told is not None
        assert (told.avoidance, told.fenced, told.fence_hash) == (True, True, "")
        refused = await session.load(mission)
        assert refused.outcome is Outcome.REFUSED
        assert "no fence was ordered" in refused.reason
        session.order_fence(FlightFence(mission.content_hash, "test", (ASIDE, RING)))
        loaded = await session.load(mission)
        assert loaded.done, loaded
        told = session.telemetry.failsafes
        assert told is not None
        assert (told.fence_hash, told.fence_mission) == ("test", mission.content_hash)
        hashes = session.prover.approved.hashes
        assert hashes["mission"] == mission.content_hash
        assert len({*hashes.values()}) == len(hashes) == 6 - (hashes["fence"] == "")
        started = await session.start(mission)
        assert started.done, started
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]


async def test_whatever_another_station_changes_after_loading_keeps_it_on_the_ground(
    kind: str,
) -> None:
    async with rig(kind) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        session, mission = one.session, delivery()
        session.order_fence(FlightFence(mission.content_hash, "test", (RING,)))

        async def loaded() -> None:
            await one.ready()
            result = await session.load(mission)
            assert result.done, result

        async def refused(*words: str) -> None:
            result = await session.start(mission)
            assert result.outcome is Outcome.REFUSED
            assert all(word in result.reason for word in words), result
            assert session.telemetry.armed is False

        await loaded()
        assert (await put(session, fence_items((ASIDE,)), FENCE)).accepted
        await refused("fence on board is not this flight's")
        assert session.telemetry.failsafes.fence_hash == ""
        await loaded()
        place = RallyPlace(offset(HOME, 90.0, 80.0), 30.0)
        assert (await put(session, rally_items((place,)), RALLY)).accepted
        await refused("approved", "rally list (1 points, not 0)")
        assert (await put(session, (), RALLY)).accepted
        await loaded()
        await session.driver.run(ParameterWrite({"RALLY_LIMIT_KM": 2.0}, 1, 1))
        await refused("RALLY_LIMIT_KM 2 instead of 0.3")
        await session.driver.run(ParameterWrite({"RALLY_LIMIT_KM": 0.3, "FENCE_ACTION": 0.0}, 1, 1))
        assert (await session.load(mission)).outcome is Outcome.REFUSED
        audit = await session.audit()
        assert isinstance(audit, Audit)
        (broken,) = audit.broken
        assert (broken.name, broken.value, broken.remedy, broken.would_set) == (
            "FENCE_ACTION", 0.0, Remedy.SET, 1.0,
        )  # fmt: skip
        assert any("FENCE_ACTION" in words for words in audit.blocks)
        applied = await session.apply()
        assert applied.done, applied
        # the vehicle's own upkeep may have set it first, where the machine is slow
        assert applied.reason in {"set: FENCE_ACTION = 1", "nothing was to set"}
        mended = await session.audit()
        assert isinstance(mended, Audit)
        assert mended.broken == ()
        await loaded()
        started = await session.start(mission)
        assert started.done, started
        assert (await session.apply()).reason == "the vehicle is not disarmed: nothing was set"
