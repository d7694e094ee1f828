"""The run's own copy of a scenario: fewer vehicles and parcels, free ports, its own clock.

Owns the files in OUT/scenario: with them a run can be repeated by hand. Must not start anything.
"""

from __future__ import annotations

import json
import shutil
import socket
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from controller.cli.client import EXIT_INPUT, CliError


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the lab's vehicles and broker are met."""

    mavlink: int
    mqtt: int


@dataclass(frozen=True, slots=True)
class Run:
    """A prepared run."""

    folder: Path
    config: Path
    zones: Path
    streets: Path | None
    submitted: Path
    """The parcels of this run, for the referee: none may be missing."""
    start: datetime
    wall_epoch: float
    speedup: float
    ports: Ports
    parcels: tuple[Mapping[str, Any], ...]
    drones: int
    robots: int


def free_ports() -> Ports:
    """A free UDP and a free TCP port of the loopback interface."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
    ):
        udp.bind(("127.0.0.1", 0))
        tcp.bind(("127.0.0.1", 0))
        return Ports(udp.getsockname()[1], tcp.getsockname()[1])


def spread(vehicles: Iterable[Mapping[str, Any]], count: int | None) -> list[dict[str, Any]]:
    """The first `count` vehicles, taken from every base in turn so that each hub keeps some."""
    by_base: dict[str, list[dict[str, Any]]] = defaultdict(list)
    everyone = [dict(v) for v in vehicles]
    for vehicle in everyone:
        by_base[str(vehicle.get("base"))].append(vehicle)
    if count is None or count >= len(everyone):
        return everyone
    chosen: list[str] = []
    while len(chosen) < count:
        for queue in by_base.values():
            if queue and len(chosen) < count:
                chosen.append(str(queue.pop(0)["id"]))
    return [v for v in everyone if v["id"] in chosen]


def prepare(
    source: Path,
    folder: Path,
    *,
    drones: int | None,
    robots: int | None,
    parcels: int | None,
    speedup: float,
    wall_epoch: float,
    ports: Ports,
    console_port: int,
) -> Run:
    """Copy a scenario into `folder` and fit it to the run. Raises CliError."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    config = read_toml(folder / "waypost.toml")
    lab = read_toml(folder / "lab.toml")
    bodies = json.loads((folder / "parcels.json").read_text(encoding="utf-8"))
    config["drones"] = spread(config.get("drones", []), drones)
    config["robots"] = spread(config.get("robots", []), robots)
    if not config["drones"] and not config["robots"]:
        raise CliError(
            "no vehicle is left to deliver with",
            status=EXIT_INPUT,
            next_step="leave --drones or --robots above 0",
        )
    for drone in config["drones"]:
        drone["link"] = f"udpin:127.0.0.1:{ports.mavlink}"
    kept = {v["id"] for v in (*config["drones"], *config["robots"])}
    for kind in ("copters", "robots"):
        lab[kind] = [v for v in lab.get(kind, []) if v["id"] in kept]
    config.setdefault("mqtt", {}).update(host="127.0.0.1", port=ports.mqtt)
    clock = config.setdefault("clock", {})
    start = clock["start"]
    clock.update(speedup=float(speedup), wall_epoch=wall_epoch)
    config.setdefault("server", {}).update(host="127.0.0.1", port=console_port)
    config.setdefault("log", {}).update(level="warning")
    (folder / "waypost.toml").write_text(to_toml(config), encoding="utf-8")
    (folder / "lab.toml").write_text(to_toml(lab), encoding="utf-8")
    streets = config.get("streets", {}).get("file")
    submitted = folder / "submitted.json"
    submitted.write_text(json.dumps(bodies[:parcels], indent=1), encoding="utf-8")
    return Run(
        folder=folder,
        config=folder / "waypost.toml",
        zones=folder / config["zones"]["files"][0],
        streets=folder / streets if streets else None,
        submitted=submitted,
        start=start,
        wall_epoch=wall_epoch,
        speedup=speedup,
        ports=ports,
        parcels=tuple(bodies[:parcels]),
        drones=len(config["drones"]),
        robots=len(config["robots"]),
    )


def bodies_at(parcels: Iterable[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """API bodies of a scenario's parcels, whose times are told relative to their submission."""
    bodies = []
    for parcel in parcels:
        body = {k: v for k, v in parcel.items() if k not in {"ready_in_s", "due_in_s"}}
        body["ready_at"] = (now + timedelta(seconds=parcel.get("ready_in_s", 0))).isoformat()
        body["due_at"] = (now + timedelta(seconds=parcel["due_in_s"])).isoformat()
        bodies.append(body)
    return bodies


def read_toml(file: Path) -> dict[str, Any]:
    """A TOML file. Raises CliError naming it."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CliError(
            f"{file}: {error}", status=EXIT_INPUT, next_step="correct the scenario's file"
        ) from error


def to_toml(document: Mapping[str, Any]) -> str:
    """TOML 1.0 text of scalars, lists of scalars, tables and lists of tables."""
    lines: list[str] = []
    _table(lines, document, ())
    return "\n".join(lines) + "\n"


def _table(lines: list[str], table: Mapping[str, Any], path: tuple[str, ...]) -> None:
    nested = {k: v for k, v in table.items() if isinstance(v, Mapping) or _tables(v)}
    lines += [f"{k} = {_value(v)}" for k, v in table.items() if k not in nested]
    for key, value in nested.items():
        name = ".".join((*path, key))
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]"]
            _table(lines, value, (*path, key))
            continue
        for item in value:
            lines += ["", f"[[{name}]]"]
            _table(lines, item, (*path, key))


def _tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return repr(value)
