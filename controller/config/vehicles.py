"""Sites, vehicles and the links to them, as configured.

Owns the sections. Must not open a link.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from controller.config.kinds import (
    Finite,
    Ident,
    Latitude,
    Longitude,
    Positive,
    Section,
)
from geofence.zones import Surface
from missions.model import DropDevice


class SiteConfig(Section):
    """A hub, locker or service site."""

    id: Ident
    name: str = ""
    kind: Literal["hub", "locker", "site"] = "site"
    lat_deg: Latitude
    lon_deg: Longitude
    ground_amsl_m: Finite = 0.0
    landing: bool = False
    """Drones with a gripper and several `parcel_slots` land here to let a parcel go."""


class _VehicleConfig(Section):
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


class _MavlinkVehicleConfig(_VehicleConfig):
    """What every vehicle reached by MAVLink has. `link` may be shared, each with its own sysid."""

    link: str
    sysid: Annotated[int, Field(ge=1, le=254)]
    gcs_timeout_s: Annotated[float, Field(ge=2.0, le=120.0)] = 5.0
    """Silence of this controller after which the vehicle's own failsafe acts."""
    signing_key_file: Path | None = None
    """32 bytes, or 64 hexadecimal digits, or base64; with a key only signed frames count."""
    signing_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The same from this environment variable, as hexadecimal digits or base64."""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.signing_key_file is not None and self.signing_key_env is not None:
            raise ValueError(f"{self.id}: give signing_key_file or signing_key_env, not both")
        return self


class DroneConfig(_MavlinkVehicleConfig):
    """A drone reached by MAVLink."""

    profile: str = "arducopter"
    """Its autopilot: a profile of `vehicles.mavlink`, "arducopter" or "px4"."""
    pad_lat_deg: Latitude
    pad_lon_deg: Longitude
    pad_amsl_m: Finite | None = None
    """Height of the pad; its base's ground where left out."""
    cruise_alt_home_m: Annotated[float, Field(gt=5.0, le=500.0)] = 60.0
    cruise_speed_mps: Positive = 12.0
    usable_energy_wh: Positive = 300.0
    max_payload_kg: Positive = 2.5
    drop_device: DropDevice = DropDevice.WINCH
    parcel_slots: Annotated[int, Field(ge=1, le=8)] = 1
    """Parcels that it lets go one by one: each flight carries as many at most."""
    onboard_fence: bool = True
    """Give every flight its part of the zones as the drone's own fence, proven before the start,
    where its autopilot's profile can hold one."""
    remote_id: bool = True
    """Whether it is told who flies it, where [remote_id] says so."""
    remote_id_serial: Annotated[str, Field(pattern=r"^[!-~]{0,20}$")] = ""
    """Its serial number (CTA-2063-A), where its own transmitter does not know it."""

    @model_validator(mode="after")
    def _lets_go_one_by_one(self) -> Self:
        if self.parcel_slots > 1 and self.profile != "arducopter":
            raise ValueError(
                f"{self.id}: parcel_slots: several parcels a flight need the profile "
                f'"arducopter", whose way back over each stop was flown: 1 for {self.profile!r}'
            )
        return self


class _GroundVehicleConfig(_VehicleConfig):
    """What every vehicle on streets has."""

    surface: Surface | None = None
    """What it drives on; zones for either bind it where this is not given."""
    width_m: Positive = 0.7
    """Streets that are known to be narrower are closed to it."""
    max_incline_pct: Annotated[float, Field(gt=0.0, le=100.0)] = 12.0
    """The steepest street that it may climb or go down."""


class RoverConfig(_MavlinkVehicleConfig, _GroundVehicleConfig):
    """A ground vehicle reached by MAVLink (ArduRover): one parcel a round, loaded at its base."""

    profile: Literal["ardurover"] = "ardurover"
    cruise_speed_mps: Positive = 2.0
    usable_energy_wh: Positive = 500.0
    max_payload_kg: Positive = 10.0
    parcel_slots: Literal[1] = 1
    """Its lock holds one parcel."""
    handover_pin: Literal[False] = False
    max_parcel_size_m: tuple[Positive, Positive, Positive] = (0.6, 0.5, 0.5)


class RobotConfig(_GroundVehicleConfig):
    """A ground robot reached by MQTT (VDA 5050)."""

    manufacturer: str
    serial: str
    profile: str = "default"
    """What its make does its own way: a profile of `vehicles.vda5050`, or a file NAME.toml."""
    cruise_speed_mps: Positive = 1.6
    usable_energy_wh: Positive = 1200.0
    max_payload_kg: Positive = 20.0
    parcel_slots: Annotated[int, Field(ge=1, le=64)] = 3
    max_parcel_size_m: tuple[Positive, Positive, Positive] = (0.6, 0.5, 0.5)
    handover_pin: bool = True
    map: Annotated[str, Field(max_length=64)] = ""
    """One of [[maps]]; empty: the one of its base, or else that of [mqtt]."""
    alignment: Annotated[str, Field(max_length=64)] = ""
    """One of [[alignments]]: how robots of its type lie on the map; empty: as the site does."""


class MqttConfig(Section):
    """The broker and the map that robots' coordinates are told in."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 1883
    username: str = ""
    password: str = ""
    password_file: Path | None = None
    """Instead of `password`: its first line."""
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    tls: bool = False
    ca_file: Path | None = None
    """PEM; the system's authorities where left out."""
    cert_file: Path | None = None
    key_file: Path | None = None
    key_password_file: Path | None = None
    """Its first line opens an encrypted key."""
    prefix: str = "uagv"
    prefix_v3: str = "vda5050"
    """Of the topics of robots that speak VDA 5050 3.0; `prefix` is that of 2.0 and 2.1."""
    map_id: str = "map"
    map_lat0: Latitude = 0.0
    map_lon0: Longitude = 0.0
    map_alt0: Finite = 0.0
    map_heading_deg: Finite = 0.0

    @model_validator(mode="after")
    def _whole(self) -> MqttConfig:
        if self.password and self.password_file is not None:
            raise ValueError("mqtt: give password or password_file, not both")
        if not self.tls and (self.ca_file or self.cert_file or self.key_file):
            raise ValueError("mqtt: ca_file, cert_file and key_file need tls = true")
        if self.key_password_file is not None and self.cert_file is None:
            raise ValueError("mqtt: key_password_file needs cert_file")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("mqtt: key_file needs cert_file")
        return self


class MavlinkConfig(Section):
    """What all MAVLink links share."""

    signing_state: Path = Path("waypost-signing")
    """Where signing timestamps outlive a restart; written only where a drone has a key."""
    apply_baseline: bool = False
    """Mend drones' parameters without being asked, while they are disarmed, as a laboratory wants
    it; false: a drone that lacks the baseline waits for `waypost fleet apply`."""
    lost_after_s: Positive | None = None
    """An armed drone that is silent for longer is lost; left out: once it can fly no longer."""
