"""Deliveries over real sockets against light copters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from geofence.frames import LatLon, geodesic_m, offset
from missions.model import DropDevice
from sitl.copter.fleet import CopterFleet
from tests.integration.mavlink_rig import (
    HOME,
    PACE,
    PATIENT,
    UDP,
    delivery,
    light,
    serving,
    spec,
    vehicle,
)
from tests.support.steady import steady_clocks
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.port import EventKind, Outcome, Phase, Verb

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
async def test_a_delivery_is_flown_from_load_to_landing(tcp: bool) -> None:
    async with light(tcp=tcp) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery()
        assert (await one.session.load(mission)).done
        assert one.session.telemetry.mission_hash == mission.content_hash
        result = await one.session.start(mission)
        assert result.done, result
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]
        released = one.first(EventKind.RELEASED)
        assert released.parcel_id == "P-1"
        assert released.mission_hash == mission.content_hash
        assert any("Gripper load releas" in words for words in released.evidence)
        truth = [t for t in one.truth if t.event == "released"]
        assert len(truth) == 1
        assert released.position is not None
        real = LatLon(truth[0].lat_deg, truth[0].lon_deg)
        assert geodesic_m(released.position, real) < 3.0
        await one.ready()
        assert one.session.telemetry.armed is False


@pytest.mark.parametrize("device", [DropDevice.WINCH, DropDevice.PAYLOAD_PLACE])
async def test_other_devices_release_once(device: DropDevice) -> None:
    async with light(device=device) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(device=device)
        assert (await one.session.load(mission)).done
        result = await one.session.start(mission)
        assert result.done, result
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]


async def test_hold_resume_and_return_are_seen_in_the_vehicles_state() -> None:
    async with light() as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(out_m=300.0)
        assert (await one.session.execute(Verb.HOLD)).outcome is Outcome.REFUSED
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item >= 5, "on the way")
        assert (await one.session.execute(Verb.HOLD)).done
        assert one.session.telemetry.phase is Phase.HOLDING
        assert (await one.session.execute(Verb.RESUME)).done
        assert one.session.telemetry.mode == "AUTO"
        assert (await one.session.execute(Verb.RETURN)).done
        assert one.session.telemetry.phase is Phase.RETURNING
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.ABORTED]
        assert "returned before the release of P-1" in one.first(EventKind.ABORTED).detail
        assert [t for t in one.truth if t.event == "released"] == []


async def test_a_vehicle_that_landed_elsewhere_is_not_ready() -> None:
    async with light() as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(out_m=300.0)
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item >= 6, "half way")
        assert (await one.session.execute(Verb.LAND)).done
        await one.ended()
        assert "m from home" in one.first(EventKind.ABORTED).detail
        await one.until(
            lambda: any("from its pad" in r for r in one.session.telemetry.not_ready),
            "says how far from its pad it is",
        )
        assert not one.session.telemetry.startable


async def test_silence_in_flight_is_a_lost_link_and_the_return_path_is_flown() -> None:
    async with light(gcs_timeout_s=30.0) as (watched, copters, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(out_m=600.0)
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item >= 5, "on the way")
        copters.mute("D-0", 52.0)
        await one.ended()
        kinds = one.kinds()
        assert kinds[:3] == [EventKind.STARTED, EventKind.LINK_LOST, EventKind.LINK_BACK]
        failsafe = one.first(EventKind.FAILSAFE)
        assert "AUTO_RTL" in failsafe.detail
        assert EventKind.ABORTED in kinds
        assert EventKind.RELEASED not in kinds


async def test_a_link_lost_over_the_drop_is_settled_by_what_the_mission_shows_after() -> None:
    """Shorter than the GCS timeout, so that the mission goes on; the gripper's words are lost."""
    async with light() as (watched, copters, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery()
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item == 7, "descending")
        await one.until(
            lambda: (one.session.telemetry.alt_home_m or 99.0) < 13.2, "nearly at the drop"
        )
        copters.mute("D-0", 4.0)
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]


async def test_after_a_restart_the_flight_is_adopted_and_released_once() -> None:
    clock, lab = steady_clocks(20.0, pace=PACE)
    first = MavlinkFleet([vehicle()], clock, PATIENT)
    async with first:
        host, port = first.udp_address(UDP)
        async with CopterFleet(
            [spec()], controller=(host, port), clock=lab, on_truth=lambda _: None, boot_s=5.0
        ):
            async with serving(first, clock, 18.0) as watched:
                one = watched["D-0"]
                await one.ready()
                mission = delivery(wait_s=60.0)
                assert (await one.session.load(mission)).done
                assert (await one.session.start(mission)).done
                await one.until(lambda: EventKind.RELEASED in one.kinds(), "released")
            await first.__aexit__()
            link = f"udpin:{host}:{port}"
            second = MavlinkFleet([vehicle(link=link)], clock, PATIENT)
            async with second, serving(second, clock, 18.0) as watched:
                one = watched["D-0"]
                progress = await one.session.adopt(mission)
                assert (progress.holds, progress.running) == (True, True), progress
                assert progress.released == {"P-1"}, progress
                await one.ended()
                assert EventKind.RELEASED not in one.kinds()
                assert one.kinds()[-1] is EventKind.COMPLETED
                assert not (await one.session.adopt(delivery(out_m=80.0))).holds


