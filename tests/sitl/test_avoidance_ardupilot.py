"""A return of real ArduCopter round its own fence, which a check of its ways home relies on.

A zone lies on the straight way from the far corner home. With OA_TYPE 2 it is flown round; without
it the same return goes through, so that the first is no accident.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.formats.onboard import FenceItem, FenceKind
from geofence.frames import LatLon, LocalFrame, offset
from tests.sitl.ground import HOME, Ground, ground_to, item, waypoint
from vehicles.mavlink.lists import fence_items

pytestmark = [pytest.mark.ardupilot, pytest.mark.timeout(300)]

PAD = LatLon(*HOME[:2])
CORNER = offset(PAD, 90.0, 300.0)
FAR = offset(CORNER, 0.0, 300.0)
MIDDLE = offset(PAD, 45.0, 0.5 * math.hypot(300.0, 300.0))
BOX = tuple(offset(MIDDLE, heading, 70.0) for heading in (0.0, 90.0, 180.0, 270.0))
POLYGON = FenceItem(FenceKind.POLYGON_EXCLUSION, "z", BOX)
CIRCLE = FenceItem(FenceKind.CIRCLE_EXCLUSION, "z", center=MIDDLE, radius_m=60.0)
FENCED = {
    "FENCE_ENABLE": 1,
    "FENCE_TYPE": 4,
    "FENCE_ACTION": 1,
    "RTL_ALT": 2000,
    "WPNAV_SPEED": 1000,
    "AUTO_OPTIONS": 3,
}
RTL = 6
CORNER_M = 4.0
"""How far from its planned way round it flies at 10 m/s, corners included."""


async def put_fence(ground: Ground, fence: tuple[FenceItem, ...]) -> None:
    items = fence_items(fence)
    since = len(ground.seen)
    ground.send(mav.MAVLink_mission_count_message(1, 1, len(items), 1))
    for seq, each in enumerate(items):
        await ground.until(
            lambda seq=seq: (
                ground.find("MISSION_REQUEST", since, seq=seq, mission_type=1)
                or ground.find("MISSION_REQUEST_INT", since, seq=seq, mission_type=1)
            ),
            f"request for {seq}",
        )
        ground.send(
            mav.MAVLink_mission_item_int_message(
                1, 1, seq, each.frame, each.command, 0, 1, each.param1, each.param2, each.param3,
                each.param4, each.x, each.y, each.z, 1,
            )
        )  # fmt: skip
    assert (await ground.expect("MISSION_ACK", since, mission_type=1)).type == 0


def distance_m(fence: FenceItem, samples: np.ndarray) -> np.ndarray:
    """Metres from samples (n, 2: lon, lat) to a zone, 0 within."""
    frame = LocalFrame(MIDDLE)
    points = shapely.points([frame.xy(LatLon(lat, lon)) for lon, lat in samples])
    if fence.center is not None:
        return np.maximum(shapely.distance(shapely.Point(0, 0), points) - fence.radius_m, 0.0)
    return shapely.distance(shapely.Polygon([frame.xy(p) for p in fence.vertices]), points)


async def flown_home(avoidance: int, *fence: FenceItem, **params: float) -> np.ndarray:
    """Out by the corner, then RTL; the truth from there to the ground at home, lon and lat."""
    how = {**FENCED, "OA_TYPE": avoidance, **params}
    items = [item(22, alt=20), waypoint(CORNER.lat_deg, CORNER.lon_deg, 20)]
    items.append(waypoint(FAR.lat_deg, FAR.lon_deg, 20, p1=600))
    async with ground_to("ardupilot", **how) as ground:
        await ground.until(lambda: ground.status == 3, "end of boot")
        # it does not arm with no fence of this kind on board
        await put_fence(ground, fence)
        await ground.ready()
        assert await ground.upload(items) == 0
        since = len(ground.seen)
        assert await ground.command(176, 1, 3) == 0
        assert await ground.command(400, 1) == 0
        await ground.until(lambda: "Reached command #3" in ground.texts(since), "far corner", 60.0)
        first = len(ground.truth)
        assert await ground.command(176, 1, RTL) == 0
        await ground.until(lambda: not ground.armed, "landing at home", 90.0)
        return np.array([(s.lon_deg, s.lat_deg) for s in ground.truth[first:]])


@pytest.mark.parametrize(
    ("fence", "margin_m"),
    [(POLYGON, 5.0), (CIRCLE, 5.0), (POLYGON, 12.0)],
    ids=["polygon", "circle", "polygon-wider"],
)
async def test_a_return_goes_round_the_fence_and_comes_home(fence, margin_m) -> None:
    """As far off as OA_MARGIN_MAX (5 m unless set), less what it cuts corners by."""
    way = await flown_home(2, fence, OA_MARGIN_MAX=margin_m)
    nearest_m = distance_m(fence, way).min()
    assert margin_m - CORNER_M < nearest_m < margin_m + CORNER_M
    end = LocalFrame(PAD).xy(LatLon(way[-1][1], way[-1][0]))
    assert math.hypot(*end) < 3.0


async def test_without_avoidance_the_same_return_goes_through_the_fence() -> None:
    way = await flown_home(0, POLYGON)
    assert distance_m(POLYGON, way).min() == 0.0
