"""The configuration: TOML, strict, with errors that name the key.

Owns the settings types and their file. Must not open anything that they name. Environment
variables override the file: WAYPOST_SERVER__PORT=9090 sets [server] port.

    ConfigError   the file cannot be read, or says what cannot be: `.problems` names every key
"""

from __future__ import annotations

import difflib
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from controller.config.charging import ChargingConfig
from controller.config.dispatch import CorridorConfig, DispatchConfig
from controller.config.kinds import (
    ConfigError,
    Finite,
    HostName,
    Positive,
    Section,
    with_zone,
)
from controller.config.maps import AlignmentConfig, MapBook, MapConfig
from controller.config.remote_id import RemoteIdConfig
from controller.config.vehicles import (
    DroneConfig,
    MavlinkConfig,
    MqttConfig,
    RobotConfig,
    RoverConfig,
    SiteConfig,
)
from geofence.formats.fields import check_timezone

__all__ = [
    "ClockConfig",
    "Config",
    "ConfigError",
    "DispatchConfig",
    "DroneConfig",
    "MapBook",
    "RobotConfig",
    "RoverConfig",
    "from_dict",
    "load",
]


M = TypeVar("M", DroneConfig, RoverConfig)


class ServerConfig(Section):
    """Where the API and the console listen, and by which names they may be called."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    allowed_hosts: tuple[HostName, ...] = ()
    """Names that browsers call it by, beside `host` and those of the loopback."""


class StoreConfig(Section):
    """The database; a relative SQLite path is relative to the configuration file."""

    url: str = "sqlite+aiosqlite:///waypost.db"


class ClockConfig(Section):
    """Simulated time; leave out for wall time."""

    speedup: Annotated[float, Field(gt=0.0, le=1000.0)] = 1.0
    start: datetime | None = None
    wall_epoch: Finite | None = None

    @field_validator("start")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        return with_zone(value)


class ZonesConfig(Section):
    """Zone files, all read with one profile."""

    files: tuple[Path, ...] = ()
    profile: str = "waypost"
    timezone: str = ""
    """IANA; of times in the files that have no offset from UTC. Empty: these are refused."""

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        check_timezone(value or None)
        return value


class StreetsConfig(Section):
    """The street graph that robots drive on."""

    file: Path | None = None
    passages: dict[str, Literal["crossing", "narrow", "lift", "dock"]] = Field(default_factory=dict)
    """What robots use by turns beside what the file says, by id of a street or a node."""


class TerrainConfig(Section):
    """Ground and geoid undulation of the operating area: flat, or Esri ASCII grids in degrees."""

    ground_amsl_m: Finite | None = None
    geoid_m: Finite | None = None
    grid: Path | None = None
    """Heights of the ground, metres AMSL; stands before ground_amsl_m."""
    geoid_grid: Path | None = None
    """Heights of the geoid above the WGS84 ellipsoid, metres; stands before geoid_m."""


class DeliveryConfig(Section):
    """Attempts, waits and tolerances of the delivery process. Seconds of the controller's clock."""

    max_attempts: Annotated[int, Field(ge=1, le=20)] = 5
    retry_backoff_s: Positive = 5.0
    vehicle_rest_s: Positive = 30.0
    """How long a vehicle that failed is passed over, so that others are preferred."""
    load_tries: Annotated[int, Field(ge=1, le=20)] = 3
    start_tries: Annotated[int, Field(ge=1, le=20)] = 3
    command_timeout_s: Positive = 60.0
    drop_tolerance_drone_m: Positive = 15.0
    drop_tolerance_robot_m: Positive = 30.0
    home_tolerance_m: Positive = 60.0
    door_wait_s: Positive = 300.0
    """How long a robot waits at a door for the word that opens it; then it goes on."""
    pin_tries: Annotated[int, Field(ge=1, le=9)] = 3
    """Wrong PINs after which a parcel goes back."""


Rezoned = Literal["hold", "return", "land", "divert"]


class SafetyConfig(Section):
    """Monitors in flight. Seconds of the controller's clock."""

    period_s: Positive = 1.0
    stale_s: Positive = 3.0
    offline_s: Positive = 10.0
    rezoned: Annotated[tuple[Rezoned, ...], Field(min_length=1)] = ("hold",)
    """What a vehicle is told whose mission a new zone forbids: the first that fits. A divert goes
    to the nearest of the drone's own rally points that is clear."""
    stall_s: Annotated[float, Field(ge=0.0)] = 300.0
    """A vehicle with work that does not get on for this long is told; 0: never."""
    low_battery_pct: Annotated[float, Field(ge=0.0, le=100.0)] = 20.0
    reserve_pct: Annotated[float, Field(ge=0.0, le=100.0)] = 10.0
    return_pct: Annotated[float, Field(ge=0.0, le=100.0)] = 10.0
    """A drone that would land with less is told to return by its checked way; 0: never."""


