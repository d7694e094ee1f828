"""A divert under way: the same on the light copter and on real ArduCopter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from geofence.frames import geodesic_m, offset
from tests.integration.mavlink_rig import CRUISE_M, HOME, delivery, light, real
from vehicles.mavlink.session import MavlinkSession
from vehicles.port import Divert, EventKind, Outcome, Phase, Verb

pytestmark = pytest.mark.timeout(300)
LABS = [
    pytest.param(light, id="light"),
    pytest.param(real, id="ardupilot", marks=pytest.mark.ardupilot),
]
Lab = Callable[..., Any]


@pytest.mark.parametrize("lab", LABS)
async def test_a_drone_is_diverted_holds_there_and_comes_home_by_its_return_path(lab: Lab) -> None:
    async with lab() as (watched, _, _):
        one = watched["D-0"]
        session = one.session
        assert isinstance(session, MavlinkSession)
        await one.ready()
        to = Divert(offset(offset(HOME, 90.0, 60.0), 0.0, 80.0), CRUISE_M + 5.0)
        refused = await session.divert(to)
        assert refused.outcome is Outcome.REFUSED
        assert "not armed" in refused.reason
        mission = delivery(out_m=300.0)
        assert (await session.load(mission)).done
        started = await session.start(mission)
        assert started.done, started
        await one.until(lambda: session.telemetry.item >= 5, "on the way")
        result = await session.divert(to)
        assert result.done, result
        assert session.telemetry.mode == "GUIDED"
        assert session.telemetry.phase is Phase.HOLDING

        def there() -> bool:
            told = session.telemetry
            if told.position is None or told.alt_home_m is None:
                return False
            near = geodesic_m(told.position, to.position) < 4.0
            return near and abs(told.alt_home_m - to.alt_home_m) < 2.0

        await one.until(there, "at the point")
        resumed = await session.execute(Verb.RESUME)
        assert resumed.outcome is Outcome.REFUSED
        assert "off its mission's way" in resumed.reason
        returned = await session.execute(Verb.RETURN)
        assert returned.done, returned
        await one.ended()
        kinds = one.kinds()
        assert EventKind.RELEASED not in kinds
        assert EventKind.RELEASE_UNSURE not in kinds
        assert kinds[-1] is EventKind.ABORTED
        assert "returned before the release of P-1" in one.first(EventKind.ABORTED).detail
        rest = session.telemetry.position
        assert rest is not None
        assert geodesic_m(rest, HOME) < 3.0
