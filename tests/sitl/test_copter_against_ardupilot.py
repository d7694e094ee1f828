"""The light copter is judged by the real one: the same exchanges, the same assertions."""

import asyncio
import os
import signal

import pytest

from sitl.ardupilot import ArduPilotFleet, LabError
from sitl.copter import CopterSpec
from sitl.world import LabClock
from tests.sitl.ground import DELIVERY, GCS, HOME, NAN, Ground, ground_to, item, waypoint

STORED = [
    # sent -> (frame, p1, p2, p3, p4, x, y, z) as read back
    (
        waypoint(60.1712345, 24.9412345, 30.127, p1=1.7, p2=2.5, p3=0.5, p4=45.0, frame=6),
        (3, 1, 0, 0, 0, 601712345, 249412345, 30.12),
    ),
    (waypoint(60.1, 24.9, 45.5, frame=5), (0, 0, 0, 0, 0, 601000000, 249000000, 45.5)),
    (waypoint(60.1, 24.9, 45.5, frame=11), (10, 0, 0, 0, 0, 601000000, 249000000, 45.5)),
    (waypoint(60.1, 24.9, 10, p4=NAN), (3, 0, 0, 0, 0, 601000000, 249000000, 10)),
    # 20.05 m is 2004.9999 cm as a float
    (item(22, 15.9, 0, 0, NAN, alt=20.05), (3, 15, 0, 0, 0, 0, 0, 20.04)),
    (
        item(19, 4.9, 0, -30, 0, at=(60.1, 24.9), alt=5),
        (3, 4, 0, -1, 0, 601000000, 249000000, 5),
    ),
    (item(21, 3.2, at=(60.1, 24.9)), (3, 3, 0, 0, 1, 601000000, 249000000, 0)),
    (item(21, 0, 0, 0, -2, at=(60.1, 24.9)), (3, 0, 0, 0, -1, 601000000, 249000000, 0)),
    (item(94, 12.345, at=(60.1, 24.9)), (3, 12.34, 0, 0, 0, 601000000, 249000000, 0)),
    (item(93, 2.5, 7.9, -1, 3, frame=0), (0, 2.5, 7, -1, 3, 0, 0, 0)),
    (item(178, 1.6, 7.5, 55, 9), (0, 1, 7.5, 55, 0, 0, 0, 0)),
    (item(211, 1, 1, 4, 5), (0, 1, 1, 0, 0, 0, 0, 0)),
    (item(42600, 1, 1, -3.5, 0.75), (0, 1, 1, -3.5, 0.75, 0, 0, 0)),
    (item(177, 2, -1), (0, 2, -1, 0, 0, 0, 0, 0)),
    (item(188, 5), (3, 0, 0, 0, 0, 0, 0, 0)),
    (item(189, at=(60.1, 24.9), alt=7), (3, 0, 0, 0, 0, 601000000, 249000000, 7)),
    (item(20), (0, 0, 0, 0, 0, 0, 0, 0)),
    (item(183, 9.5, 1500.7), (0, 9, 1500, 0, 0, 0, 0, 0)),
    (item(112, 4.25), (0, 4.25, 0, 0, 0, 0, 0, 0)),
    (item(17, 0, 0, -20.7, 0, at=(60.1, 24.9), alt=9), (3, 0, 0, -20, 0, 601000000, 249000000, 9)),
]

REFUSED = [
    (item(4242), 3),
    (item(0), 5),
    (item(1), 5),
    (waypoint(91, 24, 10), 10),
    (waypoint(60, 181, 10), 11),
    (waypoint(60, 24, NAN), 12),
    (waypoint(60, 24, 84000.0), 12),
    (waypoint(60, 24, 10, frame=1), 2),
    (waypoint(60, 24, 10, p1=NAN), 6),
    (waypoint(60, 24, 10, p2=float("inf")), 7),
    (waypoint(60, 24, 10, p4=float("inf")), 9),
    (item(19, 1, p4=NAN, at=(60, 24)), 9),
    (item(177, 40, 1), 1),
    (item(177, 0, 1), 1),
]


async def settled(ground: Ground) -> None:
    """Past boot, when storage answers; home is set later."""
    await ground.until(lambda: ground.status == 3, "end of boot")
    await ground.until(lambda: ground.find("HOME_POSITION"), "home")


@pytest.mark.timeout(180)
async def test_mission_comes_back_in_canonical_form(kind):
    async with ground_to(kind) as ground:
        await settled(ground)
        assert await ground.upload([sent for sent, _ in STORED]) == 0
        home, *items = await ground.download()
        assert (home.command, home.frame) == (16, 0)
        assert (home.x / 1e7, home.y / 1e7) == pytest.approx(HOME[:2], abs=2e-6)
        for (sent, stored), m in zip(STORED, items, strict=True):
            got = (m.frame, m.param1, m.param2, m.param3, m.param4, m.x, m.y, m.z)
            assert m.command == sent[0]
            assert got == pytest.approx(stored, abs=1e-5), sent
            assert m.autocontinue == 1