class LogConfig(Section):
    """What is logged and how."""

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(BaseSettings):
    """The whole configuration. Paths in it are absolute after `load`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="WAYPOST_", env_nested_delimiter="__"
    )

    server: ServerConfig = ServerConfig()
    store: StoreConfig = StoreConfig()
    clock: ClockConfig = ClockConfig()
    zones: ZonesConfig = ZonesConfig()
    streets: StreetsConfig = StreetsConfig()
    terrain: TerrainConfig = TerrainConfig()
    dispatch: DispatchConfig = DispatchConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    safety: SafetyConfig = SafetyConfig()
    charging: ChargingConfig = ChargingConfig()
    log: LogConfig = LogConfig()
    mqtt: MqttConfig = MqttConfig()
    mavlink: MavlinkConfig = MavlinkConfig()
    remote_id: RemoteIdConfig | None = None
    sites: tuple[SiteConfig, ...] = ()
    corridors: tuple[CorridorConfig, ...] = ()
    drones: tuple[DroneConfig, ...] = ()
    robots: tuple[RobotConfig, ...] = ()
    rovers: tuple[RoverConfig, ...] = ()
    maps: tuple[MapConfig, ...] = ()
    alignments: tuple[AlignmentConfig, ...] = ()

    @property
    def map_book(self) -> MapBook:
        """The maps with their alignments."""
        return MapBook.model_construct(maps=self.maps, alignments=self.alignments)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file; nothing else."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @model_validator(mode="after")
    def _refer(self) -> Config:
        _unique("sites", [s.id for s in self.sites])
        _unique("corridors", [c.name for c in self.corridors])
        vehicles = [*self.drones, *self.robots, *self.rovers]
        _unique("vehicles", [v.id for v in vehicles])
        by_mavlink = (*self.drones, *self.rovers)
        _unique("drones and rovers: link and sysid", [f"{v.link} {v.sysid}" for v in by_mavlink])
        _unique(
            "robots: manufacturer and serial", [f"{r.manufacturer}/{r.serial}" for r in self.robots]
        )
        known = {s.id for s in self.sites}
        MapBook(maps=self.maps, alignments=self.alignments).check_robots(self.robots, known)
        names = {vehicle.id for vehicle in vehicles}
        for number, permit in enumerate(self.dispatch.permits):
            if permit.vehicle is not None and permit.vehicle not in names:
                raise ValueError(
                    f"dispatch.permits.{number}.vehicle: {permit.vehicle!r} is no vehicle"
                    f"{_nearest(permit.vehicle, names)}: name one of [[drones]], [[robots]] or "
                    "[[rovers]]"
                )
        for vehicle in vehicles:
            if vehicle.base not in known:
                raise ValueError(
                    f"vehicle {vehicle.id}: base {vehicle.base!r} is not a site"
                    f"{_nearest(vehicle.base, known)}: add it under [[sites]]"
                )
        return self


def load(path: Path) -> Config:
    """Read a TOML file. Raises ConfigError naming every key that is wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), (f"cannot be read: {error.strerror}",)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), (f"is not TOML: {error}",)) from error
    return from_dict(data, base=path.resolve().parent, name=str(path))


def from_dict(data: dict[str, Any], *, base: Path, name: str = "configuration") -> Config:
    """A configuration from TOML values; relative paths are relative to `base`."""
    try:
        config = Config(**data)
    except ValidationError as error:
        problems = tuple(_problem(dict(e)) for e in error.errors())
        raise ConfigError(name, problems) from error
    return config.model_copy(
        update={
            "zones": config.zones.model_copy(
                update={"files": tuple(base / f for f in config.zones.files)}
            ),
            "streets": config.streets.model_copy(
                update={"file": base / config.streets.file if config.streets.file else None}
            ),
            "terrain": config.terrain.model_copy(
                update={
                    name: base / file if file else None
                    for name, file in (
                        ("grid", config.terrain.grid),
                        ("geoid_grid", config.terrain.geoid_grid),
                    )
                }
            ),
            "mqtt": config.mqtt.model_copy(
                update={
                    name: base / file if (file := getattr(config.mqtt, name)) else None
                    for name in (
                        "password_file",
                        "ca_file",
                        "cert_file",
                        "key_file",
                        "key_password_file",
                    )
                }
            ),
            "mavlink": config.mavlink.model_copy(
                update={"signing_state": base / config.mavlink.signing_state}
            ),
            "drones": tuple(_key_beside(drone, base) for drone in config.drones),
            "robots": tuple(
                robot.model_copy(update={"profile": str(base / robot.profile)})
                if robot.profile.endswith(".toml")
                else robot
                for robot in config.robots
            ),
            "rovers": tuple(_key_beside(rover, base) for rover in config.rovers),
            "store": config.store.model_copy(update={"url": _store_url(config.store.url, base)}),
        }
    )


def _key_beside(vehicle: M, base: Path) -> M:
    """Its key file relative to the configuration."""
    file = vehicle.signing_key_file
    return vehicle.model_copy(update={"signing_key_file": base / file}) if file else vehicle


def _store_url(url: str, base: Path) -> str:
    head, mark, tail = url.partition(":///")
    if not (mark and head.startswith("sqlite")) or tail in ("", ":memory:") or tail.startswith("/"):
        return url
    return f"{head}:///{base / tail}"


def _unique(what: str, idents: list[str]) -> None:
    for ident in idents:
        if idents.count(ident) > 1:
            raise ValueError(f"{what}: {ident!r} stands more than once: each must be its own")


def _nearest(key: str, known: set[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _problem(error: dict[str, Any]) -> str:
    loc = tuple(error["loc"])
    key = ".".join(str(part) for part in loc)
    if error["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_nearest(str(loc[-1]), _keys_at(loc[:-1]))}"
    if error["type"] == "missing":
        return f"key {key!r} is missing"
    reason = str(error["msg"]).removeprefix("Value error, ")
    return f"{key}: {reason}" if key else reason


def _keys_at(loc: tuple[Any, ...]) -> set[str]:
    """The keys that there are at a place; of a list, those of one of its entries."""
    section: type[BaseModel] = Config
    for part in loc:
        if isinstance(part, int):
            continue
        field = section.model_fields.get(str(part))
        found = _section_of(field.annotation) if field is not None else None
        if found is None:
            return set()
        section = found
    return set(section.model_fields)


def _section_of(kind: Any) -> type[BaseModel] | None:
    for each in (kind, *get_args(kind)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None
