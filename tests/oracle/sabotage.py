"""Checks broken on purpose, each in one way, to see that the campaign finds it.

Owns the breakages. They stand before the code, not in it: a broken check asks the real one
something else, so that they say the same of any code behind the same interface.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from geofence.bulk import crossings
from geofence.check import check
from geofence.frames import LatLon
from geofence.path import Disc, FlightPath
from geofence.recheck import recheck
from geofence.zones import ALWAYS, CircleArea, PolygonArea, Schedule, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.contingency import contingency_air
from tests.oracle import earth
from tests.oracle.campaign import Subject
from tests.oracle.earth import Stretch


def _paths(change: Callable[[FlightPath], FlightPath]) -> Subject:
    return Subject(check=lambda path, zones, here: check(change(path), zones, here))


def _zones(change: Callable[[Zone], Zone | None]) -> Subject:
    def broken(path, zones, here):
        changed = (change(zone) for zone in zones)
        return check(path, ZoneSet(zone for zone in changed if zone is not None), here)

    return Subject(check=broken)


def _legs(**change: Callable[[Any], Any]) -> Subject:
    """Legs with some fields made of what they were."""
    return _paths(
        lambda path: replace(
            path,
            legs=tuple(
                replace(leg, **{name: make(leg) for name, make in change.items()})
                for leg in path.legs
            ),
        )
    )


def _ends_alone(path: FlightPath) -> FlightPath:
    """What looks at corners alone."""
    discs = [
        Disc(leg.index, leg.label, place, leg.corridor_m, amsl_m, amsl_m, leg.enter, leg.leave)
        for leg in path.legs
        for place, amsl_m in ((leg.start, leg.start_amsl_m), (leg.end, leg.end_amsl_m))
    ]
    return replace(path, legs=(), discs=(*path.discs, *discs))


def _along(line: Callable[[LatLon, LatLon], list[Stretch]]) -> Subject:
    """A drone's legs along another line: in parts so short that none of them bows."""

    def change(path: FlightPath) -> FlightPath:
        if path.vehicle_class is VehicleClass.ROBOT:
            return path
        parts = [
            replace(
                leg,
                start=LatLon(float(part.a[1]), float(earth.wrapped(part.a[0]))),
                end=LatLon(float(part.b[1]), float(earth.wrapped(part.b[0]))),
            )
            for leg in path.legs
            for part in line(leg.start, leg.end)
        ]
        return replace(path, legs=tuple(parts))

    return _paths(change)


def _walled(path, zones, here):
    """The antimeridian as the end of the world."""
    west = path.legs[0].start.lon_deg if path.legs else path.discs[0].center.lon_deg

    def lon(zone: Zone) -> float:
        area = zone.area
        return (area.center if isinstance(area, CircleArea) else area.shell[0]).lon_deg

    return check(path, ZoneSet(z for z in zones if abs(lon(z) - west) < 180.0), here)


def _level(path: FlightPath) -> FlightPath:
    return replace(path, legs=tuple(replace(leg, end_amsl_m=leg.start_amsl_m) for leg in path.legs))


def _shrunk(zone: Zone, name: str, up_m: float) -> Zone:
    """A zone with a limit moved inward, where it has room for that."""
    limits = {"floor": zone.floor, "ceiling": zone.ceiling}
    limit = limits[name]
    if limit is None:
        return zone
    limits[name] = replace(limit, value_m=limit.value_m + up_m)
    floor, ceiling = limits["floor"], limits["ceiling"]
    if floor and ceiling and floor.datum is ceiling.datum and floor.value_m > ceiling.value_m:
        return zone
    return replace(zone, **limits)


def _solid(zone: Zone) -> Zone:
    area = zone.area
    return replace(zone, area=replace(area, holes=())) if isinstance(area, PolygonArea) else zone


def _void(zone: Zone) -> Zone | None:
    return None if isinstance(zone.area, PolygonArea) and zone.area.holes else zone


def _ends_early(zone: Zone) -> Zone:
    schedule = zone.schedule
    if not isinstance(schedule, Schedule) or schedule.valid_to is None:
        return zone
    earlier = schedule.valid_to - timedelta(microseconds=100)
    return replace(zone, schedule=replace(schedule, valid_to=earlier))


