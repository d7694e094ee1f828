"""One mission in the air: what the vehicle's state proves about it.

Owns the history of a flight and the events that follow from it: started, released (at most once a
parcel), failsafe, mission lost, completed or aborted. Must not send or wait: state and time in,
events out.

What counts as released, by device, is told in `RELEASE_EVIDENCE`; what counts as still aboard in
`wayout`. Between the two a parcel is told as RELEASE_UNSURE, never as aboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from geofence.frames import geodesic_m
from missions.model import AirMission, DropDevice
from vehicles.mavlink import modes
from vehicles.mavlink.items import Plan, Release
from vehicles.mavlink.modes import Modes
from vehicles.mavlink.profiles import arducopter
from vehicles.mavlink.settings import MavlinkSettings
from vehicles.mavlink.state import Text, VehicleState
from vehicles.mavlink.wayout import WayOut
from vehicles.mavlink.words import ARDUPILOT, Words
from vehicles.port import EventKind, VehicleEvent

RELEASE_EVIDENCE: Mapping[DropDevice, str] = {
    DropDevice.GRIPPER: "text 'Gripper load releas(ing|ed)', or the mission past the release item",
    DropDevice.PAYLOAD_PLACE: "text 'Gripper load releas(ing|ed)' or 'Releasing the gripper'",
    DropDevice.WINCH: "text 'Winch: lowering' and the mission past the wait that follows",
}
"""ArduPilot has no message that says "delivered". The gripper's driver speaks when it opens
(AP_Gripper_Servo.cpp, AP_Gripper_EPM.cpp); AP_Mission's own 'Gripper Released' comes even where
no gripper is fitted, and proves nothing. A mission that went past a gripper or winch item in AUTO
has run it, and the baseline proves that the device is fitted; payload place goes on without
releasing when it finds no ground, so there only words count. Progress after a jump to the return
path is never evidence, and lost words are no denial."""

_STRAY = "the release device spoke where no release was due"
_UNSAID = "the mission went past item {0.seq} without the {0.device.value}'s word"
_OPENING_S = 5.0
"""A gripper that says that it opens says within this that it is open: the one release's words
(AP_Gripper_Servo.cpp), though the vehicle may have been called home between them."""
_WARNING = 4
_HOME_RADIUS_M = 30.0


@dataclass(slots=True)
class Flight:
    """The watch over one mission. `observe` after every message and tick; `hear` every text."""

    vehicle_id: str
    mission: AirMission
    plan: Plan
    settings: MavlinkSettings
    started: bool = False
    unattended: bool = False
    """Nobody waits for its take-off: a disarm on the ground before it is an event, too."""
    finished: bool = False
    completed: bool = False
    released: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    modes: Modes = arducopter.MODES
    words: Words = ARDUPILOT
    expected: set[int] = field(init=False)
    jumped: bool = False
    """It left the order of the items, or may have: progress proves no release any more."""
    resuming: bool = False
    """A change to AUTO is ours: it goes on where it held."""
    proven_seq: int = 0
    """Highest item reached in AUTO, in order."""
    _last_mode: int | None = None
    _seen_seq: int = 0
    _seen_heartbeat: int = 0
    _airborne: bool = False
    _failsafe: bool = False
    _lost: bool = False
    _boots: int | None = None
    _rebooted: bool = False
    _evidence: dict[str, list[str]] = field(default_factory=dict)
    _past_s: dict[str, float] = field(default_factory=dict)
    _stray: dict[str, str] = field(default_factory=dict)
    """The device's words where its release was not due, by the parcel that was next."""
    _denied: dict[str, str] = field(default_factory=dict)
    """The device's words that it went up again without opening, by parcel."""
    _opening_s: float | None = None
    """When a gripper was last heard at a release that was told."""
    way: WayOut = field(init=False)

    def __post_init__(self) -> None:
        self.expected = {self.modes.mission}
        self.way = WayOut(self.plan, self.settings.stale_after_s)

    def hear(self, text: Text, state: VehicleState, now: datetime) -> list[VehicleEvent]:
        """A text from the vehicle: the release devices speak only so."""
        if self.finished or not state.armed:
            return []
        if self.words.jumps(text.text):
            self.jumped = True
            self.way.turn()
        due = self._due(state)
        if due is not None and self.words.releases(due.device, text.text):
            self._evidence.setdefault(due.parcel_id, []).append(text.text)
            if due.device is not DropDevice.WINCH:
                self._opening_s = text.at_s
                if self.started:
                    return [self._release(due, state, now)]
            return []
        if self._just_released(state) or self._still_opening(text):
            return []
        self._note(text)
        if self.words.opens(text.text):
            return [
                self._event(
                    EventKind.ALARM,
                    state,
                    now,
                    detail="the gripper opened where no release is due",
                    evidence=(text.text,),
                )
            ]
        return []

    def _note(self, text: Text) -> None:
        """Words that prove nothing, but may be of the release that is next."""
        release = next(iter(self._open()), None)
        if release is None:
            return
        if release.device is DropDevice.PAYLOAD_PLACE and self.words.denies(text.text):
            self._denied[release.parcel_id] = text.text
        elif self.words.releases(release.device, text.text):
            self._stray[release.parcel_id] = text.text

    def _open(self) -> list[Release]:
        """Releases that were neither seen nor denied."""
        over = self.released | self.failed
        return [r for r in self.plan.releases if r.parcel_id not in over]

    def observe(self, state: VehicleState, now_s: float, now: datetime) -> list[VehicleEvent]:
        """The state after a message or a tick -> what it proves."""
        if self.finished:
            return []
        events: list[VehicleEvent] = []
        self._follow(state)
        self.way.follow(state, now_s)
        if not self.started and self._lifted(state):
            self.started = True
            events.append(self._event(EventKind.STARTED, state, now))
        if not self.started:
            return events + self._never_lifted(state, now_s, now)
        events += self._mishaps(state, now_s, now)
        events += self._releases(state, now_s, now)
        events += self._ending(state, now_s, now)
        return events

    @property
    def airborne(self) -> bool:
        """Whether it was seen off the ground since the flight is watched."""
        return self._airborne

    def expect(self, *wanted: int) -> None:
        """Modes that are ours from now on, besides the present ones."""
        self.expected |= set(wanted)

    def settle(self, *wanted: int) -> None:
        """Only these modes are ours from now on."""
        self.expected = set(wanted)

    def _lifted(self, state: VehicleState) -> bool:
        on_mission = state.armed is True and state.mode in state.modes.on_mission
        return on_mission and state.airborne

    def _follow(self, state: VehicleState) -> None:
        """Progress counts once a later heartbeat still says AUTO.

        A return command shows its new item before the heartbeat that shows AUTO_RTL.
        """
        if state.airborne:
            self._airborne = True
        if self._boots is None:
            self._boots = state.boots
        elif state.boots != self._boots:
            self._rebooted = True
        self._follow_mode(state.mode)
        if self.jumped or state.seq is None or state.mode != state.modes.mission:
            self._seen_heartbeat = state.heartbeats
            return
        if self._seen_seq > self.proven_seq and state.heartbeats > self._seen_heartbeat:
            self.proven_seq = self._seen_seq
        if state.seq > self._seen_seq:
            self._seen_seq = state.seq
            self._seen_heartbeat = state.heartbeats

    def _follow_mode(self, mode: int | None) -> None:
        """Notice a jump to the return path by the modes that it goes through.

        Out of AUTO, AUTO_RTL lasts to the end; out of a hold it is shown only for a moment and
        AUTO after it (mode_auto.cpp clears auto_RTL when the resumed mission clears its return
        path flag), so an AUTO that nobody asked for is a jump, too.
        """
        mission, path = self.modes.mission, self.modes.return_path
        came_back = mode == mission and self._last_mode not in {None, mission}
        on_path = path is not None and mode == path
        if on_path or (came_back and not self.resuming):
            self.jumped = True
        if came_back:
            self.resuming = False
            # payload place begins anew
            self._denied.clear()
        self._last_mode = mode

    def _due(self, state: VehicleState) -> Release | None:
        """The release that may be happening now."""
        for release in self._open():
            # a DO item runs while the item before it is still shown as current
            near = state.seq is not None and state.seq >= release.seq - 1
            certain = not self.jumped and release.parcel_id not in self._stray
            return release if near and certain else None
        return None

    def _just_released(self, state: VehicleState) -> bool:
        """Whether the gripper speaks of a release that is already told."""
        seq = state.seq or 0
        return any(
            r.parcel_id in self.released and seq <= r.done_seq + 1 for r in self.plan.releases
        )

    def _still_opening(self, text: Text) -> bool:
        """Whether these are the last words of a release that is told, heard after a jump."""
        said_s, self._opening_s = self._opening_s, None
        late = said_s is None or text.at_s - said_s > _OPENING_S
        if late or not self.words.has_opened(text.text):
            self._opening_s = None if late else said_s
            return False
        return True

    def _releases(self, state: VehicleState, now_s: float, now: datetime) -> list[VehicleEvent]:
        events: list[VehicleEvent] = []
        for release in self._open():
            parcel = release.parcel_id
            mark = release.done_seq if release.device is DropDevice.WINCH else release.seq + 1
            if self.proven_seq < mark:
                break
            if parcel in self.unsure:
                continue
            since_s = self._past_s.setdefault(parcel, now_s)
            words = bool(self._evidence.get(parcel))
            if not words and now_s - since_s < self.settings.release_grace_s:
                break
            self._evidence.setdefault(parcel, []).append(
                f"mission at item {self.proven_seq}, release is item {release.seq}"
            )
            if parcel in self._stray:
                events += self._unsure(release, state, now_s, now, _STRAY)
            elif words or release.device is DropDevice.GRIPPER:
                events.append(self._release(release, state, now))
            elif parcel in self._denied:
                events.append(self._release_failed(release, state, now_s, now))
            else:
                events += self._unsure(release, state, now_s, now, _UNSAID.format(release))
        return events

    def _release(self, release: Release, state: VehicleState, now: datetime) -> VehicleEvent:
        self.released.add(release.parcel_id)
        return self._event(
            EventKind.RELEASED,
            state,
            now,
            parcel_id=release.parcel_id,
            detail=RELEASE_EVIDENCE[release.device],
            evidence=tuple(self._evidence.get(release.parcel_id, ())),
        )

    def _release_failed(
        self, release: Release, state: VehicleState, now_s: float, now: datetime
    ) -> VehicleEvent:
        self.failed.add(release.parcel_id)
        said = state.recent_texts(now_s, 60.0)
        return self._event(
            EventKind.RELEASE_FAILED,
            state,
            now,
            parcel_id=release.parcel_id,
            detail=f"the {release.device.value} went up again without opening: "
            f"{self._denied[release.parcel_id]}",
            evidence=(*self._evidence.get(release.parcel_id, ()), *said[-5:]),
        )

    def _unsure(
        self, release: Release, state: VehicleState, now_s: float, now: datetime, why: str
    ) -> list[VehicleEvent]:
        """Tell once that nothing shows whether a parcel left."""
        parcel = release.parcel_id
        if parcel in self.unsure:
            return []
        self.unsure.add(parcel)
        heard = [*self._evidence.get(parcel, ()), *filter(None, [self._stray.get(parcel)])]
        said = state.recent_texts(now_s, 60.0)
        detail = f"{why}: look whether {parcel} is aboard"
        return [
            self._event(
                EventKind.RELEASE_UNSURE,
                state,
                now,
                parcel_id=parcel,
                detail=detail,
                evidence=(*heard, *(t for t in said[-5:] if t not in heard)),
            )
        ]

    def _doubt(self, release: Release) -> str:
        """Why a release that was not seen may have begun; empty where it has not."""
        parcel = release.parcel_id
        if parcel in self._stray:
            return _STRAY
        if self._evidence.get(parcel):
            return f"the {release.device.value} spoke, and the mission was not seen past its wait"
        if parcel in self._denied:
            return ""
        if self._rebooted or self._lost:
            return "its place in the mission was lost on the way"
        return self.way.doubt(release)

    def _unsettled(self, state: VehicleState, now_s: float, now: datetime) -> list[VehicleEvent]:
        """At the end: every open release that may have begun."""
        events: list[VehicleEvent] = []
        for release in self._open():
            why = self._doubt(release)
            if why:
                events += self._unsure(release, state, now_s, now, why)
        return events

    def _mishaps(self, state: VehicleState, now_s: float, now: datetime) -> list[VehicleEvent]:
        events: list[VehicleEvent] = []
        causes: list[str] = []
        critical = state.armed is True and state.system_status in modes.FAILSAFE_STATES
        if critical and not self._failsafe:
            named = (
                ", ".join(cause.value for cause in state.failsafes) or "which one it did not say"
            )
            causes.append(f"the vehicle reports a failsafe (system status critical): {named}")
        self._failsafe = critical
        if state.armed and state.mode is not None and state.mode not in self.expected:
            causes.append(f"mode changed to {state.mode_name}, not by this controller")
            self.expected.add(state.mode)
        if causes:
            events.append(
                self._event(
                    EventKind.FAILSAFE,
                    state,
                    now,
                    detail="; ".join(causes),
                    evidence=_of_failsafe(state, now_s),
                )
            )
        held = None if state.total is None else state.total + 1
        if held is not None and held != self.plan.count and not self._lost and state.armed:
            self._lost = True
            events.append(
                self._event(
                    EventKind.MISSION_LOST,
                    state,
                    now,
                    detail=f"the vehicle counts {held} items, the mission has {self.plan.count}",
                )
            )
        return events

    def _ending(self, state: VehicleState, now_s: float, now: datetime) -> list[VehicleEvent]:
        if state.armed is not False or not self._airborne:
            return []
        self.finished = True
        # told on the way, the mission having gone past it: its end is the planned one
        told = frozenset(self.unsure)
        events = self._unsettled(state, now_s, now)
        faults = self._faults(state, told)
        evidence = (
            f"disarmed in {state.mode_name} at item {state.seq}",
            *state.recent_texts(now_s, 20.0)[-4:],
        )
        self.completed = not faults
        kind = EventKind.ABORTED if faults else EventKind.COMPLETED
        return [*events, self._event(kind, state, now, detail="; ".join(faults), evidence=evidence)]

    def _never_lifted(self, state: VehicleState, now_s: float, now: datetime) -> list[VehicleEvent]:
        if not self.unattended or state.armed is not False:
            return []
        self.finished = True
        events = self._unsettled(state, now_s, now)
        words = "disarmed, and not seen in the air" if events else "disarmed before take-off"
        return [*events, self._event(EventKind.ABORTED, state, now, detail=words)]

    def _faults(self, state: VehicleState, told: frozenset[str]) -> list[str]:
        """Why a flight that is over was not the one that was planned."""
        faults: list[str] = []
        if self._rebooted:
            faults.append("the vehicle rebooted on the way")
        if state.landed_state in {modes.IN_AIR, modes.TAKING_OFF}:
            faults.append("disarmed in the air")
        reached = max(self.proven_seq, self._seen_seq, 0 if not self.jumped else state.seq or 0)
        still = [r.parcel_id for r in self._open()]
        aboard = [p for p in still if p not in self.unsure]
        doubtful = [p for p in still if p in self.unsure - told]
        if aboard:
            how = "returned before" if self.jumped else "ended before"
            faults.append(f"{how} the release of {', '.join(aboard)}")
        if doubtful:
            faults.append(f"nothing shows whether {', '.join(doubtful)} was released")
        if state.position is not None:
            off_m = geodesic_m(state.position, self.mission.home)
            if off_m > _HOME_RADIUS_M:
                faults.append(f"landed {off_m:.0f} m from home")
        # with everything released and the pad under it, an ending that the link hid is an ending
        if faults and max(reached, state.seq or 0) < self.plan.land_seq:
            faults.append(f"landed at item {reached} of {self.plan.land_seq}")
        if self._lost:
            faults.append("the mission on board was changed on the way")
        return faults

    def _event(
        self,
        kind: EventKind,
        state: VehicleState,
        now: datetime,
        *,
        parcel_id: str = "",
        detail: str = "",
        evidence: tuple[str, ...] = (),
    ) -> VehicleEvent:
        return VehicleEvent(
            vehicle_id=self.vehicle_id,
            kind=kind,
            at=now,
            mission_hash=self.mission.content_hash,
            parcel_id=parcel_id,
            position=state.position,
            detail=detail,
            evidence=evidence,
        )


def _of_failsafe(state: VehicleState, now_s: float) -> tuple[str, ...]:
    """The words that name the standing failsafes, and the latest warnings."""
    said = state.recent_texts(now_s, 10.0, _WARNING)
    return (*(w for w in state.failsafes.values() if w not in said), *said)
