"""The demo in small, as a user starts it: real MAVLink, MQTT and HTTP, one parcel watched."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.console.vendor import up_to_date
from tests.conftest import find_chromium

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 200.0
ONE_PARCEL = "HEL-001"


class Demo:
    """A running demo and what it told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._told: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="demo-stderr")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            self._told.put(line)
        self._told.put(None)

    def url(self) -> str:
        """The console's address, as soon as it is told."""
        end_s = time.monotonic() + 120
        while (line := self._told.get(timeout=max(0.1, end_s - time.monotonic()))) is not None:
            found = re.search(r"console: (http://\S+)", line)
            if found:
                return found[1]
        raise AssertionError("".join(self.lines))

    def end(self) -> tuple[int, str]:
        """Exit status and standard output."""
        out, _ = self.process.communicate(timeout=LIMIT_S)
        self._reader.join(10)
        return self.process.returncode, out


@contextmanager
def demo(*arguments: str) -> Iterator[Demo]:
    command = [sys.executable, "-m", "controller", "demo", "--json", *arguments]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        running = Demo(process)
        try:
            yield running
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(30)


@contextmanager
def screen() -> Iterator[Callable[[str], None]]:
    """How the parcel is followed: in a browser that is up already, or by HTTP without one.

    A browser that starts beside the demo may see its page after the flight is over.
    """
    program = find_chromium()
    if program is None or not up_to_date():
        yield follow_by_http
        return
    from playwright.sync_api import sync_playwright

    from tests.support.browser import NO_GL, chromium_browser

    with (
        sync_playwright() as playwright,
        chromium_browser(playwright, program, *NO_GL) as browser,
    ):
        yield partial(follow_on_screen, browser)


def follow_on_screen(browser: Any, url: str) -> None:
    from playwright.sync_api import expect

    from tests.support.browser import watched_page

    with watched_page(browser, url) as page:
        row = page.locator(f"#parcel-{ONE_PARCEL}")
        row.click(timeout=30_000)
        expect(row).to_have_attribute("data-state", "in_transit", timeout=60_000)
        panel = page.get_by_label("Selected")
        expect(panel).to_contain_text("In transit")
        expect(row).to_have_attribute("data-state", "delivered", timeout=120_000)
        expect(panel).to_contain_text("from its destination")


def follow_by_http(url: str) -> None:
    end_s = time.monotonic() + LIMIT_S
    with httpx.Client(base_url=url, trust_env=False) as client:
        while time.monotonic() < end_s:
            answer = client.get(f"/v1/parcels/{ONE_PARCEL}", timeout=30.0)
            if answer.is_success and answer.json()["state"] == "delivered":
                return
            time.sleep(0.25)
    raise AssertionError(f"{ONE_PARCEL} was not delivered")


@pytest.mark.timeout(LIMIT_S + 200)
def test_the_demo_delivers_and_the_referee_agrees(tmp_path: Path) -> None:
    size = ("--drones", "3", "--robots", "2", "--parcels", "6", "--speedup", "20")
    with screen() as follow, demo("--port", "0", "--out", str(tmp_path), *size) as running:
        url = running.url()
        follow(url)
        status, out = running.end()
    summary = json.loads(out) if out else {}
    assert status == 0, (summary.get("faults"), "".join(running.lines))
    assert summary["referee"]["ok"] is True
    assert summary["referee"]["samples"] > 500
    check_parcels(summary["parcels"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "http://" not in page.replace(url, "")
    for parcel in summary["parcels"]:
        assert parcel["id"] in page


def check_parcels(parcels: list[dict[str, Any]]) -> None:
    states = {p["id"]: p["state"] for p in parcels}
    assert len(states) == 6
    assert set(states.values()) <= {"delivered", "refused"}
    assert states[ONE_PARCEL] == "delivered"
    for parcel in parcels:
        if parcel["state"] == "delivered":
            assert parcel["proof"]["evidence"]
            assert parcel["custodian"]["kind"] == "recipient"
        else:
            assert parcel["reasons"]


@pytest.mark.timeout(200)
def test_a_taken_port_is_told_and_nothing_is_left_running(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demo("--port", str(port), "--out", str(tmp_path), "--drones", "1") as running:
            status, out = running.end()
    assert status == 5
    assert "--port" in json.loads(out)["next"]
