"""Load, start and adopt: the sequences that decide what a vehicle flies.

Owns their order and their proofs. Never starts what was not read back. Must not know sockets.

Order of a start (ArduCopter 4.6): AUTO first, then arm - armed in another mode it would be ready
to fly something else, and arming succeeds before there is a position while AUTO does not;
AUTO_OPTIONS allows arming in AUTO. MISSION_START is accepted with no effect while disarmed, so
only the take-off seen counts. What it holds is read last, in AUTO and with nothing left to do but
to arm; "Flight plan received" after that, whoever wrote, ends the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from missions.model import AirMission, DropDevice
from vehicles.mavlink import commands
from vehicles.mavlink.flight import Flight
from vehicles.mavlink.items import Plan, Release, differences
from vehicles.mavlink.mission_transfer import (
    DownloadResult,
    MissionDownload,
    MissionUpload,
)
from vehicles.mavlink.modes import Modes
from vehicles.mavlink.state import home_fault
from vehicles.port import (
    CommandResult,
    LinkState,
    MissionProgress,
    Outcome,
    Phase,
)

if TYPE_CHECKING:
    from vehicles.mavlink.session import MavlinkSession


ASKS = 3
"""Times that a single message is asked for before its silence counts."""


class _No(Exception):  # noqa: N818 - control flow inside this module, never raised out of it
    """A step said no: the result to hand back."""

    def __init__(self, result: CommandResult) -> None:
        super().__init__(result.reason)
        self.result = result


def _refuse(reason: str) -> _No:
    return _No(CommandResult(Outcome.REFUSED, reason))


def _doubt(reason: str) -> _No:
    return _No(CommandResult(Outcome.UNCERTAIN, reason))


def proves(seq: int, release: Release) -> bool:
    """Whether an item reached in order proves a release; payload place needs words."""
    if release.device is DropDevice.PAYLOAD_PLACE:
        return False
    return seq >= (release.done_seq if release.device is DropDevice.WINCH else release.seq + 1)


class Launcher:
    """The sequences for one session; the session lets one run at a time."""

    def __init__(self, session: MavlinkSession) -> None:
        self._session = session

    @property
    def _modes(self) -> Modes:
        return self._session.profile.modes

    def _flight(self, mission: AirMission, plan: Plan) -> Flight:
        session = self._session
        return Flight(
            session.vehicle_id, mission, plan, session.settings,
            modes=self._modes, words=session.profile.words,
        )  # fmt: skip

    @property
    def _fresh_s(self) -> float:
        """How long something just asked for may take to arrive."""
        return 4.0 * self._session.settings.answer_s

    async def load(self, mission: AirMission) -> CommandResult:
        """Upload and prove it by reading back. Nothing starts."""
        session = self._session
        try:
            plan = self._plan(mission)
            self._require_ready()
            session.mission_hash = None
            session.prover.forget()
            await self._leave_auto()
            boots, writes = session.state.boots, session.foreign_writes
            self._require(await session.prover.put_fence(mission))
            await self._upload_and_prove(plan)
            # the gate before the start judges by what is read here
            self._require(await session.prover.approve(mission))
            self._require_ready()
            if (session.state.boots, session.foreign_writes) != (boots, writes):
                raise _doubt("the vehicle rebooted, or another station wrote, while loading")
        except _No as no:
            return no.result
        session.mission_hash, session.held_count = mission.content_hash, plan.count
        return CommandResult(Outcome.DONE)

    async def start(self, mission: AirMission) -> CommandResult:
        """Prove again, then AUTO, arm, start, and see it lift."""
        session = self._session
        try:
            plan = self._plan(mission)
            if session.mission_hash != mission.content_hash:
                raise _refuse("the vehicle does not provably hold this mission: load it first")
            self._require_ready()
            await self._prove_home()
            self._require(await session.prover.prove(mission))
            self._require_ready()
            await self._hold_parcel(mission)
            await self._enter_auto(plan)
            writes = await self._prove_at_last(plan)
            await self._arm(mission, plan)
            await self._lift(writes)
        except _No as no:
            return no.result
        return CommandResult(Outcome.DONE)

    async def adopt(self, mission: AirMission) -> MissionProgress:
        """What the vehicle shows of a mission; watched on where it is in the air with it."""
        session = self._session
        try:
            plan = session.profile.translate(mission)
        except ValueError as error:
            return MissionProgress(holds=False, running=False, detail=str(error))
        heard = await session.driver.until(
            lambda: session.link is LinkState.ONLINE and session.state.armed is not None,
            session.settings.adopt_timeout_s,
        )
        if not heard:
            return MissionProgress(holds=False, running=False, detail="the vehicle does not answer")
        asked_s = session.clock.monotonic_s()
        await session.driver.command(commands.request("MISSION_CURRENT"))
        await session.driver.command(commands.request("EXTENDED_SYS_STATE"))
        read = await self._download(plan.count)
        await session.driver.until(lambda: session.state.seq_s >= asked_s, self._fresh_s)
        running = session.state.armed is not False
        if read.items is None:
            return MissionProgress(holds=False, running=running, detail=read.reason)
        different = differences(plan, read.items)
        if different:
            return MissionProgress(holds=False, running=running, detail="; ".join(different[:3]))
        return self._progress(mission, plan, running=running)

    def _progress(self, mission: AirMission, plan: Plan, *, running: bool) -> MissionProgress:
        session, state = self._session, self._session.state
        known_flight = self._watched(mission, running=running)
        if known_flight is not None:
            return MissionProgress(
                holds=True,
                running=running,
                released=frozenset(known_flight.released),
                unsure=frozenset(known_flight.unsure - known_flight.released),
                completed=known_flight.completed,
                detail=f"watched: {state.mode_name} at item {state.seq} of {plan.land_seq}",
            )
        session.mission_hash, session.held_count = mission.content_hash, plan.count
        seq, path_seq = state.seq or 0, plan.return_path_seq
        # a failsafe on the way, or any mode but AUTO, may have led past the release; so may a
        # return out of a hold, which shows as AUTO on the return path (mode_auto.cpp)
        on_path = path_seq is not None and seq > path_seq
        in_order = state.mode == state.modes.mission and not state.failsafe_told and not on_path
        ended = not running and in_order and seq >= plan.land_seq
        known = (running and state.airborne and in_order) or ended
        beyond = frozenset(r.parcel_id for r in plan.releases if proves(seq, r))
        released = beyond if known else frozenset()
        # a failsafe out of AUTO goes on to show as AUTO_RTL: only somebody's hold hides it
        in_auto = running and state.airborne and state.mode == state.modes.mission
        passed = beyond - released if in_auto and not state.failsafe_told else frozenset()
        if running:
            self._watch_on(mission, plan, released, in_order=in_order)
        detail = f"{state.mode_name} at item {seq} of {plan.land_seq}"
        if not known and not running and seq > 1:
            detail += "; on the ground: what was released is not shown by the vehicle"
        elif not in_order:
            detail += "; returning: what was released before is not shown by the vehicle"
        return MissionProgress(
            holds=True,
            running=running,
            released=released,
            passed=passed,
            completed=ended,
            detail=detail,
        )

    def _watch_on(
        self, mission: AirMission, plan: Plan, released: frozenset[str], *, in_order: bool
    ) -> None:
        """Go on with a flight that was under way before this session."""
        session, state = self._session, self._session.state
        flight = self._flight(mission, plan)
        flight.released |= released
        flight.started = state.airborne
        flight.unattended = True
        if state.mode is not None:
            flight.expect(state.mode)
        flight.jumped = not in_order
        flight.way.unseen = "nobody watched it before this controller was started again"
        session.watch(flight)

    def _watched(self, mission: AirMission, *, running: bool) -> Flight | None:
        """The watch that this session already keeps, or kept to its end, over this mission."""
        flight = self._session.flight if running else self._session.last_flight
        if flight is None or flight.mission.content_hash != mission.content_hash:
            return None
        return flight

    def _plan(self, mission: AirMission) -> Plan:
        if mission.vehicle_id != self._session.vehicle_id:
            raise _refuse(f"the mission is for {mission.vehicle_id}")
        try:
            return self._session.profile.translate(mission)
        except ValueError as error:
            raise _refuse(str(error)) from error

    def _require_ready(self) -> None:
        session = self._session
        if session.link is not LinkState.ONLINE:
            raise _refuse(f"the link is {session.link.value}")
        if session.state.armed is not False:
            raise _refuse("the vehicle is armed")
        if session.phase is not Phase.READY:
            raise _refuse("not ready: " + "; ".join(session.not_ready))

    def _require(self, fault: str) -> None:
        if fault:
            raise _refuse(fault)

    async def _upload_and_prove(self, plan: Plan) -> None:
        session = self._session
        driver = session.driver
        reason = ""
        for _ in range(session.settings.load_attempts):
            boots, writes = session.state.boots, session.foreign_writes
            with session.uploading():
                upload = await driver.run(self._upload(plan))
            if not upload.accepted:
                raise _refuse(upload.reason)
            read = await self._download(plan.count)
            if (session.state.boots, session.foreign_writes) != (boots, writes):
                reason = "the vehicle rebooted, or another station wrote, while loading"
            elif read.items is None:
                reason = read.reason
            else:
                different = differences(plan, read.items)
                if not different:
                    return
                reason = "read back something else: " + "; ".join(different[:3])
        raise _doubt(reason)

    def _upload(self, plan: Plan) -> MissionUpload:
        driver = self._session.driver
        address = (driver.system, driver.component)
        return MissionUpload(
            plan.messages(*address),
            *address,
            resend_s=driver.answer_s,
            silence_s=max(9.0, 6.0 * driver.answer_s),
            last_silence_s=max(4.0, 2.5 * driver.answer_s),
            shrugged=self._session.profile.shrugged,
            ahead=self._session.profile.items_ahead,
            unasked=self._session.profile.items_ahead > 1,
        )

    async def _download(self, expected: int | None = None) -> DownloadResult:
        """What it holds; `expected` items are asked for together with their count."""
        driver = self._session.driver
        ahead = self._session.profile.items_ahead
        return await driver.run(
            MissionDownload(
                driver.system,
                driver.component,
                resend_s=driver.answer_s,
                ahead=ahead,
                expected=expected if ahead > 1 else None,
            )
        )

    async def _prove_held(self, plan: Plan) -> None:
        session = self._session
        read = await self._download(plan.count)
        if read.items is None:
            raise _doubt(read.reason)
        different = differences(plan, read.items)
        if different or session.mission_hash is None:
            session.mission_hash = None
            what = "; ".join(different[:3]) or "another station wrote to it"
            raise _refuse(f"the vehicle holds something else than what was loaded: {what}")

    async def _prove_at_last(self, plan: Plan) -> int:
        """Prove what is armed next, in AUTO; how often it had told of a mission written by then.

        Anybody may write while it is read: items served before are not what it holds then.
        """
        session = self._session
        try:
            for _ in range(session.settings.load_attempts):
                writes = session.writes_told
                await self._prove_held(plan)
                if session.writes_told == writes:
                    return writes
            session.mission_hash = None
            raise _doubt("the mission was written again and again while it was read")
        except _No:
            await self._leave_auto()
            raise

    async def _prove_home(self) -> None:
        session = self._session
        if not await self._ask("HOME_POSITION", lambda: session.state.home_s or -1.0):
            raise _doubt("the vehicle did not tell its home position")
        fault = home_fault(session.state, session.vehicle, session.settings)
        if fault:
            raise _refuse(fault)

    async def _ask(self, message: str, told_s: Callable[[], float]) -> bool:
        """Have a message sent until it is seen; an acknowledged request may lose its answer."""
        session = self._session
        asked_s = session.clock.monotonic_s()
        for _ in range(ASKS):
            await session.driver.command(commands.request(message))
            if await session.driver.until(lambda: told_s() >= asked_s, self._fresh_s):
                return True
        return False

    async def _hold_parcel(self, mission: AirMission) -> None:
        """Close the gripper before the flight: an open one would prove releases that are none."""
        devices = {item.device for item in mission.items}
        if devices & {DropDevice.GRIPPER, DropDevice.PAYLOAD_PLACE}:
            answer = await self._session.driver.command(commands.grab())
            if not answer.accepted:
                raise _refuse(f"the gripper does not close: {answer.text}")

    async def _leave_auto(self) -> None:
        """A mission must not be rewritten under AUTO, not even disarmed."""
        if self._session.state.mode in self._modes.on_mission:
            await self._mode(self._modes.resting)

    async def _enter_auto(self, plan: Plan) -> None:
        session = self._session
        await self._leave_auto()
        await session.profile.rewind(session.driver, plan.takeoff_seq)
        await self._mode(self._modes.mission)
        told = await self._ask("MISSION_CURRENT", lambda: session.state.seq_s)
        if not told or (session.state.seq or 0) > plan.takeoff_seq:
            await self._mode(self._modes.resting)
            raise _refuse(f"the mission does not stand at its beginning (item {session.state.seq})")

    async def _mode(self, mode: int) -> None:
        session = self._session
        state = session.state
        sent_s = session.clock.monotonic_s()
        answer = await session.driver.command(commands.set_mode(self._modes, mode))
        figures = session.settings
        beats_s = max(2.0 * figures.heartbeat_s, figures.answer_s)
        seen = await session.driver.until(
            lambda: state.mode == mode and (state.heartbeat_s or 0.0) >= sent_s,
            figures.mode_timeout_s if answer.accepted else beats_s,
        )
        if not seen:
            raise _refuse(
                f"mode {self._modes.name(mode)} not taken ({answer.text}): "
                + ("; ".join(self._said(sent_s)) or f"it shows {state.mode_name}")
            )

    async def _arm(self, mission: AirMission, plan: Plan) -> None:
        session = self._session
        state = session.state
        if session.mission_hash != mission.content_hash:
            raise _refuse("the mission on board changed while starting")
        sent_s = session.clock.monotonic_s()
        session.watch(self._flight(mission, plan))
        answer = await session.driver.command(commands.arm())
        figures = session.settings
        beats_s = max(2.0 * figures.heartbeat_s, figures.answer_s)
        wait_s = figures.arm_timeout_s if answer.accepted else beats_s
        armed = await session.driver.until(
            lambda: state.armed is True and (state.heartbeat_s or 0.0) >= sent_s,
            wait_s,
        )
        if armed:
            return
        await self._stand_down("arming failed", answer.text, sent_s)

    async def _lift(self, writes: int) -> None:
        session = self._session
        flight = session.flight
        sent_s = session.clock.monotonic_s()
        if session.writes_told != writes:
            session.mission_hash = None
            await self._stand_down("not started", "a mission was written as it armed", sent_s)
        answer = await session.driver.command(commands.mission_start())
        timeout_s = session.settings.takeoff_timeout_s
        if flight is not None and await session.driver.until(lambda: flight.started, timeout_s):
            return
        await self._stand_down("no take-off seen", answer.text, sent_s)

    async def _stand_down(self, what: str, answer: str, since_s: float) -> None:
        """Back to disarmed and out of AUTO, or the truth that this is not sure."""
        session = self._session
        state = session.state
        sent_s = session.clock.monotonic_s()
        await session.driver.command(commands.disarm())
        safe = await session.driver.until(
            lambda: state.armed is False and (state.heartbeat_s or 0.0) >= sent_s,
            session.settings.arm_timeout_s,
        )
        said = "; ".join([answer, *self._said(since_s)])
        if not safe:
            if session.flight is not None:
                session.flight.unattended = True
            raise _doubt(f"{what} and not shown as disarmed: {said}")
        session.flight = None
        await session.driver.command(commands.set_mode(self._modes, self._modes.resting))
        raise _refuse(f"{what}: {said}")

    def _said(self, since_s: float) -> list[str]:
        return [t.text for t in self._session.state.texts if t.at_s >= since_s][-4:]
