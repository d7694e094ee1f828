"""The lab as a process: up, its truth, judged, and down again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sitl.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(180)

SHIPPED = ROOT / "sitl" / "scenarios" / "helsinki"


@contextlib.asynccontextmanager
async def lab(truth: Path, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sitl", "run", str(SHIPPED), "--mavlink", "127.0.0.1:9"),
        *("--mqtt-port", "0", "--start", "2026-06-10T07:00:00Z", "--wall-epoch"),
        *(repr(time.time()), "--speedup", "20", "--truth", str(truth), *more),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready(process: asyncio.subprocess.Process) -> dict[str, object]:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        told: dict[str, object] = json.loads(await process.stdout.readline())
    return told


@pytest.mark.parametrize("end", ["closed input", "terminated"])
async def test_lab_comes_up_writes_truth_and_ends_cleanly(tmp_path: Path, end: str) -> None:
    truth = tmp_path / "truth.jsonl"
    async with lab(truth, "--drones", "3", "--robots", "2") as process:
        told = await ready(process)
        assert told["ready"] is True
        mqtt = told["mqtt"]
        assert isinstance(mqtt, dict)
        _, writer = await asyncio.open_connection(mqtt["host"], mqtt["port"])
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(60):
            while truth.read_text().count("\n") < 2:
                await asyncio.sleep(0.05)
        if end == "terminated":
            process.terminate()
        else:
            assert process.stdin is not None
            process.stdin.close()
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    header, *samples = map(json.loads, truth.read_text().splitlines())
    assert set(header["header"]["vehicles"]) == {
        *("drone-01", "drone-02", "drone-03"),
        *("robot-01", "robot-02"),
    }
    assert samples
    expect = tmp_path / "expect.json"
    expect.write_text('{"parcels": []}')
    out = tmp_path / "referee.json"
    files = ["--truth", truth, "--zones", SHIPPED / "zones.geojson", "--expect", expect]
    assert main(["judge", *map(str, files), "--out", str(out)]) in {0, 1}
    report = json.loads(out.read_text())
    assert {finding["rule"] for finding in report["findings"]} <= {"unseen"}


async def test_taken_port_is_told(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, lab(tmp_path / "truth.jsonl", "--mqtt-port", str(port)) as process:
        async with asyncio.timeout(60):
            assert await process.wait() != 0


def test_judge_says_what_it_found_by_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, expect, out = (tmp_path / name for name in ("truth", "expect", "out"))
    header = {"header": {"ground_amsl_m": 15.0, "vehicles": {"bot": "robot"}}}
    here = {"vehicle_id": "bot", "t": "2026-06-10T07:00:00Z", "lat_deg": 60.17, "lon_deg": 24.95}
    sample = {**here, "alt_amsl_m": 15.0, "armed": False, "on_ground": True}
    truth.write_text(f"{json.dumps(header)}\n{json.dumps(sample)}\n")
    expect.write_text('{"parcels": []}')
    arguments = [
        *("judge", "--truth", str(truth), "--zones", str(SHIPPED / "zones.geojson")),
        *("--expect", str(expect), "--out", str(out)),
    ]
    assert main(arguments) == 0
    assert json.loads(out.read_text())["ok"] is True
    parcels = tmp_path / "parcels.json"
    parcels.write_text('[{"id": "P1"}]')
    assert main([*arguments, "--parcels", str(parcels)]) == 1
    assert json.loads(out.read_text())["findings"][0]["rule"] == "lost"
    truth.write_text("nonsense\n")
    assert main(arguments) == 2
    assert "line 1" in capsys.readouterr().err


def test_wrong_arguments_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--mavlink", "nowhere"], ["--speedup", "0"], ["--start", "2026-06-10T07:00"]):
        with pytest.raises(SystemExit) as caught:
            main(["run", str(SHIPPED), *wrong])
        assert caught.value.code == 2
    assert main(["run", str(tmp_path)]) == 2
    assert "lab.toml" in capsys.readouterr().err
