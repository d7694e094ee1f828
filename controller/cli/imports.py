"""`waypost import`: parcels from a CSV, streets from an OpenStreetMap extract.

A CSV's rows are checked one by one, and every fault names line and column; one fault and
nothing is imported.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_INPUT, Client, CliError, Fault, at
from controller.cli.parcels import print_parcels

REQUIRED = ("weight_kg", "length_m", "width_m", "height_m", "origin", "due_at")
OPTIONAL = (
    "id",
    "destination_site",
    "lat_deg",
    "lon_deg",
    "address",
    "ready_at",
    "priority",
    "handling",
    "pin",
    "carrier",
)
NUMBERS = frozenset({"weight_kg", "length_m", "width_m", "height_m", "lat_deg", "lon_deg"})
HEADER = ",".join(("id", *REQUIRED, *OPTIONAL[1:]))

COLUMN_OF = {
    "size_m[0]": "length_m",
    "size_m[1]": "width_m",
    "size_m[2]": "height_m",
    "destination.site": "destination_site",
    "destination.lat_deg": "lat_deg",
    "destination.lon_deg": "lon_deg",
    "destination.address": "address",
    "destination": "destination_site",
}
"""Fields of the API as columns of the file."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the API wants it, with its line in the file."""

    line: int
    body: dict[str, Any]


def _cells(row: Mapping[str, str], line: int) -> tuple[dict[str, Any], list[Fault]]:
    cells: dict[str, Any] = {}
    faults = []
    for column, text in row.items():
        value = text.strip()
        if not value:
            if column in REQUIRED:
                faults.append(Fault(column, "is empty", f"line {line}"))
        elif column in NUMBERS:
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if math.isfinite(number):
                cells[column] = number
            else:
                faults.append(Fault(column, f"{value!r} is not a number", f"line {line}"))
        else:
            cells[column] = value
    if "destination_site" not in row and ("lat_deg" not in row or "lon_deg" not in row):
        faults.append(Fault("destination_site", "is missing", f"line {line}"))
    return cells, faults


def _body(cells: dict[str, Any]) -> dict[str, Any]:
    destination = {
        name: cells[column]
        for name, column in (
            ("site", "destination_site"),
            ("lat_deg", "lat_deg"),
            ("lon_deg", "lon_deg"),
            ("address", "address"),
        )
        if column in cells
    }
    body = {
        "size_m": [cells["length_m"], cells["width_m"], cells["height_m"]],
        "destination": destination,
    }
    same = ("id", "weight_kg", "origin", "ready_at", "due_at", "priority", "handling")
    body |= {name: cells[name] for name in (*same, "pin", "carrier") if name in cells}
    return body


def read_rows(text: str) -> tuple[list[Row], list[Fault]]:
    """The rows of a CSV and every fault in it; with a fault the rows are not to be used."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restval="")
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        known = {*REQUIRED, *OPTIONAL}
        faults = [Fault(c, "is missing", "line 1") for c in REQUIRED if c not in header]
        faults += [
            Fault(c or "(no name)", "is not known", "line 1") for c in header if c not in known
        ]
        doubled = sorted({c for c in header if header.count(c) > 1})
        faults += [Fault(c, "stands twice", "line 1") for c in doubled]
        if faults:
            return [], faults
        rows = []
        for record in reader:
            line = reader.line_num
            if None in record:
                faults.append(Fault("row", "has more cells than the header", f"line {line}"))
                continue
            cells, wrong = _cells(record, line)
            faults += wrong
            if not wrong:
                rows.append(Row(line, _body(cells)))
    except csv.Error as error:
        return [], [Fault("row", str(error), f"line {reader.line_num}")]
    return rows, faults


def _told_by_line(error: CliError, rows: list[Row]) -> CliError:
    """The server's faults, `[3].weight_kg`, as lines and columns of the file."""
    faults = []
    for fault in error.faults:
        match = re.match(r"\[(\d+)\]\.?(.*)", fault.field)
        if match is None:
            faults.append(fault)
            continue
        field = match[2] or "row"
        line = rows[int(match[1])].line
        faults.append(Fault(COLUMN_OF.get(field, field), fault.reason, f"line {line}"))
    return CliError(
        "nothing was imported",
        status=error.status,
        next_step="correct the lines named and import the file again",
        faults=tuple(faults) or (Fault("file", error.text),),
    )


