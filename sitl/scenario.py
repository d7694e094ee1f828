"""A scenario as the lab reads it: lab.toml, strictly.

Owns the file's keys and their errors. Must not read what the controller is told (waypost.toml):
the world does not ask the controller where its vehicles stand.

    ScenarioError    the file cannot be read, or says what cannot be: names file and key
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sitl.copter.spec import CopterSpec
from sitl.robot import Comes, Customer, RobotMap, RobotSpec

T = TypeVar("T")

SURFACES = ("road", "pavement")
"""What a robot may drive on."""


class ScenarioError(ValueError):
    """A scenario that cannot be simulated."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key}: {reason}")
        self.file = file
        self.key = key
        self.reason = reason


@dataclass(frozen=True, slots=True)
class HubArea:
    """A hub's pads: vehicles may stand close together within `radius_m`."""

    hub_id: str
    lat_deg: float
    lon_deg: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is put into the world. Degrees WGS84, metres, ground flat and AMSL."""

    ground_amsl_m: float
    geoid_m: float | None
    mqtt_prefix: str
    truth_period_s: float
    """Least simulated time between two positions of one vehicle in the truth."""
    robot_map: RobotMap
    hubs: tuple[HubArea, ...]
    copters: tuple[CopterSpec, ...]
    robots: tuple[RobotSpec, ...]
    traits: Mapping[str, Mapping[str, str | float | bool]] = field(default_factory=dict)
    """What its author tells of a vehicle, by id: surface, mass_kg with its greatest load, electric.
    Zones may ask for it; what is not told is not known."""
    no_way: frozenset[str] | None = None
    """The parcels that its author knows no vehicle can carry; None: not told."""

    @property
    def complete(self) -> bool:
        """Whether there is a robot, and a copter at every hub: else more parcels have no way."""
        return bool(self.robots) and all(
            any(_near(hub, copter) for copter in self.copters) for hub in self.hubs
        )

    def limited(self, drones: int | None, robots: int | None) -> Scenario:
        """The scenario with no more than the first so many vehicles of each kind."""
        copters, kept = self.copters[:drones], self.robots[:robots]
        ids = {copter.vehicle_id for copter in copters} | {robot.vehicle_id for robot in kept}
        traits = {name: told for name, told in self.traits.items() if name in ids}
        return replace(self, copters=copters, robots=kept, traits=traits)


def _near(hub: HubArea, copter: CopterSpec) -> bool:
    north_m = (copter.home_lat_deg - hub.lat_deg) * 111_400.0
    east_m = (copter.home_lon_deg - hub.lon_deg) * 111_400.0 * math.cos(math.radians(hub.lat_deg))
    return math.hypot(north_m, east_m) <= hub.radius_m


def load(folder: Path) -> Scenario:
    """The scenario of a folder that holds a lab.toml. Raises ScenarioError."""
    file = folder / "lab.toml"
    try:
        body = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(str(file), "file", f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(str(file), "file", f"is not TOML: {error}") from error
    top = _Table(str(file), "", body)
    terrain, mqtt, truth = top.table("terrain"), top.table("mqtt"), top.table("truth")
    parcels = top.table("parcels")
    copters, robots = top.tables("copters"), top.tables("robots")
    customers = dict(_customer(table) for table in top.tables("customers"))
    traits = {
        table.text("id"): told
        for table, surface in (*((t, False) for t in copters), *((t, True) for t in robots))
        if (told := _traits(table, surface=surface))
    }
    scenario = Scenario(
        ground_amsl_m=terrain.number("ground_amsl_m"),
        geoid_m=terrain.number("geoid_m") if terrain.has("geoid_m") else None,
        mqtt_prefix=mqtt.text("prefix", "uagv"),
        truth_period_s=truth.number("period_s", 0.5),
        robot_map=_map(top.table("map")),
        hubs=tuple(_hub(table) for table in top.tables("hubs")),
        copters=tuple(_copter(table) for table in copters),
        robots=tuple(replace(_robot(table), customers=customers) for table in robots),
        traits=traits,
        no_way=frozenset(parcels.texts("no_way")) if parcels.has("no_way") else None,
    )
    for table in (top, terrain, mqtt, truth, parcels):
        table.done()
    if not scenario.copters and not scenario.robots:
        raise top.error("copters", "neither copters nor robots: add [[copters]] or [[robots]]")
    ids = [c.vehicle_id for c in scenario.copters] + [r.vehicle_id for r in scenario.robots]
    _distinct(top, "id", ids)
    _distinct(top, "copters.sysid", [c.sysid for c in scenario.copters])
    _distinct(top, "robots.serial", [f"{r.manufacturer}/{r.serial}" for r in scenario.robots])
    return scenario


class _Table:
    """A TOML table whose every key must be asked for."""

    def __init__(self, file: str, path: str, body: Mapping[str, Any]) -> None:
        self._file = file
        self._path = path
        self._body = body
        self._asked: set[str] = set()

    def error(self, key: str, reason: str) -> ScenarioError:
        return ScenarioError(self._file, f"{self._path}{key}", reason)

    def has(self, key: str) -> bool:
        return key in self._body

    def done(self) -> None:
        """Raises for a key that nobody asked for."""
        for key in self._body:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked))
                raise self.error(key, f"is unknown; known here: {known}")

    def number(self, key: str, default: float | None = None) -> float:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"must be a number, not {value!r}")
        if not math.isfinite(value):
            raise self.error(key, f"must be finite, not {value!r}")
        return float(value)

    def whole(self, key: str, default: int | None = None) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, f"must be a whole number, not {value!r}")
        return value

    def within(self, key: str, low: float, high: float) -> float:
        value = self.number(key)
        if not low <= value <= high:
            raise self.error(key, f"must be from {low:g} to {high:g}, not {value:g}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or not value:
            raise self.error(key, f"must be a text that is not empty, not {value!r}")
        return value

    def one_of(self, key: str, values: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in values:
            raise self.error(key, f"must be one of {', '.join(values)}, not {value!r}")
        return value

    def flag(self, key: str) -> bool:
        value = self._get(key, None)
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {value!r}")
        return value

    def texts(self, key: str) -> list[str]:
        value = self._get(key, None)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, f"must be a list of texts, not {value!r}")
        return value

    def table(self, key: str) -> _Table:
        value = self._get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, "must be a table")
        return _Table(self._file, f"{self._path}{key}.", value)

    def tables(self, key: str) -> list[_Table]:
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"must be a list of tables: write [[{key}]]")
        return [_Table(self._file, f"{key}[{i}].", item) for i, item in enumerate(value)]

    def build(self, make: Callable[[], T]) -> T:
        """What `make` makes, its refusal told with this table's place, and no key left over."""
        try:
            made = make()
        except ScenarioError:
            raise
        except ValueError as error:
            raise ScenarioError(self._file, self._path.rstrip("."), str(error)) from error
        self.done()
        return made

    def _get(self, key: str, default: object) -> Any:
        self._asked.add(key)
        if key not in self._body and default is None:
            raise self.error(key, "is missing")
        return self._body.get(key, default)


