"""What is enrolled, and the times that its sessions keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from geofence.frames import LatLon
from vehicles.port import Capability
from vehicles.vda5050 import topics
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine_model import EngineSettings
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.orders import OrderSettings
from vehicles.vda5050.profile import DEFAULT, Profile


@dataclass(frozen=True, slots=True)
class Vda5050Vehicle:
    """An enrolled robot. `base` is where its rounds start and end."""

    vehicle_id: str
    manufacturer: str
    serial: str
    capability: Capability
    base: LatLon
    site_map: SiteMap | None = None
    """Its own map; None: the fleet's."""
    profile: Profile = DEFAULT
    """What its make does its own way."""

    def dialect(self, now: Callable[[], datetime]) -> Dialect:
        """How it is spoken with."""
        return Dialect(
            self.manufacturer,
            self.serial,
            now,
            version=self.profile.version,
            also_instants_as=self.profile.also_instants_as,
        )

    @property
    def address(self) -> topics.Address:
        """Its place among the topics."""
        return topics.Address(self.manufacturer, self.serial)


@dataclass(frozen=True, slots=True)
class Vda5050Settings:
    """Times of the sessions in seconds of the controller's clock, and of order and engine."""

    tick_s: float = 1.0
    adopt_timeout_s: float = 45.0
    at_base_m: float = 60.0
    engine: EngineSettings = field(default_factory=EngineSettings)
    order: OrderSettings = field(default_factory=OrderSettings)

    @classmethod
    def for_speedup(cls, speedup: float) -> Self:
        """Settings for a clock that runs `speedup` times as fast as the wall.

        Networks and processes do not run faster with it, so no timeout is shorter than a few
        seconds of the wall; at 1 these are the defaults.
        """
        plain = EngineSettings()
        return cls(
            adopt_timeout_s=max(45.0, 8.0 * speedup),
            engine=EngineSettings(
                stale_after_s=max(plain.stale_after_s, 5.0 * speedup),
                accept_timeout_s=max(plain.accept_timeout_s, 8.0 * speedup),
                action_timeout_s=max(plain.action_timeout_s, 5.0 * speedup),
            ),
        )


def engine_settings(profile: Profile, settings: EngineSettings) -> EngineSettings:
    """The engine's settings for one make of robot."""
    return replace(
        settings,
        base_nodes_ahead=profile.base_nodes_ahead or settings.base_nodes_ahead,
        resend_stitch_actions=profile.resend_stitch_actions,
        rejection_tolerance=profile.rejection_tolerance,
        edges_only=profile.completion == "EDGE",
        trusts_connection=profile.connection_qos > 0,
    )
