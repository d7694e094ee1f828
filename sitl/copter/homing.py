"""The ways home: the mission's return path, its landing sequence, home and rally points.

Owns which of them is taken (AP_Mission.cpp ``jump_to_closest_mission_leg`` and
``jump_to_landing_sequence``, AP_Rally.cpp). How it is flown is AUTO's or RTL's business.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sitl.copter import items as it
from sitl.copter import modes
from sitl.copter.frame import Vec3
from sitl.copter.items import Item
from sitl.copter.mission import State

if TYPE_CHECKING:
    from sitl.copter.vehicle import Copter


class Homing:
    """The ways home of one copter."""

    def __init__(self, copter: Copter) -> None:
        self._c = copter

    def begin(self, join: Callable[[], bool]) -> bool:
        """AUTO RTL by one of the two ways home."""
        if not join():
            return False
        self._c.mission.force_resume = True
        if self._c.mode_number != modes.AUTO and not self._c.modes.set(modes.AUTO):
            self._c.mission.force_resume = False
            return False
        self._c.modes.auto_rtl = True
        return True

    def join_return_path(self) -> bool:
        """Jump to the nearest leg after a DO_RETURN_PATH_START."""
        mission = self._c.mission
        if mission.state == State.RUNNING and (mission.in_landing or mission.in_return_path):
            self._c.say(
                6, "Landing sequence active" if mission.in_landing else "Return path active"
            )
            return True
        best: tuple[float, int] | None = None
        for index, item in enumerate(mission.items):
            if item.command == it.RETURN_PATH_START:
                found = _nearest_leg(self._c, mission.legs_after(index))
                if found and (best is None or found[0] <= best[0]):
                    best = found
        if best is None or not mission.set_current(best[1]):
            return False
        if mission.state == State.STOPPED:
            mission.resume()
        self._c.say(6, "Return path started")
        mission.in_return_path = True
        return True

    def join_landing(self) -> bool:
        """Jump to DO_LAND_START."""
        mission = self._c.mission
        starts = [i for i, item in enumerate(mission.items) if item.command == it.LAND_START]
        if not starts or not mission.set_current(starts[0]):
            self._c.say(4, "Unable to start landing sequence")
            return False
        if mission.state == State.STOPPED:
            mission.resume()
        self._c.say(6, "Landing sequence start")
        return True

    def best_return_point(self) -> Vec3:
        """Home, or the nearest rally point within RALLY_LIMIT_KM."""
        home = self._c.flight.frame.to_ne(self._c.home[0], self._c.home[1])
        body = self._c.flight.body
        points: list[Vec3] = []
        for item in self._c.rally.items:
            north, east = self._c.flight.frame.to_ne(item.x * 1e-7, item.y * 1e-7)
            points.append((north, east, self._c.flight.altitude_of(item)))

        def away(p: Vec3) -> float:
            return math.hypot(p[0] - body.north_m, p[1] - body.east_m)

        nearest = min(points, key=away, default=None)
        at_home: Vec3 = (home[0], home[1], self._c.home_alt_m)
        if nearest is None:
            return at_home
        limit = self._c.params["RALLY_LIMIT_KM"]
        if limit > 0 and away(nearest) > limit * 1000.0:
            return at_home
        if self._c.params["RALLY_INCL_HOME"] and away(at_home) < away(nearest):
            return at_home
        return nearest


def _nearest_leg(c: Copter, legs: Iterable[tuple[int, Item]]) -> tuple[float, int] | None:
    """Distance to the nearest leg and the command at its end (``distance_to_mission_leg``)."""
    best: tuple[float, int] | None = None
    before: Vec3 | None = None
    here = c.flight.body.at
    for index, item in legs:
        north, east = c.flight.frame.to_ne(item.x * 1e-7, item.y * 1e-7)
        point = (north, east, c.flight.altitude_of(item))
        away = math.dist(here, point) if before is None else _off_leg(before, point, here)
        if best is None or away < best[0]:
            best = (away, index)
        before = point
    return best


def _off_leg(start: Vec3, end: Vec3, point: Vec3) -> float:
    leg = [b - a for a, b in zip(start, end, strict=True)]
    to = [b - a for a, b in zip(start, point, strict=True)]
    length2 = sum(v * v for v in leg)
    share = sum(a * b for a, b in zip(leg, to, strict=True)) / length2 if length2 else 0.0
    share = min(max(share, 0.0), 1.0)
    return math.dist(to, [share * v for v in leg])
