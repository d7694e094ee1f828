"""The command line: `waypost`.

Owns names, options and help. What a command does lives beside it and is imported when the
command runs, so that help is quick.

Exit status: 0 done; 1 the answer is no; 2 wrong usage; 3 no controller answers; 4 a file or a
field is wrong and nothing was stored; 5 a run failed.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

EPILOG = (
    "Exit status: 0 done, 1 the answer is no, 2 wrong usage, 3 no controller answers, "
    "4 a file or a field is wrong and nothing was stored, 5 a run failed."
)

app = typer.Typer(
    name="waypost",
    help="Dispatch controller for delivery by drones (MAVLink) and ground robots (VDA 5050).",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
parcel_app = typer.Typer(help="Submit, show and list parcels.", no_args_is_help=True)
zones_app = typer.Typer(help="Import, list, check and compare zones.", no_args_is_help=True)
app.add_typer(parcel_app, name="parcel")
app.add_typer(zones_app, name="zones")

Url = Annotated[str, typer.Option("--url", envvar="WAYPOST_URL", help="the controller's address")]
AsJson = Annotated[bool, typer.Option("--json", help="tell it as JSON")]
Reason = Annotated[str, typer.Option("--reason", help="why; kept in the event log")]
Everyone = Annotated[bool, typer.Option("--all", help="every vehicle; dispatch is frozen first")]
VehicleArg = Annotated[str | None, typer.Argument(metavar="[VEHICLE]")]
URL = "http://127.0.0.1:8080"


def _does(module: str) -> Any:
    """The module that carries a command out."""
    return importlib.import_module(f"controller.cli.{module}")


@app.command()
def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="TOML file")],
    port: Annotated[int | None, typer.Option(help="instead of the file's [server] port")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the controller with its API and console."""
    _does("serve").serve(config, port=port, as_json=as_json)


