"""What is asked of the checker, and what it answers: plain data.

Owns legs, discs, flight paths, violations and verdicts. Must not compute.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from geofence.errors import FrameError, PathError
from geofence.frames import MAX_FRAME_SPAN_M, MAX_LATITUDE_DEG, LatLon, geodesic_m
from geofence.zones import VehicleClass, VehicleTraits, Zone, ZoneKind

MAX_CORRIDOR_M = 10_000.0
"""Widest corridor or disc: beyond it one affine frame a piece is no longer exact enough."""


def _check_times(what: str, enter: datetime, leave: datetime) -> None:
    if enter.tzinfo is None or leave.tzinfo is None:
        raise PathError(f"{what}: enter and leave need a time zone")
    if leave < enter:
        raise PathError(f"{what}: leave {leave.isoformat()} is before enter {enter.isoformat()}")


def _check_number(what: str, field: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise PathError(f"{what}: {field} {value} is not a number from {low:g} to {high:g}")


def _check_latitude(what: str, position: LatLon) -> None:
    if abs(position.lat_deg) > MAX_LATITUDE_DEG:
        raise FrameError(
            f"{what}: latitude {position.lat_deg} is beyond {MAX_LATITUDE_DEG} degrees, where "
            "zones cannot be checked"
        )


STILL_DEG = 1e-10
"""What moves less stands still."""

_pack = struct.Struct("17d").pack


def _row_of(  # noqa: PLR0917 - the row, column by column
    start: LatLon,
    end: LatLon,
    start_m: float,
    end_m: float,
    half_m: float,
    enter: datetime,
    leave: datetime,
) -> bytes:
    """What the check reads of a leg or disc, as doubles: see the names in ROW."""
    lon, lat, to_lon, to_lat = start.lon_deg, start.lat_deg, end.lon_deg, end.lat_deg
    dlon, dlat = to_lon - lon, to_lat - lat
    if -STILL_DEG < dlon < STILL_DEG and -STILL_DEG < dlat < STILL_DEG:
        dlon = STILL_DEG
    return _pack(
        max(lon, to_lon), max(lat, to_lat), max(start_m, end_m),
        -min(lon, to_lon), -min(lat, to_lat), -min(start_m, end_m),
        half_m, -enter.timestamp(), leave.timestamp(),
        lon, lat, to_lon, to_lat, start_m, end_m,
        dlon, dlat,
    )  # fmt: skip


class ROW:
    """Where a row holds what: degrees, metres AMSL, seconds since 1970, metres of half width."""

    EAST, NORTH, HIGH, MINUS_WEST, MINUS_SOUTH, MINUS_LOW = range(6)
    HALF, MINUS_ENTER, LEAVE = 6, 7, 8
    LON, LAT, TO_LON, TO_LAT, START, END = range(9, 15)
    DLON, DLAT = 15, 16
    """From start to end; of what stands still a hundredth of a millimetre east."""
    COUNT = 17


@dataclass(frozen=True, slots=True)
class PathLeg:
    """One leg: `corridor_m` either side of the line, moving evenly from enter to leave.

    Raises PathError or FrameError for what cannot be checked.
    """

    index: int
    label: str
    start: LatLon
    end: LatLon
    start_amsl_m: float
    end_amsl_m: float
    enter: datetime
    leave: datetime
    corridor_m: float
    speed_mps: float | None = None
    """Fastest over ground. None: moved along evenly from enter to leave; give it where these are
    the bounds of a passage that takes less time."""
    height_known: bool = True
    """False: on ground whose height nobody knows, so that no limit AMSL can be told from it."""
    row: bytes = field(init=False, repr=False, compare=False)
    """The numbers above as one row of doubles, for many legs to be read at once."""

    def __post_init__(self) -> None:
        what = f"leg {self.index} ({self.label})"
        _check_times(what, self.enter, self.leave)
        _check_number(what, "corridor_m", self.corridor_m, 0.0, MAX_CORRIDOR_M)
        for name in ("start_amsl_m", "end_amsl_m"):
            _check_number(what, name, getattr(self, name), -1e5, 1e5)
        _check_latitude(what, self.start)
        _check_latitude(what, self.end)
        if self.speed_mps is not None:
            _check_number(what, "speed_mps", self.speed_mps, 0.0, 1e4)
        length_m = geodesic_m(self.start, self.end)
        if length_m > MAX_FRAME_SPAN_M:
            raise FrameError(
                f"{what}: {length_m:.0f} m is longer than {MAX_FRAME_SPAN_M:.0f} m: split it"
            )
        row = _row_of(
            self.start,
            self.end,
            self.start_amsl_m,
            self.end_amsl_m,
            self.corridor_m,
            self.enter,
            self.leave,
        )
        object.__setattr__(self, "row", row)

    @property
    def over_ground_mps(self) -> float:
        """How fast over ground it is moved along; infinite where it takes no time."""
        if self.speed_mps is not None:
            return self.speed_mps
        length_m = geodesic_m(self.start, self.end)
        seconds = (self.leave - self.enter).total_seconds()
        if length_m == 0.0:
            return 0.0
        return length_m / seconds if seconds > 0.0 else math.inf


@dataclass(frozen=True, slots=True)
class Disc:
    """A place that is used from enter to leave: take-off, landing, drop, wait."""

    index: int
    label: str
    center: LatLon
    radius_m: float
    low_amsl_m: float
    high_amsl_m: float
    enter: datetime
    leave: datetime
    height_known: bool = True
    """As a leg's."""
    row: bytes = field(init=False, repr=False, compare=False)
    """As a leg's, from its low to its high."""

    def __post_init__(self) -> None:
        what = f"disc {self.index} ({self.label})"
        _check_times(what, self.enter, self.leave)
        _check_number(what, "radius_m", self.radius_m, 0.0, MAX_CORRIDOR_M)
        _check_number(what, "low_amsl_m", self.low_amsl_m, -1e5, 1e5)
        _check_number(what, "high_amsl_m", self.high_amsl_m, self.low_amsl_m, 1e5)
        _check_latitude(what, self.center)
        row = _row_of(
            self.center,
            self.center,
            self.low_amsl_m,
            self.high_amsl_m,
            self.radius_m,
            self.enter,
            self.leave,
        )
        object.__setattr__(self, "row", row)


