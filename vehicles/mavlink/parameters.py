"""Parameters: read by name, set with read-back. Sans-IO.

Owns PARAM_REQUEST_READ and PARAM_SET for a list of names at once. Must not know what a parameter
means. ArduPilot does not answer a name that it does not know: after the last attempt the
parameter counts as missing. Values travel in a 32-bit float; how is the autopilot's `Encoding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.encoding import CAST, Encoding
from vehicles.mavlink.messages import Message, ParamValue

TOLERANCE = 1e-4


def same_value(left: float, right: float) -> bool:
    """Whether two parameter values are the same within a 32-bit float's resolution."""
    return abs(left - right) <= TOLERANCE * max(1.0, abs(left), abs(right))


@dataclass(slots=True)
class ParameterRead:
    """Values by name; None for a name that was never answered."""

    names: tuple[str, ...]
    system: int
    component: int
    window: int = 8
    resend_s: float = 1.5
    attempts: int = 4
    encoding: Encoding = CAST
    result: Mapping[str, float | None] | None = None
    deadline_s: float = 0.0
    count: int = 0
    """How many parameters the vehicle says that it has; 0 where it said nothing."""
    _values: dict[str, float] = field(default_factory=dict)
    _tries: dict[str, int] = field(default_factory=dict)
    _open: dict[str, float] = field(default_factory=dict)

    def start(self, now_s: float) -> list[Any]:
        """Ask for the first ones."""
        return self._fill(now_s)

    def receive(self, message: Message, now_s: float) -> list[Any]:
        """Take a value; ask for the next."""
        if self.result is not None or not isinstance(message, ParamValue):
            return []
        if message.param_id not in self._open:
            return []
        del self._open[message.param_id]
        self.count = message.param_count
        self._values[message.param_id] = self.encoding.value_of(message)
        return self._fill(now_s)

    def tick(self, now_s: float) -> list[Any]:
        """Ask again for what is late; give up on what never answered."""
        late = [name for name, at in self._open.items() if now_s >= at]
        for name in late:
            del self._open[name]
        return self._fill(now_s) if self.result is None else []

    def _fill(self, now_s: float) -> list[Any]:
        out: list[Any] = []
        for name in self.names:
            if len(self._open) >= self.window:
                break
            if name in self._values or name in self._open:
                continue
            if self._tries.get(name, 0) >= self.attempts:
                continue
            self._tries[name] = self._tries.get(name, 0) + 1
            self._open[name] = now_s + self.resend_s
            out.append(
                mav.MAVLink_param_request_read_message(
                    self.system, self.component, name.encode("ascii"), -1
                )
            )
        if not self._open:
            self.result = {name: self._values.get(name) for name in self.names}
        self.deadline_s = min(self._open.values(), default=now_s)
        return out


@dataclass(slots=True)
class ParameterWrite:
    """Sets values one after the other; the result holds what the vehicle then says it has.

    A PARAM_VALUE with another value than asked for is taken as its word only after the set was
    repeated: one may have been on its way when the set was sent.
    """

    values: Mapping[str, float]
    system: int
    component: int
    resend_s: float = 1.5
    attempts: int = 4
    encoding: Encoding = CAST
    result: Mapping[str, float | None] | None = None
    deadline_s: float = 0.0
    _held: dict[str, float | None] = field(default_factory=dict)
    _tries: int = field(default=0)

    def start(self, now_s: float) -> list[Any]:
        """Set the first one."""
        return self._next(now_s)

    def receive(self, message: Message, now_s: float) -> list[Any]:
        """Compare the vehicle's word with what was asked for."""
        name = self._current()
        if (
            self.result is not None
            or name is None
            or not isinstance(message, ParamValue)
            or message.param_id != name
        ):
            return []
        held = self.encoding.value_of(message)
        if not same_value(held, self.values[name]) and self._tries < self.attempts:
            return self._send(name, now_s)
        self._held[name] = held
        self._tries = 0
        return self._next(now_s)

    def tick(self, now_s: float) -> list[Any]:
        """Set again, or give up on this one."""
        name = self._current()
        if self.result is not None or name is None or now_s < self.deadline_s:
            return []
        if self._tries >= self.attempts:
            self._held[name] = None
            self._tries = 0
            return self._next(now_s)
        return self._send(name, now_s)

    def _current(self) -> str | None:
        return next((name for name in self.values if name not in self._held), None)

    def _next(self, now_s: float) -> list[Any]:
        name = self._current()
        if name is None:
            self.result = dict(self._held)
            return []
        return self._send(name, now_s)

    def _send(self, name: str, now_s: float) -> list[Any]:
        self._tries += 1
        self.deadline_s = now_s + self.resend_s
        return [
            mav.MAVLink_param_set_message(
                self.system,
                self.component,
                name.encode("ascii"),
                *self.encoding.wire(name, self.values[name]),
            )
        ]
