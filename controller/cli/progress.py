"""What the demo shows while it runs: a live table, or plain lines where there is no terminal.

Owns the look. Must not fetch anything: it is handed what the API told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from controller.cli import output

TERMINAL = frozenset({"delivered", "refused", "returned", "cancelled", "stranded"})
OTHER_ROWS = 8
"""Rows of the panel that are no vehicle's."""
AT_REST = frozenset({"ready", "not_ready", "booting", "unknown"})


@dataclass(frozen=True, slots=True)
class Picture:
    """One look at the run."""

    simulated_s: float
    wall_s: float
    parcels: Sequence[Mapping[str, Any]]
    vehicles: Sequence[Mapping[str, Any]]

    @property
    def open_parcels(self) -> list[Mapping[str, Any]]:
        """Those that have not come to an end."""
        return [p for p in self.parcels if p["state"] not in TERMINAL]

    @property
    def busy_vehicles(self) -> list[Mapping[str, Any]]:
        """Those that work, or that are not known to be at rest."""
        return [v for v in self.vehicles if not at_rest(v)]

    @property
    def done(self) -> bool:
        """Whether every parcel has come to an end and every vehicle is at rest."""
        return bool(self.parcels) and not self.open_parcels and not self.busy_vehicles


def at_rest(vehicle: Mapping[str, Any]) -> bool:
    """Whether a vehicle has no task and its own state shows that it stands still."""
    return (
        not vehicle["assignment_id"]
        and vehicle["phase"] in AT_REST
        and (vehicle["kind"] == "robot" or vehicle["armed"] is False)
    )


def minutes(seconds: float) -> str:
    """A duration as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class Progress(Protocol):
    """Something that shows pictures."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""

    def note(self, text: str) -> None:
        """Tell one line."""

    def show(self, picture: Picture) -> None:
        """Show the present."""


class LivePanel:
    """A table that is drawn over itself."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def note(self, text: str) -> None:
        """Tell one line above the table."""
        self._live.console.print(text)

    def show(self, picture: Picture) -> None:
        """Draw the present, no higher than the terminal."""
        self._live.update(render(picture, rows=max(3, self._live.console.height - OTHER_ROWS)))


class PlainLines:
    """A line whenever something changed, for logs and pipes; on standard error."""

    def __init__(self) -> None:
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def note(self, text: str) -> None:
        """Tell one line."""
        typer.echo(text, err=True)

    def show(self, picture: Picture) -> None:
        """Tell the counts, where they changed."""
        counts = Counter(p["state"] for p in picture.parcels)
        told = ", ".join(f"{n} {s.replace('_', ' ')}" for s, n in sorted(counts.items()))
        told += f"; {len(picture.busy_vehicles)} vehicles out"
        if told != self._last:
            self._last = told
            typer.echo(f"[{minutes(picture.simulated_s)}] {told}", err=True)


def render(picture: Picture, *, rows: int) -> Group:
    """The live table, with at most `rows` vehicles: those that work before those at rest."""
    return Group(_headline(picture), Text(), _states(picture), Text(), _vehicles(picture, rows))


def _headline(picture: Picture) -> Table:
    ended = len(picture.parcels) - len(picture.open_parcels)
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        Text(f"{ended} of {len(picture.parcels)} parcels done", style="bold"),
        ProgressBar(total=max(1, len(picture.parcels)), completed=ended, width=24),
        Text(f"{minutes(picture.simulated_s)} simulated"),
        Text(f"{minutes(picture.wall_s)} real", style="dim"),
    )
    return grid


def _states(picture: Picture) -> Text:
    counts = Counter(p["state"] for p in picture.parcels)
    told = (f"{output.state(s)} {counts[s]}" for s in output.STATE_MARKS if counts[s])
    return Text("  ".join(told), no_wrap=True, overflow="ellipsis")


def _vehicles(picture: Picture, rows: int) -> Table:
    table = output.table("", ("vehicle", "phase", "battery", "carries", "now"), ())
    for column in table.columns[:4]:
        column.no_wrap = True
    table.columns[2].justify = "right"
    vehicles = list(picture.vehicles)
    left_out = len(vehicles) - rows
    if left_out > 0:
        vehicles = sorted(vehicles, key=at_rest)[: rows - 1]
    for vehicle in vehicles:
        table.add_row(
            vehicle["id"],
            vehicle["phase"].replace("_", " "),
            output.number(vehicle["battery_pct"], " %"),
            _load(vehicle["parcel_ids"]),
            Text(_now(vehicle), no_wrap=True, overflow="ellipsis"),
            style="dim" if at_rest(vehicle) else "",
        )
    if left_out > 0:
        table.add_row("…", f"{left_out + 1} more", style="dim")
    return table


def _load(parcel_ids: Sequence[str]) -> str:
    more = f" +{len(parcel_ids) - 1}" if len(parcel_ids) > 1 else ""
    return parcel_ids[0] + more if parcel_ids else "—"


def _now(vehicle: Mapping[str, Any]) -> str:
    """The vehicle's sentence without what other columns tell."""
    told = str(vehicle["sentence"]).removeprefix(f"{vehicle['id']} ").removeprefix("is ")
    return told.rsplit(", ", 1)[0] if told.endswith("% battery") else told
