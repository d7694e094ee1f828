"""Sites, vehicles and the links to them, as configured.

Owns the sections. Must not open a link.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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


class DroneConfig(_VehicleConfig):
    """A drone reached by MAVLink. `link` may be shared by vehicles of different sysid."""

    link: str
    sysid: Annotated[int, Field(ge=1, le=254)]
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
    gcs_timeout_s: Annotated[float, Field(ge=2.0, le=120.0)] = 5.0
    """Silence of this controller after which the drone's own failsafe brings it home."""
    onboard_fence: bool = True
    """Give every flight its part of the zones as the drone's own fence, proven before the start,
    where its autopilot's profile can hold one."""
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
    prefix: str = "uagv"
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
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("mqtt: key_file needs cert_file")
        return self


class MavlinkConfig(Section):
    """What all MAVLink links share."""

    signing_state: Path = Path("waypost-signing")
    """Where signing timestamps outlive a restart; written only where a drone has a key."""
    apply_baseline: bool = True
    """Mend drones' parameters while they are disarmed; false: only `waypost fleet apply` does."""
