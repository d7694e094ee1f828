"""Zones for robots that keep to them by themselves: which of them, from when on, for whom.

Owns when a robot is handed its zones anew. Must not compile them: its adapter knows the form.

Zones on board have no hours: a robot has those that apply now or soon. One that begins to apply is
on board `ahead_s` early, so that it is in force there in time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from controller.delivery.process import VehicleProcess
from controller.domain.alarms import Condition, Severity
from controller.safety.board import AlarmBoard
from geofence.frames import LatLon
from geofence.heights import Surroundings
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.passages import Passages
from missions.roads import Passage, StreetGraph
from vehicles.port import Clock
from vehicles.zonekeeping import OwnZones, Turn

log = structlog.get_logger(__name__)

INSET_M = 1.0
"""Of a passage's ends: half a robot, and the deviation that it is allowed at a node."""


def turns_of(passages: Passages, streets: StreetGraph) -> tuple[Turn, ...]:
    """Every passage as the lines and places that robots drive through it."""
    lines: dict[str, list[tuple[LatLon, ...]]] = {}
    for edge_id, (passage, _) in sorted(passages.edges.items()):
        lines.setdefault(passage, []).append(streets.edges[edge_id].geometry)
    for node_id, passage in sorted(passages.nodes.items()):
        lines.setdefault(passage, []).append((streets.nodes[node_id].position,))
    return tuple(
        Turn(
            passage,
            some[0],
            may_stop=passages.kinds[passage] is not Passage.CROSSING,
            branches=tuple(some[1:]),
            inset_m=INSET_M,
        )
        for passage, some in sorted(lines.items())
    )


class RobotZones:
    """Keeps every robot's own zones up to date. `run` serves it until cancelled."""

    def __init__(
        self,
        *,
        processes: Mapping[str, VehicleProcess],
        zones: Callable[[], ZoneSet],
        permits: Callable[[str], frozenset[str]],
        surroundings: Surroundings,
        turns: tuple[Turn, ...],
        board: AlarmBoard,
        clock: Clock,
        ahead_s: float = 60.0,
    ) -> None:
        self._robots = {
            v: p
            for v, p in processes.items()
            if p.owner.capability.vehicle_class is VehicleClass.ROBOT
        }
        self._zones = zones
        self._permits = permits
        self._surroundings = surroundings
        self._turns = turns
        self._board = board
        self._clock = clock
        self._ahead_s = ahead_s
        self._given: dict[str, tuple[object, ...]] = {}
        for process in self._robots.values():
            process.owner.expect_zones()

    async def run(self, period_s: float) -> None:
        """Look once a period until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(period_s)

    async def look(self) -> None:
        """Hand robots their zones where those are others than before."""
        robots = {v: p for v, p in self._robots.items() if p.owner.keeps_zones}
        if not robots:
            return
        zones, now = self._zones(), self._clock.now()
        span = (now, now + timedelta(seconds=self._ahead_s))
        active = frozenset(z.zone_id for z in zones.zones if z.schedule.active_during(*span))
        for vehicle_id, process in robots.items():
            permits = self._permits(vehicle_id)
            known = (zones.version, active, permits)
            if self._given.get(vehicle_id) == known:
                continue
            own = OwnZones(zones, self._surroundings, span, permits, self._turns)
            try:
                await process.owner.keep_zones(own)
            except Exception as error:
                # one robot's zones must not keep the others from theirs; it is not startable
                log.exception("zones not made", vehicle=vehicle_id)
                self._board.happen(
                    Condition(
                        f"own-zones:{vehicle_id}",
                        Severity.WARNING,
                        f"the zones of {vehicle_id} were not made: {type(error).__name__}: {error}",
                        "It gets no round; see the log for the zone that cannot be drawn",
                        vehicle_id,
                    )
                )
            self._given[vehicle_id] = known
