"""What a link is told by its name, and what it does with what it hears.

Owns link specifications and the post between a link and whoever is behind it: receiver, guards by
signing key, alarms. Must not open anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vehicles.errors import ConfigurationError
from vehicles.mavlink.signing import Guard, Verdict
from vehicles.mavlink.wire import Admit, Frame

Receiver = Callable[[str, Frame], None]
"""Called with the link's specification and a frame. Must not block and must not raise."""
Answer = Callable[[bytes], bool]
"""Sends bytes to where a frame came from."""

MIN_BAUD, MAX_BAUD = 1200, 4_000_000


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A parsed link specification; of a serial one `host` is the device, `port` the baud rate."""

    kind: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> LinkSpec:
        """Raises ConfigurationError naming the link where it is none."""
        kind, _, place = text.partition(":")
        # a device may have colons in its name
        host, _, number = place.rpartition(":")
        port = int(number) if number.isascii() and number.isdigit() else -1
        usable = bool(host) and (
            (kind == "serial" and MIN_BAUD <= port <= MAX_BAUD)
            or (kind in {"udpin", "tcp"} and ":" not in host and 0 <= port <= 65535)
        )
        if not usable:
            raise ConfigurationError(
                f"link {text!r}",
                'not a link: use "udpin:HOST:PORT", "tcp:HOST:PORT" or "serial:DEVICE:BAUD", for '
                'example "udpin:127.0.0.1:14550" or "serial:/dev/ttyUSB0:57600"',
            )
        return cls(kind, host, port)


@dataclass(slots=True)
class Post:
    """What a link has to do with whoever is behind it.

    `guards` holds the judge of every sysid that has a signing key on this link. `waken` makes a
    signed frame that brings the clock of a vehicle up which has the key but stood without power.
    `contested` hears of a sysid that two addresses claim.
    """

    receive: Receiver
    guards: dict[int, Guard] = field(default_factory=dict)
    contested: Callable[[int], None] = lambda _system: None
    waken: Callable[[int], bytes | None] = lambda _system: None

    def admit(self, frame: Frame, data: bytes, answer: Answer | None) -> bool:
        """Whether a frame may be believed, by the key of its sysid; without a key: yes."""
        guard = self.guards.get(frame.system)
        if guard is None:
            return True
        verdict = guard.judge(data)
        if verdict is Verdict.STALE and answer is not None:
            wake = self.waken(frame.system)
            if wake is not None:
                answer(wake)
        return verdict is Verdict.GOOD

    def admitting(self, answer: Answer) -> Admit | None:
        """The same for a scanner; None where no key is set on this link."""
        if not self.guards:
            return None
        return lambda frame, data: self.admit(frame, data, answer)
