"""A parcel written on the command line.

Owns the translation from options to the API's body. Must not judge the values: the API does,
and names the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controller.cli.client import EXIT_INPUT, CliError

_UNITS_S = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Draft:
    """The options as they were typed."""

    origin: str
    to: str
    weight_kg: float
    size: str
    due_in: str
    ready_in: str = "0m"
    address: str = ""
    priority: str = "normal"
    pin: str = ""
    carrier: str = ""
    ident: str = ""
    handover: str = ""
    service: str = ""
    earliest_in: str = ""
    latest_in: str = ""


def _no(option: str, value: str, wanted: str) -> CliError:
    return CliError(
        f"{option} {value!r}: write it as {wanted}",
        status=EXIT_INPUT,
        next_step="correct the option; nothing was submitted",
    )


def duration(option: str, value: str) -> timedelta:
    """`90s`, `45m` or `2h`. Raises CliError naming the option."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", value)
    if match is None:
        raise _no(option, value, "90s, 45m or 2h")
    return timedelta(seconds=float(match[1]) * _UNITS_S[match[2]])


def size_m(value: str) -> list[float]:
    """`0.3x0.2x0.1`, metres. Raises CliError."""
    try:
        sides = [float(side) for side in value.split("x")]
    except ValueError:
        sides = []
    if len(sides) != 3:
        raise _no("--size", value, "LENGTHxWIDTHxHEIGHT in metres, like 0.3x0.2x0.1")
    return sides


def destination(to: str, address: str) -> dict[str, Any]:
    """A site's id, or `LAT,LON` in degrees with an address. Raises CliError."""
    if "," not in to:
        return {"site": to}
    try:
        lat, lon = (float(part) for part in to.split(","))
    except ValueError as error:
        raise _no("--to", to, "a site's id, or LAT,LON in degrees like 60.17,24.94") from error
    return {"lat_deg": lat, "lon_deg": lon, "address": address}


def body(draft: Draft, now: datetime) -> dict[str, Any]:
    """The API's body; times count from `now`, the controller's present. Raises CliError."""
    told: dict[str, Any] = {
        "weight_kg": draft.weight_kg,
        "size_m": size_m(draft.size),
        "origin": draft.origin,
        "destination": destination(draft.to, draft.address),
        "ready_at": (now + duration("--ready-in", draft.ready_in)).isoformat(),
        "due_at": (now + duration("--due-in", draft.due_in)).isoformat(),
        "priority": draft.priority,
        "handling": "pin" if draft.pin else "contactless",
        "carrier": draft.carrier,
    }
    if draft.pin:
        told["pin"] = draft.pin
    if draft.ident:
        told["id"] = draft.ident
    if draft.handover:
        told["handover"] = draft.handover
    if draft.service:
        told["service_s"] = duration("--service", draft.service).total_seconds()
    if draft.earliest_in:
        told["earliest_at"] = (now + duration("--earliest-in", draft.earliest_in)).isoformat()
    if draft.latest_in:
        told["latest_at"] = (now + duration("--latest-in", draft.latest_in)).isoformat()
    return told
