"""The console in Chromium over a desk in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from controller.console.vendor import up_to_date
from controller.delivery.refuges import Refuge
from controller.delivery.views import DoorView, Found
from controller.domain.model import ParcelState
from geofence.frames import LatLon
from tests.support.browser import CONTRAST, NO_GL, SOFTWARE_GL, chromium_browser, watched_page
from tests.support.clock import START
from tests.support.desk import FakeDesk, alarm, parcel, vehicle_view
from tests.support.server import DeskServer
from vehicles.port import Divert, LinkState, Phase, Verb

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SOMEWHERE = LatLon(60.18, 24.93)
DROP = LatLon(60.1712, 24.941)


@pytest.fixture(scope="module")
def playwright(chromium: str) -> Iterator[Playwright]:
    if not up_to_date():
        pytest.skip("the console is not set up: run python -m controller.console.vendor")
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """Without WebGL: the tables stand in for the map, and tests are quick."""
    with chromium_browser(playwright, chromium, *NO_GL) as running:
        yield running


@pytest.fixture
def server() -> Iterator[DeskServer]:
    with DeskServer() as running:
        running.call(fill)
        yield running


def fill(desk: FakeDesk) -> None:
    desk.put_vehicle(
        vehicle_view(
            "D-01",
            START,
            SOMEWHERE,
            phase=Phase.EN_ROUTE,
            parcel_ids=("P-1",),
            path=(DROP,),
            sentence="On its way to the market with P-1",
            armed=True,
        )
    )
    desk.put_vehicle(vehicle_view("D-03", START, SOMEWHERE, link=LinkState.OFFLINE))
    desk.put_vehicle(vehicle_view("R-01", START, DROP, robot=True))
    desk.put_alarm(alarm("A-1", START))
    submit = desk.submit(
        [parcel("P-1", START, DROP), parcel("P-2", START, SOMEWHERE, address="Annankatu 25")],
        key="k",
        fingerprint="f",
    )
    with pytest.raises(StopIteration):
        submit.send(None)


def test_a_parcel_is_followed_to_delivered_on_screen(browser: Browser, server: DeskServer) -> None:
    with watched_page(browser, server.url) as page:
        row = page.locator("#parcel-P-1")
        expect(row).to_have_attribute("data-state", "submitted")
        expect(row).to_contain_text("30:00 left")
        row.click()
        panel = page.get_by_label("Selected")
        expect(panel).to_contain_text("Waiting")
        server.call(lambda d: d.put_state("P-1", ParcelState.IN_TRANSIT, vehicle_id="D-01"))
        expect(row).to_have_attribute("data-state", "in_transit")
        expect(panel).to_contain_text("In transit")
        server.call(lambda d: d.deliver("P-1", "D-01"))
        expect(row).to_have_attribute("data-state", "delivered")
        expect(panel).to_contain_text("1.2 m from its destination")
        expect(row).to_contain_text("in time")


def test_hold_is_one_click_and_shows_its_effect(browser: Browser, server: DeskServer) -> None:
    with watched_page(browser, server.url) as page:
        select_vehicle(page, "D-01")
        page.get_by_role("button", name="Hold one click").click()
        expect(page.get_by_label("Selected")).to_contain_text("Hold D-01 ✓ seen in its state")
        expect(page.get_by_role("button", name="Resume goes on")).to_be_visible()
    assert commands(server) == [("D-01", Verb.HOLD)]


def test_return_asks_first_and_names_effect_and_target(
    browser: Browser, server: DeskServer
) -> None:
    with watched_page(browser, server.url) as page:
        select_vehicle(page, "D-01")
        page.get_by_role("button", name="Return asks first").click()
        question = page.get_by_role("group", name="Return", exact=True)
        expect(question).to_contain_text("D-01, carrying P-1, breaks off and returns to Pasila hub")
        question.get_by_role("button", name="Do not").click()
        assert commands(server) == []
        page.get_by_role("button", name="Return asks first").click()
        question.get_by_role("button", name="Confirm").click()
        expect(page.get_by_label("Selected")).to_contain_text("Return D-01 ✓")
    assert commands(server) == [("D-01", Verb.RETURN)]


def test_a_divert_goes_to_a_place_that_the_zones_allow_and_asks_first(
    browser: Browser, server: DeskServer
) -> None:
    to = Divert(LatLon(60.185, 24.94), 60.0)
    server.desk.places = [
        Refuge("rally point 1", "rally", to, 640.0, ""),
        Refuge("Harbour", "site", to, 900.0, "the way there is not allowed: Stadium: inside"),
    ]
    with watched_page(browser, server.url) as page:
        select_vehicle(page, "D-01")
        page.get_by_role("button", name="Divert… choose a place").click()
        places = page.get_by_role("list", name="Places to divert D-01 to")
        harbour = places.get_by_role("button", name="Harbour 900 m away, not allowed")
        expect(harbour).to_be_disabled()
        expect(places).to_contain_text("the way there is not allowed: Stadium")
        places.get_by_role("button", name="rally point 1 640 m away, clear").click()
        question = page.get_by_role("group", name="rally point 1")
        expect(question).to_contain_text(
            "D-01, carrying P-1, leaves its mission, flies straight to rally point 1, 640 m away"
        )
        question.get_by_role("button", name="Do not").click()
        assert server.desk.diverts == []
        places.get_by_role("button", name="rally point 1").click()
        question.get_by_role("button", name="Confirm").click()
        expect(page.get_by_label("Selected")).to_contain_text("Divert D-01 to rally point 1 ✓")
        expect(places).to_be_hidden()
        select_vehicle(page, "D-03")
        expect(page.get_by_role("button", name="Divert… not under way")).to_be_disabled()
        select_vehicle(page, "R-01")
        expect(page.get_by_role("button", name="Divert…")).to_have_count(0)
    assert server.desk.diverts == [("D-01", to, "console", "from the console")]


def test_a_parcel_aboard_a_drone_is_cancelled_after_a_question_that_says_how(
    browser: Browser, server: DeskServer
) -> None:
    def under_way(desk: FakeDesk) -> None:
        desk.put_state("P-1", ParcelState.IN_TRANSIT, vehicle_id="D-01")

    server.call(under_way)
    with watched_page(browser, server.url) as page:
        select_parcel(page, "P-1")
        page.get_by_role("button", name="Cancel parcel").click()
        question = page.get_by_role("group", name="Cancel parcel")
        expect(question).to_contain_text("D-01 brings P-1 home.")
        question.get_by_role("button", name="Confirm").click()
        expect(page.get_by_label("Selected")).to_contain_text("Cancel P-1")


def test_land_takes_two_seconds_of_pressing(browser: Browser, server: DeskServer) -> None:
    with watched_page(browser, server.url) as page:
        select_vehicle(page, "D-01")
        land = page.get_by_role("button", name="Land here")
        land.click(delay=300)
        expect(land).not_to_have_class("pressing")
        assert commands(server) == []
        land.hover()
        page.mouse.down()
        expect(page.get_by_label("Selected")).to_contain_text("Land D-01 ✓")
        page.mouse.up()
    assert commands(server) == [("D-01", Verb.LAND)]


def test_hold_all_by_keyboard_freezes_dispatch(browser: Browser, server: DeskServer) -> None:
    with watched_page(browser, server.url) as page:
        page.get_by_role("button", name="HOLD ALL").focus()
        page.keyboard.down("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Dispatch is frozen")
        page.keyboard.up("Enter")
        page.get_by_role("button", name="Resume dispatch").click()
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("alert")).to_have_count(0)


def test_old_data_is_grey_with_its_age_and_the_table_tells_what_the_map_does(
    browser: Browser, server: DeskServer
) -> None:
    with watched_page(browser, server.url) as page:
        page.get_by_role("tab", name="Table").click()
        row = page.get_by_role("row", name="D-03")
        expect(row).to_contain_text("No link")
        expect(row).to_have_class("stale ")
        expect(page.get_by_role("row", name="D-01")).to_contain_text("On its way to the market")
        select_vehicle(page, "D-03")
        expect(page.get_by_label("Selected")).to_contain_text("Last known state")


def test_an_alarm_says_what_to_do_and_is_acknowledged(browser: Browser, server: DeskServer) -> None:
    with watched_page(browser, server.url) as page:
        bar = page.get_by_label("Alarms")
        expect(bar).to_contain_text("its mission goes on without it")
        bar.get_by_role("button", name="Acknowledge").click()
        expect(bar).to_contain_text("seen by console")


def test_parcels_are_searched_and_walked_by_keys(browser: Browser, server: DeskServer) -> None:
    with watched_page(browser, server.url) as page:
        expect(page.locator(".parcel")).to_have_count(2)
        page.keyboard.press("/")
        page.keyboard.type("annan")
        expect(page.locator(".parcel")).to_have_count(1)
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        expect(page.get_by_label("Selected")).to_contain_text("P-2")


def test_without_webgl_the_tables_do(browser: Browser, server: DeskServer) -> None:
    with watched_page(browser, server.url) as page:
        expect(page.get_by_role("row", name="D-01")).to_be_visible()
        expect(page.get_by_role("tab", name="Map")).to_be_disabled()
        page.locator("#parcel-P-2").click()
        expect(page.get_by_label("Selected")).to_contain_text("Annankatu 25")


READY = "() => Boolean(globalThis.waypostChart?.ready && waypostChart.map.loaded())"
DRAWN = """() => Object.fromEntries(["vehicles", "zones", "routes", "drops", "sites"].map(
  (name) => [name, waypostChart.map.querySourceFeatures(name).length]))"""
PLACE = "() => waypostChart.map.project([24.93, 60.18])"


def test_the_map_draws_vehicles_zones_and_ways_and_is_clicked(
    playwright: Playwright, chromium: str, server: DeskServer
) -> None:
    with (
        chromium_browser(playwright, chromium, *SOFTWARE_GL) as drawing,
        watched_page(drawing, server.url + "/#inspect") as page,
    ):
        until(page, lambda: page.evaluate(READY))
        until(page, lambda: all(page.evaluate(DRAWN).values()))
        where = page.evaluate(PLACE)
        box = page.locator(".map").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + where["x"], box["y"] + where["y"])
        expect(page.get_by_label("Selected")).to_contain_text("D-0")


@pytest.mark.parametrize(
    ("button", "found", "state"),
    [
        ("Found aboard", Found.ABOARD, "returned"),
        ("Found delivered", Found.DELIVERED, "delivered"),
    ],
)
def test_a_stranded_parcel_is_settled_after_a_question(
    browser: Browser, server: DeskServer, button: str, found: Found, state: str
) -> None:
    with watched_page(browser, server.url) as page:
        row = page.locator("#parcel-P-1")
        row.click()
        panel = page.get_by_label("Selected")
        expect(panel.get_by_role("button", name=button)).to_have_count(0)
        server.call(lambda d: d.put_state("P-1", ParcelState.STRANDED, vehicle_id="D-01"))
        panel.get_by_role("button", name=f"{button} asks first").click()
        question = page.get_by_role("group", name=button, exact=True)
        expect(question).to_contain_text("P-1")
        assert server.call(lambda d: list(d.settled)) == []
        question.get_by_role("button", name="Confirm").click()
        expect(row).to_have_attribute("data-state", state)
        expect(panel).to_contain_text(f"{button}: P-1 ✓ seen in its state")
    told = server.call(lambda d: list(d.settled))
    assert [(p, f) for p, f, _, _ in told] == [("P-1", found)]


def until(page: Page, condition: Callable[[], Any], deadline_s: float = 60.0) -> None:
    """Wait for what only a look can tell."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s
        page.wait_for_timeout(100)


