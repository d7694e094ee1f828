"""What every vehicle can do, whatever it speaks.

Owns the port between the controller and the adapters: types and protocols only. Must not open
sockets or know a wire format.

Rules that every adapter keeps, and that the contract suite checks:

* an acknowledgement is not an effect: `execute` answers DONE only when the vehicle's own state
  shows it;
* `load` answers DONE only after the mission was read back (or reflected) and compared, and sets
  `Telemetry.mission_hash`; `start` refuses any other hash;
* events are never coalesced or dropped; telemetry is: the newest wins;
* a vehicle that answers nonsense raises an ALARM event and harms nobody else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self, runtime_checkable

from geofence.formats.onboard import FenceItem
from geofence.frames import LatLon
from geofence.zones import Surface, VehicleClass, VehicleTraits
from missions.model import DropDevice, GroundMission, Mission
from vehicles.audit import Audit


class Clock(Protocol):
    """Time for everything that waits: simulated time may run faster than the wall."""

    def now(self) -> datetime:
        """The present, UTC and aware."""

    def monotonic_s(self) -> float:
        """Seconds of this clock since some start; never goes back."""

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds of this clock."""

    def timeout(self, delay_s: float) -> AbstractAsyncContextManager[object]:
        """asyncio.timeout over `delay_s` seconds of this clock; raises TimeoutError."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What dispatch must know of a vehicle before it offers it anything."""

    vehicle_class: VehicleClass
    max_payload_kg: float
    parcel_slots: int
    cruise_speed_mps: float
    usable_energy_wh: float
    max_parcel_size_m: tuple[float, float, float]
    drop_device: DropDevice | None = None
    handover_pin: bool = False
    mass_kg: float | None = None
    """Of the vehicle without load; None: not known."""
    electric: bool | None = None
    surface: Surface | None = None
    """What a robot drives on; None: not known, or both."""
    width_m: float | None = None
    """Of a robot: narrower streets are closed to it."""
    max_incline_pct: float | None = None
    """Of a robot: steeper streets are closed to it."""
    loaded_at_base: bool = False
    """A robot that takes parcels where its rounds start, and nowhere else."""

    @property
    def flies(self) -> bool:
        """Whether its way is an air mission; a round on streets otherwise."""
        return self.vehicle_class is VehicleClass.MULTIROTOR

    @property
    def traits(self) -> VehicleTraits:
        """What zones may ask of it, with its greatest load."""
        return VehicleTraits(
            self.vehicle_class,
            self.surface,
            None if self.mass_kg is None else self.mass_kg + self.max_payload_kg,
            self.electric,
        )


class FailsafeAction(StrEnum):
    """What a vehicle does by itself when something fails."""

    RETURN_PATH = "return_path"
    """By the mission's own return path; straight where the mission carries none."""
    RETURN = "return"
    """Straight home or to a rally point, whatever the mission carries."""
    LAND = "land"
    """Where it is."""
    CONTINUE = "continue"
    """It flies on, or does nothing."""


@dataclass(frozen=True, slots=True)
class RallyPlace:
    """A place of a vehicle's own list that it may return to instead of home."""

    position: LatLon
    alt_home_m: float


@dataclass(frozen=True, slots=True)
class Failsafes:
    """What a drone would do by itself, as it was read from the drone and from nowhere else."""

    lost_link: FailsafeAction
    battery_low: FailsafeAction
    battery_critical: FailsafeAction
    estimator: FailsafeAction
    dead_reckoning: FailsafeAction
    return_alt_home_m: float
    """A straight return climbs to at least this."""
    rally: tuple[RallyPlace, ...] = ()
    rally_limit_m: float = 0.0
    """Rally points farther than this are passed over; 0: none is."""
    rally_includes_home: bool = True
    """Home counts as one of them."""
    avoidance: bool = False
    """A return is planned round the fence that it holds."""
    fence_hash: str = ""
    """Version of the zone set that its fence provably holds; empty: nobody proved any."""
    fence_mission: str = ""
    """Content hash of the mission that this fence was made for; empty: for no mission."""
    fenced: bool = False
    """Every flight is given its own fence, and is not started before that was read back."""


