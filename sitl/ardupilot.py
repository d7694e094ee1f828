"""Real ArduPilot SITL processes behind the same shape as the light copter's fleet.

Owns finding the program, one directory and one process per vehicle, their parameters, and
their truth, read from SIM_STATE on a second serial port. Needs only the ``arducopter``
or ``ardurover`` binary. Every process that it started is ended by its process id on leaving.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.background import Background
from sitl.copter.drops import HOOK_SLACK_M
from sitl.copter.spec import CopterSpec
from sitl.world import LabClock, TruthSample

PROGRAM = "arducopter"
BIN_VARIABLE = "WAYPOST_ARDUPILOT_BIN"
_START_TIMEOUT_S = 30.0
_SAMPLE_US = 200_000
_FIRST_INSTANCE, _INSTANCES = 20, 1300

_FRAME: Mapping[str, float] = {
    # a calibrated quadcopter: without these the program refuses to arm
    "FRAME_CLASS": 1, "FRAME_TYPE": 0, "BATT_MONITOR": 4,
    "COMPASS_OFS_X": 5, "COMPASS_OFS_Y": 13, "COMPASS_OFS_Z": -18,
    "COMPASS_OFS2_X": 5, "COMPASS_OFS2_Y": 13, "COMPASS_OFS2_Z": -18,
    "COMPASS_OFS3_X": 5, "COMPASS_OFS3_Y": 13, "COMPASS_OFS3_Z": -18,
    "INS_ACCOFFS_X": 0.001, "INS_ACCOFFS_Y": 0.001, "INS_ACCOFFS_Z": 0.001,
    "INS_ACCSCAL_X": 1.001, "INS_ACCSCAL_Y": 1.001, "INS_ACCSCAL_Z": 1.001,
    "INS_ACC2OFFS_X": 0.001, "INS_ACC2OFFS_Y": 0.001, "INS_ACC2OFFS_Z": 0.001,
    "INS_ACC2SCAL_X": 1.001, "INS_ACC2SCAL_Y": 1.001, "INS_ACC2SCAL_Z": 1.001,
    "MOT_BAT_VOLT_MIN": 9.6, "MOT_BAT_VOLT_MAX": 12.8, "MOT_THST_EXPO": 0.65,
    "MOT_THST_HOVER": 0.39, "RC3_MIN": 1000, "RC3_MAX": 2000, "RC3_TRIM": 1500,
    # the simulated airframe needs more than the default 30 degrees to pass 10 m/s
    "ANGLE_MAX": 4500,
}  # fmt: skip

_LEAN: Mapping[str, float] = {
    # a third less processor time per copter, no files written
    "SCHED_LOOP_RATE": 200, "SIM_RATE_HZ": 400, "LOG_BACKEND_TYPE": 0, "TERRAIN_ENABLE": 0,
}  # fmt: skip


_ROVER_FRAME: Mapping[str, float] = {
    # a calibrated skid-free car that steers and brakes well at walking pace
    **{name: value for name, value in _FRAME.items() if name.startswith(("COMPASS", "INS_"))},
    "BATT_MONITOR": 4, "ATC_SPEED_P": 0.1, "ATC_STR_RAT_FF": 0.75, "CRUISE_SPEED": 5,
    "CRUISE_THROTTLE": 30, "RC1_MIN": 1000, "RC1_MAX": 2000, "RC3_MIN": 1000, "RC3_MAX": 2000,
    "SERVO1_MIN": 1000, "SERVO1_MAX": 2000, "SERVO3_MIN": 1000, "SERVO3_MAX": 2000,
    "LOG_BACKEND_TYPE": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A program of ArduPilot: its simulated model and what makes it drive or fly there."""

    program: str
    model: str
    params: Mapping[str, float]


COPTER = Kind(PROGRAM, "+", {**_FRAME, **_LEAN})
ROVER = Kind("ardurover", "rover", _ROVER_FRAME)


class LabError(Exception):
    """Something of the lab could not be started.

    ``LabError``
    """


def find_ardupilot(explicit: Path | None = None, kind: Kind = COPTER) -> Path | None:
    """The program of a kind, or None.

    Looks at ``explicit`` (the program, or the directory that holds it), then in
    ``$WAYPOST_ARDUPILOT_BIN``, on PATH, and in ``~/ardupilot/build/sitl/bin``.
    """
    named = os.environ.get(BIN_VARIABLE)
    on_path = shutil.which(kind.program)
    places = [
        explicit,
        Path(named) if named else None,
        Path(on_path) if on_path else None,
        Path.home() / "ardupilot" / "build" / "sitl" / "bin",
    ]
    for place in places:
        if place is None:
            continue
        program = place / kind.program if place.is_dir() else place
        if program.is_file() and os.access(program, os.X_OK):
            return program.resolve()
    return None