@app.command()
def demo(
    *,
    port: Annotated[int, typer.Option(help="of the console; 0 takes a free one")] = 8080,
    speedup: Annotated[
        float | None, typer.Option(help="simulated seconds per second [20; with ArduPilot 10]")
    ] = None,
    drones: Annotated[int | None, typer.Option(min=0, help="how many of the scenario's")] = None,
    robots: Annotated[int | None, typer.Option(min=0, help="how many of the scenario's")] = None,
    parcels: Annotated[int | None, typer.Option(min=1, help="how many of the scenario's")] = None,
    ardupilot: Annotated[
        Path | None, typer.Option(help="real arducopter: the program or its folder")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the report and the run's files")] = Path(
        "out/demo"
    ),
    scenario: Annotated[
        str, typer.Option(help="name of a scenario that ships with the lab, or a folder")
    ] = "helsinki",
    keep_open: Annotated[
        bool, typer.Option("--keep-open", help="serve the console until Ctrl-C at the end")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Deliver a scenario's parcels with simulated vehicles, and write a report."""
    module = _does("demo")
    options = module.DemoOptions(
        port=port,
        speedup=speedup,
        drones=drones,
        robots=robots,
        parcels=parcels,
        ardupilot=ardupilot,
        out=out,
        scenario=scenario,
        keep_open=keep_open,
        as_json=as_json,
    )
    module.demo(options)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def sim(context: typer.Context) -> None:
    """Simulated vehicles alone, for anyone's controller: waypost sim --help."""
    _does("lab").passthrough(context.args)


@parcel_app.command("submit")
def parcel_submit(
    file: Annotated[
        str, typer.Argument(help="JSON file with a parcel or a list; - for standard input")
    ],
    key: Annotated[str, typer.Option(help="Idempotency-Key [made from the content]")] = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Submit one parcel or a list of them; all are stored or none."""
    _does("parcels").submit(file, key=key, url=url, as_json=as_json)


@parcel_app.command("show")
def parcel_show(parcel: str, url: Url = URL, as_json: AsJson = False) -> None:
    """Show a parcel: state, times, reasons, proof."""
    _does("parcels").show(parcel, url=url, as_json=as_json)


@parcel_app.command("list")
def parcel_list(
    state: Annotated[list[str] | None, typer.Option(help="only this state; may repeat")] = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """List parcels."""
    _does("parcels").list_all(state or [], url=url, as_json=as_json)


@parcel_app.command("cancel")
def parcel_cancel(
    parcel: str, reason: Reason = "", url: Url = URL, as_json: AsJson = False
) -> None:
    """Cancel a parcel that has not left its origin."""
    _does("parcels").cancel(parcel, reason=reason, url=url, as_json=as_json)


@app.command("import")
def import_(
    *,
    what: Annotated[
        list[str],
        typer.Argument(metavar="[parcels|streets] FILE", help="a .csv or an .osm.pbf"),
    ],
    out: Annotated[
        Path | None, typer.Option(help="streets: GeoJSON file to write [FILE.geojson]")
    ] = None,
    longest_edge_m: Annotated[
        float, typer.Option(min=0, help="streets: split longer edges; 0 splits none")
    ] = 0.0,
    again: Annotated[
        bool, typer.Option("--again", help="parcels: import a file that was imported before")
    ] = False,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Import parcels from a CSV, or the street map from an OpenStreetMap extract."""
    _does("imports").import_file(
        what, out=out, longest_edge_m=longest_edge_m, again=again, url=url, as_json=as_json
    )


@app.command()
def explain(parcel: str, url: Url = URL, as_json: AsJson = False) -> None:
    """Say for every vehicle why it was or was not chosen for a parcel."""
    _does("parcels").explain(parcel, url=url, as_json=as_json)


@app.command()
def vehicles(url: Url = URL, as_json: AsJson = False) -> None:
    """List vehicles."""
    _does("fleet").vehicles(url=url, as_json=as_json)


@app.command()
def alarms(url: Url = URL, as_json: AsJson = False) -> None:
    """List alarms."""
    _does("fleet").alarms(url=url, as_json=as_json)


@app.command()
def hold(
    vehicle: VehicleArg = None,
    everyone: Everyone = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Stop a vehicle where it is."""
    _does("fleet").command("hold", vehicle, everyone, reason=reason, url=url, as_json=as_json)


@app.command()
def resume(
    vehicle: VehicleArg = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="let dispatch go on after a fleet command")
    ] = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Let a held vehicle go on."""
    _does("fleet").command("resume", vehicle, everyone, reason=reason, url=url, as_json=as_json)


@app.command("return")
def return_(
    vehicle: VehicleArg = None,
    everyone: Everyone = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Send a vehicle back to its base."""
    _does("fleet").command("return", vehicle, everyone, reason=reason, url=url, as_json=as_json)


@app.command()
def land(
    vehicle: VehicleArg = None,
    everyone: Everyone = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Land a drone, or stop a robot, where it is."""
    _does("fleet").command("land", vehicle, everyone, reason=reason, url=url, as_json=as_json)


Profile = Annotated[str, typer.Option(help="how the file is written: waypost, finland-2019")]


@zones_app.command("import")
def zones_import(
    file: Path, profile: Profile = "waypost", url: Url = URL, as_json: AsJson = False
) -> None:
    """Replace the zones in force by a GeoJSON file, all or nothing."""
    _does("zones").import_zones(file, profile=profile, url=url, as_json=as_json)


@zones_app.command("diff")
def zones_diff(old: Path, new: Path, profile: Profile = "waypost", as_json: AsJson = False) -> None:
    """Compare two GeoJSON files of zones; needs no controller."""
    _does("zones").diff(old, new, profile=profile, as_json=as_json)


@zones_app.command("list")
def zones_list(url: Url = URL, as_json: AsJson = False) -> None:
    """List the zones in force."""
    _does("zones").list_zones(url=url, as_json=as_json)


@zones_app.command("check")
def zones_check(file: Path, profile: Profile = "waypost", as_json: AsJson = False) -> None:
    """Check a GeoJSON file of zones; needs no controller."""
    _does("zones").check(file, profile=profile, as_json=as_json)


def main() -> None:
    """The console script: runs a command, and tells errors with what to do next."""
    try:
        app(standalone_mode=True)
    except Exception as error:
        errors = importlib.import_module("controller.cli.client")
        if not isinstance(error, errors.CliError):
            raise
        sys.exit(report(error, as_json="--json" in sys.argv))


def report(error: Any, *, as_json: bool) -> int:
    """Tell a CliError on standard error; its exit status."""
    if as_json:
        _does("output").print_json(error.as_json())
    else:
        typer.echo(f"waypost: {error.text}", err=True)
        for fault in error.faults:
            typer.echo(f"  {fault}", err=True)
        if error.next_step:
            typer.echo(f"  next: {error.next_step}", err=True)
    return int(error.status)


if __name__ == "__main__":
    main()