@pytest.mark.timeout(180)
async def test_bad_items_are_refused_with_the_same_result(kind):
    async with ground_to(kind) as ground:
        await settled(ground)
        for bad, result in REFUSED:
            assert await ground.upload([waypoint(60, 24, 10), bad, item(20)]) == result, bad
        assert await ground.upload([waypoint(60, 24, 10)] * 700) == 4


@pytest.mark.timeout(180)
async def test_duplicate_item_gets_ack_13_and_the_upload_goes_on(kind):
    async with ground_to(kind) as ground:
        await settled(ground)
        since = len(ground.seen)
        ground.count(3)
        await ground.expect("MISSION_REQUEST", since, seq=0)
        ground.send_item(0, waypoint(0, 0, 0, frame=0))
        await ground.expect("MISSION_REQUEST", since, seq=1)
        ground.send_item(1, item(22, alt=10))
        ground.send_item(1, item(22, alt=10))
        await ground.expect("MISSION_ACK", since, type=13)
        await ground.expect("MISSION_REQUEST", since, seq=2)
        ground.send_item(2, item(20))
        await ground.expect("MISSION_ACK", since, type=0)
        acks = [m.type for m in ground.seen[since:] if m.get_type() == "MISSION_ACK"]
        assert acks == [13, 0]
        await ground.until(lambda: "Flight plan received" in ground.texts(since), "text")


@pytest.mark.timeout(180)
async def test_abandoned_upload_leaves_a_hybrid(kind):
    old = [waypoint(60.1, 24.9, 30)] * 10
    new = [waypoint(60.2, 24.8, 50)] * 8
    async with ground_to(kind) as ground:
        await settled(ground)
        assert await ground.upload(old) == 0
        since = len(ground.seen)
        assert await ground.upload(new, stop_before=5) == -1
        again = [m for m in ground.seen[since:] if m.get_type() == "MISSION_REQUEST" and m.seq == 5]
        assert len(again) >= 1
        ground.count(2, source=(77, 1))
        await ground.expect("MISSION_ACK", since, target_system=77, type=14)
        await ground.expect("MISSION_ACK", since, type=15, target_system=GCS[0])
        asked = [m for m in ground.seen[since:] if m.get_type() == "MISSION_REQUEST" and m.seq == 5]
        assert len(asked) in range(5, 10)
        await ground.until(lambda: "Mission upload timeout" in ground.texts(since), "timeout told")
        items = await ground.download()
        assert [m.z for m in items[1:]] == [50, 50, 50, 50, 30, 30, 30, 30]


@pytest.mark.timeout(180)
async def test_mission_start_and_arming_when_disarmed(kind):
    async with ground_to(kind) as ground:
        await ground.ready()
        assert await ground.upload(DELIVERY) == 0
        assert await ground.command(300) == 0
        await ground.until(lambda: ground.mode == 3, "AUTO")
        assert not ground.armed
        since = len(ground.seen)
        assert await ground.command(512, 42) == 0
        current = await ground.expect("MISSION_CURRENT", since)
        assert (current.seq, current.total, current.mission_state) == (1, len(DELIVERY), 3)
        since = len(ground.seen)
        assert await ground.command(400, 1) == 4
        await ground.until(
            lambda: "Arm: AUTO mode not armable" in ground.texts(since), "arming refusal"
        )
        assert await ground.command(193, 0) == 4
        await ground.until(lambda: "Failed to pause" in ground.texts(since), "pause refusal")
        assert await ground.command(31_000) == 3
        assert await ground.command(192, -1, 1, 0, 0, *HOME) == 3
        assert await ground.command(511, 9_999, 1_000) == 2
        assert await ground.command(512, 9_999) == 4
        assert await ground.command(176, 1, 99) == 4
        assert await ground.command(401) == 0
        assert await ground.command(211, 1, 0) == 0
        assert await ground.command(42600, 1, 1, 5, 0.5) == 4
        assert await ground.command(42651, 1, 50) == 0


@pytest.mark.ardupilot
@pytest.mark.timeout(180)
async def test_a_process_that_ends_by_itself_is_named():
    clock = LabClock.starting_now(speedup=4.0)
    specs = [CopterSpec(f"c{n}", n, *HOME) for n in (1, 2)]
    pids = []
    with pytest.RaisesGroup(pytest.RaisesExc(LabError, match=r"arducopter of c2 ended \(-9\)")):
        async with ArduPilotFleet(specs, tcp=True, clock=clock, on_truth=lambda _: None) as fleet:
            pids = [fleet.pid("c1"), fleet.pid("c2")]
            os.kill(fleet.pid("c2"), signal.SIGKILL)
            await asyncio.Event().wait()
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
