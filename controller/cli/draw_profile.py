"""The height profile under the map: the flight along its way, and the zones that it passes.

Owns that strip. Must not know the map.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import shapely

from controller.cli.draw_canvas import Canvas, Color
from geofence.check import FlightPath, PathLeg
from geofence.frames import LocalFrame, geodesic_m
from geofence.heights import Band, Surroundings, resolve
from geofence.zones import CircleArea, Zone, ZoneKind
from geofence.zoneset import ZoneSet

PROFILE_HEIGHT = 190
_LEFT, _BOTTOM, _TOP = 58.0, 26.0, 22.0
_INK: Color = (28, 36, 48)
_SOFT: Color = (104, 116, 132)
_RULE: Color = (221, 225, 228)
_WAY: Color = (20, 70, 160)
_PAPER: Color = (246, 247, 244)

Box = tuple[float, float, float, float]


class _Axes:
    def __init__(self, box: Box, length_m: float, low_m: float, high_m: float) -> None:
        self.west, self.east = box[0] + _LEFT, box[2] - 10.0
        self.north, self.south = box[1] + _TOP, box[3] - _BOTTOM
        self.length_m, self.low_m, self.high_m = max(length_m, 1.0), low_m, high_m

    def x(self, along_m: float) -> float:
        return self.west + (self.east - self.west) * along_m / self.length_m

    def y(self, amsl_m: float) -> float:
        share = (amsl_m - self.low_m) / (self.high_m - self.low_m)
        return self.south - (self.south - self.north) * min(1.0, max(0.0, share))


def draw_profile(
    canvas: Canvas,
    box: Box,
    path: FlightPath,
    *,
    zones: ZoneSet,
    surroundings: Surroundings,
    colors: Mapping[ZoneKind, Color],
    hit: set[str],
) -> None:
    """Heights AMSL of the level legs, one after the other, over the zones under or above them."""
    legs = _nominal(path)
    canvas.box(box, _PAPER, _RULE)
    canvas.text((box[0] + 10, box[1] + 6), "height in m AMSL, along the way", 12, _SOFT)
    if not legs:
        return
    heights = [h for leg in legs for h in (leg.start_amsl_m, leg.end_amsl_m)]
    heights += [h for disc in path.discs for h in (disc.low_amsl_m, disc.high_amsl_m)]
    low_m = min([*heights, surroundings.ground_amsl_m or math.inf])
    room_m = max(20.0, (max(heights) - low_m) * 0.5)
    length_m = sum(geodesic_m(leg.start, leg.end) for leg in legs)
    axes = _Axes(box, length_m, low_m, max(heights) + room_m)
    for zone, begin_m, end_m in _passed(legs, zones, path):
        _zone(
            canvas,
            axes,
            zone,
            (begin_m, end_m),
            band=resolve(zone, surroundings),
            color=colors[zone.kind],
            hit=zone.zone_id in hit,
        )
    _scales(canvas, axes)
    _columns(canvas, axes, path, legs)
    along_m = 0.0
    for leg in legs:
        further_m = along_m + geodesic_m(leg.start, leg.end)
        points = [
            (axes.x(along_m), axes.y(leg.start_amsl_m)),
            (axes.x(further_m), axes.y(leg.end_amsl_m)),
        ]
        canvas.line(points, _WAY, 3.0)
        for point in points:
            canvas.dot(point, 3.5, _PAPER, edge=_WAY)
        along_m = further_m


def _columns(canvas: Canvas, axes: _Axes, path: FlightPath, legs: list[PathLeg]) -> None:
    """Take-off, drops and landing: upright lines where the way passes their places."""
    along_m = 0.0
    places = {legs[0].start: [0.0]}
    for leg in legs:
        along_m += geodesic_m(leg.start, leg.end)
        places.setdefault(leg.end, []).append(along_m)
    for disc in path.discs:
        for place, spots in places.items():
            if geodesic_m(place, disc.center) > disc.radius_m:
                continue
            for spot in spots:
                x = axes.x(spot)
                points = [(x, axes.y(disc.low_amsl_m)), (x, axes.y(disc.high_amsl_m))]
                canvas.line(points, _WAY, 1.6, dash=(4.0, 3.0))


def _nominal(path: FlightPath) -> list[PathLeg]:
    """Of the heights that each leg is laid at the middle one, in the order of items."""
    levels: dict[tuple[object, ...], list[PathLeg]] = {}
    for leg in path.legs:
        levels.setdefault((leg.index, leg.start, leg.end), []).append(leg)
    middle = [
        sorted(each, key=lambda leg: leg.start_amsl_m)[len(each) // 2] for each in levels.values()
    ]
    return sorted(middle, key=lambda leg: leg.index)


def _passed(
    legs: list[PathLeg], zones: ZoneSet, path: FlightPath
) -> Iterator[tuple[Zone, float, float]]:
    """Where along the way the corridor passes each zone in plan, from and to in metres."""
    frame = LocalFrame(legs[0].start)
    shapes = [
        (zone, _shape(frame, zone))
        for zone in zones
        if zone.kind is not ZoneKind.KEEP_IN and zone.binds(path.vehicle_class)
    ]
    along_m = 0.0
    for leg in legs:
        length_m = geodesic_m(leg.start, leg.end)
        line = shapely.LineString([frame.xy(leg.start), frame.xy(leg.end)])
        if line.length > 0.0:
            for zone, shape in shapes:
                if shape.distance(line) > leg.corridor_m:
                    continue
                inside = line.intersection(shape.buffer(leg.corridor_m))
                for part in shapely.get_parts(inside):
                    ends = [line.project(shapely.Point(c)) for c in part.coords]
                    share = length_m / line.length
                    yield zone, along_m + min(ends) * share, along_m + max(ends) * share
        along_m += length_m


def _shape(frame: LocalFrame, zone: Zone) -> shapely.Geometry:
    if isinstance(zone.area, CircleArea):
        return shapely.Point(frame.xy(zone.area.center)).buffer(zone.area.radius_m)
    rings = [zone.area.shell, *zone.area.holes]
    shell, *holes = ([frame.xy(p) for p in ring] for ring in rings)
    return shapely.Polygon(shell, holes)


def _zone(
    canvas: Canvas,
    axes: _Axes,
    zone: Zone,
    span: tuple[float, float],
    *,
    band: Band,
    color: Color,
    hit: bool,
) -> None:
    west, east = axes.x(span[0]), axes.x(span[1])
    north, south = axes.y(band.high_m), axes.y(band.low_m)
    if south - north < 0.5:
        return
    hatch = 9.0 if zone.kind is ZoneKind.NO_FLY else 0.0
    area = shapely.box(west, north, max(east, west + 2.0), south)
    canvas.area(area, color, 0.28 if hit else 0.14, hatch=hatch, hatch_alpha=0.4)
    canvas.line(list(area.exterior.coords), color, 2.2 if hit else 1.2)
    if canvas.text_width(zone.zone_id, 12) < east - west - 4:
        at = ((west + east) / 2, north + 10 if south - north > 18 else north - 8)
        canvas.text(at, zone.zone_id, 12, _INK, anchor="mm", halo=_PAPER)


def _scales(canvas: Canvas, axes: _Axes) -> None:
    step_m = _step(axes.high_m - axes.low_m, 4)
    for number in range(math.ceil(axes.low_m / step_m), math.floor(axes.high_m / step_m) + 1):
        y = axes.y(number * step_m)
        canvas.line([(axes.west, y), (axes.east, y)], _RULE, 1.0)
        canvas.text((axes.west - 8, y), f"{number * step_m:g}", 12, _SOFT, anchor="rm")
    step_m = _step(axes.length_m, 8)
    for number in range(math.floor(axes.length_m / step_m) + 1):
        x = axes.x(number * step_m)
        canvas.line([(x, axes.south), (x, axes.south + 4)], _SOFT, 1.0)
        far = number * step_m
        words = f"{far / 1000:g} km" if axes.length_m >= 1000 else f"{far:g} m"
        canvas.text((x, axes.south + 7), words, 12, _SOFT, anchor="mt")
    canvas.line([(axes.west, axes.south), (axes.east, axes.south)], _SOFT, 1.2)


def _step(span: float, count: int) -> float:
    power = 10.0 ** math.floor(math.log10(span / count))
    return next(n * power for n in (1.0, 2.0, 5.0, 10.0) if n * power * count >= span)
