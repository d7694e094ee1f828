"""What one make of robot does its own way, as data.

Owns the profiles: their files (TOML, those shipped in `profiles/` and an integrator's own), their
checks, and the steps that a pick or drop becomes. Must not know a robot's state.

A profile is checked when it is loaded: ConfigurationError names the file and the key.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from missions.model import Handover, RouteAction, StopAction
from vehicles.errors import ConfigurationError
from vehicles.vda5050.codec import SPOKEN, SPOKEN_3
from vehicles.vda5050.dialect import VERSIONS
from vehicles.vda5050.models import BlockingType, Id

SHIPPED = Path(__file__).parent / "profiles"
NODE_POSITION = "order.nodes.nodePosition"
DEVIATION = "order.nodes.nodePosition.allowedDeviationXY"
TRAJECTORY = "order.edges.trajectory"
MAX_SPEED = "order.edges.maxSpeed"
LENGTH = "order.edges.length"
FILLED = frozenset({NODE_POSITION, DEVIATION, TRAJECTORY, MAX_SPEED, LENGTH})
"""Optional fields of the protocol that orders can have here, by their names in version 2."""

SUPPORTED, REQUIRED, NOT_SUPPORTED = "SUPPORTED", "REQUIRED", "NOT_SUPPORTED"
Support = Literal["SUPPORTED", "REQUIRED", "NOT_SUPPORTED"]
PLACEHOLDERS = frozenset(
    {"{parcel_id}", "{pin_sha256}", "{load_type}", "{station_type}", "{node_id}", "{timeout_s}"}
)
"""What a parameter's value may be; one that stands for nothing is not sent."""

PIN = "{pin_sha256}"


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action of a robot.

    `proves`: its end shows whether the parcel moved; one step of each sequence does. `timeout_s`:
    after so long the order is cancelled and the parcel stays aboard; 0: the robot ends it itself.
    `retriable`: when it fails the robot waits for an operator's word (version 3).
    """

    type: Annotated[str, Meta(min_length=1, max_length=256)]
    blocking: BlockingType = "HARD"
    proves: bool = False
    timeout_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    retriable: bool = False
    parameters: dict[Id, Any] = msgspec.field(default_factory=dict)

    @property
    def checks_pin(self) -> bool:
        """Whether it is given the customer's PIN."""
        return PIN in self.parameters.values()


Steps = Annotated[tuple[Step, ...], Meta(min_length=1, max_length=16)]


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One make of robot.

    `version`: the protocol version that it is held to; empty: what it says. `connection_qos`: 0
    for one whose word on topic connection may get lost, so that nothing rests on it. `completion`:
    EDGE for one that leaves passed nodes in its state. `charging`: asked, for one that wants
    startCharging and stopCharging, and takes no order while it charges. `handover`: the steps of a
    drop with PIN or to a customer at the door; empty: those of a drop. `locker`: likewise into a
    locker. `optional`: optional fields of the protocol, before its factsheet. `pin_by`: who judges
    the customer's PIN. "controller": the robot stops at the door, does the steps of `arrival`
    there, and is let go on to `handover` when the customer has given the PIN; a step of `arrival`
    that waits is ended by the instant action `trigger`.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    version: str = ""
    connection_qos: Literal[0, 1] = 1
    completion: Literal["EDGE", "EDGE_AND_NODE"] = "EDGE_AND_NODE"
    resend_stitch_actions: bool = True
    charging: Literal["asked", "itself"] = "itself"
    rejection_tolerance: Annotated[int, Meta(ge=0, le=100)] = 0
    base_nodes_ahead: Annotated[int, Meta(ge=0, le=1000)] = 0
    also_instants_as: Annotated[str, Meta(max_length=64)] = ""
    load_type: Id = "PARCEL"
    station_type: Id = ""
    optional: dict[Id, Support] = msgspec.field(default_factory=dict)
    pick: Steps
    drop: Steps
    handover: Annotated[tuple[Step, ...], Meta(max_length=16)] = ()
    locker: Annotated[tuple[Step, ...], Meta(max_length=16)] = ()
    pin_by: Literal["robot", "controller"] = "robot"
    arrival: Annotated[tuple[Step, ...], Meta(max_length=4)] = ()
    trigger: Annotated[str, Meta(min_length=1, max_length=64)] = "trigger"

    def steps(
        self, kind: StopAction, *, with_pin: bool, handover: Handover = Handover.DROP
    ) -> tuple[Step, ...]:
        """What the robot does for a pick or drop."""
        if kind is StopAction.PICK:
            return self.pick
        if handover is Handover.LOCKER:
            return self.locker or self.drop
        at_door = with_pin or handover is Handover.DOOR
        return self.handover if at_door and self.handover else self.drop

    def judges(self, action: RouteAction) -> bool:
        """Whether the robot itself finds out that the customer is there."""
        return self.pin_by == "robot" and bool(action.handover_pin_sha256)

    def gated(self, action: RouteAction) -> bool:
        """Whether the robot stops before a drop until it is told to go on with it."""
        if action.kind is not StopAction.DROP:
            return False
        door = action.handover is Handover.DOOR
        return action.timed or (door and not self.judges(action))

    def with_curves(self, support: Support) -> Profile:
        """The same with trajectories supported or not."""
        return msgspec.structs.replace(self, optional={**self.optional, TRAJECTORY: support})


