"""The configuration turned into what it names: sites, the fleet, its adapters, zones and streets.

Owns the making of adapters from settings. Must not run anything.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from controller.clock import ScaledClock, SystemClock
from controller.config import (
    ClockConfig,
    Config,
    ConfigError,
    DispatchConfig,
    DroneConfig,
    RobotConfig,
    RoverConfig,
)
from controller.config.maps import fleet_map
from controller.config.vehicles import MqttConfig
from controller.delivery.matching import Enrolled
from controller.dispatch.model import DispatchSettings
from controller.domain.model import Priority, Site, SiteKind
from controller.domain.permits import Permit
from controller.fleet.owner import UnknownSessionError
from geofence.conflict import Separation, Uncertainty
from geofence.errors import GridError
from geofence.formats import read_any
from geofence.frames import LatLon
from geofence.heights import Surroundings
from geofence.terrain import Grid, read_esri_ascii
from geofence.zones import VehicleClass, Zone
from geofence.zoneset import ZoneSet
from missions.model import DropDevice
from missions.passages import with_passages
from missions.plan_flown import FlightRules
from missions.roads import Passage, StreetGraph
from missions.roads_file import read_streets
from missions.validate_round import RoundRules
from vehicles.errors import ConfigurationError
from vehicles.loopback.fleet import LoopbackFleet, LoopbackVehicle
from vehicles.mavlink.fleet import MavlinkFleet, MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.profiles.profile import PROFILES
from vehicles.mavlink.remote_id import RemoteId
from vehicles.mavlink.signing import FloorFile, SigningKey
from vehicles.port import Capability, Clock, VehicleAdapter, VehicleSession
from vehicles.vda5050.fleet import Broker, Vda5050Fleet, Vda5050Vehicle
from vehicles.vda5050.profile import find_profile
from vehicles.vda5050.settings import Vda5050Settings
from vehicles.vda5050.transport import Tls

LOOPBACK = "loopback"
"""As a drone's link or a robot's manufacturer: a vehicle in memory, for trying things out."""


GCS_WALL_S = 3.0
STALE_WALL_S = 0.75
OFFLINE_WALL_S = 2.0
COMMAND_WALL_S = 8.0


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The fleet as configured, by vehicle id."""

    bases: dict[str, Site]
    homes: dict[str, LatLon]
    known: dict[str, Enrolled]
    kinds: dict[str, VehicleClass]


def sites_of(config: Config) -> dict[str, Site]:
    """Sites by id."""
    return {
        s.id: Site(
            s.id,
            s.name or s.id,
            SiteKind(s.kind),
            LatLon(s.lat_deg, s.lon_deg),
            s.ground_amsl_m,
            s.landing,
        )
        for s in config.sites
    }


def enrol(config: Config, sites: Mapping[str, Site]) -> Enrolment:
    """Bases, homes and kinds of every vehicle."""
    found = Enrolment({}, {}, {}, {})
    for drone in config.drones:
        base = sites[drone.base]
        found.bases[drone.id] = base
        found.homes[drone.id] = LatLon(drone.pad_lat_deg, drone.pad_lon_deg)
        found.kinds[drone.id] = VehicleClass.MULTIROTOR
        found.known[drone.id] = Enrolled(base, drone.integration, drone.cruise_alt_home_m)
    for robot in (*config.robots, *config.rovers):
        base = sites[robot.base]
        found.bases[robot.id] = base
        found.homes[robot.id] = base.position
        found.kinds[robot.id] = VehicleClass.ROBOT
        found.known[robot.id] = Enrolled(base, robot.integration, 0.0)
    return found


def read_zone_files(config: Config) -> ZoneSet:
    """Every configured zone. Raises ZoneFileError, ZoneError, OSError."""
    zones: list[Zone] = []
    for file in config.zones.files:
        how = config.zones
        data = file.read_bytes()
        zones.extend(read_any(data, file.name, profile=how.profile, timezone=how.timezone or None))
    return ZoneSet(zones)


def read_street_file(config: Config) -> StreetGraph | None:
    """The street graph, or None where none is configured. Raises StreetError, OSError."""
    if config.streets.file is None:
        return None
    streets = read_streets(config.streets.file.read_bytes())
    kinds = {name: Passage(kind) for name, kind in config.streets.passages.items()}
    return with_passages(streets, kinds)


def read_grid_file(file: Path | None) -> Grid | None:
    """A grid of heights, or None where no file is named. Raises ConfigError."""
    if file is None:
        return None
    try:
        return read_esri_ascii(file.read_text(encoding="ascii"))
    except GridError as error:
        raise ConfigError(str(file), (str(error),)) from error
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is no text of an Esri ASCII grid"
        raise ConfigError(str(file), (reason,)) from error
    except OSError as error:
        raise ConfigError(str(file), (f"cannot be read: {error.strerror}",)) from error


def read_surroundings(config: Config) -> Surroundings:
    """Ground and geoid of the operating area. Raises ConfigError."""
    terrain = config.terrain
    return Surroundings(
        terrain.ground_amsl_m,
        terrain.geoid_m,
        read_grid_file(terrain.grid),
        read_grid_file(terrain.geoid_grid),
    )


