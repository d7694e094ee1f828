"""Fence and rally lists in both directions, on the light copter and on the real one."""

from __future__ import annotations

from typing import Any

import pytest

from geofence.formats.onboard import FenceItem, FenceKind
from geofence.frames import LatLon, offset
from sitl.ardupilot import find_ardupilot
from tests.integration.mavlink_rig import HOME, light, real
from vehicles.mavlink.lists import (
    FENCE,
    RALLY,
    Form,
    fence_form,
    fence_items,
    list_differences,
    list_hash,
    messages,
    rally_form,
    rally_items,
)
from vehicles.mavlink.messages import MissionItemInt
from vehicles.mavlink.mission_transfer import MissionDownload, MissionUpload, UploadResult
from vehicles.mavlink.parameters import ParameterRead
from vehicles.mavlink.session import MavlinkSession
from vehicles.port import RallyPlace

pytestmark = pytest.mark.timeout(150)


def rig(kind: str) -> Any:
    if kind == "light":
        return light()
    if find_ardupilot() is None:
        pytest.skip("arducopter not found: set WAYPOST_ARDUPILOT_BIN to its directory")
    return real()


def ring(middle: LatLon, size_m: float, corners: int = 4) -> tuple[LatLon, ...]:
    return tuple(offset(middle, 360.0 * n / corners, size_m) for n in range(corners))


POLYGON = FenceItem(FenceKind.POLYGON_EXCLUSION, "z-1", ring(offset(HOME, 90.0, 900.0), 80.0))
KEEP_IN = FenceItem(FenceKind.POLYGON_INCLUSION, "z-2", ring(HOME, 5000.0, 6))
CIRCLE = FenceItem(
    FenceKind.CIRCLE_EXCLUSION, "z-3", center=offset(HOME, 0.0, 700.0), radius_m=150.0
)
ODD = FenceItem(FenceKind.CIRCLE_EXCLUSION, "z-4", center=offset(HOME, 9.0, 800.0), radius_m=99.7)
LISTED = fence_items((POLYGON, KEEP_IN, CIRCLE, ODD))
PLACES = (RallyPlace(offset(HOME, 90.0, 100.0), 30.2), RallyPlace(offset(HOME, 0.0, 90.0), 25.0))


async def put(
    session: MavlinkSession, items: tuple[MissionItemInt, ...], mission_type: int, **how: Any
) -> UploadResult:
    sent = messages(items, 1, 1)
    answer = await session.driver.run(
        MissionUpload(
            sent, 1, 1, mission_type=mission_type, resend_s=session.driver.answer_s, **how
        )
    )
    assert isinstance(answer, UploadResult)
    return answer


async def read(session: MavlinkSession, mission_type: int) -> tuple[MissionItemInt, ...]:
    answer = await session.driver.run(
        MissionDownload(1, 1, mission_type=mission_type, resend_s=session.driver.answer_s)
    )
    assert answer.items is not None, answer.reason
    return tuple(answer.items)


def same(wanted: tuple[MissionItemInt, ...], held: tuple[MissionItemInt, ...], form: Any) -> None:
    assert list_differences(wanted, held, form) == ()
    assert list_hash(wanted, form) == list_hash(held, form)


def kept(items: tuple[MissionItemInt, ...]) -> list[Form]:
    return [rally_form(item) for item in items]


async def test_a_fence_comes_back_as_it_was_sent(kind: str) -> None:
    async with rig(kind) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        session = one.session
        assert (await put(session, LISTED, FENCE)).accepted
        held = await read(session, FENCE)
        same(LISTED, held, fence_form)
        assert {(item.frame, item.z) for item in held} == {(0, 0.0)}
        assert held[-1].param1 == pytest.approx(99.7, abs=1e-5)
        total = await session.driver.run(ParameterRead(("FENCE_TOTAL",), 1, 1))
        assert total == {"FENCE_TOTAL": float(len(LISTED) + 2)}
        assert (await put(session, (), FENCE)).accepted
        assert await read(session, FENCE) == ()


async def test_a_short_fence_stays_where_the_vehicle_would_erase_it(kind: str) -> None:
    async with rig(kind) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        session = one.session
        assert (await put(session, LISTED, FENCE)).accepted
        one_circle = fence_items((CIRCLE,))
        assert [item.seq for item in one_circle] == [0, 1, 2]
        assert (await put(session, one_circle, FENCE)).accepted
        await one.clock.sleep(3.0)
        same(one_circle, await read(session, FENCE), fence_form)
        # what would become of it otherwise: acknowledged, and erased a moment later
        assert (await put(session, one_circle[:1], FENCE)).accepted
        await one.clock.sleep(3.0)
        assert await read(session, FENCE) == ()


async def test_a_fence_is_replaced_whole_or_not_at_all(kind: str) -> None:
    async with rig(kind) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        session = one.session
        assert (await put(session, LISTED, FENCE)).accepted
        half = fence_items((POLYGON, ODD))
        counted = messages(half, 1, 1)
        assert not (await session.driver.run(_Silent(counted[:3], len(counted)))).accepted
        same(LISTED, await read(session, FENCE), fence_form)
        large = FenceItem(FenceKind.POLYGON_EXCLUSION, "z-9", ring(HOME, 3000.0, 70))
        refused = await put(session, fence_items((large,)), FENCE)
        assert not refused.accepted
        assert "the vehicle refused the fence" in refused.reason
        same(LISTED, await read(session, FENCE), fence_form)


async def test_rally_points_come_back_and_an_abandoned_list_is_a_mixture(kind: str) -> None:
    async with rig(kind) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        session = one.session
        old = rally_items(PLACES)
        assert (await put(session, old, RALLY)).accepted
        held = await read(session, RALLY)
        same(old, held, rally_form)
        assert [item.z for item in held] == [31.0, 25.0]
        new = rally_items(tuple(RallyPlace(p.position, 50.0) for p in PLACES))
        assert not (await session.driver.run(_Silent(messages(new[:1], 1, 1), 2, RALLY))).accepted
        mixed = await read(session, RALLY)
        assert kept(mixed) == kept((new[0], old[1]))
        assert list_differences(new, mixed, rally_form)
        assert (await put(session, (), RALLY)).accepted
        assert await read(session, RALLY) == ()


class _Silent(MissionUpload):
    """An uploader that counts more items than it ever sends, and hears the vehicle give up."""

    def __init__(self, items: tuple[Any, ...], count: int, mission_type: int = FENCE) -> None:
        super().__init__(items, 1, 1, attempts=1, mission_type=mission_type, silence_s=12.0)
        self._count = count

    def start(self, now_s: float) -> list[Any]:
        (message,) = super().start(now_s)
        message.count = self._count
        return [message]

    def tick(self, now_s: float) -> list[Any]:
        """Nothing is taken for accepted: only the vehicle's own word ends it."""
        if self._highest == len(self.items) - 1 and not self._waiting:
            self.deadline_s = now_s + 1.0
            return []
        return super().tick(now_s)
