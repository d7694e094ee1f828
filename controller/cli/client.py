"""The command line's side of the HTTP interface.

    CliError      what the user is told, with the exit status

Owns the connection, and how errors become words. Must not know a command.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

EXIT_REFUSED = 1
"""The answer is no."""
EXIT_UNREACHABLE = 3
EXIT_INPUT = 4
"""A file or a field is wrong; nothing was stored."""
EXIT_FAILED = 5

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
COMMAND_TIMEOUT_S = 90.0
"""A command answers when the vehicle's own state shows the effect: that takes a while."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was sent."""

    field: str
    reason: str
    feature: str = ""

    def __str__(self) -> str:
        where = f"{self.feature}: {self.field}" if self.feature else self.field
        return f"{where}: {self.reason}"


FEW = 3
"""Up to so many features of one fault are told one by one."""


class CliError(Exception):
    """What the user is told, with the exit status."""

    def __init__(
        self, text: str, *, status: int, next_step: str = "", faults: tuple[Fault, ...] = ()
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.next_step = next_step
        self.faults = faults

    @property
    def faults_told(self) -> tuple[Fault, ...]:
        """For people: one and the same fault of many features is told once."""
        together: dict[tuple[str, str], list[Fault]] = {}
        for fault in self.faults:
            together.setdefault((fault.field, fault.reason), []).append(fault)
        told: list[Fault] = []
        for (field, reason), same in together.items():
            if len(same) <= FEW:
                told.extend(same)
                continue
            first = ", ".join(fault.feature.removeprefix("feature ") for fault in same[:FEW])
            told.append(Fault(field, reason, f"{first} and {len(same) - FEW} more"))
        return tuple(told)

    def as_json(self) -> dict[str, Any]:
        """The error for programs."""
        faults = [{"feature": f.feature, "field": f.field, "reason": f.reason} for f in self.faults]
        return {"error": self.text, "next": self.next_step, "errors": faults}


def at(*parts: str) -> str:
    """A path of the API; ids are escaped."""
    return "/" + "/".join(quote(p, safe="") for p in parts)


class Client:
    """One controller, reached by HTTP. Use in `with`."""

    def __init__(
        self, url: str, *, operator: str = "cli", transport: httpx.BaseTransport | None = None
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CliError(
                f"{url!r} is no address of a controller",
                status=EXIT_INPUT,
                next_step="write it as http://127.0.0.1:8080",
            )
        self._url = url
        self._http = httpx.Client(
            base_url=url,
            timeout=COMMAND_TIMEOUT_S,
            headers={"X-Operator": operator},
            transport=transport,
            trust_env=parts.hostname not in LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path. Raises CliError."""
        return self._request("GET", path, params=params).json()

    def post(self, path: str, body: object, *, key: str = "") -> httpx.Response:
        """Send a JSON body. Raises CliError."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._request("POST", path, json=body, headers=headers)

    def put(self, path: str, data: bytes, **params: Any) -> Any:
        """Replace what stands at a path by JSON bytes. Raises CliError."""
        headers = {"Content-Type": "application/geo+json"}
        return self._request("PUT", path, content=data, params=params, headers=headers).json()

    def delete(self, path: str, **params: Any) -> Any:
        """Take away what stands at a path. Raises CliError."""
        return self._request("DELETE", path, params=params).json()

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise CliError(
                f"no controller answers at {self._url} ({error or type(error).__name__})",
                status=EXIT_UNREACHABLE,
                next_step="start one with 'waypost serve --config waypost.toml' or 'waypost "
                "demo', or name another with --url or WAYPOST_URL",
            ) from error
        if response.is_error:
            raise _told(response)
        return response


def _told(response: httpx.Response) -> CliError:
    try:
        body = response.json()
    except json.JSONDecodeError:
        body = {}
    if not isinstance(body, Mapping) or "detail" not in body:
        return CliError(
            f"the server answered {response.status_code} to {response.request.url}",
            status=EXIT_REFUSED,
            next_step="check that --url names a Waypost controller",
        )
    faults = tuple(
        Fault(str(e.get("field", "")), str(e.get("reason", "")), str(e.get("feature", "")))
        for e in body.get("errors", ())
    )
    status = EXIT_INPUT if response.status_code in {400, 413, 415, 422} else EXIT_REFUSED
    return CliError(
        str(body["detail"]), status=status, next_step=str(body.get("next", "")), faults=faults
    )
