"""Simulator truth as the lab wrote it: one JSON object a line.

Owns reading it into tracks and events. Must not judge.

The first line is the header: {"header": {"ground_amsl_m", "geoid_m", "hubs": [{"id", "lat_deg",
"lon_deg", "radius_m"}], "vehicles": {"drone-01": "multirotor", "robot-01": "robot"}, "traits":
{"robot-01": {"surface": "road", "mass_kg": 40, "electric": true}}, "no_way": ["P7"]}}; traits may
be left out. Every other line is a sample with the keys of `sitl.world.TruthSample`, `t` in ISO
8601.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sitl.referee.earth import Array, Flags
from sitl.referee.reading import RefereeError, listing, mapping, moment, number, text
from sitl.referee.zones import CLASSES, SURFACES, Traits


@dataclass(frozen=True, slots=True)
class Hub:
    """A place where vehicles stand close together."""

    hub_id: str
    lon_deg: float
    lat_deg: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of the truth, `t_s` in seconds since 1970."""

    vehicle_id: str
    t_s: float
    lon_deg: float
    lat_deg: float
    event: str
    detail: str


@dataclass(frozen=True, slots=True)
class Track:
    """Where one vehicle was: arrays of one length, in order of time."""

    vehicle_id: str
    vehicle_class: str
    t_s: Array
    lonlat: Array
    alt_amsl_m: Array
    airborne: Flags
    traits: Traits

    def __len__(self) -> int:
        return len(self.t_s)


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that the lab saw."""

    ground_amsl_m: float | None
    geoid_m: float | None
    hubs: tuple[Hub, ...]
    tracks: Mapping[str, Track]
    happenings: tuple[Happening, ...]
    samples: int
    no_way: frozenset[str] | None
    """The parcels that the scenario's author knows no vehicle can carry; None: not told."""
    cut_off: bool
    """Whether the last line was cut off: the lab was killed while it wrote."""


@dataclass(slots=True)
class _Rows:
    t_s: list[float] = field(default_factory=list)
    lonlat: list[tuple[float, float]] = field(default_factory=list)
    alt_m: list[float] = field(default_factory=list)
    airborne: list[bool] = field(default_factory=list)


def read_truth(path: Path) -> Truth:
    """The truth of a file. Raises RefereeError naming the line and key."""
    try:
        data = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RefereeError(path.name, "file", f"cannot be read: {error}") from error
    lines = data.splitlines()
    cut_off = bool(lines) and not data.endswith("\n")
    if cut_off:
        lines.pop()
    if not lines:
        raise RefereeError(path.name, "file", "holds no truth: did the lab run?")
    header = mapping(path.name, "header", _object(path, 1, lines[0]).get("header"))
    classes = _classes(path, header)
    traits = _traits(path, header, classes)
    rows = {vehicle_id: _Rows() for vehicle_id in classes}
    happenings: list[Happening] = []
    for count, line in enumerate(lines[1:], 2):
        _take(f"{path.name} line {count}", _object(path, count, line), rows, happenings)
    happenings.sort(key=lambda h: h.t_s)
    tracks = {name: _track(name, classes[name], own, traits[name]) for name, own in rows.items()}
    for name, track in tracks.items():
        if (np.abs(np.diff(track.lonlat[:, 0])) > 180.0).any():
            raise RefereeError(
                path.name, "lon_deg", f"{name} crosses the antimeridian, which is not judged"
            )
    return Truth(
        ground_amsl_m=_optional(path, header, "ground_amsl_m"),
        geoid_m=_optional(path, header, "geoid_m"),
        hubs=_hubs(path, header),
        tracks=tracks,
        happenings=tuple(happenings),
        samples=len(lines) - 1,
        no_way=_no_way(path, header),
        cut_off=cut_off,
    )


def _object(path: Path, count: int, line: str) -> Mapping[str, Any]:
    where = f"{path.name} line {count}"
    try:
        return mapping(where, "line", json.loads(line))
    except ValueError as error:
        raise RefereeError(where, "line", f"is not a JSON object: {error}") from error