def dispatch_settings(whole: Config, *, max_telemetry_age_s: float) -> DispatchSettings:
    """Dispatch's rules and weights as configured; the rest as they are by default."""
    config = whole.dispatch
    margins, street = config.margins.model_dump(), config.street.model_dump()
    return DispatchSettings(
        flight=FlightRules(**margins),
        round=RoundRules(**street),
        max_telemetry_age_s=max_telemetry_age_s,
        at_base_m=config.at_base_m,
        waiting={p: getattr(config.waiting, p.value) for p in Priority},
        lateness={p: getattr(config.lateness, p.value) for p in Priority},
        energy_per_wh=config.energy_per_wh,
        drone_use=config.drone_use,
        robot_use=config.robot_use,
        detour_per_km=config.detour_per_km,
        preparation_s=config.preparation_s,
        max_early_s=config.max_early_s,
        max_defer_s=config.max_defer_s,
        plan_hold_s=config.plan_hold_s,
        separation=Separation(**config.separation.model_dump()),
        hub_radius_m=config.hub_radius_m,
        unstarted=Uncertainty(**config.unstarted.model_dump()),
        flying=Uncertainty(**config.flying.model_dump()),
        max_wait_s=config.max_wait_s,
        level_cost_s=config.level_cost_s,
        corridors=tuple(each.corridor() for each in whole.corridors),
    )


def permits_of(config: DispatchConfig) -> tuple[Permit, ...]:
    """The permits that stand in the configuration."""
    return tuple(
        Permit(
            f"configured-{number}",
            each.permit,
            each.vehicle or "",
            until=each.until,
            by="configuration",
        )
        for number, each in enumerate(config.permits, 1)
    )


def capability_of(vehicle: DroneConfig | RobotConfig | RoverConfig) -> Capability:
    """What the configuration says that a vehicle can do."""
    air = isinstance(vehicle, DroneConfig)
    plain = Capability(
        vehicle_class=VehicleClass.MULTIROTOR if air else VehicleClass.ROBOT,
        max_payload_kg=vehicle.max_payload_kg,
        parcel_slots=vehicle.parcel_slots,
        cruise_speed_mps=vehicle.cruise_speed_mps,
        usable_energy_wh=vehicle.usable_energy_wh,
        max_parcel_size_m=vehicle.max_parcel_size_m,
        handover_pin=vehicle.handover_pin,
        mass_kg=vehicle.mass_kg,
        electric=vehicle.electric,
    )
    if isinstance(vehicle, DroneConfig):
        return replace(plain, drop_device=vehicle.drop_device)
    ground = replace(
        plain,
        surface=vehicle.surface,
        width_m=vehicle.width_m,
        max_incline_pct=vehicle.max_incline_pct,
    )
    if isinstance(vehicle, RoverConfig):
        return replace(ground, drop_device=DropDevice.GRIPPER, loaded_at_base=True)
    return ground


def make_adapters(config: Config, enrolment: Enrolment, clock: Clock) -> list[VehicleAdapter]:
    """One adapter a protocol that the configuration uses. Raises ConfigurationError."""
    adapters: list[VehicleAdapter] = []
    by_mavlink = [_drone(d, enrolment, config) for d in config.drones if d.link != LOOPBACK]
    by_mavlink += [_rover(r, enrolment, config) for r in config.rovers]
    if by_mavlink:
        floors = FloorFile(config.mavlink.signing_state)
        adapters.append(MavlinkFleet(by_mavlink, clock, _mavlink_settings(config), floors))
    robots = [
        Vda5050Vehicle(
            r.id,
            r.manufacturer,
            r.serial,
            capability_of(r),
            enrolment.bases[r.id].position,
            config.map_book.site_map(r),
            find_profile(r.profile),
        )
        for r in config.robots
        if r.manufacturer != LOOPBACK
    ]
    if robots:
        mqtt = config.mqtt
        broker = broker_of(mqtt)
        settings = Vda5050Settings.for_speedup(config.clock.speedup)
        adapters.append(Vda5050Fleet(robots, broker, fleet_map(mqtt), clock, settings))
    in_memory = [*_loopback(config, enrolment)]
    if in_memory:
        adapters.append(LoopbackFleet(in_memory, clock))
    return adapters


