"""A mission before launch, seen in Chromium over a desk in memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from controller.console.vendor import up_to_date
from controller.fleet.allowed import allowed
from geofence.frames import LatLon
from missions.formats.qgc_plan import write_plan
from missions.model import AirItem, AirMission, ItemKind
from tests.support.browser import CONTRAST, NO_GL, SOFTWARE_GL, chromium_browser, watched_page
from tests.support.clock import START
from tests.support.desk import HUB, FakeDesk, parcel, vehicle_view
from tests.support.server import DeskServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]

PAD = HUB.position
NEAR, THROUGH = LatLon(60.1960, 24.9250), LatLon(60.1890, 24.9050)


def mission(to: LatLon) -> AirMission:
    items = (
        AirItem(ItemKind.TAKEOFF, PAD, 60.0),
        AirItem(ItemKind.WAYPOINT, to, 60.0),
        AirItem(ItemKind.RETURN_PATH, to, 60.0),
        AirItem(ItemKind.WAYPOINT, PAD, 60.0),
        AirItem(ItemKind.LAND, PAD),
    )
    return AirMission("m-1", "D-01", PAD, 20.0, 60.0, items, "", duration_s=240.0)


def fill(desk: FakeDesk) -> None:
    desk.missions.put(mission(NEAR), ("P-1",))
    waits = vehicle_view("D-01", START, PAD, parcel_ids=("P-1",), sentence="D-01 waits for you")
    desk.put_vehicle(replace(waits, mission_id="m-1", awaits_launch=True))
    desk.put_vehicle(vehicle_view("D-02", START, PAD))
    submit = desk.submit([parcel("P-1", START, NEAR)], key="k", fingerprint="f")
    with pytest.raises(StopIteration):
        submit.send(None)


@pytest.fixture(scope="module")
def playwright(chromium: str) -> Iterator[Playwright]:
    if not up_to_date():
        pytest.skip("the console is not set up: run python -m controller.console.vendor")
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    with chromium_browser(playwright, chromium, *NO_GL) as running:
        yield running


@pytest.fixture
def server() -> Iterator[DeskServer]:
    with DeskServer() as running:
        running.call(fill)
        yield running


DROP = """([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name));
  const told = { dataTransfer: data, bubbles: true, cancelable: true };
  for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, told));
}"""


def test_a_plan_that_is_dropped_is_checked_and_its_violation_named(
    browser: Browser, server: DeskServer
) -> None:
    with watched_page(browser, server.url) as page:
        page.evaluate(DROP, ["far.plan", write_plan(mission(THROUGH))])
        panel = page.get_by_label("Mission preview")
        expect(panel.get_by_role("heading", name="far.plan")).to_be_visible()
        expect(panel).to_contain_text("✕ Not allowed")
        faults = panel.get_by_label("Violations").get_by_role("button")
        expect(faults.first).to_contain_text("heliport Hospital heliport")
        expect(faults.first).to_contain_text("m deep")
        expect(faults.first).to_contain_text("leg 1")
        expect(panel).to_contain_text("no-fly, all heights, at all times")
        expect(panel.get_by_role("button", name="Launch")).to_have_count(0)
        profile = page.get_by_role("img", name="Height profile")
        assert "Zones passed: heliport from" in (profile.get_attribute("aria-label") or "")
        page.keyboard.press("Escape")
        expect(panel).to_have_count(0)
        expect(profile).to_have_count(0)


def test_a_plan_is_chosen_by_keyboard_and_a_broken_one_says_what_to_do(
    browser: Browser, server: DeskServer
) -> None:
    with watched_page_quiet(browser, server.url) as page:
        choose = page.get_by_label("Check a plan file")
        choose.focus()
        with page.expect_file_chooser() as chosen:
            page.keyboard.press("Space")
        chosen.value.set_files(
            {"name": "bad.plan", "mimeType": "application/json", "buffer": b'{"fileType": "Odd"}'}
        )
        panel = page.get_by_label("Mission preview")
        expect(panel).to_contain_text('fileType: must be "Plan"')
        expect(panel).to_contain_text("correct the item named")


def test_a_mission_is_seen_before_it_is_launched(browser: Browser, server: DeskServer) -> None:
    with watched_page(browser, server.url) as page:
        expect(page.get_by_label("Selected")).to_contain_text("1 mission waits for your launch")
        page.get_by_role("button", name="See the mission and launch it").click()
        panel = page.get_by_label("Mission preview")
        expect(panel).to_contain_text("✓ Allowed")
        expect(panel).to_contain_text("Nothing is against it")
        expect(panel).to_contain_text("the mission's own checked return path")
        panel.get_by_role("button", name="Launch D-01 asks first").click()
        question = page.get_by_role("group", name="Launch D-01", exact=True)
        expect(question).to_contain_text("D-01 starts with P-1, as drawn here: 4:00 min.")
        assert server.call(lambda d: list(d.missions.launched)) == []
        question.get_by_role("button", name="Confirm").click()
        expect(panel).to_contain_text("Launch D-01 ✓ given: it starts once it is ready")
        expect(panel.get_by_role("button", name="Launch D-01")).to_have_count(0)
    launched = server.call(lambda d: list(d.missions.launched))
    assert launched == [("m-1", mission(NEAR).content_hash, "console")]


def test_zones_that_change_while_it_is_seen_are_told_at_once(
    browser: Browser, server: DeskServer
) -> None:
    with watched_page(browser, server.url) as page:
        page.get_by_role("button", name="See the mission and launch it").click()
        panel = page.get_by_label("Mission preview")
        launch = panel.get_by_role("button", name="Launch D-01")
        expect(launch).to_be_enabled()

        def over(desk: FakeDesk) -> None:
            moved = replace(desk.zone_set.zones[0].area, center=NEAR)
            zones = (replace(desk.zone_set.zones[0], area=moved), *desk.zone_set.zones[1:])
            change = desk.replace_zones(zones, by="kim")
            with pytest.raises(StopIteration):
                change.send(None)

        server.call(over)
        expect(panel).to_contain_text("✕ Not allowed")
        expect(launch).to_be_disabled()


def test_what_shuts_the_gate_is_told_and_bars_the_launch(
    browser: Browser, server: DeskServer
) -> None:
    server.call(lambda d: setattr(d.missions, "shut", "D-01 has not told its battery level"))
    with watched_page(browser, server.url) as page:
        page.get_by_role("button", name="See the mission and launch it").click()
        panel = page.get_by_label("Mission preview")
        expect(panel).to_contain_text("would not be started now: D-01 has not told its battery")
        expect(panel.get_by_role("button", name="Launch D-01")).to_be_disabled()


def test_a_disarmed_drone_offers_nothing_to_hold_return_or_land(
    browser: Browser, server: DeskServer
) -> None:
    with watched_page(browser, server.url) as page:
        page.get_by_role("tab", name="Vehicles").click()
        page.locator("button.vehicle", has_text="D-02").click()
        commands = page.get_by_role("group", name="Commands for D-02")
        for name in ("Hold", "Return", "Land here"):
            expect(commands.get_by_role("button", name=re.compile(f"^{name}"))).to_be_disabled()
        expect(commands).to_contain_text("It is disarmed, on the ground")
        for armed in (True, None):
            server.call(lambda d, armed=armed: arm(d, armed))
            for name in ("Hold", "Return", "Land here"):
                expect(commands.get_by_role("button", name=re.compile(f"^{name}"))).to_be_enabled()


def arm(desk: FakeDesk, armed: bool | None) -> None:
    view = desk.vehicle("D-02")
    assert view is not None
    telemetry = replace(view.telemetry, armed=armed)
    desk.put_vehicle(replace(view, telemetry=telemetry, commands=allowed(telemetry)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_preview_has_contrast(browser: Browser, server: DeskServer, scheme: str) -> None:
    with watched_page(browser, server.url, scheme) as page:
        page.evaluate(DROP, ["far.plan", write_plan(mission(THROUGH))])
        expect(page.get_by_label("Mission preview")).to_contain_text("Zones here")
        assert page.evaluate(CONTRAST) == []


READY = "() => Boolean(globalThis.waypostChart?.ready && waypostChart.map.loaded())"
ROLES = """() => [...new Set(waypostChart.map
  .queryRenderedFeatures({ layers: ["preview-path", "preview-own", "preview-corridor",
    "preview-number", "preview-hitzone"] }).map((f) => f.layer.id))].sort()"""
WIDE = "() => document.scrollingElement.scrollWidth - innerWidth"


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desk", "phone"])
def test_the_map_draws_the_path_and_the_violation(
    playwright: Playwright, chromium: str, server: DeskServer, size: tuple[int, int]
) -> None:
    with (
        chromium_browser(playwright, chromium, *SOFTWARE_GL) as drawing,
        watched_page(drawing, server.url + "/#inspect") as page,
    ):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        until(page, lambda: page.evaluate(READY))
        page.evaluate(DROP, ["far.plan", write_plan(mission(THROUGH))])
        expect(page.get_by_label("Mission preview")).to_contain_text("✕ Not allowed")
        wanted = ["corridor", "hitzone", "number", "own", "path"]
        until(page, lambda: page.evaluate(ROLES) == [f"preview-{name}" for name in wanted])
        assert page.evaluate(WIDE) <= 0
        page.get_by_label("Violations").get_by_role("button").first.click()
        until(page, lambda: not page.evaluate("() => waypostChart.map.isMoving()"))
        assert "preview-own" in page.evaluate(ROLES)


@contextmanager
def watched_page_quiet(browser: Browser, url: str) -> Iterator[Page]:
    """A page whose refused requests, which the browser logs, are part of the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(url)
    try:
        yield page
    finally:
        context.close()


def until(page: Page, condition: Callable[[], Any], deadline_s: float = 20.0) -> None:
    """Wait for what only a look can tell."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s
        page.wait_for_timeout(100)
