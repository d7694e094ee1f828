"""MAVLink frames to messages with their fields read, as a fleet of 250 vehicles sends them.

62,500 frames of 7 types from 250 sysids in a shuffled order, HEARTBEAT 1 to 4 of each other,
checksums checked by both. Peer: pymavlink's `parse_buffer` (it computes checksums by fastcrc);
ours: the scanner and `read_frame` as `vehicles.mavlink` uses them. Both are given the same bytes,
one frame a call (as ArduPilot's datagrams come), and read the same fields by the same functions;
times are of CPU.
`ratio_stream` is the same with 4,096 bytes a call, as a serial port gives them. `same`: every
field of every frame is equal, and so are the sums of what was read.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import Any

import fastcrc
from pymavlink.dialects.v20 import ardupilotmega as mav

from tests.benchmarks.measure import rounds, told
from vehicles.mavlink.layout import layouts_of
from vehicles.mavlink.wire import Frame, Scanner, reader

SYSTEMS, FRAMES = 250, 62_500
NAMES = (
    "HEARTBEAT", "GLOBAL_POSITION_INT", "ATTITUDE", "SYS_STATUS", "GPS_RAW_INT", "VFR_HUD",
    "BATTERY_STATUS",
)  # fmt: skip
LAYOUTS = layouts_of(NAMES)
CHUNK_BYTES = 4096


def make(name: str, rng: random.Random, now_ms: int) -> Any:
    """One message with the values of a copter in flight, extensions as ArduPilot fills them."""
    lat, lon = rng.randrange(470_000_000, 480_000_000), rng.randrange(80_000_000, 90_000_000)
    match name:
        case "HEARTBEAT":
            return mav.MAVLink_heartbeat_message(2, 3, 217, rng.choice((3, 4, 6)), 4, 3)
        case "GLOBAL_POSITION_INT":
            return mav.MAVLink_global_position_int_message(
                now_ms, lat, lon, rng.randrange(400_000, 600_000), rng.randrange(120_000),
                rng.randrange(-900, 900), rng.randrange(-900, 900), rng.randrange(-200, 200),
                rng.randrange(36_000),
            )  # fmt: skip
        case "ATTITUDE":
            return mav.MAVLink_attitude_message(now_ms, *(rng.uniform(-1.0, 1.0) for _ in range(6)))
        case "SYS_STATUS":
            return mav.MAVLink_sys_status_message(
                0x1FF9FC2F, 0x1361FC2F, 0x1FF9FC2F, rng.randrange(300, 700),
                rng.randrange(20_000, 25_000), rng.randrange(100, 4_000), rng.randrange(100),
                0, 0, 0, 0, 0, 0,
            )  # fmt: skip
        case "GPS_RAW_INT":
            return mav.MAVLink_gps_raw_int_message(
                now_ms * 1000, 6, lat, lon, rng.randrange(400_000, 600_000), 121, 200,
                rng.randrange(1_500), rng.randrange(36_000), rng.randrange(8, 20), 0,
                300, 300, 300, 0, 0,
            )  # fmt: skip
        case "VFR_HUD":
            return mav.MAVLink_vfr_hud_message(
                rng.uniform(0.0, 15.0), rng.uniform(0.0, 15.0), rng.randrange(360),
                rng.randrange(100), rng.uniform(400.0, 600.0), rng.uniform(-2.0, 2.0),
            )  # fmt: skip
        case _:
            cells = [rng.randrange(3_500, 4_200) for _ in range(6)] + [65_535] * 4
            return mav.MAVLink_battery_status_message(
                0, 0, 0, 32_767, cells, rng.randrange(100, 4_000), rng.randrange(16_000),
                rng.randrange(9_000), rng.randrange(100), 0, 1, [0] * 4, 0, 0,
            )  # fmt: skip


def make_frames(seed: int) -> list[bytes]:
    """The work."""
    rng = random.Random(seed)
    mix = NAMES[:1] + NAMES[1:] * 4
    senders = [mav.MAVLink(None, srcSystem=n + 1, srcComponent=1) for n in range(SYSTEMS)]
    frames = []
    for number in range(FRAMES):
        sender = senders[number % SYSTEMS]
        message = make(mix[number // SYSTEMS % len(mix)], rng, 1_000_000 + number)
        frames.append(bytes(message.pack(sender)))
        sender.seq = (sender.seq + 1) % 256
    rng.shuffle(frames)
    # each anew, in this order: a receiver has its bytes from the socket just now
    return [bytes(bytearray(frame)) for frame in frames]


READ: dict[str, Callable[[Any], float]] = {
    "HEARTBEAT": lambda m: m.custom_mode + m.base_mode + m.system_status,
    "GLOBAL_POSITION_INT": lambda m: m.lat + m.lon + m.alt + m.relative_alt + m.hdg,
    "ATTITUDE": lambda m: m.roll + m.pitch + m.yaw,
    "SYS_STATUS": lambda m: m.onboard_control_sensors_health + m.battery_remaining,
    "GPS_RAW_INT": lambda m: m.lat + m.lon + m.fix_type + m.satellites_visible,
    "VFR_HUD": lambda m: m.groundspeed + m.climb,
    "BATTERY_STATUS": lambda m: m.voltages[0] + m.current_battery + m.battery_remaining,
}
"""What a controller reads of each; the same function for both."""
BY_THEIRS = {type(make(name, random.Random(0), 0)): READ[name] for name in NAMES}
BY_OURS = {layout.kind: READ[layout.name] for layout in LAYOUTS.values()}


def peer(chunks: Iterable[bytes]) -> tuple[int, float]:
    """Frames counted with their sysids, and the sum of the fields read."""
    parser = mav.MAVLink(None)
    parser.robust_parsing = True
    systems, total = 0, 0.0
    for chunk in chunks:
        for message in parser.parse_buffer(chunk) or ():
            systems += message.get_srcSystem()
            total += BY_THEIRS[type(message)](message)
    return systems, total


def ours(datagrams: Iterable[bytes]) -> tuple[int, float]:
    """The same, one whole frame a call: the way of a UDP link."""
    read = reader(LAYOUTS)
    scanner = Scanner(layouts=LAYOUTS, read=read)
    rest: list[Frame] = []
    systems, total = 0, 0.0
    for data in datagrams:
        frame = read(data)
        if frame is None:
            rest += scanner.feed(data)
            continue
        message = frame.message
        systems += frame.system
        total += BY_OURS[type(message)](message)
    for frame in rest:
        systems += frame.system
        total += BY_OURS[type(frame.message)](frame.message)
    return systems, total


def ours_stream(chunks: Iterable[bytes]) -> tuple[int, float]:
    """The same from a stream: the way of a serial or TCP link."""
    scanner = Scanner(layouts=LAYOUTS, read=reader(LAYOUTS))
    systems, total = 0, 0.0
    for chunk in chunks:
        for frame in scanner.feed(chunk):
            message = frame.message
            systems += frame.system
            total += BY_OURS[type(message)](message)
    return systems, total


def all_equal(frames: list[bytes]) -> bool:
    """Whether every field of every frame is as pymavlink reads it."""
    parser = mav.MAVLink(None)
    found = Scanner(layouts=LAYOUTS, read=reader(LAYOUTS)).feed(b"".join(frames))
    if len(found) != len(frames):
        return False
    for data, frame in zip(frames, found, strict=True):
        theirs = parser.decode(bytearray(data))
        header = (theirs.get_srcSystem(), theirs.get_srcComponent(), theirs.get_seq())
        if header != (frame.system, frame.component, frame.sequence):
            return False
        for name, value in frame.message._asdict().items():
            told_value = getattr(theirs, name)
            if value != (tuple(told_value) if isinstance(told_value, list) else told_value):
                return False
    return True


def main() -> None:
    """Run it."""
    frames = make_frames(seed=11)
    stream = b"".join(frames)
    chunks = [stream[at : at + CHUNK_BYTES] for at in range(0, len(stream), CHUNK_BYTES)]
    peer_s, ours_s, theirs, mine = rounds(
        lambda: peer(frames), lambda: ours(frames), timer=time.process_time
    )
    peer2_s, ours2_s, theirs2, mine2 = rounds(
        lambda: peer(chunks), lambda: ours_stream(chunks), count=5, timer=time.process_time
    )
    same = theirs == mine == theirs2 == mine2 and all_equal(frames)
    each = 1e6 / FRAMES
    print(f"{FRAMES} frames, {len(stream) / FRAMES:.1f} bytes each, {SYSTEMS} systems, fastcrc "
          f"{getattr(fastcrc, '__version__', '')}")  # fmt: skip
    print(f"one frame a call: pymavlink {peer_s * each:.2f} us, ours {ours_s * each:.3f} us")
    print(f"stream: pymavlink {peer2_s * each:.2f} us, ours {ours2_s * each:.3f} us")
    told(
        bench="decode",
        peer=round(peer_s * each, 3),
        ours=round(ours_s * each, 3),
        ratio=round(peer_s / ours_s, 2),
        ratio_stream=round(peer2_s / ours2_s, 2),
        same=same,
        frames=FRAMES,
        types=len(NAMES),
        systems=SYSTEMS,
    )


if __name__ == "__main__":
    main()
