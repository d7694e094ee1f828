"""A mission among zones as a picture: map, height profile, verdict and key.

Owns what is drawn where. Must not check anything: it draws a verdict that was given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import shapely
import shapely.ops

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
    Scene,
)
from geofence.check import FlightPath, PathLeg
from geofence.frames import LatLon, LocalFrame
from geofence.zones import CircleArea, Zone, ZoneKind
from missions.model import ItemKind

MIN_SPAN_M = 250.0
"""Least that the map shows."""


class _View:
    """From positions to pixels of the map."""

    def __init__(self, scene: Scene) -> None:
        places = [p for leg in (*scene.own.legs, *scene.spare.legs) for p in (leg.start, leg.end)]
        places += [disc.center for disc in (*scene.own.discs, *scene.spare.discs)]
        places.append(scene.mission.home)
        self.frame = LocalFrame(places[0])
        xy = np.array([self.frame.xy(place) for place in places])
        wide = max((leg.corridor_m for leg in scene.own.legs), default=0.0)
        low, high = xy.min(axis=0) - wide, xy.max(axis=0) + wide
        self.left, self.top = MARGIN, MARGIN
        self.right, self.bottom = WIDTH - PANEL - MARGIN, HEIGHT - PROFILE_HEIGHT - 2 * MARGIN
        span = np.maximum((high - low) * 1.25, MIN_SPAN_M)
        width, height = self.right - self.left, self.bottom - self.top
        self.per_m = min(width / span[0], height / span[1])
        self.middle = (low + high) / 2.0

    def xy(self, x: float, y: float) -> Point:
        """A point of the frame in pixels."""
        return (
            (self.left + self.right) / 2 + (x - self.middle[0]) * self.per_m,
            (self.top + self.bottom) / 2 - (y - self.middle[1]) * self.per_m,
        )

    def at(self, place: LatLon) -> Point:
        return self.xy(*self.frame.xy(place))

    @property
    def window(self) -> shapely.Polygon:
        return shapely.box(self.left, self.top, self.right, self.bottom)

    def zone(self, zone: Zone) -> shapely.Geometry:
        """The zone in pixels, cut to the map."""
        if isinstance(zone.area, CircleArea):
            center = shapely.Point(self.at(zone.area.center))
            return center.buffer(zone.area.radius_m * self.per_m, quad_segs=48)
        rings = [zone.area.shell, *zone.area.holes]
        shell, *holes = ([self.at(p) for p in ring] for ring in rings)
        return shapely.Polygon(shell, holes)

    def corridor(self, path: FlightPath) -> shapely.Geometry:
        """Everything that the corridors and discs of a path cover."""
        parts = [
            shapely.LineString([self.at(leg.start), self.at(leg.end)]).buffer(
                leg.corridor_m * self.per_m
            )
            for leg in path.legs
        ]
        parts += [
            shapely.Point(self.at(disc.center)).buffer(disc.radius_m * self.per_m)
            for disc in path.discs
        ]
        return shapely.union_all(parts).intersection(self.window)


def draw(scene: Scene, file: Path) -> None:
    """Write the picture of a checked mission as PNG. Raises OSError where it cannot."""
    canvas = Canvas(WIDTH, HEIGHT, PANEL_PAPER)
    view = _View(scene)
    canvas.box((view.left, view.top, view.right, view.bottom), PAPER)
    _grid(canvas, view)
    hit = {violation.zone_id for violation in scene.verdict.violations}
    shapes = list(_visible(scene, view))
    for zone, shape in shapes:
        _zone(canvas, view, zone, shape, hit=zone.zone_id in hit)
    own, spare = view.corridor(scene.own), view.corridor(scene.spare)
    canvas.area(spare.difference(own), BACK, 0.13)
    canvas.area(own, WAY, 0.17)
    for part in shapely.get_parts(own):
        canvas.line(list(part.exterior.coords), WAY, 1.0, dash=(5.0, 4.0))
    taken = _way(canvas, view, scene)
    taken += _violations(canvas, view, scene)
    taken.append(shapely.box(view.right - 66, view.top, view.right, view.top + 80))
    taken.append(shapely.box(view.left, view.bottom - 56, view.left + 310, view.bottom))
    _labels(canvas, view, shapes, taken)
    _frame(canvas, view)
    draw_panel(canvas, scene, {zone.kind for zone, _ in shapes})
    box = (view.left, view.bottom + MARGIN, view.right, HEIGHT - MARGIN)
    draw_profile(
        canvas,
        box,
        scene.own,
        zones=scene.zones,
        surroundings=scene.surroundings,
        colors=COLORS,
        hit=hit,
    )
    canvas.save(file)


def _visible(scene: Scene, view: _View) -> Iterator[tuple[Zone, shapely.Geometry]]:
    """Zones on the map, the widest first; a mission does not care for those of other vehicles."""
    found = []
    for zone in scene.zones:
        if not zone.binds(scene.own.vehicle_class):
            continue
        shape = view.zone(zone)
        if shape.intersects(view.window):
            found.append((zone, shape))
    yield from sorted(found, key=lambda each: -each[1].area)


def _zone(canvas: Canvas, view: _View, zone: Zone, shape: shapely.Geometry, *, hit: bool) -> None:
    color, seen = COLORS[zone.kind], shape.intersection(view.window)
    if zone.kind is ZoneKind.KEEP_IN:
        canvas.area(view.window.difference(shape), color, 0.10, hatch=14.0, hatch_alpha=0.25)
    elif zone.kind is ZoneKind.NO_FLY:
        canvas.area(seen, color, 0.30 if hit else 0.14, hatch=9.0, hatch_alpha=0.45)
    else:
        canvas.area(seen, color, 0.28 if hit else 0.13)
    width = 3.4 if hit else 1.9
    outline = shape.boundary.intersection(view.window)
    for line in shapely.get_parts(shapely.line_merge(outline)):
        if line.geom_type == "LineString":
            canvas.line(list(line.coords), color, width, dash=DASHES[zone.kind])


def limits(zone: Zone) -> str:
    """Floor and ceiling in words."""
    if zone.floor is None and zone.ceiling is None:
        return "all heights"
    low = "ground" if zone.floor is None else f"{zone.floor.value_m:g} m {zone.floor.datum.value}"
    if zone.ceiling is None:
        return f"{low} and up"
    if zone.floor is not None and zone.floor.datum is zone.ceiling.datum:
        low = f"{zone.floor.value_m:g}"
    return f"{low} - {zone.ceiling.value_m:g} m {zone.ceiling.datum.value}"


def _labels(
    canvas: Canvas,
    view: _View,
    shapes: Sequence[tuple[Zone, shapely.Geometry]],
    taken: list[shapely.Polygon],
) -> None:
    """Name and heights of each zone, where they hide nothing; the smallest zones choose first."""
    inner = view.window.buffer(-6)
    for zone, shape in reversed(shapes):
        name = zone.zone_id
        if zone.name and zone.name != zone.zone_id:
            name = f"{zone.zone_id} {zone.name}"
        name = name if len(name) <= 34 else f"{name[:32]}..."
        width = max(canvas.text_width(name, 14), canvas.text_width(limits(zone), 12)) + 8
        spot = _spot(shape, inner, width, 36.0, taken)
        if spot is None:
            continue
        x, y = spot
        taken.append(shapely.box(x - width / 2, y - 18, x + width / 2, y + 18))
        color = tuple(round(v * 0.72) for v in COLORS[zone.kind])
        ink: Color = (color[0], color[1], color[2])
        canvas.text((x, y - 8), name, 14, ink, anchor="mm", halo=PAPER)
        canvas.text((x, y + 9), limits(zone), 12, ink, anchor="mm", halo=PAPER)


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


def _way(canvas: Canvas, view: _View, scene: Scene) -> list[shapely.Polygon]:
    """The line flown, its waypoints with number and height; gives the room that they take."""
    lines = _lines(scene.own.legs)
    taken = []
    for leg in lines:
        points = [view.at(leg.start), view.at(leg.end)]
        canvas.line(points, WHITE, 6.5)
        taken.append(shapely.LineString(points).buffer(7))
    for leg in lines:
        points = [view.at(leg.start), view.at(leg.end)]
        canvas.line(points, WAY, 3.2)
        (x0, y0), (x1, y1) = points
        if math.hypot(x1 - x0, y1 - y0) > 60:
            tip = (x0 + (x1 - x0) * 0.55, y0 + (y1 - y0) * 0.55)
            canvas.polygon(arrow_head(tip, math.atan2(y1 - y0, x1 - x0), 10), WAY)
    home = view.at(scene.mission.home)
    numbers: dict[LatLon, list[str]] = {}
    heights: dict[LatLon, float] = {}
    for number, item in enumerate(scene.mission.items, 1):
        if item.kind is ItemKind.WAYPOINT and item.position is not None:
            numbers.setdefault(item.position, []).append(str(number))
            heights[item.position] = max(item.alt_home_m, heights.get(item.position, 0.0))
    for place, known in numbers.items():
        at = view.at(place)
        if math.dist(at, home) < 14:
            continue
        canvas.dot(at, 6.5, WHITE, edge=WAY)
        text = ",".join(known if len(known) <= 3 else [*known[:2], "..."])
        text += f" at {heights[place]:.0f} m"
        x, y = at[0] + 10, at[1] - 16
        canvas.text((x, y), text, 13, WAY, halo=PAPER)
        wide = canvas.text_width(text, 13)
        taken.append(shapely.box(x - 2, y - 2, x + wide + 2, y + 16))
        taken.append(shapely.Point(at).buffer(10))
    canvas.dot(home, 12, WAY, edge=WHITE)
    canvas.text(home, "H", 15, WHITE, anchor="mm")
    taken.append(shapely.Point(home).buffer(16))
    return taken


def _lines(legs: Sequence[PathLeg]) -> list[PathLeg]:
    """One leg a line: the heights that a leg is laid at share theirs."""
    return list({(leg.start, leg.end): leg for leg in legs}.values())


def _violations(canvas: Canvas, view: _View, scene: Scene) -> list[shapely.Polygon]:
    lines: list[shapely.Polygon] = []
    own = {leg.label for leg in scene.own.legs} | {disc.label for disc in scene.own.discs}
    spans = [(view.at(each.entry), view.at(each.exit)) for each in scene.violations]
    for violation, (begin, end) in zip(scene.violations, spans, strict=True):
        dash = None if violation.label in own else (10.0, 6.0)
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
    for number, at in enumerate(marks, 1):
        canvas.dot(at, 11, HIT, edge=WHITE)
        canvas.text(at, str(number), 13, WHITE, anchor="mm")
    return [shapely.Point(at).buffer(14) for at in marks] + lines


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
