"""What the sans-IO protocols share: messages and time in, messages out, a result at the end.

Owns the shape that `session` drives. Must not send, sleep or read a clock.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from vehicles.mavlink.messages import Message
from vehicles.mavlink.wire import GCS_COMPONENT, GCS_SYSTEM

ResultT_co = TypeVar("ResultT_co", covariant=True)


class Exchange(Protocol[ResultT_co]):
    """One conversation with one vehicle. Times are seconds of the session's clock."""

    @property
    def result(self) -> ResultT_co | None:
        """How it ended; None while it goes on."""

    @property
    def deadline_s(self) -> float:
        """When `tick` wants to be called next."""

    def start(self, now_s: float) -> list[Any]:
        """The first messages to send (pymavlink messages)."""

    def receive(self, message: Message, now_s: float) -> list[Any]:
        """A message from the vehicle -> messages to send; anything that is not ours: none."""

    def tick(self, now_s: float) -> list[Any]:
        """Time has passed -> messages to send again, or the end."""


def for_us(target_system: int, target_component: int) -> bool:
    """Whether a targeted message is meant for this ground station (0 addresses everybody)."""
    return target_system in {0, GCS_SYSTEM} and target_component in {0, GCS_COMPONENT}
