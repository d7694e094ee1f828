"""Commands: COMMAND_LONG and COMMAND_INT with their acknowledgement.

Owns resending with the confirmation count, IN_PROGRESS and the timeout (MAVLink command protocol).
Sans-IO. An acknowledgement says that the vehicle heard, not that anything happened: effects are
the session's to prove. At most one exchange per command id may be open with a vehicle, since an
acknowledgement names nothing but the command.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.exchange import for_us
from vehicles.mavlink.messages import CommandAck, Message

ACCEPTED = mav.MAV_RESULT_ACCEPTED
IN_PROGRESS = mav.MAV_RESULT_IN_PROGRESS
_RESULTS = {
    mav.MAV_RESULT_TEMPORARILY_REJECTED: "temporarily rejected",
    mav.MAV_RESULT_DENIED: "denied",
    mav.MAV_RESULT_UNSUPPORTED: "unsupported",
    mav.MAV_RESULT_FAILED: "failed",
    6: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its seven parameters. `as_int`: COMMAND_INT (x, y in 1e-7 degrees)."""

    command: int
    params: tuple[float, ...] = ()
    as_int: bool = False
    frame: int = mav.MAV_FRAME_GLOBAL_RELATIVE_ALT
    x: int = 0
    y: int = 0
    z: float = 0.0

    def message(self, system: int, component: int, confirmation: int) -> Any:
        """The pymavlink message."""
        values = [*self.params, *([0.0] * (7 - len(self.params)))]
        if self.as_int:
            place = (self.x, self.y, self.z)
            return mav.MAVLink_command_int_message(
                system, component, self.frame, self.command, 0, 0, *values[:4], *place
            )
        return mav.MAVLink_command_long_message(
            system, component, self.command, confirmation, *values
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The vehicle's word on a command; `result` is None where none came."""

    command: int
    result: int | None

    @property
    def accepted(self) -> bool:
        """Whether the vehicle said yes, which is no effect yet."""
        return bool(self.result == ACCEPTED)

    @property
    def text(self) -> str:
        """For a reason: what the vehicle answered."""
        if self.result is None:
            return "no answer"
        return _RESULTS.get(self.result, f"result {self.result}")


@dataclass(slots=True)
class CommandExchange:
    """One command until it is answered or given up."""

    command: Command
    system: int
    component: int
    resend_s: float = 1.5
    attempts: int = 4
    progress_timeout_s: float = 20.0
    result: Answer | None = None
    deadline_s: float = 0.0
    _sent: int = field(default=0)
    _in_progress: bool = field(default=False)

    def start(self, now_s: float) -> list[Any]:
        """Send it for the first time."""
        return self._send(now_s)

    def receive(self, message: Message, now_s: float) -> list[Any]:
        """An acknowledgement of this command ends it, or prolongs it while in progress."""
        if (
            self.result is None
            and isinstance(message, CommandAck)
            and message.command == self.command.command
            and for_us(message.target_system, message.target_component)
        ):
            if message.result == IN_PROGRESS:
                self._in_progress = True
                self.deadline_s = now_s + self.progress_timeout_s
            else:
                self.result = Answer(message.command, message.result)
        return []

    def tick(self, now_s: float) -> list[Any]:
        """Send again, or give up; a command in progress is never sent twice."""
        if self.result is not None or now_s < self.deadline_s:
            return []
        if self._in_progress or self._sent >= self.attempts:
            self.result = Answer(self.command.command, None)
            return []
        return self._send(now_s)

    def _send(self, now_s: float) -> list[Any]:
        message = self.command.message(self.system, self.component, self._sent)
        self._sent += 1
        self.deadline_s = now_s + self.resend_s
        return [message]
