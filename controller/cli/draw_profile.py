"""The height profile under the map: the flight along its way, and the zones that it passes.

Owns that strip. Must not know the map, and must not compute heights.
"""

from __future__ import annotations

import math

import shapely

from controller.cli.draw_canvas import Canvas
from controller.cli.draw_scene import COLORS, EARTH, INK, PAPER, RULE, SOFT, WAY
from geofence.zones import ZoneKind
from missions.picture_profile import Profile, ProfileBand

PROFILE_HEIGHT = 190
_LEFT, _BOTTOM, _TOP = 58.0, 26.0, 22.0

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


def draw_profile(canvas: Canvas, box: Box, profile: Profile | None) -> None:
    """Heights AMSL along the whole way, over the ground and the zones under or above it."""
    canvas.box(box, PAPER, RULE)
    if profile is None:
        canvas.text((box[0] + 10, box[1] + 6), "on the ground: no height profile", 12, SOFT)
        return
    canvas.text((box[0] + 10, box[1] + 6), "height in m AMSL, along the way", 12, SOFT)
    heights = [amsl_m for _, amsl_m in (*profile.way, *profile.ground)]
    low_m, high_m = min(heights), max(heights)
    room_m = max(20.0, (high_m - low_m) * 0.5)
    axes = _Axes(box, profile.length_m, low_m - room_m * 0.15, high_m + room_m)
    _ground(canvas, axes, profile)
    for band in profile.bands:
        _zone(canvas, axes, band)
    _scales(canvas, axes)
    points = [(axes.x(along_m), axes.y(amsl_m)) for along_m, amsl_m in profile.way]
    canvas.line(points, WAY, 3.0)
    for point in points:
        canvas.dot(point, 3.5, PAPER, edge=WAY)


def _ground(canvas: Canvas, axes: _Axes, profile: Profile) -> None:
    if len(profile.ground) < 2:
        canvas.text((axes.east, axes.south - 8), "ground not known", 12, SOFT, anchor="rb")
        return
    line = [(axes.x(along_m), axes.y(amsl_m)) for along_m, amsl_m in profile.ground]
    foot = [(line[-1][0], axes.south), (line[0][0], axes.south)]
    canvas.area(shapely.Polygon([*line, *foot]).buffer(0), EARTH, 0.35)
    canvas.line(line, EARTH, 1.6)


def _zone(canvas: Canvas, axes: _Axes, band: ProfileBand) -> None:
    west, east = axes.x(band.begin_m), axes.x(band.end_m)
    north = axes.y(math.inf if band.high_amsl_m is None else band.high_amsl_m)
    south = axes.y(-math.inf if band.low_amsl_m is None else band.low_amsl_m)
    color = COLORS[band.zone.kind]
    if south - north < 0.5:
        return
    hatch = 9.0 if band.zone.kind is ZoneKind.NO_FLY else 0.0
    area = shapely.box(west, north, max(east, west + 2.0), south)
    canvas.area(area, color, 0.28 if band.hit else 0.14, hatch=hatch, hatch_alpha=0.4)
    canvas.line(list(area.exterior.coords), color, 2.2 if band.hit else 1.2)
    if canvas.text_width(band.zone.zone_id, 12) < east - west - 4:
        at = ((west + east) / 2, north + 10 if south - north > 18 else north - 8)
        canvas.text(at, band.zone.zone_id, 12, INK, anchor="mm", halo=PAPER)


def _scales(canvas: Canvas, axes: _Axes) -> None:
    step_m = _step(axes.high_m - axes.low_m, 4)
    for number in range(math.ceil(axes.low_m / step_m), math.floor(axes.high_m / step_m) + 1):
        y = axes.y(number * step_m)
        canvas.line([(axes.west, y), (axes.east, y)], RULE, 1.0)
        canvas.text((axes.west - 8, y), f"{number * step_m:g}", 12, SOFT, anchor="rm")
    step_m = _step(axes.length_m, 8)
    for number in range(math.floor(axes.length_m / step_m) + 1):
        x = axes.x(number * step_m)
        canvas.line([(x, axes.south), (x, axes.south + 4)], SOFT, 1.0)
        far = number * step_m
        words = f"{far / 1000:g} km" if axes.length_m >= 1000 else f"{far:g} m"
        canvas.text((x, axes.south + 7), words, 12, SOFT, anchor="mt")
    canvas.line([(axes.west, axes.south), (axes.east, axes.south)], SOFT, 1.2)


def _step(span: float, count: int) -> float:
    power = 10.0 ** math.floor(math.log10(span / count))
    return next(n * power for n in (1.0, 2.0, 5.0, 10.0) if n * power * count >= span)
