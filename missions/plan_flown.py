"""An air mission as it will be flown: legs with height, time, load and energy.

Owns the walk over a mission's items that planning, checking and costing share, so that the three
cannot disagree. Must not know zones.

ArduCopter goes through items as this module does: take-off is vertical at home, a waypoint is
flown from rest to rest, payload place lands at the point, lets go and climbs back, land goes to
its point at height and then down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from geofence.check import Surroundings
from geofence.frames import LatLon, bearing_deg, geodesic_m
from geofence.turns import Turns
from missions.energy import CALM, G_MPS2, Effort, MultirotorModel, Wind
from missions.errors import RequestError
from missions.model import AirItem, AirMission, DropDevice, ItemKind

VERTICAL_BELOW_M = 0.5
"""Legs shorter than this over ground are climbs or descents."""


_CENTIMETRE_M = 0.01

RELEASE_S = 1.0
"""Of the command itself; the DELAY behind it gives rope and parcel their time."""


@dataclass(frozen=True, slots=True)
class FlightRules:
    """What every flight is planned and checked by."""

    nav_error_m: float = 7.0
    """GNSS 3 m, position keeping 3 m, map 1 m, as in common SORA 2.5 sizing."""
    reaction_s: float = 1.0
    bank_deg: float = 30.0
    vertical_error_m: float = 3.0
    pad_radius_m: float = 10.0
    drop_radius_m: float = 10.0
    min_cruise_alt_home_m: float = 20.0
    max_cruise_alt_home_m: float = 120.0
    """Above home, and above the ground where that is known: Commission Implementing Regulation
    (EU) 2019/947, UAS.OPEN.010."""
    min_ground_clearance_m: float = 15.0
    """Least height of a level leg above the ground, where a terrain grid tells it."""
    min_clear_below_cruise_m: float = 5.0
    """Least height between cruise and release."""
    rtl_alt_home_m: float = 15.0
    """ArduCopter RTL_ALT: a return climbs to at least this."""
    max_speed_mps: float = 20.0
    """Bounds the corridor: 62 m at this speed. Faster vehicles are planned at this speed, faster
    missions refused."""
    slow_speeds_mps: tuple[float, ...] = (8.0, 5.0)
    """Tried in turn where the corridor at cruise speed finds no way."""
    max_leg_m: float = 20_000.0
    reserve: float = 0.25
    """Share of the usable energy that must be left after landing."""
    start_slip_s: float = 180.0
    """How much later than planned a mission may start and still be covered by its check."""
    time_error: float = 0.15
    """Share of the time since start by which passages may be late."""
    wind: Wind = CALM
    gripper_height_m: float = 2.0
    winch_height_m: float = 20.0
    place_height_m: float = 10.0
    place_margin_m: float = 5.0
    """How much deeper than planned a payload place may feel for the ground."""
    winch_mps: float = 1.0
    settle_s: float = 3.0
    """Hover before and after letting go."""
    rope_margin_m: float = 1.0
    waypoint_radius_m: float = 2.0
    """ArduCopter WPNAV_RADIUS: a corner is passed within it."""
    corner_accel_mps2: float = 2.5
    """ArduCopter WPNAV_ACCEL."""
    fixed_corridor_m: float | None = None
    """Half width of every corridor, in the place of what speed asks for."""

    def corridor_m(self, speed_mps: float) -> float:
        """Half width that a flight at this speed may need.

        Navigation error, plus the way flown before a reaction, plus the way to stop at the bank
        limit: v t + v^2 / (2 g tan(bank)), the contingency volume of SORA 2.5, Annex A.
        """
        if self.fixed_corridor_m is not None:
            return self.fixed_corridor_m
        stop_m = speed_mps**2 / (2.0 * G_MPS2 * math.tan(math.radians(self.bank_deg)))
        return self.nav_error_m + speed_mps * self.reaction_s + stop_m

    def turns(self, speed_mps: float) -> Turns | None:
        """How corners are flown at this speed; None: within the corridor, where that is fixed."""
        if self.fixed_corridor_m is not None:
            return None
        return Turns(speed_mps, self.corner_accel_mps2, self.waypoint_radius_m)

    def release_height_m(self, device: DropDevice) -> float:
        """Height above the ground at which a device lets go."""
        if device is DropDevice.GRIPPER:
            return self.gripper_height_m
        if device is DropDevice.WINCH:
            return self.winch_height_m
        return self.place_height_m


DEFAULT_FLIGHT_RULES = FlightRules()


@dataclass(frozen=True, slots=True)
class FlownLeg:
    """One piece of the flight; heights above home, times from take-off."""

    index: int
    """Of the item that it belongs to."""
    label: str
    start: LatLon
    end: LatLon
    start_alt_home_m: float
    end_alt_home_m: float
    length_m: float
    speed_mps: float
    begin_s: float
    end_s: float
    energy_wh: float
    loaded_energy_wh: float
    """The same, were everything still aboard."""
    returning: bool
    """After the RETURN_PATH mark."""
    at_drop: bool = False
    rope_m: float = 0.0
    """How far a winch lets the parcel down below the vehicle."""
    joined_only: bool = False
    """From a RETURN_PATH mark's own place up: flown by a return that joins it, never in order."""

    @property
    def vertical(self) -> bool:
        """Whether it stays over one point."""
        return self.length_m < VERTICAL_BELOW_M


