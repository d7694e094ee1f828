"""Chromium for tests of the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect

SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
EXPECT_MS = 30_000.0
"""How long a page may take to show what is expected of it; five seconds fail a busy machine."""
NO_GL = ("--disable-3d-apis",)

CONTRAST = """() => {
  const parse = (c) => {
    const m = c.match(/[\\d.]+/g).map(Number);
    const full = c.startsWith("color(srgb") ? 255 : 1;
    return [m[0] * full, m[1] * full, m[2] * full, m[3] ?? 1];
  };
  const lum = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const over = (top, low) => [0, 1, 2].map((i) => top[i] * top[3] + low[i] * (1 - top[3]));
  const ground = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) {
      layers.unshift(parse(getComputedStyle(n).backgroundColor));
    }
    return layers.reduce((low, top) => over(top, low), [255, 255, 255]);
  };
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const box = e.getBoundingClientRect();
    if (!own || !box.width || e.closest(".sr, .skip, :disabled, .maplibregl-map")) continue;
    const style = getComputedStyle(e);
    if (style.visibility !== "visible") continue;
    const back = ground(e);
    const [a, b] = [lum(over(parse(style.color), back)), lum(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const words = e.textContent.trim().slice(0, 30);
    if (ratio < 4.5) low.push(`${e.className || e.tagName}: ${words}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""
"""Every text on the page with a contrast under 4.5 to 1 (WCAG 2.2, 1.4.3)."""


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
