"""MAVLink 2 message signing: keys, timestamps that never go back, and who is believed.

Owns the signature block: making it, judging it, counting what was refused. Must not open sockets
or tell the time: `now` is injected. A key never stands in a text: not in repr, errors or logs.

Rules, from the MAVLink message signing guide: the signature is the first 48 bits of SHA-256 over
the key and the frame up to and with the timestamp; timestamps are 10 us since 2015-01-01 UTC and
only grow per stream (link id, system, component); the first of a stream may be at most a minute
behind one's own; whoever hears a later one takes it over. Unlike pymavlink, a stream's timestamp
moves only for a signature that holds, so that a forger cannot deafen it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from fastcrc.crc16 import mcrf4xx
from pymavlink.dialects.v20 import ardupilotmega as dialect

from vehicles.errors import ConfigurationError

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
UNITS_PER_S = 100_000
MOST_BEHIND = 60 * UNITS_PER_S
KEY_BYTES = 32
MAX_STREAMS = 64
_FLAG_SIGNED = 0x01
_BLOCK_BYTES = 13
_MAC_BYTES = 6
_LARGEST = (1 << 48) - 1


class SigningKey:
    """32 secret bytes. Raises ConfigurationError, which names the source and never the key."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes, source: str = "signing key") -> None:
        if len(secret) != KEY_BYTES:
            raise ConfigurationError(source, f"holds {len(secret)} bytes: a signing key has 32")
        self._secret = secret

    def __repr__(self) -> str:
        return "SigningKey(hidden)"

    @classmethod
    def from_file(cls, path: Path) -> SigningKey:
        """A file with 32 raw bytes, or with 64 hexadecimal digits or base64 as text."""
        source = f"signing_key_file {path}"
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ConfigurationError(source, f"cannot be read: {error.strerror}") from error
        return cls(raw if len(raw) == KEY_BYTES else _decoded(raw, source), source)

    @classmethod
    def from_environment(cls, name: str, environ: Mapping[str, str] = os.environ) -> SigningKey:
        """A variable with 64 hexadecimal digits or base64."""
        source = f"signing_key_env {name}"
        if not environ.get(name):
            raise ConfigurationError(source, "is not set in the environment")
        return cls(_decoded(environ[name].encode(), source), source)

    def mac(self, signed: bytes) -> bytes:
        """The signature over a frame up to and with its timestamp."""
        return hashlib.sha256(self._secret + signed).digest()[:_MAC_BYTES]

    def setup_message(self, system: int, component: int, timestamp: int) -> object:
        """SETUP_SIGNING, which gives a vehicle this key. Only over a link that nobody hears."""
        return dialect.MAVLink_setup_signing_message(
            system, component, list(self._secret), timestamp
        )


def _decoded(text: bytes, source: str) -> bytes:
    word = text.strip()
    try:
        return (
            bytes.fromhex(word.decode("ascii"))
            if len(word) == 2 * KEY_BYTES
            else (base64.b64decode(word, validate=True))
        )
    except ValueError:
        # from None: the cause would show the text
        raise ConfigurationError(
            source, "is no key: give 64 hexadecimal digits, or 32 bytes in base64"
        ) from None


class SigningClock:
    """This station's timestamps: each later than every one before it, also after a restart.

    `floor` is the lowest that may be issued first: what `reserved` gave when it was last kept.
    `now` may jump; what is issued never does.
    """

    __slots__ = ("_heard", "_issued", "_now")

    def __init__(self, now: Callable[[], datetime], floor: int = 0) -> None:
        self._now = now
        self._issued = floor
        self._heard = 0

    @property
    def reference(self) -> int:
        """What the first timestamp of a stream is held against: the clock, or the latest heard."""
        return max(self._units(), self._heard)

    def start_from(self, floor: int) -> None:
        """A floor that an earlier run has kept; call it before anything is issued."""
        self._issued = max(self._issued, floor)

    def issue(self) -> int:
        """The next timestamp to sign with."""
        self._issued = min(max(self._issued + 1, self.reference), _LARGEST)
        return self._issued

    def hear(self, timestamp: int) -> None:
        """A later timestamp, of a signature that held, is taken over."""
        self._heard = max(self._heard, timestamp)

    def reserved(self, ahead_s: float) -> int:
        """A floor for the next start, if this one issues for at most `ahead_s` more."""
        return max(self._issued, self.reference) + round(ahead_s * UNITS_PER_S)

    def _units(self) -> int:
        return int((self._now() - EPOCH).total_seconds() * UNITS_PER_S)