@dataclass(slots=True)
class _Walk:
    mission: AirMission
    loads: Mapping[str, float]
    model: MultirotorModel
    rules: FlightRules
    position: LatLon
    speed_mps: float
    payload_kg: float
    all_kg: float
    alt_m: float = 0.0
    time_s: float = 0.0
    returning: bool = False
    mark: AirItem | None = None
    """A RETURN_PATH mark behind which no waypoint has come yet."""
    legs: list[FlownLeg] = field(default_factory=list)

    def add(self, index: int, label: str, to: LatLon, alt_m: float, work: _Work) -> None:
        effort = work(self.payload_kg)
        loaded = effort if self.payload_kg == self.all_kg else work(self.all_kg)
        self.legs.append(
            FlownLeg(
                index=index,
                label=label,
                start=self.position,
                end=to,
                start_alt_home_m=self.alt_m,
                end_alt_home_m=alt_m,
                length_m=work.length_m,
                speed_mps=self.speed_mps,
                begin_s=self.time_s,
                end_s=self.time_s + effort.time_s,
                energy_wh=effort.energy_wh,
                loaded_energy_wh=loaded.energy_wh,
                returning=self.returning,
                at_drop=work.at_drop,
                rope_m=work.rope_m,
            )
        )
        self.position, self.alt_m = to, alt_m
        self.time_s += effort.time_s

    def join(self, index: int, mark: AirItem, alt_m: float) -> None:
        """The climb from a mark's place, where it is not on the way in order anyhow."""
        foot = mark.position
        if foot is None or not _same_place(self.position, foot):
            return
        if abs(self.alt_m - mark.alt_home_m) < _CENTIMETRE_M or mark.alt_home_m >= alt_m:
            return
        work = _Work(self.model)
        before_m, self.alt_m = self.alt_m, mark.alt_home_m
        self.add(index, "climb at the drop", foot, alt_m, work)
        self.legs[-1] = replace(self.legs[-1], start=foot, at_drop=True, joined_only=True)
        self.alt_m = before_m

    def hover(self, index: int, label: str, time_s: float, *, at_drop: bool) -> None:
        if time_s > 0.0:
            work = _Work(self.model, hover_s=time_s, at_drop=at_drop)
            self.add(index, label, self.position, self.alt_m, work)

    def vertical(
        self, index: int, label: str, alt_m: float, *, landing: bool = False, at_drop: bool = False
    ) -> None:
        work = _Work(self.model, rise_m=alt_m - self.alt_m, landing=landing, at_drop=at_drop)
        self.add(index, label, self.position, alt_m, work)

    def fly(self, index: int, label: str, to: LatLon, alt_m: float) -> None:
        length_m = geodesic_m(self.position, to)
        airspeed = self.rules.wind.airspeed_mps(self.speed_mps, bearing_deg(self.position, to))
        work = _Work(
            self.model,
            length_m=length_m,
            rise_m=alt_m - self.alt_m,
            speed_mps=self.speed_mps,
            airspeed_mps=airspeed,
        )
        self.add(index, label, to, alt_m, work)


@dataclass(frozen=True, slots=True)
class _Work:
    """A piece of flying, costed for any payload."""

    model: MultirotorModel
    length_m: float = 0.0
    rise_m: float = 0.0
    speed_mps: float = 0.0
    airspeed_mps: float = 0.0
    hover_s: float = 0.0
    landing: bool = False
    at_drop: bool = False
    rope_m: float = 0.0

    def __call__(self, payload_kg: float) -> Effort:
        model = self.model
        if self.hover_s > 0.0:
            return model.hover(self.hover_s, payload_kg)
        if self.landing:
            return model.land(-self.rise_m, payload_kg)
        up = model.climb(self.rise_m, payload_kg) if self.rise_m > 0.0 else Effort()
        down = model.descend(-self.rise_m, payload_kg) if self.rise_m < 0.0 else Effort()
        vertical = up + down
        if self.length_m < VERTICAL_BELOW_M:
            return vertical
        level = model.level(self.length_m, self.speed_mps, payload_kg, self.airspeed_mps)
        # on a slope both happen at once; the energies are summed, which is on the safe side
        return Effort(max(level.time_s, vertical.time_s), level.energy_wh + vertical.energy_wh)


