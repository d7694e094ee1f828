"""The command line: `waypost`.

Owns names, options and help. What a command does lives beside it and is imported when the
command runs, so that help is quick.

Exit status: 0 done; 1 the answer is no; 2 wrong usage; 3 no controller answers; 4 a file or a
field is wrong and nothing was stored; 5 a run failed.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.airspace import mission_app, zones_app
from controller.cli.broker_app import broker_app
from controller.cli.fleet_app import fleet_app
from controller.cli.maps_app import maps_app
from controller.cli.options import URL, AsJson, Url
from controller.cli.passage_app import passage_app
from controller.cli.permit_app import permit_app
from controller.cli.running import RunController

if TYPE_CHECKING:
    from controller.cli.client import CliError

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
app.add_typer(parcel_app, name="parcel")
app.add_typer(zones_app, name="zones")
zones_app.add_typer(permit_app, name="permit")
app.add_typer(mission_app, name="mission")
app.add_typer(fleet_app, name="fleet")
app.add_typer(maps_app, name="maps")
app.add_typer(passage_app, name="passages")
app.add_typer(broker_app, name="broker")

Reason = Annotated[str, typer.Option("--reason", help="why; kept in the event log")]
Everyone = Annotated[bool, typer.Option("--all", help="every vehicle; dispatch is frozen first")]
VehicleArg = Annotated[str | None, typer.Argument(metavar="[VEHICLE]")]


class Found(StrEnum):
    """Where a person found a stranded parcel."""

    ABOARD = "aboard"
    DELIVERED = "delivered"


@app.command()
def serve(
    context: typer.Context,
    config: Annotated[Path, typer.Option("--config", "-c", help="TOML file")],
    port: Annotated[int | None, typer.Option(help="instead of the file's [server] port")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the controller with its API and console."""
    from controller.cli import serve as does

    does.serve(context.obj, config, port=port, as_json=as_json)


