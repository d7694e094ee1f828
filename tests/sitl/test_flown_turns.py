"""Sharp corners flown through at speed stay within the allowance that routes keep for them."""

import numpy as np
import pytest
import shapely

from geofence.frames import LatLon, LocalFrame, offset
from geofence.turns import Turns, widened
from missions.plan_flown import FlightRules
from tests.sitl.ground import ground_to, item, waypoint

PAD = (60.17, 24.94, 20.0)
SPEED_MPS = 15.0
LEG_M = 400.0
TURNS_DEG = (90.0, -120.0, 150.0, -45.0, 20.0)
TRACKING_M = 1.5
"""How far a copter lags behind its target in a turn: part of the navigation error of a flight."""


def corners() -> list[LatLon]:
    """The pad, then a leg for every heading."""
    heading, points = 0.0, [LatLon(*PAD[:2])]
    for turn in (0.0, *TURNS_DEG):
        heading += turn
        points.append(offset(points[-1], heading, LEG_M))
    return points


def off_the_line_m(points: list[LatLon], flown: np.ndarray) -> tuple[float, float]:
    """The largest distance of samples (lon, lat) to the legs, and to all that turns may use."""
    frame = LocalFrame(points[0])
    line = shapely.LineString([frame.xy(p) for p in points])
    rules = FlightRules()
    turns = rules.turns(SPEED_MPS)
    assert isinstance(turns, Turns)
    room = shapely.union_all(
        [line.buffer(0.01)]
        + [
            shapely.LineString([frame.xy(w.start), frame.xy(w.end)]).buffer(w.width_m)
            for w in widened(points, turns)
        ]
    )
    samples = shapely.points(frame.to_xy(flown))
    return float(shapely.distance(line, samples).max()), float(
        shapely.distance(room, samples).max()
    )


@pytest.mark.timeout(170)
async def test_sharp_corners_at_speed_are_flown_within_the_allowance(kind, record_property):
    points = corners()
    items = [item(22, alt=30), item(178, 1, SPEED_MPS, -1)]
    items += [waypoint(p.lat_deg, p.lon_deg, 30) for p in points[1:]]
    speedup = 40.0 if kind == "light" else 16.0
    params = {"AUTO_OPTIONS": 3, "WPNAV_SPEED": 1500}
    async with ground_to(kind, home=PAD, speedup=speedup, **params) as ground:
        await ground.ready()
        assert await ground.upload(items) == 0
        since, first = len(ground.seen), len(ground.truth)
        assert await ground.command(176, 1, 3) == 0
        assert await ground.command(400, 1) == 0
        last = len(items)
        await ground.until(
            lambda: f"Reached command #{last}" in ground.texts(since), "the last corner", 120.0
        )
        flown = np.array([(s.lon_deg, s.lat_deg) for s in ground.truth[first:]])
        times_s = np.array([s.t.timestamp() for s in ground.truth[first:]])
    off_m, beyond_m = off_the_line_m(points, flown)
    steps_m = np.hypot(*np.diff(LocalFrame(points[0]).to_xy(flown), axis=0).T)
    took_s = np.diff(times_s)
    fastest = float(np.median(np.sort(steps_m[took_s > 0.05] / took_s[took_s > 0.05])[-40:]))
    record_property("off_the_line_m", round(off_m, 2))
    record_property("beyond_the_allowance_m", round(beyond_m, 2))
    assert len(flown) > 200
    assert fastest > SPEED_MPS - 1.0
    assert beyond_m <= TRACKING_M
