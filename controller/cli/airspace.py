"""The commands about zones and missions, as typed: what they take, and their help.

Owns their arguments. What they do stands in `zones.py` and `mission.py`, loaded when called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from controller.cli.options import URL, AsJson, Url

zones_app = typer.Typer(help="Import, list, check and compare zones.", no_args_is_help=True)
mission_app = typer.Typer(help="Check missions, see and launch planned ones.", no_args_is_help=True)

Profile = Annotated[str, typer.Option(help="how the file is written: waypost, finland-2019")]


ZoneFormat = Annotated[
    Literal["auto", "geojson", "ed269", "ed318", "openair", "kml"],
    typer.Option("--format", help="what the file is; auto tells by its content"),
]
UnknownZones = Annotated[
    Literal["refuse", "forbid"],
    typer.Option(
        "--unknown",
        help="what cannot be understood: refuse the file, or forbid its area to all, always",
    ),
]
ZoneTimes = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        help="of times in the file that have no offset from UTC, as Europe/Helsinki",
    ),
]


@zones_app.command("import")
def zones_import(
    file: Path,
    *,
    form: ZoneFormat = "auto",
    profile: Profile = "waypost",
    unknown: UnknownZones = "refuse",
    timezone: ZoneTimes = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Replace the zones in force by those of a file, all or nothing.

    Reads GeoJSON, EUROCAE ED-269 and ED-318, OpenAir and KML. What is under way is checked again
    at once. See what would change first: waypost zones diff FILE
    """
    from controller.cli import zones

    how = zones.Reading(form, profile, unknown, timezone)
    zones.import_zones(file, how=how, url=url, as_json=as_json)


@zones_app.command("diff")
def zones_diff(
    old: Annotated[Path, typer.Argument(help="a file of zones")],
    new: Annotated[Path | None, typer.Argument(help="another, that comes after it")] = None,
    *,
    form: ZoneFormat = "auto",
    profile: Profile = "waypost",
    unknown: UnknownZones = "refuse",
    timezone: ZoneTimes = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Compare two files of zones; one file: what importing it would change.

    Two files need no controller; one is compared with the zones in force.
    """
    from controller.cli import zones as does

    how = does.Reading(form, profile, unknown, timezone)
    does.diff(old, new, how=how, url=url, as_json=as_json)


@zones_app.command("list")
def zones_list(
    file: Annotated[Path | None, typer.Argument(help="a file [the zones in force]")] = None,
    *,
    form: ZoneFormat = "auto",
    profile: Profile = "waypost",
    unknown: UnknownZones = "refuse",
    timezone: ZoneTimes = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """List the zones in force, or those of a file: kind, heights, times, whom they bind.

    With --json as GeoJSON, which `waypost zones import` reads.
    """
    from controller.cli import zones as does

    how = does.Reading(form, profile, unknown, timezone)
    does.list_zones(file, how=how, url=url, as_json=as_json)


@zones_app.command("check")
def zones_check(
    file: Path,
    *,
    form: ZoneFormat = "auto",
    profile: Profile = "waypost",
    unknown: UnknownZones = "refuse",
    timezone: ZoneTimes = None,
    as_json: AsJson = False,
) -> None:
    """Check a file of zones as an import would; needs no controller."""
    from controller.cli import zones

    zones.check(file, how=zones.Reading(form, profile, unknown, timezone), as_json=as_json)


@mission_app.callback()
def _mission_group() -> None:
    """Check missions of other tools; see and launch planned ones."""


@mission_app.command("list")
def mission_list(url: Url = URL, as_json: AsJson = False) -> None:
    """List open missions, and which of them wait for a launch."""
    from controller.cli import missions as does

    does.list_missions(url=url, as_json=as_json)


@mission_app.command("show")
def mission_show(mission_id: str, url: Url = URL, as_json: AsJson = False) -> None:
    """Tell whether a planned mission is allowed now, and what is against it.

    With --json the whole picture as GeoJSON, as the console draws it.
    """
    from controller.cli import missions as does

    does.show(mission_id, url=url, as_json=as_json)


@mission_app.command("launch")
def mission_launch(mission_id: str, url: Url = URL, as_json: AsJson = False) -> None:
    """Launch a mission that waits for an operator ([dispatch] approve = "operator")."""
    from controller.cli import missions as does

    does.launch(mission_id, url=url, as_json=as_json)


@mission_app.command("check")
def mission_check(
    file: Annotated[Path, typer.Argument(help="QGroundControl .plan, or .waypoints")],
    *,
    zones: Annotated[
        list[Path],
        typer.Option("--zones", help="GeoJSON, ED-269, ED-318, OpenAir or KML; may repeat"),
    ],
    profile: Profile = "waypost",
    timezone: ZoneTimes = None,
    home_amsl_m: Annotated[
        float | None, typer.Option("--home-amsl", help="height of home, m AMSL [the file's]")
    ] = None,
    ground_amsl_m: Annotated[
        float | None, typer.Option("--ground", help="flat ground, m AMSL, for AGL limits")
    ] = None,
    geoid_m: Annotated[
        float | None, typer.Option("--geoid", help="geoid undulation in m, for WGS84 limits")
    ] = None,
    speed_mps: Annotated[
        float, typer.Option("--speed", min=0.1, help="m/s until the mission sets one")
    ] = 10.0,
    corridor_m: Annotated[
        float | None,
        typer.Option("--corridor", min=0, help="half width in m [from the speed]"),
    ] = None,
    rtl_alt_m: Annotated[
        float, typer.Option("--rtl-alt", min=0, help="the vehicle's RTL_ALT, m above home")
    ] = 15.0,
    at: Annotated[str, typer.Option("--at", help="departure, ISO time with zone [now]")] = "",
    permit: Annotated[list[str] | None, typer.Option(help="a permit held; may repeat")] = None,
    avoidance: Annotated[
        bool, typer.Option("--avoidance", help="OA_TYPE 2 was verified on the vehicle")
    ] = False,
    png: Annotated[Path | None, typer.Option("--png", help="draw the check into this file")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a mission file against zones: every leg, disc, return and landing in place.

    Exit status: 0 allowed, 1 not allowed, 4 a file cannot be understood. --png draws path,
    corridor, zones and violations with a height profile; --json tells the same to programs.
    """
    from controller.cli import mission as does

    does.check_file(
        does.Asked(
            file=file,
            zones=zones[0],
            more_zones=tuple(zones[1:]),
            profile=profile,
            timezone=timezone,
            home_amsl_m=home_amsl_m,
            ground_amsl_m=ground_amsl_m,
            geoid_m=geoid_m,
            speed_mps=speed_mps,
            corridor_m=corridor_m,
            rtl_alt_m=rtl_alt_m,
            depart_at=at,
            permits=frozenset(permit or ()),
            avoidance=avoidance,
            png=png,
            as_json=as_json,
        )
    )
