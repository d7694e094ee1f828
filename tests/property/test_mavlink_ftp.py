"""MAVLink FTP under loss, duplication, reordering, delay, reboots and a second station.

The vehicle here is the light copter's file server, which follows GCS_FTP.cpp.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sitl.copter.ftp import FileServer
from sitl.copter.params import REAL32, Params
from tests.property.test_mavlink_transfers import US, VEHICLE, Air, Faults, drive, faults
from vehicles.mavlink.ftp import Op, Packet
from vehicles.mavlink.ftp_read import Fetched, FtpFault, FtpRead
from vehicles.mavlink.messages import FileTransferProtocol, Message
from vehicles.mavlink.param_pack import ParamPackError, as_float32, decode

PATH = "@PARAM/param.pck"
OTHER = (254, 190)
FITTED = {"GRIP_ENABLE": 1.0, "GRIP_TYPE": 1.0, "WINCH_TYPE": 1.0}
NAMED = frozenset(FtpFault)


def reading(number: int = 7, **how: Any) -> FtpRead:
    return FtpRead(PATH, *VEHICLE, number, **how)


class Served:
    """A file server as `drive` takes a vehicle; `changes` happen to it at their times."""

    def __init__(self, params: Params, *changes: tuple[float, Any]) -> None:
        self.params = params
        self.changes = sorted(changes, key=lambda change: change[0])
        self._out: list[Any] = []
        self.boot(params)

    def boot(self, params: Params) -> None:
        self.params = params
        self.server = FileServer(params, self._out.append)

    def receive(self, message: Any, now_s: float, peer: tuple[int, int] = US) -> list[Message]:
        self.server.on_request(message, peer, now_s)
        return self.sent(now_s, peer)

    def tick(self, now_s: float) -> list[Message]:
        while self.changes and self.changes[0][0] <= now_s:
            self.changes.pop(0)[1](self)
        self.server.tick(now_s)
        return self.sent(now_s)

    def sent(self, now_s: float, peer: tuple[int, int] = US) -> list[Message]:
        del now_s, peer
        out, self._out[:] = list(self._out), []
        return [
            FileTransferProtocol(0, m.target_system, m.target_component, bytes(m.payload))
            for m in out
        ]


def held(params: Params) -> dict[str, float]:
    """By name, as 32-bit floats and integers hold it."""
    return {
        name: as_float32(params[name]) if params.kind(name) == REAL32 else params[name]
        for name in params.visible()
    }


def whole(params: Params) -> bytes:
    """The file over a link without faults."""
    fetched = drive(reading(99), Served(params), Air(Faults(), 1))  # type: ignore[arg-type]
    assert fetched.data is not None
    return bytes(fetched.data)


overrides = st.fixed_dictionaries(
    {
        "GRIP_ENABLE": st.sampled_from([0.0, 1.0]),
        "WINCH_TYPE": st.sampled_from([0.0, 1.0]),
        "FENCE_ALT_MAX": st.floats(-1e6, 1e6, width=32),
        "RTL_ALT": st.integers(-(2**31), 2**31 - 1).map(float),
        "FS_THR_VALUE": st.integers(-32768, 32767).map(float),
        "AVD_ENABLE": st.integers(-128, 127).map(float),
    }
)


@settings(max_examples=60, deadline=None)
@given(overrides)
def test_what_is_read_is_what_the_vehicle_holds(values: dict[str, float]) -> None:
    params = Params(values)
    pack = decode(whole(params))
    assert [p.name for p in pack.params] == params.visible()
    assert {p.name: p.value for p in pack.params} == held(params)
    assert {p.name: p.kind for p in pack.params} == {n: params.kind(n) for n in params.visible()}
    assert pack.total == len(pack.params)


@settings(max_examples=150, deadline=None)
@given(faults, st.integers(0, 2**32), st.integers(0, 65535), st.integers(1, 255))
def test_a_file_is_whole_or_there_is_none_and_a_reason(
    fault: Faults, seed: int, sequence: int, number: int
) -> None:
    params = Params(FITTED)
    vehicle, air = Served(params), Air(fault, seed)
    found = drive(reading(number, sequence=sequence), vehicle, air)  # type: ignore[arg-type]
    assert isinstance(found, Fetched)
    if found.data is None:
        assert found.fault in NAMED
        assert PATH in found.reason
    else:
        assert found.data == whole(params)


@settings(max_examples=100, deadline=None)
@given(
    st.builds(
        Faults,
        loss=st.floats(0.0, 0.08),
        duplicate=st.floats(0.0, 0.2),
        delay_s=st.floats(0.0, 0.3),
        jitter_s=st.floats(0.0, 0.4),
    ),
    st.integers(0, 2**32),
)
def test_a_bad_radio_is_no_reason_to_have_no_file(fault: Faults, seed: int) -> None:
    params = Params(FITTED)
    found = drive(reading(), Served(params), Air(fault, seed))  # type: ignore[arg-type]
    assert found.data == whole(params), found


@settings(max_examples=100, deadline=None)
@given(faults, st.integers(0, 2**32), st.floats(0.0, 3.0), overrides)
def test_a_reboot_gives_one_boots_file_and_never_two_halves(
    fault: Faults, seed: int, at_s: float, after: dict[str, float]
) -> None:
    old, new = Params(FITTED), Params(after)
    vehicle = Served(old, (at_s, lambda served: served.boot(new)))
    found = drive(reading(), vehicle, Air(fault, seed))  # type: ignore[arg-type]
    if found.data is not None:
        # what was read of a boot that is over counts where the vehicle has said nothing since
        assert found.data in {whole(old), whole(new)}


@settings(max_examples=100, deadline=None)
@given(faults, st.integers(0, 2**32), st.floats(0.0, 2.0), st.sampled_from(["GRIP_ENABLE"]))
def test_a_feature_that_is_switched_on_meanwhile_is_found_out(
    fault: Faults, seed: int, at_s: float, name: str
) -> None:
    before, after = Params({name: 0.0}), Params({name: 1.0})
    vehicle = Served(Params({name: 0.0}), (at_s, lambda served: served.params.write(name, 1.0)))
    found = drive(reading(), vehicle, Air(fault, seed))  # type: ignore[arg-type]
    if found.data is None:
        return
    try:
        pack = decode(found.data)
    except ParamPackError:
        return
    names = [p.name for p in pack.params]
    assert names in (before.visible(), after.visible())
    kept = held(after if len(names) == len(after.visible()) else before)
    # of the one that moved, either value
    assert {p.name: p.value for p in pack.params} | {name: 1.0} == kept | {name: 1.0}


@dataclass
class Station:
    """A ground station with a reading of its own."""

    peer: tuple[int, int]
    exchange: Any
    sent: list[Any] = field(default_factory=list)


class Shared:
    """Two stations, one vehicle: what each sends goes by its address, and so do the answers."""

    def __init__(self, vehicle: Served, seed: int, fault: Faults, stations: list[Station]) -> None:
        self.vehicle = vehicle
        self.stations = stations
        self.air = Air(fault, seed)

    def run(self, limit_s: float = 900.0) -> None:
        air = self.air
        for station in self.stations:
            self._up(station, station.exchange.start(air.now_s))
        while any(s.exchange.result is None for s in self.stations):
            assert air.now_s < limit_s, "a reading never ends"
            step_s = air.now_s + 0.05
            while air.queue and air.queue[0][0] <= step_s:
                air.now_s, _, to_vehicle, carried = heapq.heappop(air.queue)
                if to_vehicle:
                    station, message = carried
                    self._down(self.vehicle.receive(message, air.now_s, station.peer))
                else:
                    for station in self.stations:
                        out = self._hear(station, carried)
                        self._up(station, out)
            air.now_s = max(air.now_s, step_s)
            self._down(self.vehicle.tick(air.now_s))
            for station in self.stations:
                exchange = station.exchange
                if exchange.result is None and exchange.deadline_s <= air.now_s:
                    self._up(station, exchange.tick(air.now_s))

    def _hear(self, station: Station, message: FileTransferProtocol) -> list[Any]:
        """Everybody on the link hears everything; only what is addressed to a station is for it."""
        if (message.target_system, message.target_component) != station.peer:
            return []
        # `for_us` knows our address alone
        return list(
            station.exchange.receive(
                message._replace(target_system=255, target_component=190), self.air.now_s
            )
        )

    def _up(self, station: Station, messages: list[Any]) -> None:
        self.air.send(True, [(station, message) for message in messages])

    def _down(self, messages: list[Message]) -> None:
        self.air.send(False, messages)


calm = st.builds(
    Faults,
    loss=st.floats(0.0, 0.05),
    duplicate=st.floats(0.0, 0.1),
    delay_s=st.floats(0.0, 0.2),
    jitter_s=st.floats(0.0, 0.2),
)


@settings(max_examples=80, deadline=None)
@given(calm, st.integers(0, 2**32), st.integers(1, 255), st.integers(1, 255))
def test_two_stations_that_read_at_once_both_end_with_the_file_or_with_a_reason(
    fault: Faults, seed: int, ours: int, theirs: int
) -> None:
    params = Params(FITTED)
    stations = [Station(US, reading(ours)), Station(OTHER, reading(theirs, sequence=40_000))]
    Shared(Served(params), seed, fault, stations).run()
    for station in stations:
        found = station.exchange.result
        assert found.data == whole(params) or found.fault in NAMED
    # neither keeps the other from it for good
    assert any(station.exchange.result.data is not None for station in stations)


@dataclass
class Careless:
    """A station that opens, resets and ends sessions of number 0 as it pleases, and never waits."""

    requests: list[tuple[float, int]]
    result: bool | None = None
    deadline_s: float = 0.0
    sequence: int = 0

    def start(self, now_s: float) -> list[Any]:
        self.deadline_s = now_s
        return []

    def receive(self, message: Any, now_s: float) -> list[Any]:
        del message, now_s
        return []

    def tick(self, now_s: float) -> list[Any]:
        if not self.requests:
            self.result = True
            return []
        wait_s, opcode = self.requests.pop(0)
        self.deadline_s, self.sequence = now_s + wait_s, self.sequence + 1
        data = PATH.encode() if opcode == Op.OPEN_FILE_RO else b""
        size = len(data) or (239 if opcode in (Op.READ_FILE, Op.BURST_READ_FILE) else 0)
        return [Packet(self.sequence, 0, opcode, size, data=data).message(*VEHICLE)]


@settings(max_examples=80, deadline=None)
@given(
    calm,
    st.integers(0, 2**32),
    st.lists(
        st.tuples(
            st.floats(0.0, 1.0),
            st.sampled_from([1, 2, 4, 5, 15, 3, 77]),
        ),
        max_size=12,
    ),
)
def test_whatever_another_station_does_with_its_sessions_ours_is_whole(
    fault: Faults, seed: int, requests: list[tuple[float, int]]
) -> None:
    params = Params(FITTED)
    ours = Station(US, reading())
    Shared(Served(params), seed, fault, [ours, Station(OTHER, Careless(requests))]).run()
    found = ours.exchange.result
    assert found.data == whole(params) or found.fault in NAMED


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=251), st.booleans()), max_size=40), st.data())
def test_any_answer_is_survived_and_the_reading_ends(
    answers: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    exchange = reading()
    exchange.start(0.0)
    now_s = 0.0
    for payload, likely in answers:
        if likely:
            opcode = data.draw(st.sampled_from([128, 129]))
            request = data.draw(st.sampled_from([1, 2, 4, 5, 15]))
            sequence = data.draw(st.integers(0, 6))
            offset = data.draw(st.sampled_from([0, 239, 478, 5, 2**31]))
            payload = Packet(
                sequence, 7, opcode, len(payload[:239]), request, offset=offset, data=payload[:239]
            ).payload()
        exchange.receive(FileTransferProtocol(0, *US, payload), now_s)
        now_s += 0.1
        exchange.tick(now_s)
    for _ in range(2000):
        if exchange.result is not None:
            break
        now_s = max(now_s, exchange.deadline_s)
        exchange.tick(now_s)
    assert exchange.result is not None
