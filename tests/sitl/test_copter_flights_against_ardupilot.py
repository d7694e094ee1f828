"""The light copter is judged by the real one: the same flights, the same assertions."""

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from tests.sitl.ground import DELIVERY, HOME, Ground, Item, ground_to, item, waypoint


@pytest.mark.timeout(240)
async def test_whole_delivery(kind):
    async with ground_to(kind, AUTO_OPTIONS=3) as ground:
        await ground.ready()
        assert await ground.command(511, 33, 200_000) == 0
        assert await ground.command(511, 42, 200_000) == 0
        assert await ground.upload(DELIVERY) == 0
        since = len(ground.seen)
        assert await ground.command(176, 1, 3) == 0
        assert await ground.command(400, 1) == 0
        assert await ground.command(300) == 0
        await ground.until(
            lambda: "Disarming motors" in ground.texts(since), "landing and disarming", 60.0
        )
        await ground.until(lambda: not ground.armed, "disarmed heartbeat")
        reached = [m.seq for m in ground.seen[since:] if m.get_type() == "MISSION_ITEM_REACHED"]
        assert reached == [2, 3, 4, 5, 6, 9, 10, 11]
        wanted = (
            "Mission: ", "Reached command", "Gripper", "Arming", "Disarming", "Delaying"
        )  # fmt: skip
        texts = [text for text in ground.texts(since) if text.startswith(wanted)]
        assert texts[: texts.index("Disarming motors") + 1] == [
            "Mission: 1 Takeoff", "Arming motors",
            "Mission: 2 ChangeSpeed", "Mission: 3 WP", "Reached command #3",
            "Mission: 4 WP", "Reached command #4", "Mission: 5 WP", "Reached command #5",
            "Mission: 6 Delay", "Delaying 2 sec",
            "Mission: 7 Gripper", "Gripper load releasing", "Gripper Released",
            "Mission: 8 Delay", "Delaying 3 sec", "Gripper load released",
            "Mission: 9 ReturnPathStart", "Mission: 10 WP",
            "Gripper load grabbing", "Gripper load grabbed", "Reached command #10",
            "Mission: 11 WP", "Reached command #11", "Mission: 12 Land", "Disarming motors",
        ]  # fmt: skip
        # disarmed in AUTO, the mission begins again, without motors
        await ground.until(lambda: ground.find("MISSION_CURRENT", since, seq=12), "last item")
        states = {m.mission_state for m in ground.seen if m.get_type() == "MISSION_CURRENT"}
        assert mav.MISSION_STATE_COMPLETE not in states
        flown = [m for m in ground.seen[since:] if m.get_type() == "GLOBAL_POSITION_INT"]
        assert max(m.relative_alt for m in flown) / 1000 == pytest.approx(30, abs=1)
        # the truth of the real program comes over a line of its own
        await ground.until(lambda: any(s.event == "landed" for s in ground.truth), "landed")
        released = [sample for sample in ground.truth if sample.event == "released"]
        assert len(released) == 1
        assert released[0].lat_deg == pytest.approx(60.171, abs=2e-5)
        assert released[0].lon_deg == pytest.approx(24.942, abs=4e-5)
        assert released[0].alt_amsl_m == pytest.approx(HOME[2] + 12, abs=1)
        assert [sample.event for sample in ground.truth if sample.event == "landed"] == ["landed"]


FAR = [item(22, alt=20), *[waypoint(60.17 + 0.004 * n, 24.94, 20) for n in (1, 2)], item(20)]


async def airborne(ground: Ground, items: list[Item]) -> int:
    """Fly to the first waypoint after take-off; the mark of where the flight began."""
    await ground.ready()
    assert await ground.command(511, 33, 100_000) == 0
    assert await ground.upload(items) == 0
    since = len(ground.seen)
    assert await ground.command(176, 1, 3) == 0
    assert await ground.command(400, 1) == 0
    await ground.until(
        lambda: any(text.endswith(" WP") for text in ground.texts(since)), "first leg", 20.0
    )
    await ground.until(lambda: ground.speed() > 5.0, "speed")
    return since


@pytest.mark.timeout(240)
async def test_pause_divert_hold_and_return(kind):
    async with ground_to(kind, AUTO_OPTIONS=3) as ground:
        since = await airborne(ground, FAR)
        assert await ground.command(193, 0) == 0
        await ground.until(lambda: ground.speed() < 0.3, "standstill")
        assert await ground.command(512, 42) == 0
        await ground.expect("MISSION_CURRENT", since, mission_state=mav.MISSION_STATE_PAUSED)
        assert await ground.command(193, 1) == 0
        await ground.until(lambda: ground.speed() > 5.0, "speed after the pause")

        assert await ground.reposition(60.172, 24.942, 25, change_mode=False) == 2
        assert await ground.reposition(60.172, 24.942, 25, change_mode=True) == 0
        await ground.until(lambda: ground.mode == 4, "GUIDED")
        await ground.until(
            lambda: abs(ground.last("GLOBAL_POSITION_INT").lon - 249420000) < 300, "divert", 20.0
        )
        assert await ground.command(193, 0) == 0
        assert await ground.command(193, 1) == 0
        assert await ground.command(176, 1, 17) == 0
        await ground.until(lambda: ground.mode == 17 and ground.speed() < 0.3, "BRAKE")
        assert await ground.command(193, 0) == 4
        assert await ground.command(400, 0) == 4
        assert await ground.command(20) == 0
        await ground.until(lambda: ground.mode == 6, "RTL")
        await ground.until(lambda: not ground.armed, "landing after RTL", 40.0)
        end = ground.last("GLOBAL_POSITION_INT")
        assert (end.lat / 1e7, end.lon / 1e7) == pytest.approx(HOME[:2], abs=2e-5)


