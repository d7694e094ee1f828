"""Serves the console's files.

Owns the addresses / and /static/ and the content security policy. Must not know the API.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"

MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Waypost</title>
<body style="font:16px system-ui;margin:3rem;max-width:46rem">
<h1>The console is not set up</h1>
<p>The controller runs, and the API answers at <code>/v1/</code>. The console needs its
third-party JavaScript once: run <code>python -m controller.console.vendor</code> (needs npm),
then load this page again.</p></body></html>
"""


def _inline_hashes(html: str) -> str:
    """CSP hashes of the page's inline scripts: the import map (CSP Level 3, section 2.3.1)."""
    found = re.findall(r"<script[^>]*>(.+?)</script>", html, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in found]
    return " ".join(f"'sha256-{d}'" for d in digests)


def policy(html: str) -> str:
    """The content security policy of a page."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {_inline_hashes(html)}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "font-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


class _Files(StaticFiles):
    """Static files that a browser asks for anew after an upgrade."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def mount(app: FastAPI, static: Path = STATIC) -> None:
    """Put the console at /."""

    async def index(_: Request) -> Response:
        if not (static / "vendor" / "vendor.json").is_file():
            return HTMLResponse(MISSING, 503)
        html = (static / "index.html").read_text(encoding="utf-8")
        headers = {
            "Content-Security-Policy": policy(html),
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return HTMLResponse(html, headers=headers)

    app.add_route("/", index, include_in_schema=False)
    app.mount("/static", _Files(directory=static), name="static")
