"""How dispatch decides: rules, weights, permits and corridors, as configured.

Owns the sections. What they mean stands in `controller.dispatch`.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from controller.config.kinds import (
    Finite,
    Ident,
    Latitude,
    Longitude,
    NotNegative,
    Positive,
    Section,
    Share,
    with_zone,
)
from geofence.corridors import Corridor
from geofence.frames import LatLon


class SeparationConfig(Section):
    """Two flights nearer than both are in conflict, outside of hubs."""

    horizontal_m: Positive = 50.0
    vertical_m: Positive = 15.0


class UncertaintyConfig(Section):
    """How well a flight's place is known at its start, and how that grows."""

    radius_m: NotNegative = 5.0
    growth_mps: NotNegative = 0.0
    """Metres for each second since the start."""
    slop_s: NotNegative
    """How much earlier or later than told it may be anywhere."""
    slop_share: NotNegative = 0.01
    """Seconds of slop for each second since the start."""


class PriorityConfig(Section):
    """A weight for each priority, in minutes of an ordinary parcel's waiting."""

    normal: NotNegative
    urgent: NotNegative
    medical: NotNegative


class MarginsConfig(Section):
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


class StreetMarginsConfig(Section):
    """The same of a robot's round."""

    corridor_m: Annotated[float, Field(gt=0.0, le=20.0)] = 1.5
    max_kerb_m: Positive = 60.0
    reserve: Share = 0.25
    start_slip_s: NotNegative = 300.0
    time_error: Share = 0.25
    max_round_s: Positive = 7200.0


class PermitConfig(Section):
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
        return with_zone(value)


class DispatchConfig(Section):
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
    max_early_s: NotNegative = 600.0
    """How long a robot may wait at a door for a window to open."""
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


class CorridorConfig(Section):
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
