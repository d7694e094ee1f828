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
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from geofence.zones import Surface
from missions.model import DropDevice

Latitude = Annotated[float, Field(ge=-84.0, le=84.0, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180.0, le=180.0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Ident = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9:]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9:])?$")]
"""Without scheme and port; an IPv6 address without brackets."""


class ConfigError(ValueError):
    """The file cannot be read, or says what cannot be."""

    def __init__(self, path: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"{path}: " + "; ".join(problems))
        self.path = path
        self.problems = problems


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerConfig(_Section):
    """Where the API and the console listen, and by which names they may be called."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    allowed_hosts: tuple[HostName, ...] = ()
    """Names that browsers call it by, beside `host` and those of the loopback."""


class StoreConfig(_Section):
    """The database; a relative SQLite path is relative to the configuration file."""

    url: str = "sqlite+aiosqlite:///waypost.db"


class ClockConfig(_Section):
    """Simulated time; leave out for wall time."""

    speedup: Annotated[float, Field(gt=0.0, le=1000.0)] = 1.0
    start: datetime | None = None
    wall_epoch: Finite | None = None

    @field_validator("start")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("has no time zone: write it as 2026-01-31T08:00:00Z")
        return value


class ZonesConfig(_Section):
    """Zone files, all read with one profile."""

    files: tuple[Path, ...] = ()
    profile: str = "waypost"


class StreetsConfig(_Section):
    """The street graph that robots drive on."""

    file: Path | None = None


class TerrainConfig(_Section):
    """Ground and geoid undulation of the operating area: flat, or Esri ASCII grids in degrees."""

    ground_amsl_m: Finite | None = None
    geoid_m: Finite | None = None
    grid: Path | None = None
    """Heights of the ground, metres AMSL; stands before ground_amsl_m."""
    geoid_grid: Path | None = None
    """Heights of the geoid above the WGS84 ellipsoid, metres; stands before geoid_m."""


class DispatchConfig(_Section):
    """How often dispatch looks, and the seed of what it draws."""

    period_s: Positive = 5.0
    seed: int = 0
    approve: Literal["auto", "operator"] = "auto"
    """Who launches a loaded mission: the controller by itself, or an operator who has seen it."""


class DeliveryConfig(_Section):
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


class SafetyConfig(_Section):
    """Monitors in flight. Seconds of the controller's clock."""

    period_s: Positive = 1.0
    stale_s: Positive = 3.0
    offline_s: Positive = 10.0
    low_battery_pct: Annotated[float, Field(ge=0.0, le=100.0)] = 20.0
    reserve_pct: Annotated[float, Field(ge=0.0, le=100.0)] = 10.0


class LogConfig(_Section):
    """What is logged and how."""

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


class SiteConfig(_Section):
    """A hub, locker or service site."""

    id: Ident
    name: str = ""
    kind: Literal["hub", "locker", "site"] = "site"
    lat_deg: Latitude
    lon_deg: Longitude
    ground_amsl_m: Finite = 0.0


class _VehicleConfig(_Section):
    id: Ident
    base: Ident
    integration: Literal["ignored", "noticed", "respected", "utilized"] = "utilized"
    max_payload_kg: Positive
    parcel_slots: Annotated[int, Field(ge=1, le=64)] = 1
    cruise_speed_mps: Positive
    usable_energy_wh: Positive
    max_parcel_size_m: tuple[Positive, Positive, Positive] = (0.4, 0.3, 0.3)
    handover_pin: bool = False
    mass_kg: Positive | None = None
    """Without load; zones that bind from a mass on bind a vehicle whose mass is not given."""
    electric: bool | None = None
    """Exempt where only electric vehicles may be; not so where it is not given."""


class DroneConfig(_VehicleConfig):
    """A drone reached by MAVLink. `link` may be shared by vehicles of different sysid."""

    link: str
    sysid: Annotated[int, Field(ge=1, le=254)]
    pad_lat_deg: Latitude
    pad_lon_deg: Longitude
    pad_amsl_m: Finite | None = None
    """Height of the pad; its base's ground where left out."""
    cruise_alt_home_m: Annotated[float, Field(gt=5.0, le=500.0)] = 60.0
    cruise_speed_mps: Positive = 12.0
    usable_energy_wh: Positive = 300.0
    max_payload_kg: Positive = 2.5
    drop_device: DropDevice = DropDevice.WINCH
    gcs_timeout_s: Annotated[float, Field(ge=2.0, le=120.0)] = 5.0
    """Silence of this controller after which the drone's own failsafe brings it home."""


class RobotConfig(_VehicleConfig):
    """A ground robot reached by MQTT (VDA 5050)."""

    manufacturer: str
    serial: str
    surface: Surface | None = None
    """What it drives on; zones for either bind it where this is not given."""
    cruise_speed_mps: Positive = 1.6
    usable_energy_wh: Positive = 1200.0
    max_payload_kg: Positive = 20.0
    parcel_slots: Annotated[int, Field(ge=1, le=64)] = 3
    max_parcel_size_m: tuple[Positive, Positive, Positive] = (0.6, 0.5, 0.5)
    handover_pin: bool = True


class MqttConfig(_Section):
    """The broker and the map that robots' coordinates are told in."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 1883
    username: str = ""
    password: str = ""
    prefix: str = "uagv"
    map_id: str = "map"
    map_lat0: Latitude = 0.0
    map_lon0: Longitude = 0.0
    map_alt0: Finite = 0.0
    map_heading_deg: Finite = 0.0


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
    log: LogConfig = LogConfig()
    mqtt: MqttConfig = MqttConfig()
    sites: tuple[SiteConfig, ...] = ()
    drones: tuple[DroneConfig, ...] = ()
    robots: tuple[RobotConfig, ...] = ()

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
        vehicles = [*self.drones, *self.robots]
        _unique("vehicles", [v.id for v in vehicles])
        _unique("drones: link and sysid", [f"{d.link} {d.sysid}" for d in self.drones])
        _unique(
            "robots: manufacturer and serial", [f"{r.manufacturer}/{r.serial}" for r in self.robots]
        )
        known = {s.id for s in self.sites}
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
            "store": config.store.model_copy(update={"url": _store_url(config.store.url, base)}),
        }
    )


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
    sections: dict[str, type[BaseModel]] = {
        "sites": SiteConfig,
        "drones": DroneConfig,
        "robots": RobotConfig,
    }
    if not loc:
        return set(Config.model_fields)
    name = str(loc[0])
    section = sections.get(name)
    if section is None:
        field = Config.model_fields.get(name)
        kind = field.annotation if field is not None else None
        section = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return set(section.model_fields) if section is not None else set()