def _take(
    where: str,
    sample: Mapping[str, Any],
    rows: dict[str, _Rows],
    happenings: list[Happening],
) -> None:
    vehicle_id = text(where, "vehicle_id", sample.get("vehicle_id"))
    own = rows.get(vehicle_id)
    if own is None:
        raise RefereeError(where, "vehicle_id", f"{vehicle_id!r} is not in the header")
    t_s = moment(where, "t", sample.get("t"))
    lon = number(where, "lon_deg", sample.get("lon_deg"))
    lat = number(where, "lat_deg", sample.get("lat_deg"))
    own.t_s.append(t_s)
    own.lonlat.append((lon, lat))
    own.alt_m.append(number(where, "alt_amsl_m", sample.get("alt_amsl_m")))
    own.airborne.append(sample.get("on_ground") is not True)
    event = sample.get("event") or ""
    if event:
        detail = str(sample.get("detail") or "")
        happenings.append(Happening(vehicle_id, t_s, lon, lat, str(event), detail))


def _track(vehicle_id: str, vehicle_class: str, rows: _Rows, traits: Traits) -> Track:
    order: npt.NDArray[np.int64] = np.argsort(np.array(rows.t_s), kind="stable")
    return Track(
        vehicle_id,
        vehicle_class,
        np.array(rows.t_s)[order],
        np.array(rows.lonlat).reshape(-1, 2)[order],
        np.array(rows.alt_m)[order],
        np.array(rows.airborne, dtype=np.bool_)[order] & (vehicle_class == "multirotor"),
        traits,
    )


def _classes(path: Path, header: Mapping[str, Any]) -> dict[str, str]:
    classes = dict(mapping(path.name, "header.vehicles", header.get("vehicles")))
    for vehicle_id, kind in classes.items():
        if kind not in CLASSES:
            raise RefereeError(
                path.name, f"header.vehicles.{vehicle_id}", f"must be of {', '.join(CLASSES)}"
            )
    return classes


def _traits(path: Path, header: Mapping[str, Any], classes: Mapping[str, str]) -> dict[str, Traits]:
    told = mapping(path.name, "header.traits", header.get("traits") or {})
    found = dict.fromkeys(classes, Traits())
    for vehicle_id, value in told.items():
        where = f"header.traits.{vehicle_id}"
        item = mapping(path.name, where, value)
        surface, mass_kg, electric = (item.get(k) for k in ("surface", "mass_kg", "electric"))
        if vehicle_id not in classes:
            raise RefereeError(path.name, where, "is no vehicle of the header")
        if surface is not None and surface not in SURFACES:
            raise RefereeError(path.name, f"{where}.surface", f"must be of {', '.join(SURFACES)}")
        if electric is not None and not isinstance(electric, bool):
            raise RefereeError(path.name, f"{where}.electric", "must be true or false")
        mass = None if mass_kg is None else number(path.name, f"{where}.mass_kg", mass_kg)
        found[vehicle_id] = Traits(surface, mass, electric)
    return found


def _hubs(path: Path, header: Mapping[str, Any]) -> tuple[Hub, ...]:
    hubs = []
    for item in listing(path.name, "header.hubs", header.get("hubs") or []):
        hub = mapping(path.name, "header.hubs", item)
        lon, lat, radius = (
            number(path.name, f"header.hubs.{key}", hub.get(key))
            for key in ("lon_deg", "lat_deg", "radius_m")
        )
        hubs.append(Hub(text(path.name, "header.hubs.id", hub.get("id")), lon, lat, radius))
    return tuple(hubs)


def _no_way(path: Path, header: Mapping[str, Any]) -> frozenset[str] | None:
    value = header.get("no_way")
    if value is None:
        return None
    return frozenset(
        text(path.name, "header.no_way", item)
        for item in listing(path.name, "header.no_way", value)
    )


def _optional(path: Path, header: Mapping[str, Any], key: str) -> float | None:
    value = header.get(key)
    return None if value is None else number(path.name, f"header.{key}", value)
