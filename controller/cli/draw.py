"""A mission among zones as a picture: map, height profile, verdict and key.

Owns what is drawn where. Must not check anything: it draws a verdict that was given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import shapely

from controller.cli.draw_canvas import Canvas, Color, Point, arrow_head
from controller.cli.draw_panel import draw_panel
from controller.cli.draw_profile import PROFILE_HEIGHT, draw_profile
from controller.cli.draw_scene import (
    BACK,
    COLORS,
    DASHES,
    HEIGHT,
    HIT,
    INK,
    MARGIN,
    PANEL,
    PANEL_PAPER,
    PAPER,
    RULE,
    SOFT,
    WAY,
    WHITE,
    WIDTH,
)
from geofence.frames import Array, LatLon, LocalFrame
from geofence.zones import ZoneKind
from missions.picture import Fault, Picture, ZoneShape
from missions.zone_text import heights, short

MIN_SPAN_M = 250.0
"""Least that the map shows."""


class _View:
    """From positions to pixels of the map."""

    def __init__(self, picture: Picture) -> None:
        self.frame = LocalFrame(picture.anchor)
        used = self._metres(shapely.union(picture.corridor, picture.spare))
        low, high = np.array(used.bounds[:2]), np.array(used.bounds[2:])
        self.left, self.top = MARGIN, MARGIN
        self.right, self.bottom = WIDTH - PANEL - MARGIN, HEIGHT - PROFILE_HEIGHT - 2 * MARGIN
        span = np.maximum((high - low) * 1.25, MIN_SPAN_M)
        width, height = self.right - self.left, self.bottom - self.top
        self.per_m = min(width / span[0], height / span[1])
        self.middle = (low + high) / 2.0

    def _metres(self, shape: shapely.Geometry) -> shapely.Geometry:
        return shapely.transform(shape, self.frame.to_xy)

    def _pixels(self, xy: Array) -> Array:
        middle = np.array([self.left + self.right, self.top + self.bottom]) / 2.0
        return np.asarray(middle + (xy - self.middle) * self.per_m * np.array([1.0, -1.0]))

    def xy(self, x: float, y: float) -> Point:
        """A point of the frame in pixels."""
        east, south = self._pixels(np.array([x, y]))
        return float(east), float(south)

    def at(self, place: LatLon) -> Point:
        """A position in pixels."""
        return self.xy(*self.frame.xy(place))

    def line(self, points: Sequence[Point]) -> list[Point]:
        """Longitudes and latitudes in pixels."""
        return [(float(x), float(y)) for x, y in self._pixels(self.frame.to_xy(np.array(points)))]

    @property
    def window(self) -> shapely.Polygon:
        """The map."""
        return shapely.box(self.left, self.top, self.right, self.bottom)

    def shape(self, shape: shapely.Geometry) -> shapely.Geometry:
        """A shape of the picture in pixels."""
        return shapely.transform(self._metres(shape), self._pixels)


def draw(picture: Picture, file: Path) -> None:
    """Write the picture of a checked mission as PNG. Raises OSError where it cannot."""
    canvas = Canvas(WIDTH, HEIGHT, PANEL_PAPER)
    view = _View(picture)
    canvas.box((view.left, view.top, view.right, view.bottom), PAPER)
    _grid(canvas, view)
    shapes = list(_visible(picture, view))
    for zone, shape in shapes:
        _zone(canvas, view, zone, shape)
    own, spare = (
        view.shape(s).intersection(view.window) for s in (picture.corridor, picture.spare)
    )
    canvas.area(spare, BACK, 0.13)
    canvas.area(own, WAY, 0.17)
    for part in shapely.get_parts(own):
        canvas.line(list(part.exterior.coords), WAY, 1.0, dash=(5.0, 4.0))
    taken = [
        shapely.box(view.right - 66, view.top, view.right, view.top + 80),
        shapely.box(view.left, view.bottom - 56, view.left + 310, view.bottom),
    ]
    taken += _way(canvas, view, picture)
    taken += _faults(canvas, view, picture.faults)
    _waypoints(canvas, view, picture, taken)
    _labels(canvas, view, shapes, taken)
    _frame(canvas, view)
    draw_panel(canvas, picture, {zone.zone.kind for zone, _ in shapes})
    box = (view.left, view.bottom + MARGIN, view.right, HEIGHT - MARGIN)
    draw_profile(canvas, box, picture.profile)
    canvas.save(file)


def _visible(picture: Picture, view: _View) -> Iterator[tuple[ZoneShape, shapely.Geometry]]:
    """Zones on the map, the widest first."""
    found = [(zone, view.shape(zone.shape)) for zone in picture.zones]
    seen = [each for each in found if each[1].intersects(view.window)]
    yield from sorted(seen, key=lambda each: -each[1].area)


def _zone(canvas: Canvas, view: _View, told: ZoneShape, shape: shapely.Geometry) -> None:
    kind, hit = told.zone.kind, told.hit
    color, seen = COLORS[kind], shape.intersection(view.window)
    if kind is ZoneKind.KEEP_IN:
        canvas.area(view.window.difference(shape), color, 0.10, hatch=14.0, hatch_alpha=0.25)
    elif kind is ZoneKind.NO_FLY:
        canvas.area(seen, color, 0.30 if hit else 0.14, hatch=9.0, hatch_alpha=0.45)
    else:
        canvas.area(seen, color, 0.28 if hit else 0.13)
    width = 3.4 if hit else 1.9
    outline = shape.boundary.intersection(view.window)
    if outline.geom_type == "MultiLineString":
        outline = shapely.line_merge(outline)
    for line in shapely.get_parts(outline):
        if line.geom_type == "LineString":
            canvas.line(list(line.coords), color, width, dash=DASHES[kind])


def _labels(
    canvas: Canvas,
    view: _View,
    shapes: Sequence[tuple[ZoneShape, shapely.Geometry]],
    taken: list[shapely.Polygon],
) -> None:
    """Name and heights of each zone, where they hide nothing; the smallest zones choose first."""
    inner = view.window.buffer(-6)
    for told, shape in reversed(shapes):
        zone, limits = told.zone, heights(told.zone)
        if zone.kind is ZoneKind.KEEP_IN and shape.covers(view.window):
            continue
        name = short(zone.zone_id, zone.name)
        name = name if len(name) <= 34 else f"{name[:32]}..."
        width = max(canvas.text_width(name, 14), canvas.text_width(limits, 12)) + 8
        spot = _spot(shape, inner, width, 36.0, taken)
        if spot is None:
            continue
        x, y = spot
        taken.append(shapely.box(x - width / 2, y - 18, x + width / 2, y + 18))
        color = tuple(round(v * 0.72) for v in COLORS[zone.kind])
        ink: Color = (color[0], color[1], color[2])
        canvas.text((x, y - 8), name, 14, ink, anchor="mm", halo=PAPER)
        canvas.text((x, y + 9), limits, 12, ink, anchor="mm", halo=PAPER)


def _spot(
    shape: shapely.Geometry,
    inner: shapely.Polygon,
    width: float,
    height: float,
    taken: list[shapely.Polygon],
) -> Point | None:
    seen = shape.intersection(inner)
    if seen.is_empty:
        return None
    west, north, east, south = seen.bounds
    middle = seen.representative_point()
    tries = [(middle.x, middle.y), ((west + east) / 2, (north + south) / 2)]
    tries += [
        (x, y)
        for y in np.linspace(north + 22, south - 22, 7)
        for x in np.linspace(west + width / 2, east - width / 2, 5)
        if south - north > 44
    ]
    tries += [((west + east) / 2, north - 22), ((west + east) / 2, south + 22)]
    tries += [
        (west - width / 2 - 6, (north + south) / 2),
        (east + width / 2 + 6, (north + south) / 2),
    ]
    for x, y in tries:
        box = shapely.box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        if inner.covers(box) and not any(box.intersects(other) for other in taken):
            return float(x), float(y)
    return None


def _way(canvas: Canvas, view: _View, picture: Picture) -> list[shapely.Polygon]:
    """The line flown, way back included, and home; gives the room that they take."""
    ways = [(view.line(leg.points), leg.returning) for leg in picture.stretches]
    taken = []
    for points, _ in ways:
        canvas.line(points, WHITE, 6.5)
        taken.append(shapely.LineString(points).buffer(5))
    drawn: set[tuple[Point, Point]] = set()
    for points, _ in ways:
        canvas.line(points, WAY, 3.2)
        (x0, y0), (x1, y1) = points[0], points[-1]
        # a way back over the way out keeps the arrow of the way out
        if math.hypot(x1 - x0, y1 - y0) > 60 and _ends(points[::-1]) not in drawn:
            tip = (x0 + (x1 - x0) * 0.55, y0 + (y1 - y0) * 0.55)
            canvas.polygon(arrow_head(tip, math.atan2(y1 - y0, x1 - x0), 10), WAY)
        drawn.add(_ends(points))
    for mark in picture.marks:
        canvas.dot(view.at(mark.position), 6.5, WHITE, edge=WAY)
    if picture.home is not None:
        home = view.at(picture.home)
        canvas.dot(home, 12, WAY, edge=WHITE)
        canvas.text(home, "H", 15, WHITE, anchor="mm")
        taken.append(shapely.Point(home).buffer(16))
    return taken


def _ends(points: Sequence[Point]) -> tuple[Point, Point]:
    (x0, y0), (x1, y1) = points[0], points[-1]
    return (round(x0), round(y0)), (round(x1), round(y1))


def _waypoints(canvas: Canvas, view: _View, picture: Picture, taken: list[shapely.Polygon]) -> None:
    """Waypoints with number and height above home, each label where it hides least."""
    for mark in picture.marks:
        x, y = view.at(mark.position)
        text = ", ".join(str(number) for number in mark.numbers[:3])
        if len(mark.numbers) > 3:
            text += ", ..."
        if mark.alt_home_m is not None:
            text += f" at {mark.alt_home_m:.0f} m"
        if mark.words:
            text += f", {mark.words}"
        wide = canvas.text_width(text, 13)
        room = _label_room(x, y, wide, view.window, taken)
        west, north, _, _ = room.bounds
        canvas.text((west + 2, north + 2), text, 13, WAY, halo=PAPER)
        taken.extend((room, shapely.Point(x, y).buffer(9)))


def _label_room(
    x: float, y: float, wide: float, window: shapely.Polygon, taken: list[shapely.Polygon]
) -> shapely.Polygon:
    """Of eight places round a point the first that hides nothing, or else the one hiding least."""
    places = [
        (x + 10, y - 22), (x + 10, y + 6), (x - wide - 14, y - 22), (x - wide - 14, y + 6),
        (x - wide / 2, y - 29), (x - wide / 2, y + 11), (x + 13, y - 8), (x - wide - 17, y - 8),
    ]  # fmt: skip
    rooms = [shapely.box(west, north, west + wide + 4, north + 18) for west, north in places]
    inside = [room for room in rooms if window.covers(room)] or rooms
    return min(
        inside, key=lambda room: sum(shapely.area(shapely.intersection(room, t)) for t in taken)
    )


def _faults(canvas: Canvas, view: _View, faults: Sequence[Fault]) -> list[shapely.Polygon]:
    lines: list[shapely.Polygon] = []
    spans = [(view.at(each.violation.entry), view.at(each.violation.exit)) for each in faults]
    for fault, (begin, end) in zip(faults, spans, strict=True):
        dash = None if fault.own else (10.0, 6.0)
        if math.dist(begin, end) > 1.0:
            canvas.line([begin, end], HIT, 6.0, dash=dash)
            lines.append(shapely.LineString([begin, end]).buffer(5))
        for at in (begin, end):
            canvas.dot(at, 4.5, WHITE, edge=HIT)
    marks: list[Point] = []
    for begin, end in spans:
        middle = ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)
        marks.append(_free(middle, marks))
        canvas.line([middle, marks[-1]], HIT, 1.4)
    for fault, at in zip(faults, marks, strict=True):
        canvas.dot(at, 11, HIT, edge=WHITE)
        canvas.text(at, str(fault.number), 13, WHITE, anchor="mm")
    dots = [shapely.Point(at).buffer(13) for at in marks]
    deep: list[shapely.Polygon] = []
    for number, (fault, (x, y)) in enumerate(zip(faults, marks, strict=True)):
        if fault.violation.max_speed_mps is not None:
            continue
        text = f"{fault.violation.depth_m:.0f} m"
        wide = canvas.text_width(text, 13) + 4
        others = [*dots[:number], *dots[number + 1 :], *deep]
        rooms = [shapely.box(west, y - 9, west + wide, y + 9) for west in (x + 13, x - 13 - wide)]
        free = [room for room in rooms if not any(room.intersects(other) for other in others)]
        if free:
            canvas.text((free[0].bounds[0] + 2, y), text, 13, HIT, anchor="lm", halo=PAPER)
            deep.append(free[0])
    return [*dots, *lines, *deep]


def _free(middle: Point, marks: Sequence[Point]) -> Point:
    """The nearest place round a point where a mark covers no other."""
    tries = [middle] + [
        (
            middle[0] + radius * math.cos(turn * math.pi / 6),
            middle[1] + radius * math.sin(turn * math.pi / 6),
        )
        for radius in (28.0, 52.0, 76.0)
        for turn in range(12)
    ]
    for at in tries:
        if all(math.dist(at, mark) >= 24.0 for mark in marks):
            return at
    return middle


def _nice(value: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is no larger."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(n * power for n in (5.0, 2.0, 1.0) if n * power <= value)


def _grid(canvas: Canvas, view: _View) -> None:
    step_m = _nice(170.0 / view.per_m)
    half = np.array([view.right - view.left, view.bottom - view.top]) / view.per_m / 2.0
    for axis in (0, 1):
        first = math.ceil((view.middle[axis] - half[axis]) / step_m)
        last = math.floor((view.middle[axis] + half[axis]) / step_m)
        for number in range(first, last + 1):
            x, y = view.xy(number * step_m, number * step_m)
            if axis == 0:
                canvas.line([(x, view.top), (x, view.bottom)], RULE, 1.0)
            else:
                canvas.line([(view.left, y), (view.right, y)], RULE, 1.0)


def _frame(canvas: Canvas, view: _View) -> None:
    corners = [(view.left, view.top), (view.right, view.top), (view.right, view.bottom),
               (view.left, view.bottom), (view.left, view.top)]  # fmt: skip
    canvas.line(corners, SOFT, 1.4)
    # scale bar
    length_m = _nice(220.0 / view.per_m)
    wide = length_m * view.per_m
    x, y = view.left + 20, view.bottom - 22
    canvas.box((x - 10, y - 26, x + wide + 14, y + 12), PAPER, RULE)
    for part in range(4):
        color = INK if part % 2 == 0 else WHITE
        canvas.box((x + wide * part / 4, y - 4, x + wide * (part + 1) / 4, y + 3), color, INK)
    grid_m = _nice(170.0 / view.per_m)
    if grid_m != length_m:
        grid = f"grid {grid_m / 1000:g} km" if grid_m >= 1000 else f"grid {grid_m:g} m"
        canvas.text((x + wide + 26, y), grid, 13, SOFT, anchor="lm", halo=PAPER)
    words = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    canvas.text((x + wide, y - 8), words, 13, INK, anchor="rb")
    canvas.text((x, y - 8), "0", 13, INK, anchor="lb")
    # north
    x, y = view.right - 34, view.top + 48
    canvas.dot((x, y), 25, PAPER, edge=RULE)
    canvas.polygon([(x, y - 17), (x + 8, y + 12), (x, y + 6)], INK)
    canvas.polygon([(x, y - 17), (x - 8, y + 12), (x, y + 6)], SOFT)
    canvas.text((x, y - 27), "N", 15, INK, anchor="mb", halo=PAPER)
