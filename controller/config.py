"""The configuration: TOML, strict, with errors that name the key.

Owns the settings types and their file. Must not open anything that they name. Environment
variables override the file: WAYPOST_SERVER__PORT=9090 sets [server] port.

    ConfigError   the file cannot be read, or says what cannot be: `.problems` names every key
"""

from __future__ import annotations

import difflib
import math
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from geofence.corridors import Corridor
from geofence.formats.fields import check_timezone
from geofence.frames import LatLon
from geofence.zones import Surface
from missions.model import DropDevice

Latitude = Annotated[float, Field(ge=-84.0, le=84.0, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180.0, le=180.0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]
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
        return _with_zone(value)


class ZonesConfig(_Section):
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


class SeparationConfig(_Section):
    """Two flights nearer than both are in conflict, outside of hubs."""

    horizontal_m: Positive = 50.0
    vertical_m: Positive = 15.0


class UncertaintyConfig(_Section):
    """How well a flight's place is known at its start, and how that grows."""

    radius_m: NotNegative = 5.0
    growth_mps: NotNegative = 0.0
    """Metres for each second since the start."""
    slop_s: NotNegative
    """How much earlier or later than told it may be anywhere."""
    slop_share: NotNegative = 0.01
    """Seconds of slop for each second since the start."""


class PriorityConfig(_Section):
    """A weight for each priority, in minutes of an ordinary parcel's waiting."""

    normal: NotNegative
    urgent: NotNegative
    medical: NotNegative


class MarginsConfig(_Section):
    """What a flight's corridor is made of, and what must be left over."""

    nav_error_m: NotNegative = 7.0
    reaction_s: NotNegative = 1.0
    bank_deg: Annotated[float, Field(gt=0.0, lt=80.0)] = 30.0
    vertical_error_m: Positive = 3.0
    pad_radius_m: Positive = 10.0
    drop_radius_m: Positive = 10.0
    max_cruise_alt_home_m: Annotated[float, Field(ge=20.0, le=500.0)] = 120.0
    min_ground_clearance_m: NotNegative = 15.0
    max_speed_mps: Annotated[float, Field(gt=0.0, le=50.0)] = 20.0
    reserve: Share = 0.25
    """Share of the usable energy that must be left after landing."""
    start_slip_s: NotNegative = 180.0
    time_error: Share = 0.15


class StreetMarginsConfig(_Section):
    """The same of a robot's round."""

    corridor_m: Annotated[float, Field(gt=0.0, le=20.0)] = 1.5
    max_kerb_m: Positive = 60.0
    reserve: Share = 0.25
    start_slip_s: NotNegative = 300.0
    time_error: Share = 0.25
    max_round_s: Positive = 7200.0


class PermitConfig(_Section):
    """A permit that stands: every zone that names it lets these vehicles in."""

    permit: Annotated[str, Field(min_length=1, max_length=200)]
    """As zones name it."""
    vehicle: Ident | None = None
    """None: every vehicle."""
    until: datetime | None = None
    """None: as long as it stands here."""

    @field_validator("until")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        return _with_zone(value)


class DispatchConfig(_Section):
    """How often dispatch looks, what it draws, what it weighs, and what it keeps apart."""

    period_s: Positive = 5.0
    seed: int = 0
    approve: Literal["auto", "operator"] = "auto"
    """Who launches a loaded mission: the controller by itself, or an operator who has seen it."""
    separation: SeparationConfig = SeparationConfig()
    unstarted: UncertaintyConfig = UncertaintyConfig(slop_s=2.0)
    flying: UncertaintyConfig = UncertaintyConfig(slop_s=1.0)
    hub_radius_m: Positive = 60.0
    max_wait_s: Positive = 300.0
    level_cost_s: NotNegative = 30.0
    at_base_m: Positive = 150.0
    preparation_s: NotNegative = 60.0
    max_defer_s: NotNegative = 1200.0
    plan_hold_s: Positive = 300.0
    waiting: PriorityConfig = PriorityConfig(normal=1.0, urgent=2.0, medical=5.0)
    lateness: PriorityConfig = PriorityConfig(normal=3.0, urgent=8.0, medical=25.0)
    energy_per_wh: NotNegative = 0.02
    drone_use: NotNegative = 6.0
    robot_use: NotNegative = 1.0
    detour_per_km: NotNegative = 0.5
    margins: MarginsConfig = MarginsConfig()
    street: StreetMarginsConfig = StreetMarginsConfig()
    permits: tuple[PermitConfig, ...] = ()


class CorridorConfig(_Section):
    """A narrow way that drones share by turns; its line is [latitude, longitude] positions."""

    name: Ident
    line: Annotated[tuple[tuple[Latitude, Longitude], ...], Field(min_length=2)]
    half_width_m: Positive = 50.0
    low_amsl_m: Finite | None = None
    high_amsl_m: Finite | None = None
    capacity: Annotated[int, Field(ge=1, le=1000)] = 1
    headway_s: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 10.0
    one_way: bool = False
    """Only from the line's first position to its last."""

    def corridor(self) -> Corridor:
        """The same for dispatch."""
        return Corridor(
            name=self.name,
            line=tuple(LatLon(lat, lon) for lat, lon in self.line),
            half_width_m=self.half_width_m,
            low_amsl_m=-math.inf if self.low_amsl_m is None else self.low_amsl_m,
            high_amsl_m=math.inf if self.high_amsl_m is None else self.high_amsl_m,
            capacity=self.capacity,
            headway_s=self.headway_s,
            one_way=self.one_way,
        )

    @model_validator(mode="after")
    def _makes_sense(self) -> CorridorConfig:
        self.corridor()
        return self


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
    rezoned: Annotated[tuple[Literal["hold", "return", "land"], ...], Field(min_length=1)] = (
        "hold",
    )
    """What a vehicle is told whose mission a new zone forbids: the first that fits."""
    low_battery_pct: Annotated[float, Field(ge=0.0, le=100.0)] = 20.0
    reserve_pct: Annotated[float, Field(ge=0.0, le=100.0)] = 10.0

    @field_validator("rezoned", mode="before")
    @classmethod
    def _no_divert(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and "divert" in value:
            raise ValueError(
                "'divert' is not possible, since no vehicle takes another way while it is under "
                "way: use 'return', 'hold' or 'land'"
            )
        return value


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
    onboard_fence: bool = True
    """Give every flight its part of the zones as the drone's own fence, proven before the start."""
    signing_key_file: Path | None = None
    """32 bytes, or 64 hexadecimal digits, or base64; with a key only signed frames count."""
    signing_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The same from this environment variable, as hexadecimal digits or base64."""

    @model_validator(mode="after")
    def _one_key(self) -> DroneConfig:
        if self.signing_key_file is not None and self.signing_key_env is not None:
            raise ValueError(f"drone {self.id}: give signing_key_file or signing_key_env, not both")
        return self


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


class MavlinkConfig(_Section):
    """What all MAVLink links share."""

    signing_state: Path = Path("waypost-signing")
    """Where signing timestamps outlive a restart; written only where a drone has a key."""
    apply_baseline: bool = True
    """Mend drones' parameters while they are disarmed; false: only `waypost fleet apply` does."""


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
    mavlink: MavlinkConfig = MavlinkConfig()
    sites: tuple[SiteConfig, ...] = ()
    corridors: tuple[CorridorConfig, ...] = ()
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
        _unique("corridors", [c.name for c in self.corridors])
        vehicles = [*self.drones, *self.robots]
        _unique("vehicles", [v.id for v in vehicles])
        _unique("drones: link and sysid", [f"{d.link} {d.sysid}" for d in self.drones])
        _unique(
            "robots: manufacturer and serial", [f"{r.manufacturer}/{r.serial}" for r in self.robots]
        )
        known = {s.id for s in self.sites}
        names = {vehicle.id for vehicle in vehicles}
        for number, permit in enumerate(self.dispatch.permits):
            if permit.vehicle is not None and permit.vehicle not in names:
                raise ValueError(
                    f"dispatch.permits.{number}.vehicle: {permit.vehicle!r} is no vehicle"
                    f"{_nearest(permit.vehicle, names)}: name one of [[drones]] or [[robots]]"
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
            "mavlink": config.mavlink.model_copy(
                update={"signing_state": base / config.mavlink.signing_state}
            ),
            "drones": tuple(
                drone.model_copy(update={"signing_key_file": base / drone.signing_key_file})
                if drone.signing_key_file
                else drone
                for drone in config.drones
            ),
            "store": config.store.model_copy(update={"url": _store_url(config.store.url, base)}),
        }
    )


def _with_zone(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise ValueError("has no time zone: write it as 2026-01-31T08:00:00Z")
    return value


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