@dataclass(frozen=True, slots=True)
class FlightPath:
    """All that one vehicle is to do, and the permits it holds."""

    vehicle_class: VehicleClass
    legs: tuple[PathLeg, ...]
    discs: tuple[Disc, ...] = ()
    permits: frozenset[str] = frozenset()
    traits: VehicleTraits | None = None
    """What more is known of the vehicle; None: nothing but its class. Raises PathError where it
    names another class."""

    def __post_init__(self) -> None:
        if self.traits is not None and self.traits.vehicle_class is not self.vehicle_class:
            raise PathError(
                f"path: traits of a {self.traits.vehicle_class} in the path of a "
                f"{self.vehicle_class}"
            )

    @property
    def flown(self) -> bool:
        """Whether its line is ArduPilot's, see track."""
        return self.vehicle_class is VehicleClass.MULTIROTOR

    @property
    def vehicle(self) -> VehicleTraits | VehicleClass:
        """All that is known of the vehicle, as Zone.binds takes it."""
        return self.vehicle_class if self.traits is None else self.traits


_new, _put = object.__new__, object.__setattr__


class Later:
    """A base whose fields may be worked out when they are first read."""

    __slots__ = ("_later",)
    _later: Callable[[Any, str], None]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Fill in what is not there yet; called where a field has no value."""
            if name == "_later" or name not in self.__dataclass_fields__:
                raise AttributeError(name)
            self._later(self, name)
            return object.__getattribute__(self, name)


@dataclass(frozen=True, slots=True)
class Violation(Later):
    """One leg or disc against one zone.

    `entry` and `exit` are the first and last places on its line where the corridor touches the
    zone. `depth_m` is how deep the corridor reaches into it (for a keep-in zone: out of it).
    """

    zone_id: str
    zone_name: str
    kind: ZoneKind
    index: int
    label: str
    entry: LatLon
    exit: LatLon
    depth_m: float
    reason: str
    max_speed_mps: float | None = None
    """Where being too fast is all that is wrong: the zone's limit."""
    unknown: str = ""
    """What is missing to tell the zone's heights here; the zone is then taken as higher and lower
    than it is."""

    @classmethod
    def told_later(
        cls, zone: Zone, owner: PathLeg | Disc, later: Callable[[Violation, str], None]
    ) -> Violation:
        """Which zone and which leg or disc; `later` sets the rest when any of it is read."""
        self = _new(cls)
        _put(self, "zone_id", zone.zone_id)
        _put(self, "zone_name", zone.name)
        _put(self, "kind", zone.kind)
        _put(self, "index", owner.index)
        _put(self, "label", owner.label)
        _put(self, "_later", later)
        return self

    def tell(self, full: Violation) -> None:
        """Set what was left for later."""
        for name in ("entry", "exit", "depth_m", "reason", "max_speed_mps", "unknown"):
            _put(self, name, getattr(full, name))
        _put(self, "_later", _nothing)


@dataclass(frozen=True, slots=True)
class Verdict(Later):
    """The answer. `clearance_m` is from the line, not the corridor; None beyond the horizon.

    What is only told, not decided by (the clearance; where, how deep and why a violation is), may
    be worked out when it is first read; until then path and zones are held.
    """

    allowed: bool
    zones_version: str
    violations: tuple[Violation, ...]
    advisories: tuple[Violation, ...]
    clearance_m: float | None
    nearest_zone_id: str

    @classmethod
    def told_later(
        cls, zones_version: str, *, allowed: bool, later: Callable[[Verdict, str], None]
    ) -> Verdict:
        """What was decided; `later` sets the field named, and others maybe, when it is read."""
        self = _new(cls)
        _put(self, "allowed", allowed)
        _put(self, "zones_version", zones_version)
        _put(self, "_later", later)
        return self

    def tell(self, **told: Any) -> None:
        """Set what was left for later."""
        for name, value in told.items():
            _put(self, name, value)


def _nothing(_: object, __: str) -> None:
    """All is told."""
