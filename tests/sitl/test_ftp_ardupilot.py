"""Every parameter of a copter by MAVLink FTP, on the light one and on real ArduCopter.

What the real one does with sessions decides what `vehicles.mavlink.ftp_read` may do: it is shown
here on both, request by request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.ardupilot import find_ardupilot
from tests.integration.mavlink_rig import Watched, light, real
from tests.sitl.ground import Ground, ground_to
from vehicles.mavlink.all_parameters import FILE, file_bytes, file_is_cheaper
from vehicles.mavlink.ftp import Nak, Op, Packet, read_packet
from vehicles.mavlink.ftp_read import FtpFault, FtpRead
from vehicles.mavlink.param_pack import as_float32, decode
from vehicles.mavlink.parameter_list import ParameterList
from vehicles.mavlink.parameters import ParameterRead
from vehicles.parameters import ParameterSet, ParameterWay

log = logging.getLogger(__name__)
pytestmark = pytest.mark.timeout(180)
OTHER = (254, 190)
MOVES_BY_ITSELF = 12
"""Runtime counters, barometers' ground pressure, declination and offsets that are learnt."""


@contextlib.asynccontextmanager
async def one_drone(kind: str, speedup: float = 1.0) -> AsyncIterator[Watched]:
    if kind == "light":
        async with light() as (watched, _, _):
            await watched["D-0"].ready()
            yield watched["D-0"]
        return
    if find_ardupilot() is None:
        pytest.skip("arducopter not found: set WAYPOST_ARDUPILOT_BIN to its directory")
    async with real(speedup=speedup, wall_s=120.0) as (watched, _, _):
        await watched["D-0"].ready()
        yield watched["D-0"]


def bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("<f", value)


async def by_name(one: Watched, names: tuple[str, ...]) -> dict[str, float | None]:
    asked = ParameterRead(names, 1, 1, resend_s=one.session.driver.answer_s, attempts=10)
    return dict(await one.session.driver.run(asked))


async def test_all_parameters_from_the_file_are_those_that_are_read_by_name(kind: str) -> None:
    async with one_drone(kind, speedup=6.0) as one:
        session: Any = one.session
        began_s = time.monotonic()
        read = await session.parameters()
        file_s = time.monotonic() - began_s
        assert isinstance(read, ParameterSet), read
        assert read.way is ParameterWay.FILE
        names = tuple(value.name for value in read.values)
        assert len(set(names)) == len(names)
        assert len(names) > (1000 if kind == "ardupilot" else 100)

        began_s = time.monotonic()
        before = await by_name(one, names)
        named_s = time.monotonic() - began_s
        again = await session.parameters()
        assert isinstance(again, ParameterSet)
        after = await by_name(one, names)

        still = {n for n in names if bits(before[n]) is not None and before[n] == after[n]}
        assert len(names) - len(still) <= MOVES_BY_ITSELF, set(names) - still
        packed = {value.name: as_float32(value.value) for value in again.values}
        assert {n: bits(packed[n]) for n in still} == {n: bits(before[n]) for n in still}
        log.info("%d parameters: %.2f s as file, %.2f s by name", len(names), file_s, named_s)


async def test_the_list_has_the_names_types_and_values_of_the_file(kind: str) -> None:
    async with one_drone(kind, speedup=6.0) as one:
        session: Any = one.session
        read = await session.parameters()
        assert isinstance(read, ParameterSet), read
        began_s = time.monotonic()
        listed = await session.driver.run(ParameterList(1, 1, resend_s=session.driver.answer_s))
        log.info("%d parameters: %.2f s as list", len(read.values), time.monotonic() - began_s)
        assert listed.values is not None, listed.reason
        assert list(listed.values) == [value.name for value in read.values]
        kinds = {"int8": 2, "int16": 4, "int32": 6, "real32": 9}
        assert {n: v.param_type for n, v in listed.values.items()} == {
            value.name: kinds[value.kind.value] for value in read.values
        }
        moved = [
            value.name
            for value in read.values
            if bits(listed.values[value.name].param_value) != bits(as_float32(value.value))
        ]
        assert len(moved) <= MOVES_BY_ITSELF, moved


async def test_the_file_with_defaults_has_the_same_values(kind: str) -> None:
    async with one_drone(kind, speedup=6.0) as one:
        driver: Any = one.session.driver
        plain = await driver.run(FtpRead(FILE, 1, 1, 31, resend_s=driver.answer_s))
        asked = FtpRead(f"{FILE}?withdefaults=1", 1, 1, 32, 7000, resend_s=driver.answer_s)
        full = await driver.run(asked)
        assert plain.data is not None
        assert full.data is not None
        one_way, other = decode(plain.data), decode(full.data)
        assert other.with_defaults
        assert [(p.name, p.kind) for p in one_way.params] == [
            (p.name, p.kind) for p in other.params
        ]
        assert 0 < sum(p.default is not None for p in other.params) < len(other.params)
        values = {p.name: p.value for p in one_way.params}
        moved = [p.name for p in other.params if values[p.name] != p.value]
        assert len(moved) <= MOVES_BY_ITSELF, moved


