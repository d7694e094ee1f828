"""What a robot remembers of its order and its actions.

Owns the shapes alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sitl.robot.door import Message, Visit

TERMINAL = ("FINISHED", "FAILED")


@dataclass(slots=True)
class Deed:
    """An action and how far it is."""

    action: Message
    sequence_id: int = -1
    status: str = "WAITING"
    result: str = ""
    left_s: float = 0.0
    visit: Visit | None = None
    """The wait for a customer."""

    @property
    def action_id(self) -> str:
        """Its id."""
        return str(self.action["actionId"])

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.action["actionType"])

    def entry(self) -> Message:
        """As an entry of actionStates."""
        entry = {
            "actionId": self.action_id,
            "actionType": self.kind,
            "actionStatus": self.status,
        }
        if self.result:
            entry["resultDescription"] = self.result
        return entry


@dataclass(slots=True)
class Leg:
    """A line that is driven now."""

    points: list[tuple[float, float]]
    speed_mps: float


@dataclass(slots=True)
class Memory:
    """What a restart wipes."""

    order: Message | None = None
    order_id: str = ""
    update_id: int = 0
    last_node_id: str = ""
    last_sequence_id: int = 0
    nodes: list[Message] = field(default_factory=list)
    edges: list[Message] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    instants: list[Deed] = field(default_factory=list)
    errors: list[Message] = field(default_factory=list)
    cancel: Deed | None = None
    cancelled: bool = False
    leg: Leg | None = None
    paused: bool = False
    travelled_m: float = 0.0


def deeds_of(nodes: list[Message]) -> list[Deed]:
    """The actions of these nodes, waiting."""
    return [Deed(action, node["sequenceId"]) for node in nodes for action in node["actions"]]
