"""Time and energy of what a vehicle does, by vehicle class, load and wind.

Owns the physical models and their parameters. Must not know missions or zones: callers cut
their way into the pieces told here.

Sources. Multirotor: momentum theory, hover power (m g)^1.5 / sqrt(2 rho A) over an overall
efficiency (J. G. Leishman, Principles of Helicopter Aerodynamics, ch. 2; used for delivery
drones by J. K. Stolaroff et al., Nature Communications 9:409, 2018). Forward flight gets no
credit for the fall of induced power with speed, so it stands on the safe side: hover power plus
parasite drag. Climbing adds m g v. Rates are ArduPilot's defaults (ArduCopter parameters
WPNAV_SPEED_UP 2.5, WPNAV_SPEED_DN 1.5, WPNAV_ACCEL 2.5, LAND_SPEED 0.5 below LAND_ALT_LOW 10 m).
Robot: rolling resistance c_rr m g, air drag and grade over a drive efficiency (J. Y. Wong, Theory
of Ground Vehicles, ch. 3), plus a constant load for computers and radio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from missions.errors import RequestError

G_MPS2 = 9.80665
AIR_DENSITY_KGM3 = 1.225
"""ISA at sea level."""
_J_PER_WH = 3600.0


@dataclass(frozen=True, slots=True)
class Effort:
    """What a piece of work takes. Efforts add up."""

    time_s: float = 0.0
    energy_wh: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(self.time_s + other.time_s, self.energy_wh + other.energy_wh)


@dataclass(frozen=True, slots=True)
class Wind:
    """A steady wind. Without a direction it is taken as a headwind on every leg."""

    speed_mps: float = 0.0
    from_deg: float | None = None
    """Where it blows from, degrees from true north."""

    def airspeed_mps(self, ground_speed_mps: float, course_deg: float) -> float:
        """Speed through the air of a vehicle that keeps its speed and course over ground."""
        if self.from_deg is None:
            return ground_speed_mps + self.speed_mps
        angle = math.radians(self.from_deg - course_deg)
        along = ground_speed_mps + self.speed_mps * math.cos(angle)
        return math.hypot(along, self.speed_mps * math.sin(angle))


CALM = Wind()


def run_time_s(length_m: float, speed_mps: float, accel_mps2: float) -> float:
    """Time from rest to rest over `length_m` with a trapezoidal speed profile."""
    if length_m <= 0.0:
        return 0.0
    if length_m >= speed_mps * speed_mps / accel_mps2:
        return length_m / speed_mps + speed_mps / accel_mps2
    return 2.0 * math.sqrt(length_m / accel_mps2)


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise RequestError(name, f"{value} must be a positive number")


@dataclass(frozen=True, slots=True)
class MultirotorModel:
    """A multirotor; the defaults are a 7 kg hexacopter with 18-inch propellers."""

    empty_mass_kg: float = 7.0
    """With battery and empty drop device."""
    rotor_area_m2: float = 0.985
    """Six discs of 0.457 m."""
    efficiency: float = 0.55
    """Shaft, motor, controller and figure of merit together."""
    drag_area_m2: float = 0.06
    """Drag coefficient times frontal area, parcel included."""
    avionics_w: float = 25.0
    climb_mps: float = 2.5
    descend_mps: float = 1.5
    land_mps: float = 0.5
    land_alt_low_m: float = 10.0
    accel_mps2: float = 2.5

    def __post_init__(self) -> None:
        _positive(
            empty_mass_kg=self.empty_mass_kg,
            rotor_area_m2=self.rotor_area_m2,
            efficiency=self.efficiency,
            climb_mps=self.climb_mps,
            descend_mps=self.descend_mps,
            land_mps=self.land_mps,
            accel_mps2=self.accel_mps2,
        )

    def hover_w(self, payload_kg: float) -> float:
        """Electric power in a hover."""
        weight_n = (self.empty_mass_kg + payload_kg) * G_MPS2
        ideal = math.pow(weight_n, 1.5) / math.sqrt(2.0 * AIR_DENSITY_KGM3 * self.rotor_area_m2)
        return ideal / self.efficiency + self.avionics_w

    def cruise_w(self, payload_kg: float, airspeed_mps: float) -> float:
        """Electric power in level flight: hover power plus parasite drag."""
        drag_n = 0.5 * AIR_DENSITY_KGM3 * self.drag_area_m2 * airspeed_mps**2
        return self.hover_w(payload_kg) + drag_n * airspeed_mps / self.efficiency

    def hover(self, time_s: float, payload_kg: float) -> Effort:
        """Staying in one place."""
        return Effort(time_s, self.hover_w(payload_kg) * time_s / _J_PER_WH)

    def climb(self, height_m: float, payload_kg: float) -> Effort:
        """A vertical climb of `height_m`."""
        time_s = height_m / self.climb_mps
        lift_w = (self.empty_mass_kg + payload_kg) * G_MPS2 * self.climb_mps / self.efficiency
        return Effort(time_s, (self.hover_w(payload_kg) + lift_w) * time_s / _J_PER_WH)

    def descend(self, height_m: float, payload_kg: float) -> Effort:
        """A vertical descent; no credit for the height given up."""
        return self.hover(height_m / self.descend_mps, payload_kg)

    def land(self, height_m: float, payload_kg: float) -> Effort:
        """Down to the ground: the last LAND_ALT_LOW metres at LAND_SPEED."""
        slow_m = min(height_m, self.land_alt_low_m)
        time_s = (height_m - slow_m) / self.descend_mps + slow_m / self.land_mps
        return self.hover(time_s, payload_kg)

    def level(
        self, length_m: float, speed_mps: float, payload_kg: float, airspeed_mps: float
    ) -> Effort:
        """A level leg from rest to rest at `speed_mps` over ground."""
        time_s = run_time_s(length_m, speed_mps, self.accel_mps2)
        return Effort(time_s, self.cruise_w(payload_kg, airspeed_mps) * time_s / _J_PER_WH)


@dataclass(frozen=True, slots=True)
class RobotModel:
    """A sidewalk robot; the defaults are a six-wheeled one of 35 kg."""

    empty_mass_kg: float = 35.0
    rolling_resistance: float = 0.03
    """Small soft tyres on paving."""
    drag_area_m2: float = 0.35
    efficiency: float = 0.65
    idle_w: float = 40.0
    """Computers, cameras, radio, lights."""
    accel_mps2: float = 0.8

    def __post_init__(self) -> None:
        _positive(
            empty_mass_kg=self.empty_mass_kg,
            rolling_resistance=self.rolling_resistance,
            efficiency=self.efficiency,
            accel_mps2=self.accel_mps2,
        )

    def drive_w(self, payload_kg: float, speed_mps: float, grade: float = 0.0) -> float:
        """Electric power at a steady speed; `grade` is rise over run, downhill gives nothing."""
        mass = self.empty_mass_kg + payload_kg
        force_n = mass * G_MPS2 * max(self.rolling_resistance + grade, 0.0)
        force_n += 0.5 * AIR_DENSITY_KGM3 * self.drag_area_m2 * speed_mps**2
        return force_n * speed_mps / self.efficiency + self.idle_w

    def drive(
        self, length_m: float, speed_mps: float, payload_kg: float, climb_m: float = 0.0
    ) -> Effort:
        """A stretch of street at `speed_mps`, with `climb_m` of height gained over it."""
        if length_m <= 0.0:
            return Effort()
        time_s = length_m / speed_mps
        power_w = self.drive_w(payload_kg, speed_mps, climb_m / length_m)
        return Effort(time_s, power_w * time_s / _J_PER_WH)

    def stand(self, time_s: float) -> Effort:
        """Waiting, loading, handing over."""
        return Effort(time_s, self.idle_w * time_s / _J_PER_WH)