async def test_a_part_of_the_file_is_decoded_by_its_own_count(kind: str) -> None:
    async with one_drone(kind, speedup=6.0) as one:
        driver: Any = one.session.driver
        whole = await driver.run(FtpRead(FILE, 1, 1, 41, resend_s=driver.answer_s))
        path = f"{FILE}?start=20&count=30"
        part = await driver.run(FtpRead(path, 1, 1, 42, 9000, resend_s=driver.answer_s))
        assert whole.data is not None
        assert part.data is not None
        everything, some = decode(whole.data), decode(part.data)
        assert some.total == everything.total
        names = [p.name for p in everything.params]
        assert [p.name for p in some.params] == names[20:50]


class Files:
    """Requests one by one from a small ground station."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.sequence = 100

    async def ask(
        self,
        opcode: int,
        session: int,
        size: int = 0,
        data: bytes = b"",
        *,
        offset: int = 0,
        peer: tuple[int, int] = (255, 190),
        sequence: int | None = None,
    ) -> Packet:
        """The answer that ends the request: of a burst its NAK."""
        number = sequence
        if number is None:
            self.sequence += 1000
            number = self.sequence
        since = len(self.ground.seen)
        request = Packet(number, session, opcode, size or len(data), offset=offset, data=data)
        self.ground.send(request.message(1, 1), source=peer)

        def ended() -> Packet | None:
            for message in self.ground.seen[since:]:
                if message.get_type() != "FILE_TRANSFER_PROTOCOL":
                    continue
                if (message.target_system, message.target_component) != peer:
                    continue
                packet = read_packet(bytes(message.payload))
                if packet is None or packet.request != opcode:
                    continue
                if opcode != Op.BURST_READ_FILE or packet.opcode == Op.NAK:
                    return packet
            return None

        return Packet(**_fields(await self.ground.until(ended, f"answer to {opcode}")))

    async def idle(self, seconds: float) -> None:
        """So long of the vehicle's time, by its own clock."""
        since = len(self.ground.seen)
        await self.ground.command(512, 2)
        first = await self.ground.expect("SYSTEM_TIME", since)
        while True:
            since = len(self.ground.seen)
            await self.ground.command(512, 2)
            now = await self.ground.expect("SYSTEM_TIME", since)
            if now.time_boot_ms - first.time_boot_ms >= seconds * 1000:
                return
            await asyncio.sleep(0.02)


def _fields(packet: Packet) -> dict[str, Any]:
    return {name: getattr(packet, name) for name in Packet.__slots__}


@contextlib.asynccontextmanager
async def files(kind: str) -> AsyncIterator[Files]:
    async with ground_to(kind) as ground:
        await ground.until(lambda: ground.status == mav.MAV_STATE_STANDBY, "end of boot")
        yield Files(ground)


def told(packet: Packet) -> tuple[int, int, int]:
    return packet.opcode, packet.refusal, packet.size


PATH = FILE.encode()


async def test_every_refusal_is_the_real_ones(kind: str) -> None:
    async with files(kind) as ask:
        nak = Op.NAK
        assert told(await ask.ask(Op.READ_FILE, 5, 239)) == (nak, Nak.FILE_NOT_FOUND, 1)
        assert told(await ask.ask(Op.BURST_READ_FILE, 5, 239)) == (nak, Nak.FILE_NOT_FOUND, 1)
        missing = await ask.ask(Op.OPEN_FILE_RO, 5, data=b"@PARAM/other.pck")
        assert told(missing) == (nak, Nak.FILE_NOT_FOUND, 1)
        short = await ask.ask(Op.OPEN_FILE_RO, 5, 3, data=PATH)
        assert told(short) == (nak, Nak.INVALID_DATA_SIZE, 1)
        assert told(await ask.ask(Op.READ_FILE, 5, 240)) == (nak, Nak.INVALID_DATA_SIZE, 1)
        assert told(await ask.ask(77, 5)) == (nak, Nak.FAIL, 1)
        # an argument that is out of range
        wrong = await ask.ask(Op.OPEN_FILE_RO, 5, data=PATH + b"?withdefaults=2")
        assert (wrong.opcode, wrong.refusal, wrong.data[1]) == (nak, Nak.FAIL_ERRNO, 22)
        opened = await ask.ask(Op.OPEN_FILE_RO, 5, data=PATH)
        assert (opened.opcode, opened.session, opened.size) == (Op.ACK, 5, 4)
        # one file at a time, one size throughout
        assert told(await ask.ask(Op.OPEN_FILE_RO, 5, data=PATH)) == (nak, Nak.FAIL, 1)
        first = await ask.ask(Op.READ_FILE, 5, 239)
        assert (first.opcode, first.size, first.offset) == (Op.ACK, 239, 0)
        other = await ask.ask(Op.READ_FILE, 5, 100)
        assert (other.opcode, other.refusal, other.data[1]) == (nak, Nak.FAIL_ERRNO, 22)
        beyond = await ask.ask(Op.READ_FILE, 5, 239, offset=239 * 500)
        assert told(beyond) == (nak, Nak.END_OF_FILE, 1)
        end = await ask.ask(Op.BURST_READ_FILE, 5, 239)
        assert told(end) == (nak, Nak.END_OF_FILE, 1)
        # the size told is a guess, and the end of a short last block is the true one
        assert end.offset > int.from_bytes(opened.data, "little") // 2
        assert (await ask.ask(Op.TERMINATE_SESSION, 5)).opcode == Op.ACK
        assert told(await ask.ask(Op.READ_FILE, 5, 239)) == (nak, Nak.FILE_NOT_FOUND, 1)