def find_profile(name: str, base: Path | None = None) -> Profile:
    """A shipped profile by its name, or one from a file: a name that ends in `.toml`.

    A relative file is relative to `base`. Raises ConfigurationError.
    """
    if name.endswith(".toml"):
        return read_profile((base or Path()) / name)
    path = SHIPPED / f"{name}.toml"
    shipped = sorted(p.stem for p in SHIPPED.glob("*.toml"))
    if name not in shipped:
        raise ConfigurationError(
            name, f"no such robot profile: use one of {', '.join(shipped)}, or a file NAME.toml"
        )
    return read_profile(path)


def read_profile(path: Path) -> Profile:
    """A profile from its file. Raises ConfigurationError naming file and key."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(str(path), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(path), f"is not TOML: {error}") from error
    try:
        profile = msgspec.convert(data, Profile)
    except msgspec.ValidationError as error:
        raise ConfigurationError(str(path), str(error)) from error
    fault = profile_fault(profile)
    if fault:
        raise ConfigurationError(str(path), fault)
    return profile


def profile_fault(profile: Profile) -> str:
    """What is wrong with a profile that its types do not tell; empty where nothing is."""
    if profile.version and profile.version not in VERSIONS:
        return f"version: {profile.version!r} is not spoken: use {', '.join(VERSIONS)} or leave out"
    for field in profile.optional:
        if field not in FILLED:
            return f"optional: {field!r} is never sent: use {', '.join(sorted(FILLED))}"
    if profile.optional.get(NODE_POSITION) == NOT_SUPPORTED:
        return f"optional: {NODE_POSITION}: outdoors there are no orders without positions"
    for name in ("pick", "drop", "handover", "locker"):
        steps: tuple[Step, ...] = getattr(profile, name)
        if steps and sum(step.proves for step in steps) != 1:
            return f"{name}: exactly one step must have proves = true"
    if any(step.proves or step.timeout_s for step in profile.arrival):
        return "arrival: its steps prove nothing, and end when the hand-over is settled"
    if profile.arrival and profile.pin_by != "controller":
        return 'arrival: needs pin_by = "controller"'
    return _steps_fault(profile)


def _steps_fault(profile: Profile) -> str:
    for name in ("pick", "drop", "handover", "locker", "arrival"):
        for number, step in enumerate(getattr(profile, name)):
            fault = _step_fault(step, profile.version)
            if fault:
                return f"{name}[{number}]: {fault}"
    return ""


def _step_fault(step: Step, version: str) -> str:
    if step.blocking == "SINGLE" and not version.startswith("3."):
        return 'blocking SINGLE needs version = "3.0.0"'
    if step.retriable and not version.startswith("3."):
        return 'retriable needs version = "3.0.0"'
    if step.type == "waitForTrigger" and not version.startswith("3."):
        return 'waitForTrigger needs version = "3.0.0"'
    for key, value in step.parameters.items():
        if isinstance(value, dict) and version not in {SPOKEN, SPOKEN_3}:
            return f'parameters.{key}: an object needs version = "{SPOKEN}" or "{SPOKEN_3}"'
        if not isinstance(value, str | bool | int | float | list | dict):
            return f"parameters.{key}: {type(value).__name__} cannot be sent"
        if isinstance(value, str) and value.startswith("{") and value not in PLACEHOLDERS:
            return f"parameters.{key}: {value} is none of {', '.join(sorted(PLACEHOLDERS))}"
    return ""


DEFAULT = read_profile(SHIPPED / "default.toml")
"""For robots that nobody wrote a profile for."""
