"""The same assertions about a delivery, on the light copter and on real ArduCopter.

The real program is the judge: where the two differ, the light copter is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from geofence.frames import LatLon, geodesic_m
from missions.model import DropDevice
from tests.integration.mavlink_rig import (
    PATIENT,
    UDP,
    delivery,
    light,
    pad,
    real,
    serving,
    vehicle,
)
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.port import EventKind, Outcome, Phase, Verb

pytestmark = pytest.mark.timeout(300)
LABS = [
    pytest.param(light, id="light"),
    pytest.param(real, id="ardupilot", marks=pytest.mark.ardupilot),
]
Lab = Callable[..., Any]


@pytest.mark.parametrize("lab", LABS)
@pytest.mark.parametrize("device", list(DropDevice))
async def test_a_delivery_is_flown_released_once_and_completed(
    lab: Lab, device: DropDevice
) -> None:
    async with lab(device=device) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(device=device)
        loaded = await one.session.load(mission)
        assert loaded.done, loaded
        assert one.session.telemetry.armed is False
        started = await one.session.start(mission)
        assert started.done, started
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]
        released = one.first(EventKind.RELEASED)
        assert (released.parcel_id, released.mission_hash) == ("P-1", mission.content_hash)
        drop = mission.items[3].position
        assert released.position is not None
        assert drop is not None
        assert geodesic_m(released.position, drop) < 3.0
        if device is not DropDevice.WINCH:
            told = [t for t in one.truth if t.event == "released"]
            assert len(told) == 1
            assert geodesic_m(LatLon(told[0].lat_deg, told[0].lon_deg), drop) < 3.0
        rest = one.session.telemetry.position
        assert rest is not None
        assert geodesic_m(rest, pad(0)) < 3.0
        assert one.session.telemetry.armed is False
        assert one.session.telemetry.mission_hash is None


@pytest.mark.parametrize("lab", LABS)
async def test_over_tcp_and_a_second_mission_after_the_first(lab: Lab) -> None:
    async with lab(tcp=True) as (watched, _, _):
        one = watched["D-0"]
        for out_m in (60.0, 80.0):
            await one.ready()
            mission = delivery(out_m=out_m)
            assert (await one.session.load(mission)).done
            started = await one.session.start(mission)
            assert started.done, started
            one.seen.clear()
            await one.ended()
            assert [k for k in one.kinds() if k is not EventKind.STARTED] == [
                EventKind.RELEASED,
                EventKind.COMPLETED,
            ]


@pytest.mark.parametrize("lab", LABS)
async def test_hold_resume_adopt_and_return_by_the_missions_own_path(lab: Lab) -> None:
    async with lab() as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(out_m=300.0)
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item >= 5, "on the way")
        assert (await one.session.execute(Verb.HOLD)).done
        assert one.session.telemetry.phase is Phase.HOLDING
        resumed = await one.session.execute(Verb.RESUME)
        assert resumed.done, resumed
        progress = await one.session.adopt(mission)
        assert (progress.holds, progress.running, progress.released) == (True, True, frozenset())
        returned = await one.session.execute(Verb.RETURN)
        assert returned.done, returned
        assert one.session.telemetry.mode == "AUTO_RTL"
        await one.ended()
        assert EventKind.FAILSAFE not in one.kinds()
        assert EventKind.RELEASED not in one.kinds()
        assert "returned before the release of P-1" in one.first(EventKind.ABORTED).detail


@pytest.mark.parametrize("lab", LABS)
async def test_a_return_out_of_a_hold_is_seen_and_is_no_release(lab: Lab) -> None:
    """Real ArduCopter shows AUTO_RTL only for a moment, and AUTO on the return path after it."""
    async with lab() as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(out_m=200.0)
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item >= 6, "on the way")
        assert (await one.session.execute(Verb.HOLD)).done
        returned = await one.session.execute(Verb.RETURN)
        assert returned.done, returned
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.ABORTED]
        assert [t for t in one.truth if t.event == "released"] == []


@pytest.mark.parametrize("lab", LABS)
async def test_a_winch_drone_called_home_in_its_wait_may_have_released(lab: Lab) -> None:
    async with lab(device=DropDevice.WINCH) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(device=DropDevice.WINCH, wait_s=60.0)
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item == 9, "in the wait after the release")
        assert (await one.session.execute(Verb.RETURN)).done
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASE_UNSURE, EventKind.ABORTED]
        evidence = one.first(EventKind.RELEASE_UNSURE).evidence
        assert any(words.startswith("Winch: lowering") for words in evidence)


@pytest.mark.parametrize("lab", LABS)
@pytest.mark.parametrize("away_s", [1.5, 40.0])
async def test_a_restarted_controller_goes_on_with_what_the_vehicle_shows(
    lab: Lab, away_s: float
) -> None:
    """Shorter than the GCS timeout the mission goes on; longer, and it is on its return path."""
    async with lab(gcs_timeout_s=20.0) as (watched, _, fleet):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(out_m=300.0)
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item >= 5, "on the way")
        host, port = fleet.udp_address(UDP)
        await fleet.__aexit__()
        await one.clock.sleep(away_s)
        enrolled = vehicle(link=f"udpin:{host}:{port}", gcs_timeout_s=20.0)
        again = MavlinkFleet([enrolled], one.clock, PATIENT)
        async with again, serving(again, one.clock, one.wall_s) as found:
            two = found["D-0"]
            progress = await two.session.adopt(mission)
            assert (progress.holds, progress.running) == (True, True), progress
            assert progress.released == frozenset()
            await two.ended()
        going = away_s < 20.0
        # nobody saw it turn home before the drop: it may have been there
        unseen = [EventKind.RELEASE_UNSURE, EventKind.ABORTED]
        wanted = [EventKind.RELEASED, EventKind.COMPLETED] if going else unseen
        assert [k for k in two.kinds() if k is not EventKind.FAILSAFE] == wanted
        truth = [t.event for t in one.truth if t.event == "released"]
        assert len(truth) == int(going)


@pytest.mark.parametrize("lab", LABS)
async def test_what_somebody_else_wrote_is_never_started(lab: Lab) -> None:
    """A half-finished upload leaves a mixture that the vehicle itself would fly."""
    from vehicles.mavlink.items import translate
    from vehicles.mavlink.mission_transfer import MissionUpload

    async with lab() as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission, other = delivery(), delivery(out_m=200.0)
        assert (await one.session.load(mission)).done
        session = one.session
        half = translate(other).messages(1, 1)
        upload = MissionUpload(half, 1, 1, attempts=1)
        stopped = _stop_after(upload, 5)
        assert not (await session.driver.run(stopped)).accepted
        # the proof may be gone already, or is taken away by reading back at the start
        result = await session.start(mission)
        assert result.outcome in {Outcome.REFUSED, Outcome.UNCERTAIN}, result
        assert session.telemetry.armed is False
        assert EventKind.STARTED not in one.kinds()
        assert (await session.load(mission)).done


class _stop_after:  # noqa: N801
    """An upload whose sender dies after a few items; the vehicle then gives up by itself."""

    def __init__(self, upload: Any, items: int) -> None:
        self._upload, self._items = upload, items

    def __getattr__(self, name: str) -> Any:
        return getattr(self._upload, name)

    def start(self, now_s: float) -> list[Any]:
        return self._upload.start(now_s)

    def receive(self, message: Any, now_s: float) -> list[Any]:
        out = self._upload.receive(message, now_s)
        items = [m for m in out if m.get_type() == "MISSION_ITEM_INT"]
        return [m for m in items if m.seq < self._items]

    def tick(self, now_s: float) -> list[Any]:
        return self._upload.tick(now_s) if self._upload._highest < 0 else self._late(now_s)

    def _late(self, now_s: float) -> list[Any]:
        self._upload._last = None
        out = self._upload.tick(now_s)
        return [m for m in out if m is not None]
