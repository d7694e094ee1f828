"""`waypost maps fit`: how a robot's map lies on the site's, from surveyed points.

Owns reading the points and telling the fit. The fit itself is `vehicles.vda5050.survey`'s.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import typer

from controller.cli import output
from controller.cli.client import EXIT_INPUT, CliError
from controller.config import ConfigError, load
from geofence.errors import FrameError
from geofence.frames import LatLon
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.survey import Fit, Surveyed, SurveyError, fit_rigid

COLUMNS = ("name", "lat_deg", "lon_deg", "x", "y")
MAX_POINTS = 1000


def fit(
    file: Path,
    *,
    name: str,
    origin: tuple[float, float] | None,
    alt0: float,
    heading_deg: float,
    limit_m: float,
    as_json: bool,
) -> None:
    """Fit the points of a CSV, or the alignments of a configuration, and tell them."""
    try:
        if file.suffix.lower() == ".toml":
            found = list(_configured(file, name))
        else:
            if origin is None:
                raise _refused(file, "give the origin of the site's map: --lat0 and --lon0")
            site = SiteMap("site", LatLon(*origin), alt0, heading_deg)
            found = [(file.stem, fit_rigid(_points(file, site), limit_m))]
    except (SurveyError, FrameError) as error:
        raise _refused(file, str(error)) from error
    except ConfigError as error:
        raise _refused(file, "; ".join(error.problems)) from error
    told = [_told(each, fitted) for each, fitted in found]
    if as_json:
        output.print_json(told)
        return
    for each, fitted in found:
        _show(each, fitted)


def _configured(file: Path, name: str) -> Iterator[tuple[str, Fit]]:
    config = load(file)
    chosen = [a for a in config.alignments if name in {"", a.name}]
    if not chosen:
        what = f"no alignment {name!r}" if name else "no [[alignments]]"
        raise _refused(file, f"{what} in the configuration")
    for alignment in chosen:
        yield alignment.name, config.map_book.fit(alignment)


def _points(file: Path, site: SiteMap) -> list[Surveyed]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise _refused(file, f"column {missing[0]} is missing: write {','.join(COLUMNS)}")
            found = [_point(file, number, row, site) for number, row in enumerate(reader, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _refused(file, f"cannot be read: {error}") from error
    if len(found) > MAX_POINTS:
        raise _refused(file, f"{len(found)} points are more than {MAX_POINTS}")
    return found


def _point(file: Path, line: int, row: dict[str, str], site: SiteMap) -> Surveyed:
    values = []
    for column in COLUMNS[1:]:
        try:
            value = float(row[column] or "")
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise _refused(file, f"line {line}: {column} is no number: {row[column]!r}")
        values.append(value)
    return Surveyed(
        row["name"] or f"line {line}", site.to_site(LatLon(*values[:2])), (values[2], values[3])
    )


def _told(name: str, fit: Fit) -> dict[str, object]:
    return {
        "name": name,
        "turn_deg": math.degrees(fit.transform.turn_rad),
        "x_m": fit.transform.x_m,
        "y_m": fit.transform.y_m,
        "scale": fit.scale,
        "rms_m": fit.rms_m,
        "worst_m": fit.worst.off_m,
        "residuals": [
            {"name": r.name, "dx_m": r.x_m, "dy_m": r.y_m, "off_m": r.off_m} for r in fit.residuals
        ],
    }


def _show(name: str, fit: Fit) -> None:
    where = fit.transform
    typer.echo(
        f"{name}: turn {math.degrees(where.turn_rad):.4f}°, shift {where.x_m:.3f} m, "
        f"{where.y_m:.3f} m; rms {fit.rms_m:.3f} m, worst {fit.worst.off_m:.3f} m; "
        f"scale {fit.scale:.5f}"
    )
    rows = [(r.name, f"{r.x_m:+.3f}", f"{r.y_m:+.3f}", f"{r.off_m:.3f}") for r in fit.residuals]
    output.console().print(output.table("", ("point", "dx m", "dy m", "off m"), rows))


def _refused(file: Path, reason: str) -> CliError:
    return CliError(f"{file.name}: {reason}", status=EXIT_INPUT, next_step="nothing was fitted")
