"""Passages in the console, in Chromium: the list, the map, and taking back from a lost robot."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Playwright, expect, sync_playwright

from controller.console.vendor import up_to_date
from tests.support.browser import CONTRAST, SOFTWARE_GL, chromium_browser, watched_page
from tests.support.clock import START
from tests.support.desk import FakeDesk, vehicle_view
from tests.support.server import DeskServer
from tests.unit.controller.test_delivery_turns import PLACES, Rig
from vehicles.port import LinkState

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

DRAWN = """() => {
  const chart = globalThis.waypostChart;
  if (!chart?.ready || !chart.map.getLayer("passage-lines")) return 0;
  return chart.map.queryRenderedFeatures({ layers: ["passage-lines"] }).length;
}"""


@pytest.fixture(scope="module")
def playwright(chromium: str) -> Iterator[Playwright]:
    if not up_to_date():
        pytest.skip("the console is not set up: run python -m controller.console.vendor")
    with sync_playwright() as running:
        yield running


def lost_in_the_lane() -> Rig:
    rig = Rig()
    rig.assign("r1", "wambe")
    rig.assign("r2", "ebmaw")
    rig.owners["r1"].at = rig.owners["r2"].at = 1
    # nothing in it waits, and the browser's own loop runs in this thread
    with contextlib.suppress(StopIteration):
        rig.turns.look().send(None)
    rig.owners["r1"].telemetry = rig.seen("r1", PLACES["m"], LinkState.OFFLINE)
    return rig


def test_who_has_a_passage_is_listed_drawn_and_taken_back(
    playwright: Playwright, chromium: str
) -> None:
    rig = lost_in_the_lane()

    def fill(desk: FakeDesk) -> None:
        lost = vehicle_view("r1", START, PLACES["m"], robot=True, link=LinkState.OFFLINE)
        desk.put_vehicle(replace(lost, age_s=600.0))
        desk.put_vehicle(vehicle_view("r2", START, PLACES["b"], robot=True))
        desk.turns = rig.turns

    with DeskServer() as server:
        server.call(fill)
        with (
            chromium_browser(playwright, chromium, *SOFTWARE_GL) as browser,
            watched_page(browser, server.url + "/#inspect") as page,
        ):
            page.get_by_role("tab", name="Passages 1").click()
            row = page.locator(".passages li")
            expect(row).to_contain_text("Narrow street am")
            expect(row).to_contain_text("r1 passes")
            expect(row).to_contain_text("waiting: r2")
            page.wait_for_function(DRAWN, timeout=60_000)
            if folder := os.environ.get("WAYPOST_SCREENSHOTS"):
                page.screenshot(path=str(Path(folder) / "passages.png"))
            assert page.evaluate(CONTRAST) == []
            page.get_by_role("button", name="Take back from r1").click()
            page.get_by_label("How do you know").fill("carried to the shop")
            page.get_by_role("button", name="Free its passages").click()
            expect(page.get_by_text("r1 passes")).to_have_count(0)
    assert rig.memory.events[0].data["reason"] == "carried to the shop"
