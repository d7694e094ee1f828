"""Chromium for tests of the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect

SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
EXPECT_MS = 30_000.0
"""How long a page may take to show what is expected of it; five seconds fail a busy machine."""
NO_GL = ("--disable-3d-apis",)


@contextmanager
def chromium_browser(playwright: Playwright, program: str, *arguments: str) -> Iterator[Browser]:
    """A headless browser."""
    expect.set_options(timeout=EXPECT_MS)
    browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", *arguments])
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def watched_page(browser: Browser, url: str, scheme: str = "light") -> Iterator[Page]:
    """A page at `url`; an error in it, or a request that leaves the machine, fails the test."""
    faults: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(message.text)

    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.on("console", console)
    page.on("pageerror", lambda error: faults.append(str(error)))
    foreign: list[str] = []
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((url.split("#", maxsplit=1)[0], "blob:", "data:"))
            else foreign.append(request.url)
        ),
    )
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    assert faults == []
    assert foreign == []