def broker_of(mqtt: MqttConfig) -> Broker:
    """Where the configuration says that the broker is. Raises ConfigurationError."""
    password = mqtt.password
    if mqtt.password_file is not None:
        try:
            password = mqtt.password_file.read_text("utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError("mqtt", f"password_file cannot be read: {error}") from error
    tls = (
        Tls(mqtt.ca_file, mqtt.cert_file, mqtt.key_file, mqtt.key_password_file)
        if mqtt.tls
        else None
    )
    return Broker(
        mqtt.host, mqtt.port, mqtt.username, password,
        prefix=mqtt.prefix, prefix_v3=mqtt.prefix_v3, tls=tls, protocol=mqtt.protocol,
    )  # fmt: skip


def sessions_of(
    adapters: Sequence[VehicleAdapter], enrolment: Enrolment
) -> dict[str, VehicleSession]:
    """Sessions in the order of the configuration. Raises UnknownSessionError."""
    served: dict[str, VehicleSession] = {}
    for adapter in adapters:
        served.update(adapter.sessions)
    for vehicle_id in enrolment.bases:
        if vehicle_id not in served:
            raise UnknownSessionError(f"{vehicle_id} is configured, and no adapter serves it")
    return {vehicle_id: served[vehicle_id] for vehicle_id in enrolment.bases}


def make_clock(config: ClockConfig) -> Clock:
    """Wall time, or simulated time as configured."""
    if config.start is None and config.speedup == 1.0:
        return SystemClock()
    epoch_s = time.time() if config.wall_epoch is None else config.wall_epoch
    start = config.start or datetime.fromtimestamp(epoch_s, UTC)
    return ScaledClock(start, epoch_s, config.speedup)


def random_id(prefix: str) -> str:
    """A fresh id that nobody can guess."""
    return f"{prefix}-{secrets.token_hex(6)}"


def at_least(figure_s: float, wall_s: float, config: Config) -> float:
    """A time of the clock that is never shorter than `wall_s` of the wall.

    A clock that runs twenty times faster does not make this machine any faster: what waits for
    the other side's program must leave it as long as it takes.
    """
    return max(figure_s, wall_s * config.clock.speedup)


def _mavlink_settings(config: Config) -> MavlinkSettings:
    plain = MavlinkSettings()
    return MavlinkSettings(
        tick_s=at_least(plain.tick_s, 0.02, config),
        apply_baseline=config.mavlink.apply_baseline,
        lost_after_s=config.mavlink.lost_after_s,
        stale_after_s=at_least(plain.stale_after_s, STALE_WALL_S, config),
        offline_after_s=at_least(plain.offline_after_s, OFFLINE_WALL_S, config),
        answer_s=at_least(plain.answer_s, 0.2, config),
        mode_timeout_s=at_least(plain.mode_timeout_s, 1.5, config),
        arm_timeout_s=at_least(plain.arm_timeout_s, 1.5, config),
        takeoff_timeout_s=at_least(plain.takeoff_timeout_s, 3.0, config),
        adopt_timeout_s=at_least(plain.adopt_timeout_s, 3.0, config),
    )


def _pad_amsl_m(drone: DroneConfig, enrolment: Enrolment) -> float:
    base_m = enrolment.bases[drone.id].ground_amsl_m
    return base_m if drone.pad_amsl_m is None else drone.pad_amsl_m


def _drone(drone: DroneConfig, enrolment: Enrolment, config: Config) -> MavlinkVehicle:
    return replace(
        _on_link(drone, enrolment, config, _pad_amsl_m(drone, enrolment)),
        cruise_alt_home_m=drone.cruise_alt_home_m,
        onboard_fence=drone.onboard_fence and _can_fence(drone),
        remote_id=_remote_id(drone, config),
    )


def _rover(rover: RoverConfig, enrolment: Enrolment, config: Config) -> MavlinkVehicle:
    return _on_link(rover, enrolment, config, enrolment.bases[rover.id].ground_amsl_m)


def _on_link(
    vehicle: DroneConfig | RoverConfig, enrolment: Enrolment, config: Config, home_amsl_m: float
) -> MavlinkVehicle:
    """What every vehicle of a MAVLink link is told by."""
    return MavlinkVehicle(
        vehicle_id=vehicle.id,
        link=vehicle.link,
        sysid=vehicle.sysid,
        capability=capability_of(vehicle),
        home=enrolment.homes[vehicle.id],
        home_amsl_m=home_amsl_m,
        gcs_timeout_s=_gcs_timeout_s(vehicle, config),
        profile=vehicle.profile,
        signing_key=_signing_key(vehicle),
    )


def _gcs_timeout_s(vehicle: DroneConfig | RoverConfig, config: Config) -> float:
    return min(120.0, at_least(vehicle.gcs_timeout_s, GCS_WALL_S, config))


def _remote_id(drone: DroneConfig, config: Config) -> RemoteId | None:
    told = config.remote_id
    return told.told(drone.remote_id_serial) if told is not None and drone.remote_id else None


def _can_fence(drone: DroneConfig) -> bool:
    profile = PROFILES.get(drone.profile)
    return profile is not None and profile.fences


def _signing_key(drone: DroneConfig | RoverConfig) -> SigningKey | None:
    if drone.signing_key_file is not None:
        return SigningKey.from_file(drone.signing_key_file)
    if drone.signing_key_env is not None:
        return SigningKey.from_environment(drone.signing_key_env)
    return None


def _loopback(config: Config, enrolment: Enrolment) -> list[LoopbackVehicle]:
    found = [
        LoopbackVehicle(d.id, capability_of(d), enrolment.homes[d.id], _pad_amsl_m(d, enrolment))
        for d in config.drones
        if d.link == LOOPBACK
    ]
    found.extend(
        LoopbackVehicle(r.id, capability_of(r), enrolment.homes[r.id])
        for r in config.robots
        if r.manufacturer == LOOPBACK
    )
    return found