class LinkState(StrEnum):
    """How far the vehicle's word can be trusted."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    STALE = "stale"
    OFFLINE = "offline"


class Phase(StrEnum):
    """Where a vehicle is in its work, as far as its own state shows."""

    UNKNOWN = "unknown"
    """It has told too little to say."""
    OFFLINE = "offline"
    """It was at rest when it was last heard, and is silent."""
    BOOTING = "booting"
    NOT_READY = "not_ready"
    READY = "ready"
    ARMED = "armed"
    EN_ROUTE = "en_route"
    AT_STOP = "at_stop"
    RELEASED = "released"
    """Still at the stop, its parcel gone."""
    RETURNING = "returning"
    LANDING = "landing"
    LANDED = "landed"
    """On the ground after a flight, its motors still armed."""
    HOLDING = "holding"
    FAILSAFE = "failsafe"
    LOST = "lost"
    """It was armed when it was last heard, and is silent for longer than it could fly, or than
    its settings wait."""


class FailsafeCause(StrEnum):
    """What a vehicle names as the reason of a failsafe."""

    GROUND_LINK = "ground link"
    RADIO = "radio"
    BATTERY = "battery"
    ESTIMATOR = "estimator"
    DEAD_RECKONING = "dead reckoning"
    TERRAIN = "terrain data"
    FENCE = "fence"


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The newest known state. None means never told; age is clock.now() - received_at."""

    vehicle_id: str
    received_at: datetime | None = None
    link: LinkState = LinkState.UNKNOWN
    phase: Phase = Phase.UNKNOWN
    position: LatLon | None = None
    position_error_m: float = 0.0
    """What the map that it tells its place on is known to be off; not its own error."""
    alt_amsl_m: float | None = None
    alt_home_m: float | None = None
    heading_deg: float | None = None
    speed_mps: float | None = None
    battery_pct: float | None = None
    armed: bool | None = None
    """None counts as airborne (drones) or moving (robots)."""
    mode: str = ""
    mission_hash: str | None = None
    """Content hash of the mission that the vehicle provably holds."""
    item: int = 0
    item_count: int = 0
    home: LatLon | None = None
    home_amsl_m: float | None = None
    not_ready: tuple[str, ...] = ()
    """The vehicle's own words for why it cannot start."""
    failsafes: Failsafes | None = None
    """None: not read from the vehicle, so that nothing may be built on them."""
    failsafe: tuple[str, ...] = ()
    """The failsafes that it is in by its own words, each with them as evidence."""
    errors: tuple[str, ...] = ()
    """What it says is wrong now, whether or not that keeps it from starting."""
    charging: bool | None = None
    failed_action: str = ""
    """What it waits to be told about an action that failed and may be tried again."""
    broken: str = ""
    """Why its connection to its broker counts as gone, by the broker's word: a thing of its own
    beside silence. Empty: the broker says no such thing, or there is none."""

    @property
    def startable(self) -> bool:
        """Whether a mission may be loaded and started now."""
        return self.link is LinkState.ONLINE and self.phase is Phase.READY


class EventKind(StrEnum):
    """What happened to a vehicle. Every kind is told once."""

    STARTED = "started"
    PICKED = "picked"
    RELEASED = "released"
    RELEASE_FAILED = "release_failed"
    """The release was tried, and the parcel is certainly still aboard."""
    RELEASE_UNSURE = "release_unsure"
    """The vehicle was at the release and nothing shows whether the parcel left: a person must
    look. Told once a parcel; a RELEASED that follows outweighs it."""
    COMPLETED = "completed"
    """The mission is over and the vehicle is at rest: landed and disarmed, or order done."""
    ABORTED = "aborted"
    """The mission ended before its end: at rest, but not as planned. `detail` says why."""
    MISSION_LOST = "mission_lost"
    """The vehicle no longer holds the mission that it was on."""
    REBOOTED = "rebooted"
    LINK_LOST = "link_lost"
    """Silence: nothing was heard of it for too long, or our own way to it is gone."""
    LINK_BACK = "link_back"
    """It is heard again."""
    CONNECTION_LOST = "connection_lost"
    """Its broker tells that its connection is gone: by its last will, or it signed off."""
    CONNECTION_BACK = "connection_back"
    """Its broker tells that it is connected again."""
    FAILSAFE = "failsafe"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class VehicleEvent:
    """One event, with the evidence that it rests on."""

    vehicle_id: str
    kind: EventKind
    at: datetime
    mission_hash: str = ""
    parcel_id: str = ""
    position: LatLon | None = None
    detail: str = ""
    evidence: tuple[str, ...] = ()


class Outcome(StrEnum):
    """How a command ended."""

    DONE = "done"
    """The vehicle's own state shows the effect."""
    REFUSED = "refused"
    """The vehicle or the adapter said no; nothing changed."""
    UNCERTAIN = "uncertain"
    """No proof either way: read the vehicle before trying anything else."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The end of a command, with the reason where it is not DONE."""

    outcome: Outcome
    reason: str = ""

    @property
    def done(self) -> bool:
        """Whether the effect was seen."""
        return self.outcome is Outcome.DONE


class Verb(StrEnum):
    """What an operator or a monitor may demand of a vehicle at any time."""

    HOLD = "hold"
    RESUME = "resume"
    RETURN = "return"
    LAND = "land"
    """For a ground robot: cancel the order and stop where it is."""


