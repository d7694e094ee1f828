"""Vehicles in memory that carry out missions in the clock's time.

Owns the loopback adapter. Must not open sockets, and must keep the port's rules as strictly as
an adapter to a real vehicle: an effect is told only when the vehicle's state shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from geofence.frames import LatLon, bearing_deg, geodesic_m
from missions.model import GroundMission, ItemKind, Mission, StopAction
from vehicles.errors import ConfigurationError
from vehicles.port import (
    Capability,
    Clock,
    CommandResult,
    EventKind,
    LinkState,
    Loss,
    MissionProgress,
    Outcome,
    Phase,
    Telemetry,
    VehicleEvent,
    VehicleSession,
    Verb,
)

MAX_EVENTS = 1000
"""Events that may wait for their consumer; one more is a programming error, not a loss."""
STEP_S = 0.5
SPEAK_S = 1.0
"""The longest silence of a vehicle that waits, as of a drone that beats every second."""

_DONE = CommandResult(Outcome.DONE)


@dataclass(frozen=True, slots=True)
class LoopbackVehicle:
    """What the fleet is told of one vehicle."""

    vehicle_id: str
    capability: Capability
    home: LatLon
    home_amsl_m: float = 0.0


@dataclass(frozen=True, slots=True)
class _Step:
    """One leg of a mission, and what happens at its end."""

    position: LatLon
    alt_home_m: float
    dwell_s: float = 0.0
    kind: EventKind | None = None
    parcel_id: str = ""


def _steps(mission: Mission) -> Iterator[_Step]:
    if isinstance(mission, GroundMission):
        for node in mission.nodes:
            yield _Step(node.position, 0.0)
            for action in node.actions:
                kind = EventKind.PICKED if action.kind is StopAction.PICK else EventKind.RELEASED
                yield _Step(node.position, 0.0, 2.0, kind, action.parcel_id)
        return
    position, alt_m = mission.home, 0.0
    for item in mission.items:
        position = item.position or position
        if item.kind in {ItemKind.TAKEOFF, ItemKind.WAYPOINT}:
            alt_m = item.alt_home_m
            yield _Step(position, alt_m, item.delay_s)
        elif item.kind is ItemKind.DELAY:
            yield _Step(position, alt_m, item.delay_s)
        elif item.kind is ItemKind.RELEASE:
            yield _Step(position, alt_m, 1.0, EventKind.RELEASED, item.parcel_id)
        elif item.kind is ItemKind.LAND:
            yield _Step(position, 0.0)


class LoopbackSession:
    """One vehicle in memory; a VehicleSession."""

    def __init__(self, vehicle: LoopbackVehicle, clock: Clock) -> None:
        self._vehicle = vehicle
        self._clock = clock
        self._telemetry = Telemetry(vehicle_id=vehicle.vehicle_id)
        self._events: asyncio.Queue[VehicleEvent] = asyncio.Queue(MAX_EVENTS)
        self._mission: Mission | None = None
        self._running = False
        self._completed = False
        self._picked: set[str] = set()
        self._released: set[str] = set()
        self._pending: list[_Step] = []
        self._wake = asyncio.Event()

    @property
    def vehicle_id(self) -> str:
        """The enrolled name."""
        return self._vehicle.vehicle_id

    @property
    def capability(self) -> Capability:
        """What it can carry and how far."""
        return self._vehicle.capability

    @property
    def telemetry(self) -> Telemetry:
        """The newest state, at once."""
        return self._telemetry

    async def events(self) -> AsyncIterator[VehicleEvent]:
        """Events in order, for one consumer, until cancelled."""
        while True:
            yield await self._events.get()

    async def load(self, mission: Mission) -> CommandResult:
        """Keep the mission where the vehicle is at rest and the mission is its own."""
        if mission.vehicle_id != self.vehicle_id:
            return CommandResult(Outcome.REFUSED, f"the mission is for {mission.vehicle_id}")
        if not self._telemetry.startable:
            return CommandResult(Outcome.REFUSED, f"the vehicle is {self._telemetry.phase}")
        self._mission = mission
        self._completed = False
        self._picked.clear()
        self._released.clear()
        self._show(mission_hash=mission.content_hash, item=0)
        return _DONE

    async def start(self, mission: Mission) -> CommandResult:
        """Start the loaded mission; any other is refused."""
        if self._telemetry.mission_hash != mission.content_hash:
            return CommandResult(Outcome.REFUSED, "the vehicle holds another mission: load it")
        if not self._telemetry.startable:
            return CommandResult(Outcome.REFUSED, f"the vehicle is {self._telemetry.phase}")
        self._pending = list(_steps(mission))
        self._running = True
        self._show(phase=Phase.EN_ROUTE, armed=True, item_count=len(self._pending))
        self._tell(EventKind.STARTED)
        self._wake.set()
        return _DONE

    async def execute(self, verb: Verb) -> CommandResult:
        """Hold, resume, return or land, at once."""
        phase = self._telemetry.phase
        if not self._running:
            return CommandResult(Outcome.REFUSED, "no mission is under way")
        if verb is Verb.HOLD:
            self._show(phase=Phase.HOLDING)
        elif verb is Verb.RESUME:
            if phase is not Phase.HOLDING:
                return CommandResult(Outcome.REFUSED, f"the vehicle is {phase}, not holding")
            self._show(phase=Phase.EN_ROUTE)
        elif verb is Verb.RETURN:
            self._pending = [_Step(self._vehicle.home, 0.0)]
            self._show(phase=Phase.RETURNING)
        else:
            self._pending = [_Step(self._telemetry.position or self._vehicle.home, 0.0)]
            self._show(phase=Phase.LANDING)
        self._wake.set()
        return _DONE

    async def adopt(self, mission: Mission) -> MissionProgress:
        """What the vehicle shows of the mission."""
        holds = self._telemetry.mission_hash == mission.content_hash
        if not holds:
            return MissionProgress(holds=False, running=self._running, detail="another mission")
        return MissionProgress(
            holds=True,
            running=self._running,
            picked=frozenset(self._picked),
            released=frozenset(self._released),
            completed=self._completed,
        )

    async def live(self) -> None:
        """Boot, then carry out missions until cancelled."""
        self._show(
            link=LinkState.ONLINE,
            phase=Phase.READY,
            armed=False,
            position=self._vehicle.home,
            home=self._vehicle.home,
            home_amsl_m=self._vehicle.home_amsl_m,
            battery_pct=100.0,
            heading_deg=0.0,
        )
        while True:
            if not self._running:
                self._show()
                self._wake.clear()
                try:
                    async with self._clock.timeout(SPEAK_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue
            await self._advance()

    async def _advance(self) -> None:
        if self._telemetry.phase is Phase.HOLDING:
            self._show()
            await self._clock.sleep(STEP_S)
            return
        if not self._pending:
            self._finish()
            return
        step = self._pending[0]
        if not await self._travel(step):
            return
        await self._dwell(step.dwell_s)
        if self._pending and self._pending[0] is step:
            self._arrive(step)

    async def _dwell(self, dwell_s: float) -> None:
        """Wait, and be heard meanwhile."""
        end_s = self._clock.monotonic_s() + dwell_s
        while (left_s := end_s - self._clock.monotonic_s()) > 0.0:
            self._show()
            await self._clock.sleep(min(SPEAK_S, left_s))

    async def _travel(self, step: _Step) -> bool:
        """Move for one period; whether the step's position is reached."""
        here = self._telemetry.position or self._vehicle.home
        left_m = geodesic_m(here, step.position)
        reach_m = self.capability.cruise_speed_mps * STEP_S
        if left_m > reach_m:
            part = reach_m / left_m
            here = LatLon(
                here.lat_deg + (step.position.lat_deg - here.lat_deg) * part,
                here.lon_deg + (step.position.lon_deg - here.lon_deg) * part,
            )
            self._show(position=here, heading_deg=bearing_deg(here, step.position))
            await self._clock.sleep(STEP_S)
            return False
        self._show(position=step.position, alt_home_m=step.alt_home_m)
        await self._clock.sleep(STEP_S)
        return True

    def _arrive(self, step: _Step) -> None:
        self._pending.pop(0)
        self._show(item=self._telemetry.item + 1)
        if step.kind is None:
            return
        seen = self._picked if step.kind is EventKind.PICKED else self._released
        if step.parcel_id not in seen:
            seen.add(step.parcel_id)
            self._tell(step.kind, parcel_id=step.parcel_id, evidence="loopback: at the stop")

    def _finish(self) -> None:
        self._running = False
        mission = self._mission
        done = mission is not None and set(mission.parcel_ids) <= self._released
        self._completed = done
        ended_early = self._telemetry.phase in {Phase.RETURNING, Phase.LANDING}
        self._show(phase=Phase.READY, armed=False, alt_home_m=0.0)
        if done and not ended_early:
            self._tell(EventKind.COMPLETED)
        else:
            self._tell(EventKind.ABORTED, detail="the mission ended before its end")

    def _show(self, **changes: object) -> None:
        self._telemetry = replace(
            self._telemetry,
            received_at=self._clock.now(),
            **changes,  # type: ignore[arg-type]
        )

    def _tell(
        self, kind: EventKind, *, parcel_id: str = "", detail: str = "", evidence: str = ""
    ) -> None:
        self._events.put_nowait(
            VehicleEvent(
                vehicle_id=self.vehicle_id,
                kind=kind,
                at=self._clock.now(),
                mission_hash=self._mission.content_hash if self._mission else "",
                parcel_id=parcel_id,
                position=self._telemetry.position,
                detail=detail,
                evidence=(evidence,) if evidence else (),
            )
        )


class LoopbackFleet:
    """The adapter: sessions by vehicle id, alive while `run` is awaited."""

    def __init__(self, vehicles: Sequence[LoopbackVehicle], clock: Clock) -> None:
        """Raise ConfigurationError where two vehicles share an id."""
        self._live: dict[str, LoopbackSession] = {}
        for vehicle in vehicles:
            if vehicle.vehicle_id in self._live:
                raise ConfigurationError(vehicle.vehicle_id, "is enrolled twice")
            self._live[vehicle.vehicle_id] = LoopbackSession(vehicle, clock)

    @property
    def sessions(self) -> dict[str, VehicleSession]:
        """Sessions by vehicle id."""
        return dict(self._live)

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing to close."""

    def losses(self) -> tuple[Loss, ...]:
        """None: nothing of it can be lost."""
        return ()

    async def run(self) -> None:
        """Let every vehicle live until cancelled."""
        async with asyncio.TaskGroup() as group:
            for session in self._live.values():
                group.create_task(session.live(), name=f"loopback {session.vehicle_id}")