def test_a_lost_controller_is_told_and_found_again(browser: Browser) -> None:
    with DeskServer() as first:
        first.call(fill)
        context = browser.new_context()
        page = context.new_page()
        page.goto(first.url)
        expect(page.locator(".top")).to_contain_text("Live")
    expect(page.locator(".top")).to_contain_text("No link to the controller")
    expect(page.locator(".top")).to_contain_text("what you see is old")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(browser: Browser, server: DeskServer, scheme: str) -> None:
    def more(desk: FakeDesk) -> None:
        desk.put_state("P-1", ParcelState.REFUSED, reasons=("38 kg is over every payload",))
        view = desk.vehicle("D-01")
        assert view is not None
        failing = replace(view.telemetry, phase=Phase.FAILSAFE, battery_pct=12.0)
        desk.put_vehicle(replace(view, telemetry=failing))

    server.call(more)
    with watched_page(browser, server.url, scheme) as page:
        for select in (lambda: select_vehicle(page, "D-01"), lambda: select_parcel(page, "P-1")):
            select()
            expect(page.locator(".rightside .close")).to_be_visible()
            assert page.evaluate(CONTRAST) == []
        page.get_by_role("tab", name="Table").click()
        assert page.evaluate(CONTRAST) == []


def select_vehicle(page: Page, vehicle_id: str) -> None:
    page.get_by_role("tab", name="Vehicles").click()
    page.locator("button.vehicle", has_text=vehicle_id).click()