@pytest.mark.timeout(240)
async def test_lost_ground_station_and_the_checked_way_home(kind):
    home = [*FAR[:2], item(188), waypoint(60.171, 24.94, 25), item(21, at=HOME[:2])]
    async with ground_to(kind, AUTO_OPTIONS=3, FS_GCS_ENABLE=6) as ground:
        since = await airborne(ground, home)
        ground.quiet = True
        await ground.until(lambda: "GCS Failsafe" in ground.texts(since), "failsafe")
        await ground.until(lambda: ground.mode == 27, "AUTO RTL")
        await ground.until(lambda: ground.status == 5, "CRITICAL")
        await ground.until(lambda: "Return path started" in ground.texts(since), "turn told")
        ground.quiet = False
        await ground.until(lambda: "GCS Failsafe Cleared" in ground.texts(since), "cleared")
        assert ground.mode == 27
        await ground.until(lambda: not ground.armed, "landing", 40.0)
        assert "Mission: 5 Land" in ground.texts(since)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("wanted", "flown"), [(5.0, 5.0), (12.0, 12.0)])
async def test_speed_change_before_the_first_leg(kind, wanted, flown):
    items = [item(22, alt=10), item(178, 1, wanted, -1), waypoint(60.174, 24.94, 10)]
    async with ground_to(kind, AUTO_OPTIONS=3) as ground:
        since = (
            await airborne(ground, items) if wanted > 5.5 else await airborne_slowly(ground, items)
        )
        await ground.until(lambda: "Reached command #3" in ground.texts(since), "waypoint", 20.0)
        fastest = max(m.vx for m in ground.seen[since:] if m.get_type() == "GLOBAL_POSITION_INT")
        assert fastest / 100 == pytest.approx(flown, abs=0.4)


async def airborne_slowly(ground: Ground, items: list[Item]) -> int:
    await ground.ready()
    assert await ground.command(511, 33, 100_000) == 0
    assert await ground.upload(items) == 0
    since = len(ground.seen)
    assert await ground.command(176, 1, 3) == 0
    assert await ground.command(400, 1) == 0
    return since


WINCH_DROP = [
    item(22, alt=8),
    waypoint(60.1703, 24.94, 8),
    item(42600, 1, 1, 6, 1),
    item(93, 9, -1, -1, -1, frame=0),
    item(42600, 1, 1, -6, 1),
    item(93, 8, -1, -1, -1, frame=0),
    item(20),
]
PLACE_DROP = [item(22, alt=8), item(94, 12, at=(60.1703, 24.94), alt=0), item(20)]


@pytest.mark.timeout(240)
async def test_winch_lowers_and_raises(kind):
    async with ground_to(kind, device="winch", AUTO_OPTIONS=3) as ground:
        since = await airborne_slowly(ground, WINCH_DROP)
        await ground.until(lambda: "Mission: 7 RTL" in ground.texts(since), "return", 30.0)
        texts = [text for text in ground.texts(since) if text.startswith(("Mission", "Winch"))]
        assert texts == [
            "Mission: 1 Takeoff", "Mission: 2 WP",
            "Mission: 3 Winch", "Winch: lowering  6.0m to  6.0m", "Mission: 4 Delay",
            "Mission: 5 Winch", texts[6], "Mission: 6 Delay", "Mission: 7 RTL",
        ]  # fmt: skip
        assert texts[6].startswith("Winch: raising  6.0m to ")
        await ground.until(lambda: any(s.event == "released" for s in ground.truth), "released")
        released = [sample for sample in ground.truth if sample.event == "released"]
        assert [sample.detail for sample in released] == ["winch"]
        assert released[0].lat_deg == pytest.approx(60.1703, abs=2e-5)


@pytest.mark.timeout(240)
async def test_payload_is_placed_on_the_ground(kind):
    async with ground_to(kind, device="payload_place", AUTO_OPTIONS=3) as ground:
        since = await airborne_slowly(ground, PLACE_DROP)
        await ground.until(lambda: "Mission: 3 RTL" in ground.texts(since), "return", 30.0)
        texts = [text[:24] for text in ground.texts(since) if text.startswith(("Pay", "Grip"))]
        assert texts[:4] == [
            "PayloadPlace: payload re", "PayloadPlace: Releasing ",
            "Gripper load releasing", "Gripper load released",
        ]  # fmt: skip
        await ground.expect("MISSION_ITEM_REACHED", since, seq=2)
        await ground.until(lambda: any(s.event == "released" for s in ground.truth), "released")
        released = [sample for sample in ground.truth if sample.event == "released"]
        assert len(released) == 1
        assert released[0].alt_amsl_m == pytest.approx(HOME[2], abs=1.0)
        assert ground.armed


@pytest.mark.timeout(240)
async def test_mission_cut_in_flight_is_flown_on_and_then_hovers(kind):
    async with ground_to(kind, AUTO_OPTIONS=3) as ground:
        since = await airborne(ground, FAR)
        ground.count(2)
        await ground.until(lambda: "Reached command #2" in ground.texts(since), "waypoint", 20.0)
        await ground.until(lambda: ground.speed() < 0.3, "hover", 20.0)
        assert "Auto mission changed but failed to restart command" in ground.texts(since)
        # past the last waypoint that is left, to the end of the leg that was loaded after it
        end = ground.last("GLOBAL_POSITION_INT")
        assert end.lat / 1e7 == pytest.approx(60.178, abs=3e-5)
        assert (ground.mode, ground.armed) == (3, True)