async def test_a_return_out_of_a_hold_met_after_a_restart_proves_no_release() -> None:
    """It shows as AUTO past the release, and no failsafe tells of the jump."""
    async with light() as (watched, _, fleet):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(out_m=400.0)
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item >= 6, "on the way")
        assert (await one.session.execute(Verb.HOLD)).done
        assert (await one.session.execute(Verb.RETURN)).done
        await one.until(lambda: one.session.telemetry.mode == "AUTO", "shows as AUTO")
        host, port = fleet.udp_address(UDP)
        await fleet.__aexit__()
        again = MavlinkFleet([vehicle(link=f"udpin:{host}:{port}")], one.clock, PATIENT)
        async with again, serving(again, one.clock, 18.0) as found:
            two = found["D-0"]
            progress = await two.session.adopt(mission)
            assert (progress.holds, progress.running) == (True, True), progress
            assert (progress.released, progress.completed) == (frozenset(), False)
            assert "what was released before is not shown" in progress.detail
            assert two.session.telemetry.phase is Phase.RETURNING
            await two.ended()
            assert two.kinds() == [EventKind.RELEASE_UNSURE, EventKind.ABORTED]
            assert "nobody watched it" in two.first(EventKind.RELEASE_UNSURE).detail
            after = await two.session.adopt(mission)
            assert (after.released, after.unsure) == (frozenset(), {"P-1"})


async def test_a_winch_drone_called_home_in_the_wait_may_have_released() -> None:
    async with light(device=DropDevice.WINCH) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery(device=DropDevice.WINCH, wait_s=60.0)
        assert (await one.session.load(mission)).done
        assert (await one.session.start(mission)).done
        await one.until(lambda: one.session.telemetry.item == 9, "in the wait after the release")
        assert (await one.session.execute(Verb.RETURN)).done
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASE_UNSURE, EventKind.ABORTED]
        unsure = one.first(EventKind.RELEASE_UNSURE)
        assert unsure.parcel_id == "P-1"
        assert any(words.startswith("Winch: lowering") for words in unsure.evidence)
        assert "returned before" not in one.first(EventKind.ABORTED).detail


async def test_a_reboot_takes_the_proof_away() -> None:
    async with light() as (watched, copters, _):
        one = watched["D-0"]
        await one.ready()
        mission = delivery()
        assert (await one.session.load(mission)).done
        copters.reboot("D-0")
        await one.until(lambda: EventKind.REBOOTED in one.kinds(), "rebooted")
        assert one.session.telemetry.mission_hash is None
        assert (await one.session.start(mission)).outcome is Outcome.REFUSED
        await one.ready()
        assert (await one.session.load(mission)).done


async def test_a_vehicle_far_from_its_pad_is_not_ready_and_says_how_far() -> None:
    away = offset(HOME, 10.0, 60.0)
    moved = replace(spec(), home_lat_deg=away.lat_deg, home_lon_deg=away.lon_deg)
    async with light(specs=[moved]) as (watched, _, _):
        one = watched["D-0"]
        await one.until(
            lambda: any(
                "60.0 m from the enrolled pad" in r for r in one.session.telemetry.not_ready
            ),
            "says how far",
        )
        assert not one.session.telemetry.startable
        result = await one.session.load(delivery())
        assert result.outcome is Outcome.REFUSED
        assert "enrolled pad" in result.reason


async def test_a_vehicle_without_a_gripper_is_not_ready_and_says_so() -> None:
    bare = replace(spec(), param_overrides={"GRIP_ENABLE": 0.0})
    async with light(specs=[bare]) as (watched, _, _):
        one = watched["D-0"]
        await one.until(
            lambda: any("GRIP_ENABLE" in r for r in one.session.telemetry.not_ready), "says so"
        )
        assert not one.session.telemetry.startable


async def test_the_baseline_is_applied_and_then_holds() -> None:
    async with light() as (watched, copters, _):
        one = watched["D-0"]
        await one.ready()
        params = copters.copter("D-0").params
        assert params["FS_GCS_ENABLE"] == 6
        assert params["AUTO_OPTIONS"] == 3
        assert params["RTL_ALT"] == 2500
        assert int(params["FENCE_TYPE"]) & 2 == 0


async def test_vehicles_behind_one_port_do_not_mix() -> None:
    async with light(3) as (watched, _, fleet):
        for one in watched.values():
            await one.ready()
        missions = {name: delivery(n, out_m=100.0 + n) for n, name in enumerate(watched)}
        for name, one in watched.items():
            assert (await one.session.load(missions[name])).done
        for name, one in watched.items():
            assert (await one.session.start(missions[name])).done
        for name, one in watched.items():
            await one.ended()
            assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]
            assert {e.mission_hash for e in one.seen} == {missions[name].content_hash}
        assert not fleet.strangers
