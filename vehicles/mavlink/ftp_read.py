"""One file read from a vehicle by MAVLink FTP. Sans-IO.

Owns OpenFileRO, BurstReadFile, ReadFile for what the burst lost, and TerminateSession. Must not
know what is in the file.

ArduPilot has one session for all its links and stations (GCS_FTP.cpp, `ftp_state`), known by a
number that the client chooses, and from that come the rules here:

- a number of our own, another one for each opening: neither can another station's reset close our
  file, nor a late request of ours the next one. Nothing is reset at the start: TerminateSession of
  a foreign number makes the other station's session look idle, so that the next opening takes it
  away, and ResetSessions ends everybody's on a vehicle that goes by the guide;
- an opening that another station's open file refuses is tried again after BUSY_S or up to twice as
  long, not sooner: every answer, a refusal too, renews the three seconds after which an idle
  session may be taken over. Two stations that ask in step would keep a session alive that nobody
  has, so the number that each one takes spreads them;
- one block size throughout: ArduPilot lays param.pck out for the size of the first read, and
  refuses another one;
- an opening is sent again with its own sequence number, so that it is not done twice; a read goes
  with a new one, and none lands on a number that the burst may have used: ArduPilot repeats its
  last answer to a request whose number is one less.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Any

from vehicles.mavlink.exchange import for_us
from vehicles.mavlink.ftp import MAX_DATA, SEQUENCES, Nak, Op, Packet, read_packet
from vehicles.mavlink.messages import FileTransferProtocol, Message

BUSY_S = 4.0
"""ArduPilot frees a session that was silent for 3 s (FTP_SESSION_TIMEOUT)."""
MAX_BYTES = 128 * 1024
_BURST_SPAN = 1024
"""Sequence numbers left to a burst: ArduPilot sends up to 500 blocks and a NAK."""
_CLOSINGS = 2
_NUMBERS = 255
_GOLDEN = 0.618
_BUSY = frozenset({Nak.FAIL, Nak.INVALID_SESSION, Nak.NO_SESSIONS_AVAILABLE})
_NAMES = {int(nak): nak.name.lower().replace("_", " ") for nak in Nak}
_CHANGED = "the file changed while it was read"


class FtpFault(StrEnum):
    """Why there is no file."""

    NO_ANSWER = "no answer"
    """The vehicle stopped answering, or never did."""
    BUSY = "busy"
    """Another station kept its file open."""
    REFUSED = "refused"
    """There is no such file, or it may not be read."""
    LOST = "lost"
    """The session ended, or the file changed, however often it was begun again."""
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole file, or why there is none; `unheard`: FTP got no answer at all."""

    data: bytes | None
    fault: FtpFault | None = None
    reason: str = ""
    unheard: bool = False


class _Phase(Enum):
    OPENING = auto()
    WAITING = auto()
    BURST = auto()
    GAPS = auto()
    CLOSING = auto()


@dataclass(slots=True)
class _Ask:
    """A ReadFile that waits for its answer."""

    late_s: float
    tries: int = 1