def flown_legs(
    mission: AirMission,
    *,
    loads: Mapping[str, float],
    speed_mps: float,
    model: MultirotorModel,
    rules: FlightRules,
) -> tuple[FlownLeg, ...]:
    """The legs of a mission in order. `loads`: kilograms by parcel id; `speed_mps`: until SPEED.

    Raises RequestError where the mission does not start with TAKEOFF or end with LAND, or where
    an item has no position that needs one.
    """
    kinds = [item.kind for item in mission.items]
    if not kinds or kinds[0] is not ItemKind.TAKEOFF or kinds[-1] is not ItemKind.LAND:
        raise RequestError("items", "an air mission starts with TAKEOFF and ends with LAND")
    all_kg = sum(loads.get(parcel_id, 0.0) for parcel_id in mission.parcel_ids)
    walk = _Walk(mission, loads, model, rules, mission.home, speed_mps, all_kg, all_kg)
    for index, item in enumerate(mission.items):
        _walk_item(walk, index, item)
    return tuple(walk.legs)


def _walk_item(walk: _Walk, index: int, item: AirItem) -> None:
    match item.kind:
        case ItemKind.TAKEOFF:
            walk.vertical(index, "take-off", item.alt_home_m)
        case ItemKind.SPEED:
            if not item.speed_mps > 0.0:
                raise RequestError(f"items[{index}].speed_mps", "a speed must be positive")
            walk.speed_mps = item.speed_mps
        case ItemKind.WAYPOINT:
            _waypoint(walk, index, item)
        case ItemKind.DELAY:
            walk.hover(index, "hover", item.delay_s, at_drop=_over_drop(walk))
        case ItemKind.RELEASE:
            _release(walk, index, item)
        case ItemKind.RETURN_PATH:
            walk.returning, walk.mark = True, item
        case ItemKind.LAND:
            to = item.position or walk.mission.home
            if not _same_place(walk.position, to):
                walk.fly(index, f"leg {index} to the landing", to, walk.alt_m)
            walk.vertical(index, "landing", item.alt_home_m, landing=True)


def _waypoint(walk: _Walk, index: int, item: AirItem) -> None:
    if item.position is None:
        raise RequestError(f"items[{index}].position", "a waypoint needs a position")
    if walk.mark is not None:
        if _same_place(walk.mark.position or item.position, item.position):
            walk.join(index, walk.mark, item.alt_home_m)
        walk.mark = None
    if _same_place(walk.position, item.position):
        at_drop = _over_drop(walk)
        up = item.alt_home_m >= walk.alt_m
        label = ("climb" if up else "descent") + (" at the drop" if at_drop else "")
        if item.alt_home_m != walk.alt_m:
            walk.vertical(index, label, item.alt_home_m, at_drop=at_drop)
    else:
        way = "back" if walk.returning else "out"
        walk.fly(index, f"leg {index} on the way {way}", item.position, item.alt_home_m)
    walk.hover(index, "hover", item.delay_s, at_drop=_over_drop(walk))


def _release(walk: _Walk, index: int, item: AirItem) -> None:
    if item.device is DropDevice.PAYLOAD_PLACE:
        high = walk.alt_m
        walk.vertical(index, "placing", high - item.winch_m, landing=True, at_drop=True)
        walk.payload_kg -= walk.loads.get(item.parcel_id, 0.0)
        walk.vertical(index, "climb after placing", high, at_drop=True)
        return
    rope_m = item.winch_m if item.device is DropDevice.WINCH else 0.0
    work = _Work(walk.model, hover_s=RELEASE_S, at_drop=True, rope_m=rope_m)
    walk.add(index, "release", walk.position, walk.alt_m, work)
    walk.payload_kg -= walk.loads.get(item.parcel_id, 0.0)


def _over_drop(walk: _Walk) -> bool:
    return not _same_place(walk.position, walk.mission.home)


def _same_place(one: LatLon, other: LatLon) -> bool:
    return one == other or geodesic_m(one, other) < VERTICAL_BELOW_M


def total(legs: tuple[FlownLeg, ...]) -> Effort:
    """Duration and energy of the whole flight."""
    return Effort(legs[-1].end_s if legs else 0.0, sum(leg.energy_wh for leg in legs))


def height_above_ground_m(
    home_amsl_m: float, alt_home_m: float, surroundings: Surroundings
) -> float:
    """Height above the flat ground; above home where that is not known, or a grid tells more."""
    if surroundings.terrain is not None:
        return alt_home_m
    ground_m = surroundings.ground_amsl_m
    return alt_home_m if ground_m is None else home_amsl_m + alt_home_m - ground_m