def import_parcels(file: Path, *, again: bool, url: str, as_json: bool) -> None:
    """Submit a CSV's parcels, all or none. The same file again is the same submission."""
    try:
        data = file.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror}", status=EXIT_INPUT, next_step="name a CSV file"
        ) from error
    except UnicodeDecodeError as error:
        raise CliError(
            f"{file}: is not UTF-8 at byte {error.start}",
            status=EXIT_INPUT,
            next_step="save it as CSV in UTF-8",
        ) from error
    rows, faults = read_rows(text)
    if faults or not rows:
        raise CliError(
            f"{file}: {len(faults)} fault(s)" if faults else f"{file}: has no rows",
            status=EXIT_INPUT,
            next_step=f"nothing was imported; the columns are {HEADER}",
            faults=tuple(faults),
        )
    key = "csv-" + hashlib.sha256(data).hexdigest()[:32]
    with Client(url) as client:
        if again:
            key += "-" + client.get(at("healthz"))["now"]
        try:
            response = client.post(at("v1", "parcels"), [r.body for r in rows], key=key)
        except CliError as error:
            raise _told_by_line(error, rows) if error.faults else error from error
    replayed = "Idempotency-Replayed" in response.headers
    if as_json:
        output.print_json({"parcels": response.json(), "replayed": replayed})
        return
    print_parcels(response.json())
    told = (
        "was imported before: nothing new (--again to import it anew)" if replayed else "imported"
    )
    typer.echo(f"{len(rows)} parcels of {file}: {told}")


def import_streets(
    file: Path,
    *,
    out: Path | None,
    longest_edge_m: float,
    as_json: bool,
    terrain: Path | None = None,
    timezone: str = "",
) -> None:
    """Derive a street graph file."""
    # osmium and the geometry behind it are needed here alone
    from controller.cli import streets
    from missions.roads import StreetError

    target = out or Path(file.name.removesuffix(".pbf").removesuffix(".osm") + ".geojson")
    try:
        graph = streets.streets_from_osm(
            file,
            longest_edge_m=longest_edge_m,
            terrain=streets.read_terrain(terrain),
            timezone=timezone,
        )
    except StreetError as error:
        raise CliError(str(error), status=EXIT_INPUT, next_step="nothing was written") from error
    target.write_text(streets.streets_text(graph), encoding="utf-8")
    told = {"file": str(target), **streets.counts(graph)}
    if as_json:
        output.print_json(told)
    else:
        rest = ", ".join(f"{count} {what}" for what, count in told.items() if what != "file")
        typer.echo(f"{target}: {rest}")


def kind_of(file: Path) -> str:
    """`parcels` or `streets`, by the file's suffix; "" for neither."""
    name = file.name.lower()
    if name.endswith(".csv"):
        return "parcels"
    return "streets" if name.endswith((".osm.pbf", ".osm", ".osm.bz2", ".pbf")) else ""


def import_file(
    what: list[str],
    *,
    out: Path | None,
    longest_edge_m: float,
    again: bool,
    url: str,
    as_json: bool,
    terrain: Path | None = None,
    timezone: str = "",
) -> None:
    """Import by kind and file, or by the file's suffix alone."""
    kind = what[0] if len(what) == 2 else kind_of(Path(what[0]))
    if len(what) > 2 or kind not in {"parcels", "streets"}:
        raise CliError(
            f"import: {' '.join(what)!r} is neither parcels nor streets",
            status=EXIT_INPUT,
            next_step="write: waypost import parcels FILE.csv, or waypost import streets "
            "FILE.osm.pbf --out FILE.geojson; zones: waypost zones import FILE",
        )
    file = Path(what[-1])
    if kind == "parcels":
        import_parcels(file, again=again, url=url, as_json=as_json)
    else:
        import_streets(
            file,
            out=out,
            longest_edge_m=longest_edge_m,
            as_json=as_json,
            terrain=terrain,
            timezone=timezone,
        )
