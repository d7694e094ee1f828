"""The commands about parcels."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_INPUT, EXIT_REFUSED, Client, CliError, at
from controller.cli.draft import Draft
from controller.cli.draft import body as body_of


def read_bodies(file: str) -> Any:
    """The JSON of a file or of standard input. Raises CliError."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror}",
            status=EXIT_INPUT,
            next_step="name a JSON file with a parcel or a list of parcels",
        ) from error
    except ValueError as error:
        raise CliError(
            f"{file}: is not JSON: {error}",
            status=EXIT_INPUT,
            next_step='write a parcel as {"weight_kg": 1.2, "size_m": [0.3, 0.2, 0.1], '
            '"origin": "HUB", "destination": {"site": "SITE"}, "due_at": "2026-01-31T08:00:00Z"}',
        ) from error


def key_of(body: object) -> str:
    """An Idempotency-Key made from the content: the same submission is one submission."""
    text = json.dumps(body, sort_keys=True)
    return f"cli-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def submit(file: str, *, key: str, url: str, as_json: bool) -> None:
    """POST the parcels of a file."""
    body = read_bodies(file)
    with Client(url) as client:
        _post(client, body, key=key or key_of(body), as_json=as_json)


def submit_draft(draft: Draft, *, key: str, url: str, as_json: bool) -> None:
    """POST a parcel written as options; its times count from the controller's present."""
    if not draft.origin or not draft.to:
        raise CliError(
            "a parcel needs --origin and --to, or a FILE",
            status=EXIT_INPUT,
            next_step="see: waypost parcel submit --help",
        )
    with Client(url) as client:
        now = datetime.fromisoformat(client.get(at("healthz"))["now"])
        made = body_of(draft, now)
        # two parcels may be alike: without a key or an id each command is a parcel of its own
        _post(client, made, key=key or f"cli-{secrets.token_hex(16)}", as_json=as_json)


def _post(client: Client, body: object, *, key: str, as_json: bool) -> None:
    response = client.post(at("v1", "parcels"), body, key=key)
    told = response.json()
    if as_json:
        output.print_json(told)
        return
    print_parcels(told if isinstance(told, list) else [told])
    if "Idempotency-Replayed" in response.headers:
        typer.echo("These were submitted before; nothing new was stored.")


def print_parcels(parcels: Sequence[Mapping[str, Any]]) -> None:
    """Parcels as a table."""
    rows = [output.parcel_row(p) for p in parcels]
    output.console().print(output.table("", output.PARCEL_COLUMNS, rows))


def list_all(states: list[str], *, url: str, as_json: bool) -> None:
    """GET the parcels."""
    with Client(url) as client:
        parcels = client.get(at("v1", "parcels"), state=states)
    if as_json:
        output.print_json(parcels)
    elif not parcels:
        typer.echo("No parcels. Submit one with: waypost parcel submit FILE.json")
    else:
        print_parcels(parcels)


def show(parcel_id: str, *, url: str, as_json: bool) -> None:
    """GET one parcel."""
    with Client(url) as client:
        parcel = client.get(at("v1", "parcels", parcel_id))
    if as_json:
        output.print_json(parcel)
        return
    print_parcels([parcel])
    custodian = parcel["custodian"]
    typer.echo(f"held by {custodian['kind']} {custodian['id']}; attempts: {parcel['attempts']}")
    for name, time in parcel["times"].items():
        typer.echo(f"  {output.clock(time)}  {output.state(name)}")
    for reason in parcel["reasons"]:
        typer.echo(f"  because: {reason}")
    proof = parcel["proof"]
    if proof:
        evidence = ", ".join(proof["evidence"])
        typer.echo(f"  proof: {proof['distance_m']:.1f} m from its destination; {evidence}")


def cancel(parcel_id: str, *, reason: str, url: str, as_json: bool) -> None:
    """POST a cancellation; exit status 1 where it is refused."""
    _demand(parcel_id, "cancel", {"reason": reason}, url=url, as_json=as_json)


def settle(parcel_id: str, *, found: str, reason: str, url: str, as_json: bool) -> None:
    """POST where a stranded parcel was found; exit status 1 where it is refused."""
    body = {"found": found, "reason": reason}
    _demand(parcel_id, "settle", body, url=url, as_json=as_json)


def trigger(parcel_id: str, *, pin: str, url: str, as_json: bool) -> None:
    """POST a customer's word at the door; exit status 1 where it is refused."""
    typed = typer.prompt("PIN", hide_input=True) if pin == "-" else pin
    _demand(parcel_id, "trigger", {"pin": typed} if typed else {}, url=url, as_json=as_json)


def resend(parcel_id: str, *, reason: str, url: str, as_json: bool) -> None:
    """POST that a parcel which came back is sent again; exit status 1 where it is refused."""
    _demand(parcel_id, "resend", {"reason": reason}, url=url, as_json=as_json)


def _demand(parcel_id: str, what: str, body: Mapping[str, str], *, url: str, as_json: bool) -> None:
    with Client(url) as client:
        told = client.post(at("v1", "parcels", parcel_id, what), dict(body)).json()
    if as_json:
        output.print_json(told)
    else:
        typer.echo(f"{parcel_id}: {told['outcome']} {told['reason']}".rstrip())
    if told["outcome"] != "done":
        raise typer.Exit(EXIT_REFUSED)


def explain(parcel_id: str, *, url: str, as_json: bool) -> None:
    """GET the newest decision about a parcel."""
    with Client(url) as client:
        told = client.get(at("v1", "parcels", parcel_id, "explain"))
    if as_json:
        output.print_json(told)
        return
    typer.echo(told["sentence"])
    rows = [
        (
            c["vehicle_id"],
            "chosen" if c["vehicle_id"] == told.get("chosen") else "could",
            output.number(c["cost"], digits=1),
            output.clock(c["arrive_at"]),
            ", ".join(f"{k} {v:.1f}" for k, v in c["breakdown"].items()),
        )
        for c in told["candidates"]
    ]
    rows += [
        (r["vehicle_id"], "never" if r["permanent"] else "not now", "—", "—", r["text"])
        for r in told["refusals"]
    ]
    columns = ("vehicle", "answer", "cost", "arrives", "why")
    output.console().print(output.table("", columns, rows))
