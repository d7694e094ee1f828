"""How the command line tells things: tables for people, JSON for programs.

Owns the terminal's look. Must not fetch anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

STATE_MARKS: Mapping[str, str] = {
    "submitted": "○",
    "assigned": "◔",
    "preparing": "◑",
    "in_transit": "▶",
    "released": "▼",
    "delivered": "✓",
    "returning": "↩",
    "returned": "↩",
    "refused": "✕",
    "stranded": "▲",
    "cancelled": "⊘",
}


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def console(*, stderr: bool = False) -> Console:
    """The terminal."""
    return Console(stderr=stderr, highlight=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table with a quiet frame."""
    made = Table(title=title or None, box=None, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def state(name: str) -> str:
    """A parcel state as mark and word."""
    return f"{STATE_MARKS.get(name, '?')} {name.replace('_', ' ')}"


def clock(iso: str | None) -> str:
    """A time of day of an ISO time."""
    return datetime.fromisoformat(iso).strftime("%H:%M:%S") if iso else "—"


def number(value: float | None, unit: str = "", digits: int = 0) -> str:
    """A figure with its unit; a dash where it is not known."""
    return "—" if value is None else f"{value:.{digits}f}{unit}"


def place(destination: Mapping[str, Any]) -> str:
    """A destination in words."""
    name = destination.get("address") or destination.get("site")
    return str(name or f"{destination['lat_deg']:.5f}, {destination['lon_deg']:.5f}")


PARCEL_COLUMNS = ("parcel", "state", "vehicle", "to", "weight", "due", "eta", "why")


def parcel_row(parcel: Mapping[str, Any]) -> tuple[str, ...]:
    """A parcel as a row of PARCEL_COLUMNS."""
    return (
        parcel["id"],
        state(parcel["state"]),
        parcel["vehicle_id"] or "—",
        place(parcel["destination"]),
        number(parcel["weight_kg"], " kg", 1),
        clock(parcel["due_at"]),
        clock(parcel["eta"]),
        "; ".join(parcel["reasons"][:2]),
    )


VEHICLE_COLUMNS = ("vehicle", "kind", "link", "phase", "battery", "age", "parcels", "now")


def _battery(vehicle: Mapping[str, Any]) -> str:
    """The battery now and, in flight, as it is expected at the landing."""
    now = number(vehicle["battery_pct"], " %")
    landing = vehicle.get("battery_at_landing_pct")
    return now if landing is None else f"{now}, {number(landing, ' %')} at landing"


def vehicle_row(vehicle: Mapping[str, Any]) -> tuple[str, ...]:
    """A vehicle as a row of VEHICLE_COLUMNS."""
    return (
        vehicle["id"],
        vehicle["kind"],
        vehicle["link"],
        vehicle["phase"].replace("_", " "),
        _battery(vehicle),
        number(vehicle["age_s"], " s"),
        ", ".join(vehicle["parcel_ids"]) or "—",
        vehicle["sentence"],
    )