def _inscribed(zone: Zone) -> Zone:
    """A circle as the polygon of 64 corners that a buffered point is."""
    area = zone.area
    if not isinstance(area, CircleArea):
        return zone
    high = area.radius_m / 111_000.0
    wide = high / math.cos(math.radians(area.center.lat_deg))
    ring = [
        LatLon(
            area.center.lat_deg + high * math.sin(math.tau * n / 64.0),
            max(-180.0, min(180.0, area.center.lon_deg + wide * math.cos(math.tau * n / 64.0))),
        )
        for n in range(64)
    ]
    return replace(zone, area=PolygonArea(tuple(ring)))


def _first_alone(path, zones, here):
    """Tells the first violation only."""
    verdict = check(path, zones, here)
    return replace(verdict, violations=verdict.violations[:1])


def _unwidened(*args, rules, **more):
    lines, discs = contingency_air(*args, rules=rules, **more)
    return tuple(line for n, line in enumerate(lines) if n // 3 % 5 == 0), discs


def _no_landings(*args, **more):
    lines, discs = contingency_air(*args, **more)
    return lines, tuple(disc for disc in discs if "landing" not in disc.label)


def _wide_crossings(legs, zones):
    return crossings(legs + 1e-9, zones)


def _added_alone(changes, paths, here, *, now):
    """Looks at zones that are new, not at those that changed."""
    return recheck(replace(changes, changed=()), paths, here, now=now)


SABOTAGES: dict[str, tuple[Subject, tuple[str, ...]]] = {
    "corridor 1 cm too narrow": (
        _legs(corridor_m=lambda leg: max(0.0, leg.corridor_m - 0.01)), ("edge", "circles"),
    ),
    "corridor 1 % too narrow": (
        _legs(corridor_m=lambda leg: leg.corridor_m * 0.99), ("edge", "corridor"),
    ),
    "corridor 2 cm too wide": (
        _legs(corridor_m=lambda leg: leg.corridor_m + 0.02), ("edge", "touching"),
    ),
    "keep-ins forgotten": (
        _zones(lambda z: z if z.kind is not ZoneKind.KEEP_IN else None), ("kept", "holes"),
    ),
    "floor ignored": (_zones(lambda z: replace(z, floor=None)), ("heights",)),
    "ceiling ignored": (_zones(lambda z: replace(z, ceiling=None)), ("heights",)),
    "floor 2 cm too high": (
        _zones(lambda z: _shrunk(z, "floor", 0.02)), ("heights", "discs"),
    ),
    "ceiling 2 cm too low": (
        _zones(lambda z: _shrunk(z, "ceiling", -0.02)), ("heights", "discs"),
    ),
    "slope taken as level": (_paths(_level), ("heights",)),
    "holes solid": (_zones(_solid), ("holes",)),
    "zones with holes void": (_zones(_void), ("holes", "touching")),
    "chord in place of the line flown": (
        _along(lambda start, end: earth.cut(start, end, 64)), ("flown",),
    ),
    "every leg begins at the origin": (
        _along(lambda start, end: earth.flown(start, end, start)), ("flown",),
    ),
    "antimeridian a wall": (Subject(check=_walled), ("touching", "corridor")),
    "ends of legs alone": (_paths(_ends_alone), ("touching", "edge")),
    "schedule ends 0.1 ms early": (_zones(_ends_early), ("hours",)),
    "schedule forgotten": (_zones(lambda z: replace(z, schedule=ALWAYS)), ("hours",)),
    "passage 1 s late": (
        _legs(
            enter=lambda leg: min(leg.leave, leg.enter + timedelta(seconds=1)),
        ), ("hours",),
    ),
    "circle inscribed": (_zones(_inscribed), ("circles",)),
    "permit lifts any restriction": (
        _zones(lambda z: None if z.kind is ZoneKind.RESTRICTED else z), ("many",),
    ),
    "advisories enforced": (
        _zones(lambda z: replace(z, kind=ZoneKind.NO_FLY) if z.kind is ZoneKind.ADVISORY else z),
        ("many",),
    ),
    "speed limits forgotten": (_zones(lambda z: replace(z, max_speed_mps=None)), ("many",)),
    "first violation alone": (Subject(check=_first_alone), ("many", "touching")),
    "every fifth way back alone": (Subject(contingency_air=_unwidened), ("fan",)),
    "no landing in place": (Subject(contingency_air=_no_landings), ("fan",)),
    "bulk a billionth of a degree off": (Subject(crossings=_wide_crossings), ("bulk",)),
    "changed zones not rechecked": (Subject(recheck=_added_alone), ("rechecked",)),
}  # fmt: skip
"""Each with the families that are to find it."""
