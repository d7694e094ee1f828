"""Every parameter by PARAM_REQUEST_LIST, gaps filled by index. Sans-IO.

Owns the list for a vehicle that packs its parameters in no file. Must not know what a parameter
means. The index counts what the vehicle shows at the moment: where the count changes on the way,
every index may mean another parameter, and the list begins again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.messages import Message, ParamValue

_NO_INDEX = 65535
"""ArduPilot tells so of a value that was set or asked for by name."""


@dataclass(frozen=True, slots=True)
class Listed:
    """PARAM_VALUE by name in the vehicle's order, or None and why the list is not whole."""

    values: Mapping[str, ParamValue] | None
    reason: str = ""


@dataclass(slots=True)
class ParameterList:
    """The whole list. `resend_s` of silence end the stream; what is missing then is asked for."""

    system: int
    component: int
    window: int = 8
    resend_s: float = 1.5
    attempts: int = 4
    restarts: int = 3
    result: Listed | None = None
    deadline_s: float = 0.0
    _count: int | None = None
    _tries: int = 0
    _held: dict[int, ParamValue] = field(default_factory=dict)
    _open: dict[int, float] = field(default_factory=dict)
    _asked: dict[int, int] = field(default_factory=dict)
    _streaming: bool = True

    def start(self, now_s: float) -> list[Any]:
        """Ask for all of it."""
        self._tries += 1
        self.deadline_s = now_s + self.resend_s
        return [mav.MAVLink_param_request_list_message(self.system, self.component)]

    def receive(self, message: Message, now_s: float) -> list[Any]:
        """Take a value by its index."""
        if self.result is not None or not isinstance(message, ParamValue):
            return []
        index = message.param_index
        if index == _NO_INDEX or index >= message.param_count:
            return []
        if self._count is not None and message.param_count != self._count:
            return self._again(now_s)
        self._count = message.param_count
        new = index not in self._held
        self._held[index] = message
        self._open.pop(index, None)
        if len(self._held) == self._count:
            self._end()
            return []
        if self._streaming:
            self.deadline_s = now_s + self.resend_s
            return []
        return self._fill(now_s) if new else []

    def tick(self, now_s: float) -> list[Any]:
        """Ask again for the list, or for what is missing of it."""
        if self.result is not None or now_s < self.deadline_s:
            return []
        if self._count is None:
            if self._tries >= self.attempts:
                self.result = Listed(None, "the vehicle gave no answer to PARAM_REQUEST_LIST")
                return []
            return self.start(now_s)
        self._streaming = False
        for index in [index for index, at in self._open.items() if now_s >= at]:
            del self._open[index]
        return self._fill(now_s)

    def _again(self, now_s: float) -> list[Any]:
        self.restarts -= 1
        if self.restarts < 0:
            why = "the number of parameters changed, however often the list was begun again"
            self.result = Listed(None, why)
            return []
        self._count, self._tries, self._streaming = None, 0, True
        self._held, self._open, self._asked = {}, {}, {}
        return self.start(now_s)

    def _fill(self, now_s: float) -> list[Any]:
        """Ask by index for the first that are missing."""
        out: list[Any] = []
        for index in range(self._count or 0):
            if len(self._open) >= self.window:
                break
            if index in self._held or index in self._open:
                continue
            if self._asked.get(index, 0) >= self.attempts:
                continue
            self._asked[index] = self._asked.get(index, 0) + 1
            self._open[index] = now_s + self.resend_s
            out.append(
                mav.MAVLink_param_request_read_message(self.system, self.component, b"", index)
            )
        if not self._open:
            missing = (self._count or 0) - len(self._held)
            why = f"{missing} of {self._count} parameters never came, however often asked for"
            self.result = Listed(None, why)
        self.deadline_s = min(self._open.values(), default=now_s)
        return out

    def _end(self) -> None:
        named = {self._held[index].param_id: self._held[index] for index in sorted(self._held)}
        if len(named) == len(self._held):
            self.result = Listed(named)
        else:
            self.result = Listed(None, "one name came under two indices: read it again")