async def test_one_session_for_all_stations_known_by_the_clients_number(kind: str) -> None:
    async with files(kind) as ask:
        assert (await ask.ask(Op.OPEN_FILE_RO, 5, data=PATH)).opcode == Op.ACK
        # another number is refused, and ends nothing
        refused = await ask.ask(Op.OPEN_FILE_RO, 0, data=PATH, peer=OTHER)
        assert told(refused) == (Op.NAK, Nak.INVALID_SESSION, 1)
        assert (await ask.ask(Op.RESET_SESSIONS, 0, peer=OTHER)).opcode == Op.ACK
        assert (await ask.ask(Op.READ_FILE, 5, 239)).opcode == Op.ACK
        # the same number is the same session, whoever says it
        read = await ask.ask(Op.READ_FILE, 5, 239, offset=239, peer=OTHER)
        assert (read.opcode, read.offset) == (Op.ACK, 239)
        assert (await ask.ask(Op.RESET_SESSIONS, 5, peer=OTHER)).opcode == Op.ACK
        gone = await ask.ask(Op.READ_FILE, 5, 239)
        assert told(gone) == (Op.NAK, Nak.FILE_NOT_FOUND, 1)


async def test_the_end_of_a_foreign_session_lets_the_next_opening_take_the_file(kind: str) -> None:
    async with files(kind) as ask:
        assert (await ask.ask(Op.OPEN_FILE_RO, 5, data=PATH)).opcode == Op.ACK
        assert (await ask.ask(Op.TERMINATE_SESSION, 9, peer=OTHER)).opcode == Op.ACK
        assert (await ask.ask(Op.OPEN_FILE_RO, 9, data=PATH, peer=OTHER)).opcode == Op.ACK
        lost = await ask.ask(Op.READ_FILE, 5, 239)
        assert told(lost) == (Op.NAK, Nak.INVALID_SESSION, 1)


async def test_a_silent_session_is_freed_and_a_refusal_is_no_silence(kind: str) -> None:
    async with files(kind) as ask:
        assert (await ask.ask(Op.OPEN_FILE_RO, 5, data=PATH)).opcode == Op.ACK
        for _ in range(3):
            await ask.idle(1.7)
            refused = await ask.ask(Op.OPEN_FILE_RO, 9, data=PATH)
            assert told(refused) == (Op.NAK, Nak.INVALID_SESSION, 1)
        await ask.idle(3.2)
        assert (await ask.ask(Op.OPEN_FILE_RO, 9, data=PATH)).opcode == Op.ACK


async def test_an_opening_that_comes_twice_is_done_once(kind: str) -> None:
    async with files(kind) as ask:
        for _ in range(2):
            opened = await ask.ask(Op.OPEN_FILE_RO, 5, data=PATH, sequence=300)
            assert (opened.opcode, opened.sequence) == (Op.ACK, 301)
        again = await ask.ask(Op.OPEN_FILE_RO, 5, data=PATH, sequence=302)
        assert told(again) == (Op.NAK, Nak.FAIL, 1)


async def test_a_reading_waits_for_another_stations_and_both_are_whole(kind: str) -> None:
    """Two stations on one link; the second is ours by another address."""
    async with one_drone(kind, speedup=6.0) as one:
        driver: Any = one.session.driver
        readings = [FtpRead(FILE, 1, 1, 51), FtpRead(FILE, 1, 1, 52, 20_000)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(driver.run(r), name=f"{r.number}") for r in readings]
        found = [task.result() for task in tasks]
        assert [f.fault for f in found] == [None, None]
        names = [[p.name for p in decode(f.data).params] for f in found]
        assert names[0] == names[1]


async def test_a_file_that_is_not_there_is_refused_and_told(kind: str) -> None:
    async with one_drone(kind, speedup=6.0) as one:
        driver: Any = one.session.driver
        found = await driver.run(FtpRead("@PARAM/none.pck", 1, 1, 61))
        assert found.fault is FtpFault.REFUSED
        assert "file not found" in found.reason


def test_by_name_is_cheaper_for_a_baseline_of_a_real_copter() -> None:
    assert not file_is_cheaper(60, 1377)
    assert not file_is_cheaper(272, 1377)
    assert file_is_cheaper(273, 1377)
    assert not file_is_cheaper(500, 0)
    assert 18_000 < file_bytes(1377) < 19_000
