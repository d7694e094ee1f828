"""What every request must be before anything looks at it.

Owns the Host check (DNS rebinding), the same-origin check (a web page elsewhere driving an
operator's browser) and the bound on bodies. Roles and keys are `actor.py`'s.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.problems import ApiError, problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_BODY_BYTES = 16 * 1024 * 1024


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case; "" for nonsense."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def refusal(method: str, headers: Headers, allowed_hosts: frozenset[str]) -> ApiError | None:
    """Why this request may not go on, or None."""
    host = headers.get("host", "")
    if host_name(host) not in allowed_hosts:
        return ApiError(
            421,
            "wrong-host",
            f"this server does not answer for host {host[:100]!r}",
            next_step=f"use one of: {', '.join(sorted(allowed_hosts))}",
        )
    if method in SAFE_METHODS:
        return None
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "same-origin")
    foreign = origin is not None and urlsplit_netloc(origin) != host.lower()
    if foreign or site not in {"same-origin", "none"}:
        return ApiError(
            403,
            "foreign-origin",
            f"a page of {origin or 'another site'} may not change anything here",
            next_step="use the console at / or a client that sends no Origin",
        )
    content_type = headers.get("content-type", "").split(";")[0].strip().lower()
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if has_body and not (content_type.endswith(("/json", "+json"))):
        return ApiError(
            415,
            "not-json",
            f"the body is {content_type or 'of no type'}",
            next_step="send Content-Type: application/json",
        )
    return None


def urlsplit_netloc(origin: str) -> str:
    """Host and port of an Origin header; "" for nonsense or `null`."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


class Guard:
    """ASGI middleware that applies `refusal` and bounds the body."""

    def __init__(
        self, app: ASGIApp, allowed_hosts: frozenset[str], max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._app = app
        self._allowed_hosts = allowed_hosts
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with a bounded body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = refusal(scope["method"], headers, self._allowed_hosts)
        length = headers.get("content-length", "0")
        if refused is None and length.isdigit() and int(length) > self._max_body_bytes:
            refused = self._too_large()
        if refused is not None:
            await problem(refused)(scope, receive, send)
            return
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_body_bytes:
                # FastAPI lets only this type through while it reads a body
                raise HTTPException(413, self._too_large().detail)
            return message

        await self._app(scope, bounded, send)

    def _too_large(self) -> ApiError:
        limit = self._max_body_bytes
        return ApiError(
            413,
            "too-large",
            f"the body is larger than {limit} bytes",
            next_step="send it in several requests",
        )
