"""Every parameter of a vehicle over HTTP, to a file, and against a file or another vehicle."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.mavparm import MAVParmDict
from typer.testing import CliRunner

from controller.cli import main as cli
from controller.cli import param_files
from controller.cli.client import CliError
from controller.cli.param_files import BadLine, Difference, Held
from controller.fleet.owner import VehicleOwner
from geofence.frames import LatLon
from tests.support.clock import START, ManualClock
from tests.support.desk import FakeDesk, vehicle_view
from tests.support.server import DeskServer
from vehicles.errors import LinkError
from vehicles.parameters import ParameterKind, ParameterSet, ParameterValue, ParameterWay

KIND = ParameterKind
PID = struct.unpack("<f", struct.pack("<f", 0.135))[0]


def read(vehicle_id: str, *values: ParameterValue, system: int = 7) -> ParameterSet:
    return ParameterSet(vehicle_id, START, ParameterWay.FILE, values, system, 1)


D07 = read(
    "D-07",
    ParameterValue("FENCE_ALT_MAX", KIND.REAL32, 100.0),
    ParameterValue("ATC_RAT_RLL_P", KIND.REAL32, PID),
    ParameterValue("COMPASS_DEV_ID", KIND.INT32, 97_539_011),
    ParameterValue("SYSID_THISMAV", KIND.INT16, 7),
    ParameterValue("ODD", KIND.REAL32, math.nan),
)
D08 = read(
    "D-08",
    ParameterValue("FENCE_ALT_MAX", KIND.REAL32, 120.0),
    ParameterValue("ATC_RAT_RLL_P", KIND.REAL32, PID),
    ParameterValue("COMPASS_DEV_ID", KIND.INT32, 97_539_012),
    ParameterValue("SYSID_THISMAV", KIND.INT16, 8),
    ParameterValue("WINCH_TYPE", KIND.INT8, 1),
    system=8,
)


@pytest.fixture
def server() -> Iterator[DeskServer]:
    def fill(desk: FakeDesk) -> None:
        for name in ("D-07", "D-08", "R-01"):
            desk.put_vehicle(vehicle_view(name, START, LatLon(60.2, 24.9)))
        desk.read.update({"D-07": D07, "D-08": D08})

    with DeskServer() as running:
        running.call(fill)
        yield running


def run(server: DeskServer, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        cli.app, ["fleet", "params", *arguments], env={"WAYPOST_URL": server.url}
    )
    if isinstance(result.exception, CliError):
        faults = "".join(f"\n{fault}" for fault in result.exception.faults)
        return result.exception.status, f"{result.exception.text}{faults}"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_it_prints_a_file_or_json(server: DeskServer) -> None:
    status, told = run(server, "D-07")
    assert status == 0
    assert told.splitlines()[1:] == [
        "FENCE_ALT_MAX,100",
        "ATC_RAT_RLL_P,0.135",
        "COMPASS_DEV_ID,97539011",
        "SYSID_THISMAV,7",
        "ODD,nan",
    ]
    status, told = run(server, "D-07", "--json")
    answer = json.loads(told)
    assert (answer["vehicle_id"], answer["way"], answer["system"]) == ("D-07", "file", 7)
    assert answer["parameters"][1] == {"name": "ATC_RAT_RLL_P", "kind": "real32", "value": PID}
    assert answer["parameters"][2]["value"] == 97_539_011
    assert answer["parameters"][4]["value"] is None


@pytest.mark.parametrize("form", [".params", ".param", ".parm"])
def test_a_file_that_it_writes_is_one_that_nothing_differs_from(
    server: DeskServer, tmp_path: Path, form: str
) -> None:
    server.call(lambda desk: desk.read.update({"D-07": read("D-07", *D07.values[:4])}))
    file = tmp_path / f"d07{form}"
    status, told = run(server, "D-07", "--out", str(file))
    assert (status, "4 parameters in" in told) == (0, True)
    status, told = run(server, "D-07", "--diff", str(file))
    assert (status, "all 4 parameters are the same" in told) == (0, True)
    status, told = run(server, "D-08", "--diff", str(file))
    assert status == 1
    assert "4 parameters differ" in told


def test_what_differs_between_two_drones(server: DeskServer) -> None:
    status, told = run(server, "D-07", "--diff-vehicle", "D-08", "--json")
    assert status == 1
    answer = json.loads(told)
    assert (answer["against"], answer["same"]) == ("D-08", 1)
    assert answer["differences"] == [
        {"name": "COMPASS_DEV_ID", "here": 97_539_011, "there": 97_539_012},
        {"name": "FENCE_ALT_MAX", "here": 100.0, "there": 120.0},
        {"name": "ODD", "here": None, "there": None},
        {"name": "SYSID_THISMAV", "here": 7, "there": 8},
        {"name": "WINCH_TYPE", "here": None, "there": 1},
    ]
    status, told = run(server, "D-07", "--diff-vehicle", "D-08")
    assert "5 parameters differ" in told
    (row,) = (line for line in told.splitlines() if "WINCH_TYPE" in line)
    assert row.split() == ["WINCH_TYPE", "—", "1"]


def test_what_cannot_be_read_is_told_with_a_status(server: DeskServer, tmp_path: Path) -> None:
    status, told = run(server, "R-01")
    assert (status, "R-01: not read: it has no parameters" in told) == (1, True)
    assert run(server, "D-99")[0] != 0
    assert run(server, "D-07", "--diff", str(tmp_path / "none.param"))[0] == 4
    bad = tmp_path / "bad.param"
    bad.write_text("FENCE_ALT_MAX,100\nFENCE_ALT_MAX,90\nRTL ALT 3 4\nRTL_ALT,high\n")
    status, told = run(server, "D-07", "--diff", str(bad))
    assert status == 4
    assert "line 2" in told
    assert "line 4" in told
    bad.write_bytes(b"\xff\xfe")
    assert run(server, "D-07", "--diff", str(bad))[0] == 4
    assert run(server, "D-07", "--out", str(tmp_path / "no" / "where.param"))[0] == 4
    assert run(server, "D-07", "--diff", str(bad), "--diff-vehicle", "D-08")[0] == 2


def test_what_ground_stations_write_is_read() -> None:
    qgc = "# Vehicle-Id Component-Id Name Value Type\n1\t1\tA_B\t1.5\t9\n1\t154\tMNT\t2\t4\n"
    assert param_files.read(qgc) == ({"A_B": 1.5}, ())
    planner = "\ufeff#NOTE: 1.6.2026\r\nA_B,1.5\r\nC,-3\r\n"
    assert param_files.read(planner) == ({"A_B": 1.5, "C": -3}, ())
    proxy = "A_B              1.500000\nC                -3.000000 # as flown\nD 0x10\n"
    assert param_files.read(proxy) == ({"A_B": 1.5, "C": -3.0, "D": 16}, ())
    assert param_files.read("A_B\t7 @READONLY\n") == ({"A_B": 7}, ())
    assert param_files.read("A inf\n") == ({}, (BadLine(1, "A: 'inf' is no finite number"),))


numbers = st.one_of(st.integers(-(2**31), 2**31 - 1), st.floats(width=32, allow_nan=False))
names = st.from_regex(r"[A-Z][A-Z0-9_]{0,15}", fullmatch=True)


@settings(deadline=None)
@given(
    st.dictionaries(names, st.one_of(st.integers(-(2**31), 2**31 - 1), st.floats(
        width=32, allow_nan=False, allow_infinity=False)), max_size=8),
    st.sampled_from([".params", ".param", ".parm"]),
)  # fmt: skip
def test_any_file_comes_back_as_it_was_written(values: dict[str, float], form: str) -> None:
    held = [
        Held(name, "int32" if isinstance(value, int) else "real32", value)
        for name, value in values.items()
    ]
    text = param_files.write(form, held, title="D-07", system=7, component=1)
    back, bad = param_files.read(text)
    assert bad == ()
    assert {n: struct.pack("<d", v) for n, v in _floats(back).items()} == {
        n: struct.pack("<d", v) for n, v in _floats(values).items()
    }
    assert param_files.differences(values, back) == ()


def _floats(values: dict[str, float]) -> dict[str, float]:
    """As 32-bit floats are told; an integer stays what it is. -0 in a text is 0."""
    packed = {
        n: float(v) if isinstance(v, int) else struct.unpack("<f", struct.pack("<f", v))[0]
        for n, v in values.items()
    }
    return {n: v + 0.0 for n, v in packed.items()}


@pytest.mark.parametrize("form", [".param", ".parm"])
def test_mavproxy_reads_what_is_written(tmp_path: Path, form: str) -> None:
    held = [Held(v.name, v.kind.value, v.value) for v in D07.values[:4]]
    file = tmp_path / f"d{form}"
    file.write_text(param_files.write(form, held, title="D-07, read now"))
    theirs = MAVParmDict()
    theirs.load(str(file))
    assert dict(theirs) == {
        "FENCE_ALT_MAX": 100.0, "ATC_RAT_RLL_P": 0.135, "COMPASS_DEV_ID": 97_539_011.0,
        "SYSID_THISMAV": 7.0,
    }  # fmt: skip


def test_mavproxys_own_file_differs_in_nothing(tmp_path: Path) -> None:
    theirs = MAVParmDict()
    # as it has them from PARAM_VALUE: in 32-bit floats
    for one in D07.values[:4]:
        theirs[one.name] = struct.unpack("<f", struct.pack("<f", one.value))[0]
    file = tmp_path / "theirs.parm"
    theirs.save(str(file))
    back, bad = param_files.read(file.read_text())
    assert bad == ()
    assert param_files.differences({v.name: v.value for v in D07.values[:4]}, back) == ()


@pytest.mark.parametrize(
    ("here", "there", "same"),
    [
        (1, 1.0, True),
        (97_539_011, 97_539_012, False),
        (97_539_011, 97_539_008, True),
        (97_539_011, 97_539_008.0, True),
        (97_539_011, 97_539_000.0, False),
        (0.0036, 0.0035, False),
        (PID, 0.135, True),
        (1e-9, 0.0, True),
        (3e38, math.inf, False),
        (1e6, 1_000_010.0, False),
        (None, None, True),
        (None, 1, False),
    ],
)
def test_when_two_values_are_one(here: float | None, there: float | None, same: bool) -> None:
    assert param_files.same(here, there) is same
    assert param_files.same(there, here) is same
    assert bool(param_files.differences({"A": here}, {"A": there})) is not same


def test_what_only_one_side_has_differs() -> None:
    assert param_files.differences({"A": 1}, {"B": None}) == (
        Difference("A", 1, None), Difference("B", None, None),
    )  # fmt: skip


class Session:
    vehicle_id = "D-07"

    def __init__(self, answer: ParameterSet | Exception) -> None:
        self.answer = answer

    async def parameters(self) -> ParameterSet | str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def owner(session: object) -> VehicleOwner:
    return VehicleOwner(session, epoch=1, clock=ManualClock(), command_timeout_s=60.0)  # type: ignore[arg-type]


async def test_an_owner_tells_them_or_why_not() -> None:
    assert await owner(Session(D07)).parameters() == D07
    assert "no parameters" in str(await owner(object()).parameters())
    assert "D-07" in str(await owner(Session(LinkError("D-07", "is shut"))).parameters())
    assert "no end in time" in str(await owner(Session(TimeoutError())).parameters())


class Slow(Session):
    async def audit(self) -> object:
        raise TimeoutError

    async def apply(self) -> object:
        raise TimeoutError


async def test_an_audit_that_ends_by_time_says_so() -> None:
    assert await owner(Slow(D07)).audit() == "it could not be read: no answer in time"