@app.command()
def demo(
    context: typer.Context,
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
    from controller.cli import demo as does

    options = does.DemoOptions(
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
    does.demo(context.obj, options)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def sim(context: typer.Context) -> None:
    """Simulated vehicles alone, for anyone's controller: waypost sim --help."""
    from controller.cli import lab as does

    does.passthrough(context.args)


@parcel_app.command("submit")
def parcel_submit(
    file: Annotated[
        str | None,
        typer.Argument(help="JSON file with a parcel or a list, - for standard input; or options"),
    ] = None,
    *,
    origin: Annotated[str, typer.Option(help="site where it lies")] = "",
    to: Annotated[str, typer.Option(help="site, or LAT,LON in degrees")] = "",
    weight: Annotated[float, typer.Option(help="kg")] = 0.0,
    size: Annotated[str, typer.Option(help="metres, like 0.3x0.2x0.1")] = "0.3x0.2x0.1",
    due_in: Annotated[str, typer.Option(help="from now: 90s, 45m or 2h")] = "1h",
    ready_in: Annotated[str, typer.Option(help="from now")] = "0m",
    address: Annotated[str, typer.Option(help="goes with LAT,LON")] = "",
    priority: Annotated[str, typer.Option(help="normal, urgent or medical")] = "normal",
    pin: Annotated[str, typer.Option(help="hand over for this PIN; else contactless")] = "",
    handover: Annotated[str, typer.Option(help="drop, door or locker [door with --pin]")] = "",
    service: Annotated[str, typer.Option(help="what the hand-over takes, like 90s")] = "",
    earliest_in: Annotated[str, typer.Option(help="not handed over before, from now")] = "",
    latest_in: Annotated[str, typer.Option(help="handed over by, or not sent")] = "",
    carrier: Annotated[str, typer.Option(help="who sends it")] = "",
    ident: Annotated[str, typer.Option("--id", help="its id [given by the controller]")] = "",
    key: Annotated[str, typer.Option(help="Idempotency-Key [file: made from its content]")] = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Submit one parcel by options, or one or many from a file; all are stored or none."""
    from controller.cli import parcels as does
    from controller.cli.draft import Draft

    if file is not None:
        does.submit(file, key=key, url=url, as_json=as_json)
        return
    draft = Draft(
        *(origin, to, weight, size, due_in, ready_in, address, priority, pin, carrier, ident),
        handover=handover,
        service=service,
        earliest_in=earliest_in,
        latest_in=latest_in,
    )
    does.submit_draft(draft, key=key, url=url, as_json=as_json)


@parcel_app.command("show")
def parcel_show(parcel: str, url: Url = URL, as_json: AsJson = False) -> None:
    """Show a parcel: state, times, reasons, proof."""
    from controller.cli import parcels as does

    does.show(parcel, url=url, as_json=as_json)


@parcel_app.command("list")
def parcel_list(
    state: Annotated[list[str] | None, typer.Option(help="only this state; may repeat")] = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """List parcels."""
    from controller.cli import parcels as does

    does.list_all(state or [], url=url, as_json=as_json)


@parcel_app.command("cancel")
def parcel_cancel(
    parcel: str, reason: Reason = "", url: Url = URL, as_json: AsJson = False
) -> None:
    """Cancel a parcel; what a drone has aboard comes home."""
    from controller.cli import parcels as does

    does.cancel(parcel, reason=reason, url=url, as_json=as_json)


@parcel_app.command("settle")
def parcel_settle(
    parcel: str,
    found: Annotated[Found, typer.Option(help="on the vehicle, or with the recipient")],
    reason: Annotated[str, typer.Option(help="who saw it; kept in the event log")],
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Say where a stranded parcel was found: it is sent again, or it is delivered."""
    from controller.cli import parcels as does

    does.settle(parcel, found=found.value, reason=reason, url=url, as_json=as_json)


@parcel_app.command("trigger")
def parcel_trigger(
    parcel: str,
    pin: Annotated[str, typer.Option(help="as the customer told it; - reads it unseen")] = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """The customer is at the door: the vehicle that waits there opens, once."""
    from controller.cli import parcels as does

    does.trigger(parcel, pin=pin, url=url, as_json=as_json)


@parcel_app.command("resend")
def parcel_resend(
    parcel: str,
    reason: Annotated[str, typer.Option(help="kept in the event log")] = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Send a parcel again that came back from a closed door."""
    from controller.cli import parcels as does

    does.resend(parcel, reason=reason, url=url, as_json=as_json)


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
    terrain: Annotated[
        Path | None, typer.Option(help="streets: Esri ASCII grid of heights, for slopes")
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="streets: IANA, of gates' hours; without it such gates stay shut")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="parcels: import a file that was imported before")
    ] = False,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Import parcels from a CSV, or the street map from an OpenStreetMap extract."""
    from controller.cli import imports as does

    does.import_file(
        what,
        out=out,
        longest_edge_m=longest_edge_m,
        terrain=terrain,
        timezone=timezone,
        again=again,
        url=url,
        as_json=as_json,
    )


@app.command()
def explain(parcel: str, url: Url = URL, as_json: AsJson = False) -> None:
    """Say for every vehicle why it was or was not chosen for a parcel."""
    from controller.cli import parcels as does

    does.explain(parcel, url=url, as_json=as_json)


@app.command()
def vehicles(url: Url = URL, as_json: AsJson = False) -> None:
    """List vehicles."""
    from controller.cli import fleet as does

    does.vehicles(url=url, as_json=as_json)


@app.command()
def alarms(url: Url = URL, as_json: AsJson = False) -> None:
    """List alarms."""
    from controller.cli import fleet as does

    does.alarms(url=url, as_json=as_json)


@app.command()
def hold(
    vehicle: VehicleArg = None,
    everyone: Everyone = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Stop a vehicle where it is."""
    from controller.cli import fleet as does

    does.command("hold", vehicle, everyone, reason=reason, url=url, as_json=as_json)


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
    from controller.cli import fleet as does

    does.command("resume", vehicle, everyone, reason=reason, url=url, as_json=as_json)


@app.command()
def divert(
    *,
    vehicle: Annotated[str, typer.Argument(metavar="VEHICLE")],
    lat_deg: Annotated[float, typer.Argument(min=-84, max=84, help="of the point")],
    lon_deg: Annotated[float, typer.Argument(min=-180, max=180, help="of the point")],
    alt_home_m: Annotated[
        float, typer.Option("--height", min=1, max=500, help="metres above its home")
    ],
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Send a drone in the air to a point, by the straight line, and let it hold there."""
    from controller.cli import fleet as does

    to = {"lat_deg": lat_deg, "lon_deg": lon_deg, "alt_home_m": alt_home_m}
    does.divert(vehicle, to, reason=reason, url=url, as_json=as_json)


@app.command("write-off")
def write_off(
    *,
    vehicle: Annotated[str, typer.Argument(metavar="VEHICLE")],
    removed: Annotated[
        bool, typer.Option("--removed", help="it was taken off the streets: free its right of way")
    ] = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """End the round of a vehicle that is lost; its parcels wait to be settled."""
    from controller.cli import fleet as does

    does.write_off(vehicle, removed=removed, reason=reason, url=url, as_json=as_json)


@app.command()
def charge(
    *,
    vehicle: Annotated[str, typer.Argument(metavar="ROBOT")],
    end: Annotated[bool, typer.Option("--end", help="end it: dispatch may have the robot")] = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Have a robot charge at its base, or end that."""
    from controller.cli import fleet as does

    does.charge(vehicle, on=not end, reason=reason, url=url, as_json=as_json)


@app.command()
def retry(
    *,
    vehicle: Annotated[str, typer.Argument(metavar="ROBOT")],
    skip: Annotated[bool, typer.Option("--skip", help="go on without the action")] = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Have a robot try an action again that failed, or go on without it."""
    from controller.cli import fleet as does

    does.retry(vehicle, again=not skip, reason=reason, url=url, as_json=as_json)


@app.command("return")
def return_(
    vehicle: VehicleArg = None,
    everyone: Everyone = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Send a vehicle back to its base."""
    from controller.cli import fleet as does

    does.command("return", vehicle, everyone, reason=reason, url=url, as_json=as_json)


@app.command()
def land(
    vehicle: VehicleArg = None,
    everyone: Everyone = False,
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Land a drone, or stop a robot, where it is."""
    from controller.cli import fleet as does

    does.command("land", vehicle, everyone, reason=reason, url=url, as_json=as_json)


def main(run: RunController) -> None:
    """Carry out a command, with `run` where it needs a controller; tell errors with what is next.

    Ends the process with the command's exit status.
    """
    try:
        app(standalone_mode=True, obj=run)
    except Exception as error:
        from controller.cli import client

        if not isinstance(error, client.CliError):
            raise
        sys.exit(report(error, as_json="--json" in sys.argv))


def report(error: CliError, *, as_json: bool) -> int:
    """Tell a CliError on standard error; its exit status."""
    if as_json:
        from controller.cli import output

        output.print_json(error.as_json())
    else:
        typer.echo(f"waypost: {error.text}", err=True)
        for fault in error.faults_told:
            typer.echo(f"  {fault}", err=True)
        if error.next_step:
            typer.echo(f"  next: {error.next_step}", err=True)
    return error.status