def _map(table: _Table) -> RobotMap:
    return table.build(
        lambda: RobotMap(
            table.text("map_id"),
            table.within("lat0", -84.0, 84.0),
            table.within("lon0", -180.0, 180.0),
            table.number("alt0", 0.0),
            table.number("heading_deg", 0.0),
        )
    )


def _hub(table: _Table) -> HubArea:
    return table.build(
        lambda: HubArea(
            table.text("id"),
            table.within("lat_deg", -84.0, 84.0),
            table.within("lon_deg", -180.0, 180.0),
            table.within("radius_m", 0.0, 1000.0),
        )
    )


def _traits(table: _Table, *, surface: bool) -> dict[str, str | float | bool]:
    """What zones may ask of a vehicle, as far as it is told; `surface`: it drives on one."""
    told: dict[str, str | float | bool] = {}
    if surface and table.has("surface"):
        told["surface"] = table.one_of("surface", SURFACES)
    if table.has("mass_kg"):
        told["mass_kg"] = table.within("mass_kg", 0.001, 100_000.0)
    if table.has("electric"):
        told["electric"] = table.flag("electric")
    return told


def _copter(table: _Table) -> CopterSpec:
    return table.build(
        lambda: CopterSpec(
            vehicle_id=table.text("id"),
            sysid=table.whole("sysid"),
            home_lat_deg=table.within("lat_deg", -84.0, 84.0),
            home_lon_deg=table.within("lon_deg", -180.0, 180.0),
            home_alt_amsl_m=table.number("alt_amsl_m"),
            heading_deg=table.number("heading_deg", 0.0),
            drop_device=table.text("drop_device", "gripper"),
            battery_mah=table.number("battery_mah", 16000.0),
            battery_start_pct=table.number("battery_start_pct", 100.0),
            swap_below_pct=table.number("swap_below_pct", 70.0),
            swap_after_s=table.number("swap_after_s", 20.0),
            parcels=table.whole("parcels", 1),
        )
    )


def _robot(table: _Table) -> RobotSpec:
    return table.build(
        lambda: RobotSpec(
            vehicle_id=table.text("id"),
            manufacturer=table.text("manufacturer"),
            serial=table.text("serial"),
            start_lat_deg=table.within("lat_deg", -84.0, 84.0),
            start_lon_deg=table.within("lon_deg", -180.0, 180.0),
            speed_mps=table.number("speed_mps", 1.6),
            customer_delay_s=table.number("customer_delay_s", 20.0),
            battery_pct=table.number("battery_pct", 100.0),
            version=table.text("version", "2.1.0"),
        )
    )


def _customer(table: _Table) -> tuple[str, Customer]:
    """What one parcel's customer does at a robot's door, by the parcel's id."""
    return table.build(
        lambda: (
            table.text("parcel"),
            Customer(
                Comes(table.one_of("comes", tuple(Comes))),
                table.number("after_s", 20.0),
                table.text("pin") if table.has("pin") else "",
                takes=table.flag("takes") if table.has("takes") else True,
            ),
        )
    )


def _distinct(top: _Table, key: str, values: list[Any]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise top.error(key, f"{value!r} stands more than once: each must be its own")
