"""The PX4 profile against message exchanges written from PX4's sources. It was never flown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from missions.model import DropDevice
from tests.integration.mavlink_rig import Watched
from tests.integration.px4_rig import HOME, MISSION, Px4Peer, px4
from vehicles.port import EventKind, FailsafeAction, Outcome, Phase, Verb

pytestmark = pytest.mark.timeout(60)


async def loaded(one: Watched, peer: Px4Peer) -> None:
    peer.play("ready")
    await one.ready()
    peer.play("upload", "download")
    result = await one.session.load(MISSION)
    assert result.done, (result, peer.stuck_at, peer.unexpected)
    assert one.session.telemetry.mission_hash == MISSION.content_hash


async def flying(one: Watched, peer: Px4Peer) -> None:
    await loaded(one, peer)
    peer.play("close gripper", "enter mission", "download", "arm and take off")
    result = await one.session.start(MISSION)
    assert result.done, (result, peer.stuck_at, peer.unexpected)


async def over(one: Watched, peer: Px4Peer) -> None:
    await one.until(lambda: peer.finished, f"the end; it waits for {peer.stuck_at}")
    await one.ended()


async def test_a_delivery_is_loaded_verified_started_watched_and_completed() -> None:
    async with px4() as (one, peer):
        await flying(one, peer)
        assert one.session.telemetry.mode == "AUTO.MISSION"
        assert one.session.telemetry.item_count == 12
        peer.play("way out", "drop", "way back", "landing")
        await over(one, peer)
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]
        released = one.first(EventKind.RELEASED)
        assert (released.parcel_id, released.mission_hash) == ("P-1", MISSION.content_hash)
        assert len(released.evidence) == 1
        assert released.evidence[0].endswith("release is item 6")


async def test_hold_resume_and_return_are_seen_in_its_modes() -> None:
    async with px4() as (one, peer):
        await flying(one, peer)
        peer.play("way out")
        await one.until(lambda: one.session.telemetry.item == 4, "on the way")
        for verb, chapter, phase in (
            (Verb.HOLD, "hold", Phase.HOLDING),
            (Verb.RESUME, "resume", Phase.EN_ROUTE),
            (Verb.RETURN, "return", Phase.RETURNING),
        ):
            peer.play(chapter)
            result = await one.session.execute(verb)
            assert result.done, (result, peer.stuck_at)
            assert one.session.telemetry.phase is phase
        await over(one, peer)
        assert one.kinds() == [EventKind.STARTED, EventKind.ABORTED]
        detail = one.first(EventKind.ABORTED).detail
        assert "before the release of P-1" in detail


async def test_land_is_where_it_is_and_it_is_not_ready_there() -> None:
    async with px4() as (one, peer):
        await flying(one, peer)
        peer.play("way out")
        await one.until(lambda: one.session.telemetry.item == 4, "on the way")
        peer.play("land")
        assert (await one.session.execute(Verb.LAND)).done
        assert one.session.telemetry.phase is Phase.LANDING
        await over(one, peer)
        assert "m from home" in one.first(EventKind.ABORTED).detail
        assert any("from its pad" in reason for reason in one.session.telemetry.not_ready)


async def test_a_failsafe_holds_first_and_then_returns_and_both_are_told() -> None:
    async with px4() as (one, peer):
        await flying(one, peer)
        peer.play("way out", "failsafe return")
        await over(one, peer)
        failsafe = EventKind.FAILSAFE
        assert one.kinds() == [EventKind.STARTED, failsafe, failsafe, EventKind.ABORTED]
        first, then = (event for event in one.seen if event.kind is failsafe)
        assert "system status critical" in first.detail
        assert "AUTO.LOITER" in first.detail
        assert "AUTO.RTL" in then.detail
        assert any("entering Hold for 5 seconds" in words for words in then.evidence)


@pytest.mark.parametrize(
    ("chapter", "released"),
    [("under way, dropped", {"P-1"}), ("under way, holding", set())],
)
async def test_a_flight_under_way_is_adopted_by_what_it_holds_and_shows(
    chapter: str, released: set[str]
) -> None:
    async with px4() as (one, peer):
        peer.play(chapter, "download")
        progress = await one.session.adopt(MISSION)
        assert (progress.holds, progress.running) == (True, True), (progress, peer.stuck_at)
        assert progress.released == released
        peer.play("way back", "landing")
        await over(one, peer)
        assert EventKind.STARTED not in one.kinds()


async def test_what_it_says_before_it_is_ready_is_the_reason() -> None:
    async with px4() as (one, peer):
        peer.play("booting")
        await one.until(
            lambda: (
                one.session.telemetry.phase is Phase.NOT_READY
                and "Preflight Fail: No valid global position estimate"
                in one.session.telemetry.not_ready
            ),
            "its own words",
        )
        assert "no absolute position estimate yet (EKF)" in one.session.telemetry.not_ready
        refused = await one.session.load(MISSION)
        assert refused.outcome is Outcome.REFUSED
        assert "Preflight Fail" in refused.reason


async def test_integers_are_set_by_their_bytes_and_its_failsafes_are_read() -> None:
    async with px4() as (one, peer):
        peer.play("ready")
        await one.ready()
        held = {name: value["bytes"] for name, value in peer.parameters.items()}
        assert held["NAV_DLL_ACT"] == "02000000"
        assert held["COM_DL_LOSS_T"] == "14000000"
        assert held["COM_LOW_BAT_ACT"] == "03000000"
        assert held["RTL_RETURN_ALT"] == "0000c841"
        told = one.session.telemetry.failsafes
        assert told is not None
        assert told.lost_link is FailsafeAction.RETURN
        assert (told.battery_low, told.battery_critical) == (
            FailsafeAction.RETURN,
            FailsafeAction.LAND,
        )
        assert told.return_alt_home_m == 25.0


async def test_a_mission_that_it_refuses_is_not_loaded() -> None:
    async with px4() as (one, peer):
        peer.play("ready")
        await one.ready()
        peer.play("upload refused")
        result = await one.session.load(MISSION)
        assert (result.outcome, one.session.telemetry.mission_hash) == (Outcome.REFUSED, None)
        assert "command not supported" in result.reason


async def test_the_same_shape_of_another_mission_is_not_started() -> None:
    async with px4() as (one, peer):
        await loaded(one, peer)
        peer.play("close gripper", "enter mission", "download of another mission", "leave mission")
        result = await one.session.start(MISSION)
        assert result.outcome is Outcome.REFUSED
        assert "item 1: param4" in result.reason
        assert one.session.telemetry.armed is False


async def test_arming_that_it_denies_is_told_in_its_words() -> None:
    async with px4() as (one, peer):
        await loaded(one, peer)
        peer.play("close gripper", "enter mission", "download", "arming denied")
        result = await one.session.start(MISSION)
        assert result.outcome is Outcome.REFUSED, (result, peer.stuck_at)
        assert "Arming denied: Resolve system health failures first" in result.reason
        assert "Compass 0 uncalibrated" in result.reason
        assert peer.finished
        assert one.seen == []


async def test_a_mission_mode_that_it_refuses_is_told_and_nothing_is_armed() -> None:
    async with px4() as (one, peer):
        await loaded(one, peer)
        peer.play("close gripper", "mission mode refused")
        result = await one.session.start(MISSION)
        assert result.outcome is Outcome.REFUSED
        assert "mode AUTO.MISSION not taken (temporarily rejected)" in result.reason
        assert "not available" in result.reason


@pytest.mark.parametrize("device", [DropDevice.WINCH, DropDevice.PAYLOAD_PLACE])
async def test_a_device_that_it_does_not_know_is_refused_before_anything_is_sent(
    device: DropDevice,
) -> None:
    async with px4() as (one, peer):
        peer.play("ready")
        await one.ready()
        items = tuple(
            replace(item, device=device, position=HOME) if item.device else item
            for item in MISSION.items
        )
        result = await one.session.load(replace(MISSION, items=items))
        assert result.outcome is Outcome.REFUSED
        assert f"PX4 has no {device.value}" in result.reason