def parameter_file(spec: CopterSpec, kind: Kind = COPTER) -> str:
    """The text of a ``--defaults`` file for one vehicle."""
    values = {**kind.params, "SERIAL1_PROTOCOL": 2, **spec.params()}
    return "".join(f"{name} {value:g}\n" for name, value in values.items())


class _Probe:
    """Truth of one copter from its second serial port (TCP)."""

    def __init__(
        self, spec: CopterSpec, clock: LabClock, on_truth: Callable[[TruthSample], None]
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._on_truth = on_truth
        self._mav = mav.MAVLink(None, srcSystem=254, srcComponent=190)
        self._mav.robust_parsing = True
        self._booted = False
        self._armed = False
        self._landed = True
        self._alt_m = spec.home_alt_amsl_m
        self._last: tuple[float, float, float] | None = None
        self._line_m = 0.0
        self._hooked = True

    async def run(self, port: int) -> None:
        """Read until cancelled; a reboot closes the port, and it is opened anew."""
        while True:
            await self._read(port)
            self._booted = False

    async def _read(self, port: int) -> None:
        """One connection, until the vehicle closes it."""
        reader, writer = await _connect(port)
        try:
            asked = False
            while data := await reader.read(4096):
                for message in self._mav.parse_buffer(data) or ():
                    self._take(message)
                if not asked and self._booted:
                    asked = True
                    for message_id, interval_us in (
                        (mav.MAVLINK_MSG_ID_SIM_STATE, _SAMPLE_US),
                        (mav.MAVLINK_MSG_ID_EXTENDED_SYS_STATE, 2 * _SAMPLE_US),
                        (mav.MAVLINK_MSG_ID_WINCH_STATUS, _SAMPLE_US),
                    ):
                        writer.write(self._interval(message_id, interval_us))
        except ConnectionError:
            return
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _interval(self, message_id: int, interval_us: int) -> bytes:
        order = mav.MAVLink_command_long_message(
            self._spec.sysid, 1, mav.MAV_CMD_SET_MESSAGE_INTERVAL, 0,
            message_id, interval_us, 0, 0, 0, 0, 0,
        )  # fmt: skip
        packed: bytes = order.pack(self._mav)
        return packed

    def _take(self, message: Any) -> None:
        kind = message.get_type()
        if message.get_srcSystem() != self._spec.sysid:
            # the vehicle routes the ground station's heartbeats to this port too
            return
        if kind == "HEARTBEAT":
            # intervals asked for before the vehicle has initialised are forgotten
            self._booted = message.system_status != mav.MAV_STATE_BOOT
            self._armed = bool(message.base_mode & mav.MAV_MODE_FLAG_SAFETY_ARMED)
        elif kind == "SIM_STATE":
            heading = math.degrees(message.yaw) % 360.0
            self._alt_m = message.alt
            self._last = (message.lat_int * 1e-7, message.lon_int * 1e-7, heading)
            self._emit()
        elif kind == "EXTENDED_SYS_STATE":
            landed = message.landed_state == mav.MAV_LANDED_STATE_ON_GROUND
            if landed and not self._landed:
                self._emit("landed", "AUTO")
            self._landed = landed
        elif kind == "WINCH_STATUS":
            self._follow_line(message.line_length)
        elif kind == "STATUSTEXT":
            if "Gripper load released" in message.text:
                self._emit("released", "gripper")
            elif "SIM Hit ground at" in message.text and _impact_mps(message.text) > 3.0:
                self._emit("crashed", message.text)

    def _follow_line(self, length_m: float) -> None:
        """The hook lets go where the light copter's does: line out to near the ground."""
        lowering = length_m > self._line_m + 0.01
        stopped = abs(length_m - self._line_m) < 0.01
        height_m = self._alt_m - self._spec.home_alt_amsl_m
        self._line_m = length_m
        if not self._armed:
            self._hooked = True
        elif self._hooked and length_m > 1.0 and (lowering or stopped):
            slack_m = HOOK_SLACK_M if stopped else 0.5
            if length_m >= height_m - slack_m:
                self._hooked = False
                self._emit("released", "winch")

    def _emit(self, event: str = "", detail: str = "") -> None:
        if self._last is None:
            return
        lat, lon, heading = self._last
        self._on_truth(
            TruthSample(
                self._spec.vehicle_id,
                self._clock.now(),
                lat,
                lon,
                self._alt_m,
                heading,
                self._armed,
                self._landed,
                event,
                detail,
            )
        )


class ArduPilotFleet:
    """Real ArduPilot processes as an async context manager, shaped like ``CopterFleet``.

    The processes run at ``clock.speedup`` as far as the machine lets them. ``program`` is
    found by ``find_ardupilot`` when not given. ``boot_s`` is accepted for the common shape:
    the real program takes about 41 simulated seconds whatever is asked. ``ports`` holds the
    TCP ports by vehicle id when ``tcp``; with both, a second station may watch there. A rover
    (``kind``) is described by a copter's spec, of which it takes what every vehicle has.

    Raises:
        LabError: the program is not found, or did not start listening.
    """

    def __init__(
        self,
        specs: Sequence[CopterSpec],
        *,
        controller: tuple[str, int] | None = None,
        tcp: bool = False,
        clock: LabClock,
        on_truth: Callable[[TruthSample], None],
        boot_s: float = 41.0,
        program: Path | None = None,
        kind: Kind = COPTER,
    ) -> None:
        if controller is None and not tcp:
            raise ValueError("ArduPilotFleet: give controller=(host, port), tcp=True, or both")
        found = find_ardupilot(program, kind)
        if found is None:
            raise LabError(
                f"{kind.program} not found: build ArduPilot SITL and set ${BIN_VARIABLE} to the "
                "directory that holds it"
            )
        self.ports: dict[str, int] = {}
        self.boot_s = boot_s
        self._specs = tuple(specs)
        self._controller = controller
        self._tcp = tcp
        self._clock = clock
        self._on_truth = on_truth
        self._program, self._kind = found, kind
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._background = Background()
        self._home = tempfile.TemporaryDirectory(prefix="waypost-ardupilot-")

    async def __aenter__(self) -> Self:
        await self._background.__aenter__()
        try:
            instance = _FIRST_INSTANCE + os.getpid() % _INSTANCES
            for spec in self._specs:
                instance = _free_instance(instance + 1)
                await self._start(instance, spec)
        except BaseException:
            await self._background.__aexit__()
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._background.__aexit__(kind, error, trace)
        finally:
            await self._close()

    def pid(self, vehicle_id: str) -> int:
        """The process id of one copter, for fault drills."""
        return self._processes[vehicle_id].pid

    async def _watch(self, vehicle_id: str) -> None:
        """Raise LabError, with the last line that it wrote, where a process ends by itself."""
        status = await self._processes[vehicle_id].wait()
        log = Path(self._home.name) / vehicle_id / "out.log"
        lines = log.read_text(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "nothing")
        raise LabError(f"{self._kind.program} of {vehicle_id} ended ({status}); last said: {last}")

    async def _start(self, instance: int, spec: CopterSpec) -> None:
        where = Path(self._home.name) / spec.vehicle_id
        where.mkdir()
        (where / "copter.parm").write_text(parameter_file(spec, self._kind))
        port, truth_port = _free_port(), _free_port()
        links = [f"tcp:{port}"] if self._tcp else []
        if self._tcp:
            self.ports[spec.vehicle_id] = port
        if self._controller is not None:
            links.insert(0, f"udpclient:{self._controller[0]}:{self._controller[1]}")
        links.insert(1, f"tcp:{truth_port}")
        home = (
            f"{spec.home_lat_deg:.7f},{spec.home_lon_deg:.7f},"
            f"{spec.home_alt_amsl_m:.2f},{spec.heading_deg:.1f}"
        )
        with (where / "out.log").open("wb") as log:
            self._processes[spec.vehicle_id] = await asyncio.create_subprocess_exec(
                str(self._program),
                "--model",
                self._kind.model,
                "-I",
                str(instance),
                "--sysid",
                str(spec.sysid),
                "--speedup",
                f"{self._clock.speedup:g}",
                "--home",
                home,
                "-w",
                "--defaults",
                "copter.parm",
                *(word for n, link in enumerate(links) for word in (f"--serial{n}", link)),
                cwd=where,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        probe = _Probe(spec, self._clock, self._on_truth)
        self._background.start(probe.run(truth_port), name=f"truth-of-{spec.vehicle_id}")
        self._background.start(self._watch(spec.vehicle_id), name=f"exit-of-{spec.vehicle_id}")

    async def _close(self) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.terminate()
        for process in self._processes.values():
            try:
                async with asyncio.timeout(5.0):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._home.cleanup()


def _impact_mps(text: str) -> float:
    words = text.split()
    with contextlib.suppress(ValueError, IndexError):
        return float(words[words.index("at") + 1])
    return 0.0


def _free_instance(first: int) -> int:
    """An instance number whose fixed ports (RC input and the further serial ports) are free."""
    for instance in range(first, first + _INSTANCES):
        base = 10 * instance
        fixed = [(socket.SOCK_DGRAM, 5501 + base)]
        fixed += [(socket.SOCK_STREAM, 5760 + base + n) for n in range(6)]
        if all(_bindable(kind, port) for kind, port in fixed):
            return instance
    raise LabError("no free block of ports for another ArduPilot instance")


def _bindable(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    deadline = asyncio.get_running_loop().time() + _START_TIMEOUT_S
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise LabError(f"{PROGRAM} did not listen on 127.0.0.1:{port}") from error
            await asyncio.sleep(0.1)
