"""One vehicle: its state, its events, and what it is told to do.

Owns the session's lifetime: messages in, telemetry and events out, the four demands of the port.
The long sequences live in `launch` (load, start, adopt) and `upkeep` (rates, baseline, home).
Must not touch a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from missions.model import Mission
from vehicles.audit import Audit
from vehicles.mavlink.all_parameters import AllParameters
from vehicles.mavlink.auditing import apply_baseline, audit_of
from vehicles.mavlink.driver import Driver
from vehicles.mavlink.flight import Flight
from vehicles.mavlink.launch import Launcher
from vehicles.mavlink.machine import PhaseMachine
from vehicles.mavlink.maneuver import Maneuvers
from vehicles.mavlink.messages import Message, MissionCurrent
from vehicles.mavlink.phase import in_failsafe, lost, phase
from vehicles.mavlink.profiles.profile import Profile, find_profile
from vehicles.mavlink.proof import Prover
from vehicles.mavlink.remote_id import RemoteIdSender
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.state import Text, VehicleState, link_state, not_ready
from vehicles.mavlink.upkeep import Upkeep
from vehicles.mavlink.wire import Encoder, Frame
from vehicles.parameters import ParameterSet
from vehicles.port import (
    Capability,
    Clock,
    CommandResult,
    Divert,
    EventKind,
    FlightFence,
    LinkState,
    MissionProgress,
    Outcome,
    Phase,
    Telemetry,
    VehicleEvent,
    Verb,
)

MAX_EVENTS = 4096
MOST_JOINED_BYTES = 512
"""Frames sent together, in one datagram; the smallest buffers of a bridge hold so much."""
ALARM_AGAIN_S = 30.0
_OWN_TEXT_LATE_S = 3.0
_RESTING = frozenset({Phase.OFFLINE, Phase.BOOTING, Phase.NOT_READY, Phase.READY})
_REST_LOOK_S = 5.0
"""A vehicle at rest is judged this often; whoever asks for its phase has it judged at once."""


class MavlinkSession:
    """A VehicleSession over MAVLink. `transmit` sends bytes to this vehicle and no other.

    `sign` signs a frame for it; without it frames go out unsigned.
    """

    def __init__(
        self,
        vehicle: MavlinkVehicle,
        clock: Clock,
        settings: MavlinkSettings,
        transmit: Callable[[bytes], bool],
        sign: Callable[[bytes], bytes] | None = None,
        *,
        newcomers: asyncio.Semaphore | None = None,
    ) -> None:
        self.vehicle = vehicle
        self._component = vehicle.component
        self.settings = settings
        self.clock = clock
        self.profile: Profile = find_profile(vehicle)
        self.state = VehicleState(
            vehicle.vehicle_id,
            self.profile.modes,
            ground=self.profile.ground,
            counts_all=self.profile.counts_all,
        )
        self.driver = Driver(self._send, clock, vehicle.sysid, vehicle.component, settings.answer_s)
        self.flight: Flight | None = None
        self.last_flight: Flight | None = None
        """The one that ended last: what it proved is still true while the vehicle rests."""
        self.mission_hash: str | None = None
        self.held_count = 0
        self.foreign_writes = 0
        self.writes_told = 0
        self.work = asyncio.Lock()
        self._own_upload_until_s = -1.0
        self._encoder = Encoder(sign=sign)
        self._transmit = transmit
        self._events: asyncio.Queue[VehicleEvent] | None = None
        self._link = LinkState.UNKNOWN
        self._boots = 0
        self.machine = PhaseMachine()
        self.due_s = -1e9
        """Before this time `tick` has nothing to do."""
        self._heard: tuple[float, datetime] | None = None
        self._stepped_s = -1e9
        self._heartbeat_s = -1e9
        self._alarms: dict[str, float] = {}
        told = vehicle.remote_id
        self._remote_id = (
            None if told is None else RemoteIdSender(told, vehicle.sysid, vehicle.component)
        )
        self.all_parameters = AllParameters(self)
        self.upkeep = Upkeep(self, newcomers)
        self.prover = Prover(self)
        self._launcher = Launcher(self)
        self._maneuvers = Maneuvers(self)

    @property
    def vehicle_id(self) -> str:
        """The enrolled name."""
        return self.vehicle.vehicle_id

    @property
    def capability(self) -> Capability:
        """As enrolled."""
        return self.vehicle.capability

    @property
    def link(self) -> LinkState:
        """By the age of the last frame."""
        return link_state(self.state, self.clock.monotonic_s(), self.settings)

    @property
    def not_ready(self) -> tuple[str, ...]:
        """Every reason for not starting: the vehicle's own, and the parameter baseline's."""
        own = not_ready(self.state, self.vehicle, self.settings, self.clock.monotonic_s())
        stranger = self.profile.stranger(self.state.autopilot, self.state.vehicle_type)
        return (*filter(None, [stranger]), *own, *self.upkeep.faults)

    @property
    def phase(self) -> Phase:
        """Where it is in its work, by the machine, which is brought up to this moment."""
        return self._step(self.not_ready if self.state.armed is False else ())

    def _step(self, reasons: tuple[str, ...]) -> Phase:
        now_s = self._stepped_s = self.clock.monotonic_s()
        shown = phase(self.state, self.flight, self.link, reasons)
        if lost(self.state, self.capability, self.settings, now_s):
            shown = Phase.LOST
        phase_now = self.machine.step(shown, now_s)
        if phase_now not in _RESTING:
            self.due_s = now_s
        return phase_now

    @property
    def _received_at(self) -> datetime | None:
        """When it was last heard; the same for as long as nothing more is heard.

        Told of every message this would cost as much as to read it; here it is worked out for
        those who ask.
        """
        heard_s = self.state.received_s
        if heard_s is None:
            return None
        if self._heard is None or self._heard[0] != heard_s:
            ago_s = self.clock.monotonic_s() - heard_s
            self._heard = (heard_s, self.clock.now() - timedelta(seconds=ago_s))
        return self._heard[1]

    @property
    def telemetry(self) -> Telemetry:
        """The newest state, at once."""
        state = self.state
        reasons = self.not_ready if state.armed is False else ()
        return Telemetry(
            vehicle_id=self.vehicle_id,
            received_at=self._received_at,
            link=self.link,
            phase=self._step(reasons),
            position=state.position,
            alt_amsl_m=state.alt_amsl_m,
            alt_home_m=state.alt_home_m,
            heading_deg=state.heading_deg,
            speed_mps=state.speed_mps,
            battery_pct=state.battery_pct,
            armed=state.armed,
            mode=state.mode_name,
            mission_hash=self.mission_hash,
            item=state.seq or 0,
            item_count=0 if state.total is None else state.total + 1,
            home=state.home,
            home_amsl_m=state.home_amsl_m,
            not_ready=reasons,
            failsafes=self.upkeep.failsafes,
            failsafe=self._failsafe(),
        )

    def _failsafe(self) -> tuple[str, ...]:
        state = self.state
        if state.armed is False or not in_failsafe(state):
            return ()
        named = tuple(f"{cause.value}: {text}" for cause, text in state.failsafes.items())
        return named or ("the vehicle reports a failsafe and did not say which",)

    def events(self) -> AsyncIterator[VehicleEvent]:
        """Events from now on, in order, for one consumer; a second call takes them over."""
        queue: asyncio.Queue[VehicleEvent] = asyncio.Queue(MAX_EVENTS)
        self._events = queue

        async def follow() -> AsyncIterator[VehicleEvent]:
            while True:
                yield await queue.get()

        return follow()

    @property
    def wants_fence(self) -> bool:
        """Whether `load` refuses a mission that no fence was ordered for."""
        return self.vehicle.onboard_fence

    @property
    def fence_for(self) -> str:
        """Content hash of the mission that a fence was ordered for last."""
        order = self.prover.order
        return "" if order is None else order.mission_hash

    def order_fence(self, fence: FlightFence) -> None:
        """The next load of its mission puts this fence on board."""
        self.prover.order = fence

    async def audit(self) -> Audit:
        """Read everything that the baseline names. Nothing is set."""
        async with self.work:
            return audit_of(self, await self.upkeep.audit())

    async def apply(self) -> CommandResult:
        """Set what is broken and can be set, while disarmed."""
        async with self.work:
            return await apply_baseline(self)

    async def parameters(self) -> ParameterSet | str:
        """Read every parameter, while disarmed, or say why not."""
        async with self.work:
            return await self.all_parameters.read()

    async def load(self, mission: Mission) -> CommandResult:
        """Upload, read back, compare; sets the mission hash only where all of it is the same."""
        taken = self.profile.taken(mission)
        if isinstance(taken, str):
            return CommandResult(Outcome.REFUSED, taken)
        async with self.work:
            return await self._launcher.load(taken)

    async def start(self, mission: Mission) -> CommandResult:
        """Read back once more, arm in AUTO, and see it take off."""
        taken = self.profile.taken(mission)
        if isinstance(taken, str):
            return CommandResult(Outcome.REFUSED, taken)
        async with self.work:
            return await self._launcher.start(taken)

    async def execute(self, verb: Verb) -> CommandResult:
        """Hold, resume, return or land: never queues behind a load."""
        return await self._maneuvers.execute(verb)

    async def divert(self, to: Divert) -> CommandResult:
        """To a point on the straight line, by DO_REPOSITION; the mission stays on board."""
        return await self._maneuvers.divert(to)

    async def adopt(self, mission: Mission) -> MissionProgress:
        """Read the vehicle's mission and place in it; watch on where it is flying it."""
        taken = self.profile.taken(mission)
        if isinstance(taken, str):
            return MissionProgress(holds=False, running=False, detail=taken)
        async with self.work:
            return await self._launcher.adopt(taken)

    def receive(self, frame: Frame) -> None:
        """A frame of this vehicle. Whatever is wrong with it stays with this vehicle."""
        if frame.component != self._component:
            return
        try:
            self._take(frame.message)
        except Exception as error:  # noqa: BLE001 - one vehicle's nonsense must harm nobody else
            self.alarm(f"{type(error).__name__}: {error}")

    def tick(self) -> None:
        """Time has passed: heartbeat out, link judged, flight watched."""
        now_s = self.clock.monotonic_s()
        # silent until the vehicle's own heartbeat was heard: the first of ours clears the GCS
        # failsafe, and with it what the vehicle shows of the time before this session
        heard = self.state.heartbeat_s is not None
        if heard and now_s - self._heartbeat_s >= self.settings.heartbeat_s:
            # keep the beat: a late tick must not stretch the period towards the GCS timeout
            late = now_s - self._heartbeat_s >= 2 * self.settings.heartbeat_s
            self._heartbeat_s = now_s if late else self._heartbeat_s + self.settings.heartbeat_s
            self._transmit(self._encoder.heartbeat())
        if heard and self._remote_id is not None:
            self._send(self._remote_id.due(now_s, self.clock.now()))
        self._judge_link()
        if self.flight is not None:
            self._watch(self.flight, None)
        resting = self.machine.phase in _RESTING
        if not resting or now_s - self._stepped_s >= _REST_LOOK_S:
            _ = self.phase
        self.upkeep.look(now_s)
        self.due_s = self._next_due_s(now_s)

    def _next_due_s(self, now_s: float) -> float:
        """When `tick` has something to do again, if nothing is heard until then."""
        busy = self.flight is not None or self._remote_id is not None
        if busy or self.machine.phase not in _RESTING:
            return now_s
        state, settings = self.state, self.settings
        due_s = max(self._heartbeat_s, now_s - settings.heartbeat_s) + settings.heartbeat_s
        if state.received_s is None or self._link is LinkState.UNKNOWN:
            return due_s
        if self._link is LinkState.ONLINE:
            return min(due_s, state.received_s + settings.stale_after_s)
        if self._link is LinkState.STALE:
            return min(due_s, state.received_s + settings.offline_after_s)
        return due_s

    def emit(
        self,
        kind: EventKind,
        detail: str = "",
        evidence: tuple[str, ...] = (),
    ) -> None:
        """An event of this vehicle, now."""
        self._tell(
            VehicleEvent(
                vehicle_id=self.vehicle_id,
                kind=kind,
                at=self.clock.now(),
                mission_hash=self.flight.mission.content_hash if self.flight else "",
                position=self.state.position,
                detail=detail,
                evidence=evidence,
            )
        )

    def alarm(self, detail: str) -> None:
        """An ALARM event; the same words again only after a while."""
        now_s = self.clock.monotonic_s()
        if now_s - self._alarms.get(detail, -1e9) < ALARM_AGAIN_S:
            return
        if len(self._alarms) > 64:
            self._alarms.clear()
        self._alarms[detail] = now_s
        self.emit(EventKind.ALARM, detail)

    @contextlib.contextmanager
    def uploading(self) -> Iterator[None]:
        """While it is open, and shortly after, a written mission is our own."""
        self._own_upload_until_s = float("inf")
        try:
            yield
        finally:
            self._own_upload_until_s = self.clock.monotonic_s() + _OWN_TEXT_LATE_S

    def watch(self, flight: Flight) -> None:
        """From now on this is the mission that the vehicle flies."""
        self.flight = flight
        self.due_s = self.clock.monotonic_s()

    def _take(self, message: Message) -> None:
        # the way of every message of the fleet: what is not there is not called
        text = self.state.apply(message, self.clock.monotonic_s())
        if self.state.boots != self._boots:
            self._rebooted()
        if type(message) is MissionCurrent:
            self._count_held()
        if text is not None and self.profile.words.writes(text.text):
            self._flight_plan_written(text.at_s)
        if self._link is not LinkState.ONLINE:
            self._judge_link()
        if self.flight is not None:
            self._watch(self.flight, text)
        self.driver.receive(message)

    def _watch(self, flight: Flight, text: Text | None) -> None:
        now_s, now = self.clock.monotonic_s(), self.clock.now()
        heard = flight.hear(text, self.state, now) if text is not None else []
        for event in heard + flight.observe(self.state, now_s, now):
            self._tell(event)
        if flight.finished:
            self.flight, self.last_flight = None, flight
            # the vehicle may hold it still, but nothing flies twice on one proof
            self.mission_hash = None

    def _rebooted(self) -> None:
        self._boots = self.state.boots
        self.mission_hash = None
        self.prover.forget()
        self.state.reset_after_boot()
        self.upkeep.forget()
        self.all_parameters.forget()
        self.emit(EventKind.REBOOTED, "time since boot went backwards")

    def _flight_plan_written(self, now_s: float) -> None:
        """ArduPilot tells every station when anybody has written the mission."""
        self.writes_told += 1
        if now_s <= self._own_upload_until_s:
            return
        self.foreign_writes += 1
        self.mission_hash = None
        self.alarm("another ground station wrote a mission to this vehicle")

    def _count_held(self) -> None:
        """The proof of what it holds ends when the vehicle counts otherwise."""
        total = self.state.total
        if self.mission_hash is None or total is None or total + 1 == self.held_count:
            return
        self.mission_hash = None
        self.alarm(f"the mission on board now has {total + 1} items, not {self.held_count}")

    def _judge_link(self) -> None:
        link = self.link
        if link is self._link:
            return
        before, self._link = self._link, link
        self.due_s = self.clock.monotonic_s()
        if link is LinkState.OFFLINE:
            self.emit(EventKind.LINK_LOST, f"no message for {self.settings.offline_after_s:g} s")
        elif before is LinkState.OFFLINE:
            self.emit(EventKind.LINK_BACK)

    def _tell(self, event: VehicleEvent) -> None:
        queue = self._events
        if queue is None:
            return
        if event.kind is EventKind.ALARM and queue.qsize() > MAX_EVENTS // 2:
            # nonsense must not push out what happened
            return
        queue.put_nowait(event)

    def _send(self, messages: Iterable[Any]) -> None:
        """One after the other, joined where they are short: one datagram for several."""
        joined = b""
        for message in messages:
            frame = self._encoder.encode(message)
            if joined and len(joined) + len(frame) > MOST_JOINED_BYTES:
                self._transmit(joined)
                joined = b""
            joined += frame
        if joined:
            self._transmit(joined)