@dataclass(frozen=True, slots=True)
class Divert:
    """A point in the air to go to, on the straight line, and to hold at."""

    position: LatLon
    alt_home_m: float


@runtime_checkable
class Diverting(Protocol):
    """A session whose vehicle takes another way while it is under way."""

    async def divert(self, to: Divert) -> CommandResult:
        """Leave the mission for a point; DONE when it is seen going there, or there.

        Nothing is checked against zones: whoever asks has done so.
        """


@dataclass(frozen=True, slots=True)
class MissionProgress:
    """What a vehicle shows of a mission that it may be on, read after a restart."""

    holds: bool
    """It provably holds exactly this mission."""
    running: bool
    picked: frozenset[str] = field(default_factory=frozenset)
    released: frozenset[str] = field(default_factory=frozenset)
    """Only what is proved: where nothing shows it, `detail` says so."""
    unsure: frozenset[str] = field(default_factory=frozenset)
    """Parcels of which RELEASE_UNSURE was, or would have been, told."""
    passed: frozenset[str] = field(default_factory=frozenset)
    """Released if nobody sent it home: it stands in order behind their release and shows no
    failsafe. Whoever keeps a journal of what was sent can tell."""
    completed: bool = False
    detail: str = ""


class VehicleSession(Protocol):
    """One enrolled vehicle. Lives inside its fleet's `async with`."""

    @property
    def vehicle_id(self) -> str:
        """The enrolled name."""

    @property
    def capability(self) -> Capability:
        """What it can carry and how far."""

    @property
    def telemetry(self) -> Telemetry:
        """The newest state, at once."""

    def events(self) -> AsyncIterator[VehicleEvent]:
        """Events from now on, in order, for one consumer."""

    async def load(self, mission: Mission) -> CommandResult:
        """Send the mission, read it back, compare. Nothing starts."""

    async def start(self, mission: Mission) -> CommandResult:
        """Start a loaded mission; refuses where the vehicle does not provably hold it."""

    async def execute(self, verb: Verb) -> CommandResult:
        """Hold, resume, return or land; DONE when seen in the vehicle's state."""

    async def adopt(self, mission: Mission) -> MissionProgress:
        """After a restart: read the vehicle, and go on watching the mission if it is on it."""


@runtime_checkable
class Paced(Protocol):
    """A session whose vehicle can be let go on along a round piece by piece."""

    def grant(self, mission: GroundMission, upto_node: int | None) -> None:
        """It may go to this node of the round, by its place, and not beyond; None: to its end.

        Before `load` or at any time after it; what it was let go to before is never taken back.
        Without a word from here it may go to the end.
        """

    def reached(self, mission: GroundMission) -> int | None:
        """Place of the last node that its own state shows it has reached; None: not on it."""


@dataclass(frozen=True, slots=True)
class FlightFence:
    """The fence that a vehicle must hold for one flight; without items: none may be held."""

    mission_hash: str
    zones_version: str
    items: tuple[FenceItem, ...] = ()


@runtime_checkable
class FenceHolder(Protocol):
    """A session whose vehicle can hold a fence of its own."""

    @property
    def wants_fence(self) -> bool:
        """Whether `load` refuses a mission that no fence was ordered for."""

    @property
    def fence_for(self) -> str:
        """Content hash of the mission that a fence was ordered for last; empty: none was."""

    def order_fence(self, fence: FlightFence) -> None:
        """The next `load` of its mission puts this fence on board; nothing is sent yet."""


@runtime_checkable
class Audited(Protocol):
    """A session whose vehicle has a baseline of parameters."""

    async def audit(self) -> Audit:
        """Read everything that the baseline names. Nothing is set."""

    async def apply(self) -> CommandResult:
        """Set what is broken and can be set; refused unless disarmed. DONE: all of it holds."""


@dataclass(frozen=True, slots=True)
class Loss:
    """How often something was not taken or not sent on an adapter's links since it was made.

    `what` was lost and why, in words that stay the same; `where`: the link, or the vehicle.
    """

    what: str
    where: str
    value: int


class VehicleAdapter(Protocol):
    """A protocol's side of a fleet: opens transports and yields sessions."""

    async def __aenter__(self) -> Self:
        """Open the transports. Raises LinkError where that is impossible."""

    async def __aexit__(self, *exc: object) -> None:
        """Close everything; sessions end."""

    @property
    def sessions(self) -> dict[str, VehicleSession]:
        """Sessions by vehicle id, fixed after entry."""

    def losses(self) -> Iterable[Loss]:
        """What its links refused, dropped or could not send; the same kinds at every call."""

    async def run(self) -> None:
        """Serve the links until cancelled."""