@dataclass(slots=True)
class FtpRead:
    """Reads `path`. `number` (1..255) and `sequence` begin the numbers of session and requests.

    Of a file put together from several readings the first `head` bytes are read once more at the
    end: where they tell how much follows, they tell whether it is still the same file.
    """

    path: str
    system: int
    component: int
    number: int
    sequence: int = 0
    resend_s: float = 1.5
    attempts: int = 4
    window: int = 3
    head: int = 6
    max_bytes: int = MAX_BYTES
    busy_waits: int = 4
    restarts: int = 3
    result: Fetched | None = None
    deadline_s: float = 0.0
    heard: int = 0
    """Blocks received, those that came twice among them."""
    _phase: _Phase = _Phase.OPENING
    _request: Packet = field(default_factory=lambda: Packet(0, 0, 0))
    _tries: int = 0
    _waits: int = 0
    _begun: int = 0
    _session: int = 0
    _opened_at: int = 0
    _idle: int = 0
    _before: int = 0
    _over: bool = False
    _apart: bool = False
    _checking: bool = False
    _blocks: dict[int, bytes] = field(default_factory=dict)
    _top: int = 0
    _size: int | None = None
    _asks: dict[int, _Ask] = field(default_factory=dict)
    _asked: dict[int, int] = field(default_factory=dict)
    _ending: Fetched | None = None
    _answered: bool = False

    def start(self, now_s: float) -> list[Any]:
        """Open the file."""
        return self._open(now_s)

    def receive(self, message: Message, now_s: float) -> list[Any]:
        """Take an answer; whatever is not one to what is open now is passed over."""
        if (
            self.result is not None
            or not isinstance(message, FileTransferProtocol)
            or not for_us(message.target_system, message.target_component)
        ):
            return []
        packet = read_packet(message.payload)
        if packet is None or packet.opcode not in (Op.ACK, Op.NAK):
            return []
        if self._phase is _Phase.OPENING:
            return self._opened(packet, now_s)
        if self._phase is _Phase.CLOSING:
            return self._closed(now_s) if self._answers_request(packet) else []
        if self._phase is _Phase.WAITING or packet.session != self._session:
            return []
        if packet.request == Op.BURST_READ_FILE:
            return self._bursting(packet, now_s)
        if packet.request == Op.READ_FILE:
            return self._reading(packet, now_s)
        return []

    def tick(self, now_s: float) -> list[Any]:
        """Ask again for what is late, begin again after a wait, or give up."""
        if self.result is not None or now_s < self.deadline_s:
            return []
        match self._phase:
            case _Phase.OPENING if self._tries >= self.attempts:
                self.result = self._silence()
                return []
            case _Phase.CLOSING if self._tries >= _CLOSINGS:
                return self._closed(now_s)
            case _Phase.OPENING | _Phase.CLOSING:
                return self._send(now_s)
            case _Phase.WAITING:
                return self._open(now_s)
            case _Phase.BURST:
                return self._next(now_s)
            case _Phase.GAPS:
                return self._gaps(now_s)

    def _open(self, now_s: float) -> list[Any]:
        """From the beginning: what an earlier session read may be of another file."""
        self._begun += 1
        if self._begun > 1:
            self.number = self.number % _NUMBERS + 1
        self._phase, self._tries = _Phase.OPENING, 0
        self._blocks, self._top, self._size = {}, 0, None
        self._asks, self._asked = {}, {}
        self._idle = self._before = 0
        self._over = self._apart = self._checking = False
        path = self.path.encode("ascii")
        self._request = Packet(self._number(), self.number, Op.OPEN_FILE_RO, len(path), data=path)
        self._opened_at = self._request.sequence
        return self._send(now_s)

    def _opened(self, packet: Packet, now_s: float) -> list[Any]:
        if not self._answers_request(packet):
            return []
        self._answered = True
        if packet.opcode == Op.ACK:
            self._session = packet.session
            told = int.from_bytes(packet.data[:4], "little")
            if told > self.max_bytes:
                return self._close(self._too_large(told), now_s)
            return self._burst(now_s)
        if packet.refusal in _BUSY:
            return self._wait(now_s)
        self.result = Fetched(None, FtpFault.REFUSED, f"{self.path}: {_words(packet)}")
        return []

    def _wait(self, now_s: float) -> list[Any]:
        self._waits += 1
        if self._waits > self.busy_waits:
            why = f"{self.path}: another station keeps a file of the vehicle open"
            self.result = Fetched(None, FtpFault.BUSY, why)
            return []
        spread = self.number * _GOLDEN % 1.0
        self._phase, self.deadline_s = _Phase.WAITING, now_s + BUSY_S * (1.0 + spread)
        return []

    def _burst(self, now_s: float) -> list[Any]:
        """Everything from where nothing is known yet."""
        self._phase, self._before = _Phase.BURST, self._top
        sequence = self._number(_BURST_SPAN)
        self._request = Packet(
            sequence, self._session, Op.BURST_READ_FILE, MAX_DATA, offset=self._top
        )
        self._tries = 0
        return self._send(now_s)

    def _bursting(self, packet: Packet, now_s: float) -> list[Any]:
        """A block of this opening's bursts, or the end of the present one."""
        since = (packet.sequence - self._opened_at) % SEQUENCES
        if packet.opcode == Op.ACK:
            if since >= (self.sequence - self._opened_at) % SEQUENCES:
                return []
            awaited = packet.offset in self._asks and not self._checking
            fault = self._keep(packet.offset, packet.data)
            if fault is not None:
                return self._spoilt(fault, now_s)
            if self._phase is not _Phase.BURST:
                return self._go_on(now_s) if awaited else []
            self.deadline_s = now_s + self.resend_s
            ended = packet.burst_complete or self._size is not None
            return self._next(now_s) if ended else []
        present = (packet.sequence - self._request.sequence) % SEQUENCES
        if self._phase is not _Phase.BURST or not 1 <= present < _BURST_SPAN:
            return []
        if packet.refusal in (Nak.END_OF_FILE, Nak.UNKNOWN_COMMAND):
            # a vehicle without bursts is read block by block
            self._over = True
            return self._next(now_s)
        return self._refused(packet, now_s)

    def _next(self, now_s: float) -> list[Any]:
        """A burst is over, or silent: the next one, the gaps, or the end."""
        if self._size is None and not self._over:
            self._idle = 0 if self._top > self._before else self._idle + 1
            if self._idle >= self.attempts:
                return self._close(self._silence(), now_s)
            self._apart = True
            return self._burst(now_s)
        self._phase = _Phase.GAPS
        return self._go_on(now_s)

    def _reading(self, packet: Packet, now_s: float) -> list[Any]:
        offset = self._asked.get(packet.sequence)
        if self._phase is not _Phase.GAPS or offset is None or offset not in self._asks:
            return []
        if packet.opcode == Op.NAK:
            if packet.refusal != Nak.END_OF_FILE:
                return self._refused(packet, now_s)
            if offset != self._top or self._size is not None:
                return self._again(_CHANGED, now_s)
            del self._asks[offset]
            self._size = self._top
        elif packet.offset != offset:
            return []
        elif self._checking:
            return self._checked(packet.data, now_s)
        else:
            self._apart = True
            fault = self._keep(offset, packet.data)
            if fault is not None:
                return self._spoilt(fault, now_s)
        return self._go_on(now_s)

    def _keep(self, offset: int, data: bytes) -> Fetched | str | None:
        """Keep a block; what speaks against it. The first of two stays: values move, places do not.

        A block is well formed at a multiple of the block size only; others are passed over.
        """
        end = offset + len(data)
        if end > self.max_bytes:
            return self._too_large(end)
        if not data or offset % MAX_DATA:
            return None
        self.heard += 1
        held = self._blocks.setdefault(offset, data)
        if not self._checking:
            self._asks.pop(offset, None)
        if len(held) != len(data):
            return _CHANGED
        self._top = max(self._top, end)
        if len(data) < MAX_DATA:
            self._size = end
        if self._size is not None and self._top > self._size:
            return _CHANGED
        return None

    def _go_on(self, now_s: float) -> list[Any]:
        """Ask for what is missing; at the end close the file, or look whether it is still it."""
        wanted = [at for at in range(0, self._top, MAX_DATA) if at not in self._blocks]
        if self._size is None:
            wanted.append(self._top)
        if wanted:
            return self._ask(wanted, now_s)
        if self._apart and self._size and not self._checking:
            self._checking = True
            self._asks, self._asked = {}, {}
            return self._ask([0], now_s)
        return self._close(self._whole(), now_s)

    def _whole(self) -> Fetched:
        return Fetched(b"".join(self._blocks[at] for at in sorted(self._blocks)))

    def _checked(self, data: bytes, now_s: float) -> list[Any]:
        if data[: self.head] != self._blocks[0][: self.head]:
            return self._again(_CHANGED, now_s)
        return self._close(self._whole(), now_s)

    def _ask(self, wanted: list[int], now_s: float) -> list[Any]:
        """Fill the window with the first of what is wanted."""
        out: list[Any] = []
        for offset in wanted:
            if len(self._asks) >= self.window:
                break
            if offset not in self._asks:
                self._asks[offset] = _Ask(now_s + self.resend_s)
                out.append(self._read(offset))
        self.deadline_s = min(ask.late_s for ask in self._asks.values())
        return out

    def _gaps(self, now_s: float) -> list[Any]:
        out: list[Any] = []
        for offset, ask in self._asks.items():
            if now_s < ask.late_s:
                continue
            if ask.tries >= self.attempts:
                return self._close(self._silence(), now_s)
            ask.tries += 1
            ask.late_s = now_s + self.resend_s
            out.append(self._read(offset))
        self.deadline_s = min(ask.late_s for ask in self._asks.values())
        return out

    def _read(self, offset: int) -> Any:
        sequence = self._number()
        self._asked[(sequence + 1) % SEQUENCES] = offset
        packet = Packet(sequence, self._session, Op.READ_FILE, MAX_DATA, offset=offset)
        return packet.message(self.system, self.component)

    def _refused(self, packet: Packet, now_s: float) -> list[Any]:
        """A read of an open file is refused: where the session is gone, begin again."""
        if packet.refusal == Nak.FILE_NOT_FOUND:
            # no file is open: the vehicle booted, or its session was ended
            return self._again(_words(packet), now_s, close=False)
        if packet.refusal in _BUSY:
            return self._wait(now_s)
        return self._again(_words(packet), now_s)

    def _spoilt(self, fault: Fetched | str, now_s: float) -> list[Any]:
        if isinstance(fault, Fetched):
            return self._close(fault, now_s)
        return self._again(fault, now_s)

    def _again(self, why: str, now_s: float, *, close: bool = True) -> list[Any]:
        self.restarts -= 1
        if self.restarts < 0:
            ending = Fetched(None, FtpFault.LOST, f"{self.path}: {why}")
            if close:
                return self._close(ending, now_s)
            self.result = ending
            return []
        return self._close(None, now_s) if close else self._open(now_s)

    def _close(self, ending: Fetched | None, now_s: float) -> list[Any]:
        """End our session; then the ending, or another beginning where there is none."""
        self._ending, self._phase, self._tries = ending, _Phase.CLOSING, 0
        self._request = Packet(self._number(), self._session, Op.TERMINATE_SESSION)
        return self._send(now_s)

    def _closed(self, now_s: float) -> list[Any]:
        if self._ending is None:
            return self._open(now_s)
        self.result = self._ending
        return []

    def _send(self, now_s: float) -> list[Any]:
        self._tries += 1
        self.deadline_s = now_s + self.resend_s
        return [self._request.message(self.system, self.component)]

    def _number(self, room: int = 1) -> int:
        """The next sequence number, with room for what is answered under the ones after it."""
        number = self.sequence % SEQUENCES
        self.sequence = (number + room) % SEQUENCES
        return number

    def _answers_request(self, packet: Packet) -> bool:
        request = self._request
        return packet.request == request.opcode and packet.sequence == (
            (request.sequence + 1) % SEQUENCES
        )

    def _silence(self) -> Fetched:
        why = f"{self.path}: the vehicle gave no answer to MAVLink FTP"
        return Fetched(None, FtpFault.NO_ANSWER, why, unheard=not self._answered)

    def _too_large(self, size: int) -> Fetched:
        why = f"{self.path}: {size} bytes, more than the {self.max_bytes} that are taken"
        return Fetched(None, FtpFault.TOO_LARGE, why)


def _words(packet: Packet) -> str:
    """What a NAK says."""
    code = packet.refusal
    name = _NAMES.get(code, f"code {code}")
    number = f" {packet.data[1]}" if code == Nak.FAIL_ERRNO and len(packet.data) > 1 else ""
    return f"the vehicle answers {name}{number}"
