"""What the controller tells ground vehicles that are under way on a round.

Owns the protocols between the controller and adapters for that: another way, and what becomes of a
hand-over at a stop. Must not decide anything.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from missions.model import GroundMission


@runtime_checkable
class Doorkeeper(Protocol):
    """A session whose vehicle stands at a stop until it is told what becomes of a hand-over."""

    def waits_for(self, mission: GroundMission) -> str:
        """The parcel that it stands and waits for; empty: none."""

    def judges(self, mission: GroundMission, parcel_id: str) -> bool:
        """Whether the vehicle itself asks the customer, so that nobody else has to."""

    def settle(self, mission: GroundMission, parcel_id: str, *, opens: bool) -> bool:
        """Let it begin the hand-over, or go on with the parcel aboard; whether that stands.

        The first word about a parcel counts: a hand-over that was left out never begins. May be
        said again, and before the vehicle is there.
        """


@runtime_checkable
class Rerouting(Protocol):
    """A session whose vehicle takes another way on a round that it is on."""

    def reroute(self, mission: GroundMission) -> str:
        """The round it is on, with another way behind the last node that it was let go to.

        Empty: it is told until its own state shows it. Else why not, and nothing has changed.
        Nothing is checked against zones: whoever asks has done so.
        """

    def rerouted(self, mission: GroundMission) -> bool:
        """Whether its own state shows that this round is the one it is on."""