def select_parcel(page: Page, parcel_id: str) -> None:
    page.get_by_role("tab", name="Parcels").click()
    page.locator(f"#parcel-{parcel_id}").click()


def commands(server: DeskServer) -> list[tuple[str, Any]]:
    return [(c[0], c[1]) for c in server.call(lambda desk: list(desk.commands))]


def test_a_door_is_opened_by_the_pin_that_stays_on_no_screen(
    browser: Browser, server: DeskServer
) -> None:
    def at_the_door(desk: FakeDesk) -> None:
        since = desk.clock.now()
        door = DoorView("pin", since, since + timedelta(minutes=5), 3)
        desk.put_state("P-1", ParcelState.IN_TRANSIT, vehicle_id="R-01", door=door)

    with watched_page(browser, server.url) as page:
        page.locator("#parcel-P-1").click()
        panel = page.get_by_label("Selected")
        expect(panel.get_by_label("PIN that the customer tells")).to_have_count(0)
        server.call(at_the_door)
        field = panel.get_by_label("PIN that the customer tells")
        field.fill("0000")
        panel.get_by_role("button", name="Open for the PIN").click()
        expect(panel).to_contain_text("wrong PIN: 2 tries are left")
        expect(field).to_have_value("")
        field.fill("4711")
        field.press("Enter")
        expect(panel).to_contain_text("Open for P-1 ✓ seen in its state")
        assert "4711" not in page.content()
        server.call(lambda d: d.put_state("P-1", ParcelState.RETURNED, door=None, resendable=True))
        panel.get_by_role("button", name="Send again asks first").click()
        question = page.get_by_role("group", name="Send again", exact=True)
        question.get_by_role("button", name="Confirm").click()
        expect(page.locator("#parcel-P-1")).to_have_attribute("data-state", "submitted")
    told = server.call(lambda d: list(d.triggered))
    assert [pin for _, pin, _ in told] == ["0000", "4711"]