class FloorFile:
    """Keeps the floor for the next start in a file, replaced whole. Both calls may block."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> int:
        """0 where there is none yet. Raises ConfigurationError where it is no number."""
        try:
            return int(self._path.read_text("ascii"))
        except FileNotFoundError:
            return 0
        except (ValueError, OSError) as error:
            raise ConfigurationError(
                f"signing timestamps {self._path}",
                "cannot be read: restore it, or delete it where this machine's clock is right",
            ) from error

    def keep(self, floor: int) -> None:
        """Raises OSError."""
        beside = self._path.with_name(self._path.name + ".new")
        with beside.open("w", encoding="ascii") as file:
            file.write(f"{floor}\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)


class Signer:
    """Signs what this station sends over one link to one vehicle."""

    __slots__ = ("_clock", "_key", "_link_id")

    def __init__(self, key: SigningKey, link_id: int, clock: SigningClock) -> None:
        self._key = key
        self._link_id = link_id
        self._clock = clock

    def sign(self, frame: bytes) -> bytes:
        """An unsigned MAVLink 2 frame -> the same, signed now."""
        head = bytes((frame[0], frame[1], frame[2] | _FLAG_SIGNED)) + frame[3:-2]
        extra = dialect.mavlink_map[int.from_bytes(frame[7:10], "little")].crc_extra
        crc = mcrf4xx(head[1:] + bytes((extra,))).to_bytes(2, "little")
        stamp = self._clock.issue().to_bytes(6, "little")
        signed = head + crc + bytes((self._link_id,)) + stamp
        return signed + self._key.mac(signed)


class Verdict(StrEnum):
    """What became of a frame that claims to be of a vehicle with a key."""

    GOOD = "good"
    UNSIGNED = "unsigned"
    WRONG = "wrong signature"
    REPLAYED = "replayed"
    STALE = "stale"
    """The signature holds, but the stream is new and more than a minute behind: a replay, or a
    vehicle whose clock stood still while it had no power."""


class Guard:
    """Judges the frames of one vehicle on one link by its key; counts each verdict."""

    __slots__ = ("_clock", "_key", "_streams", "counts")

    def __init__(self, key: SigningKey, clock: SigningClock) -> None:
        self._key = key
        self._clock = clock
        self._streams: dict[tuple[int, int, int], int] = {}
        self.counts: Counter[Verdict] = Counter()

    def judge(self, frame: bytes) -> Verdict:
        """A whole frame whose checksum held."""
        verdict = self._judge(frame)
        self.counts[verdict] += 1
        return verdict

    def _judge(self, frame: bytes) -> Verdict:
        if frame[0] != dialect.PROTOCOL_MARKER_V2 or not frame[2] & _FLAG_SIGNED:
            return Verdict.UNSIGNED
        if not hmac.compare_digest(self._key.mac(frame[:-_MAC_BYTES]), frame[-_MAC_BYTES:]):
            return Verdict.WRONG
        link_id = frame[-_BLOCK_BYTES]
        timestamp = int.from_bytes(frame[-_BLOCK_BYTES + 1 : -_MAC_BYTES], "little")
        stream = (link_id, frame[5], frame[6])
        last = self._streams.get(stream)
        if last is None:
            if timestamp + MOST_BEHIND < self._clock.reference or len(self._streams) >= MAX_STREAMS:
                return Verdict.STALE
        elif timestamp <= last:
            return Verdict.REPLAYED
        self._streams[stream] = timestamp
        self._clock.hear(timestamp)
        return Verdict.GOOD
