"""The fleet as the watch sees it: telemetry, work, links and progress put together.

Owns the join of what the rooms know of one vehicle. Must not judge: it hands on conditions that
others found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.config import Config
from controller.delivery.approvals import Approvals
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.delivery.turns import Turns
from controller.delivery.ways import Ways
from controller.domain.records import AssignmentRecord, CommandKind, CommandState
from controller.enrol import OFFLINE_WALL_S, STALE_WALL_S, Enrolment, at_least
from controller.fleet.watchdog import LinkLimits, at_work, link_conditions
from controller.safety.stall import StallBook, Work
from controller.safety.watch import Watched
from geofence.zones import VehicleClass
from vehicles.port import Clock, Phase, Telemetry

ROBOT_STALE_S = 35.0
ROBOT_OFFLINE_S = 70.0


@dataclass(slots=True)
class FleetView:
    """Callable: every vehicle, as it is now."""

    config: Config
    clock: Clock
    ledger: Ledger
    processes: Mapping[str, VehicleProcess]
    enrolment: Enrolment
    ways: Ways
    approvals: Approvals
    permits: Callable[[str], frozenset[str]]
    notice_ready: Callable[[Telemetry], None]
    turns: Callable[[], Turns | None]
    stalls: StallBook
    up_since_s: float

    def __call__(self) -> list[Watched]:
        """In the order of the configuration."""
        return [self._one(vehicle_id, process) for vehicle_id, process in self.processes.items()]

    def _one(self, vehicle_id: str, process: VehicleProcess) -> Watched:
        owner = process.owner
        task = self.ledger.assignments.get(vehicle_id)
        telemetry = owner.telemetry
        self.notice_ready(telemetry)
        now_s = self.clock.monotonic_s()
        links = link_conditions(
            telemetry,
            owner.age_s(),
            self._limits(vehicle_id),
            expected=task is not None,
            up_s=now_s - self.up_since_s,
        )
        work = self._work(vehicle_id, task, holding=telemetry.phase is Phase.HOLDING)
        stalls = self.stalls.look(telemetry, work, now_s)
        return Watched(
            capability=owner.capability,
            telemetry=telemetry,
            home=self.enrolment.homes[vehicle_id],
            working=at_work(telemetry),
            track=self.ways.track(vehicle_id),
            extra=(*links, *process.conditions(), *stalls),
            permits=self.permits(vehicle_id),
            flown=self.ways.flown(vehicle_id),
            trail=owner.trail(),
        )

    def _work(
        self, vehicle_id: str, task: AssignmentRecord | None, *, holding: bool
    ) -> Work | None:
        if task is None:
            return None
        turns = self.turns()
        return Work(
            task.assignment.assignment_id,
            task.assignment.state,
            held=self._held(task) if holding else "",
            turn=(lambda: turns.waiting(vehicle_id)) if turns is not None else str,
            may_wait=self.ledger.hold is not None or self.approvals.awaits(task),
        )

    def _held(self, task: AssignmentRecord) -> str:
        sent = self.ledger.commands.get((task.assignment.assignment_id, CommandKind.HOLD))
        if sent is None or sent.state is CommandState.REFUSED:
            return ""
        return f"by {sent.by}" + (f": {sent.reason}" if sent.reason else "")

    def _limits(self, vehicle_id: str) -> LinkLimits:
        if self.enrolment.kinds[vehicle_id] is VehicleClass.ROBOT:
            return LinkLimits(ROBOT_STALE_S, ROBOT_OFFLINE_S)
        safety = self.config.safety
        return LinkLimits(
            at_least(safety.stale_s, STALE_WALL_S, self.config),
            at_least(safety.offline_s, OFFLINE_WALL_S, self.config),
        )
