"""`waypost maps ...`: the options of the commands about robots' maps.

Owns their words and options. Must not import what they need before one of them is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import AsJson

maps_app = typer.Typer(
    help="Fit robots' maps to a site's by surveyed points.", no_args_is_help=True
)


@maps_app.command("fit")
def fit(
    file: Annotated[
        Path,
        typer.Argument(help="CSV with name,lat_deg,lon_deg,x,y; or a configuration (.toml)"),
    ],
    *,
    name: Annotated[str, typer.Option("--name", help="one of the [[alignments]] only")] = "",
    lat0: Annotated[float | None, typer.Option(help="origin of the site's map (CSV)")] = None,
    lon0: Annotated[float | None, typer.Option(help="the same")] = None,
    alt0: Annotated[float, typer.Option(help="metres above the ellipsoid")] = 0.0,
    heading: Annotated[float, typer.Option(help="azimuth of the map's y axis, degrees")] = 0.0,
    limit: Annotated[float, typer.Option(min=0.0, help="greatest residual, metres")] = 0.25,
    as_json: AsJson = False,
) -> None:
    """Fit rotation and shift by least squares, and tell what is left of every point."""
    from controller.cli import maps

    maps.fit(
        file,
        name=name,
        origin=None if lat0 is None or lon0 is None else (lat0, lon0),
        alt0=alt0,
        heading_deg=heading,
        limit_m=limit,
        as_json=as_json,
    )
