"""The panel beside the map: verdict, violations and key.

Owns that panel. Must not know the map.
"""

from __future__ import annotations

import shapely

from controller.cli.draw_canvas import Canvas, Point, arrow_head
from controller.cli.draw_scene import (
    BACK,
    COLORS,
    DASHES,
    GO,
    HEIGHT,
    HIT,
    INK,
    MARGIN,
    NAMES,
    PANEL,
    RULE,
    SOFT,
    WAY,
    WHITE,
    WIDTH,
    Scene,
)
from geofence.check import Violation
from geofence.zones import ZoneKind
from missions.contingency import LANDING_LABEL, RALLY_LABEL, RETURN_LABEL


def draw_panel(canvas: Canvas, scene: Scene, kinds: set[ZoneKind]) -> None:
    """Title, verdict, what is violated, and a key for the kinds of zone on the map."""
    x, y, width = WIDTH - PANEL + 6.0, float(MARGIN), PANEL - MARGIN - 6.0
    for line in canvas.wrapped(scene.title, 21, width):
        canvas.text((x, y), line, 21, INK)
        y += 27
    for line in canvas.wrapped(scene.subtitle, 13, width):
        canvas.text((x, y), line, 13, SOFT)
        y += 19
    y += 8
    color, word = (GO, "CLEAR") if scene.verdict.allowed else (HIT, "NOT ALLOWED")
    canvas.box((x, y, x + width, y + 40), color)
    canvas.text((x + 14, y + 20), word, 20, WHITE, anchor="lm")
    clearance = scene.verdict.clearance_m
    if clearance is not None and scene.verdict.allowed:
        words = f"line to {scene.verdict.nearest_zone_id}: {clearance:.0f} m"
        canvas.text((x + width - 12, y + 20), words, 13, WHITE, anchor="rm")
    y += 54
    y = _tallies(canvas, (x, y), scene)
    legend_top = HEIGHT - MARGIN - 26 * (len(kinds) + 5) - 10
    for number, violation in enumerate(scene.violations, 1):
        lines = canvas.wrapped(_words(violation), 13, width - 34)
        if y + 19 * len(lines) + 22 > legend_top:
            more = len(scene.violations) - number + 1
            canvas.text((x + 32, y), f"and {more} more", 13, SOFT)
            break
        canvas.dot((x + 12, y + 11), 11, HIT)
        canvas.text((x + 12, y + 11), str(number), 13, WHITE, anchor="mm")
        for line in lines:
            canvas.text((x + 32, y + 2), line, 13, INK)
            y += 19
        y += 10
    _legend(canvas, (x, legend_top), kinds)


def _tallies(canvas: Canvas, at: Point, scene: Scene) -> float:
    """How the mission itself and each kind of contingency fares; gives where to go on."""
    x, y = at
    rows = [("Mission: legs and discs", "")]
    labels = {leg.label for leg in scene.spare.legs} | {disc.label for disc in scene.spare.discs}
    for words, prefix in (
        ("Straight returns", RETURN_LABEL),
        ("Returns to rally points", RALLY_LABEL),
        ("Landings in place", LANDING_LABEL),
    ):
        if any(label.startswith(prefix) for label in labels):
            rows.append((words, prefix))
    for words, prefix in rows:
        count = sum(
            v.label.startswith(prefix) if prefix else v.label not in labels
            for v in scene.violations
        )
        canvas.text((x, y), words, 14, INK)
        told, color = ("clear", GO) if not count else (f"{count} violated", HIT)
        canvas.text((WIDTH - MARGIN, y), told, 14, color, anchor="rt")
        y += 23
    if len(rows) == 1:
        canvas.text((x, y), "Contingencies: the mission's own checked return path", 14, INK)
        y += 23
    return y + 12


def _words(violation: Violation) -> str:
    zone = violation.zone_id
    if violation.zone_name and violation.zone_name != zone:
        zone = f"{zone} {violation.zone_name}"
    way = "out of" if violation.kind is ZoneKind.KEEP_IN else "into"
    label = violation.label[:1].upper() + violation.label[1:]
    return f"{label}: {violation.depth_m:.0f} m {way} {zone}"


def _legend(canvas: Canvas, at: Point, kinds: set[ZoneKind]) -> None:
    x, y = at
    canvas.line([(x, y), (WIDTH - MARGIN, y)], RULE, 1.2)
    y += 22
    rows: list[tuple[str, ZoneKind | str]] = [("path, with direction of flight", "way")]
    rows += [("corridor that is kept clear", "own"), ("air that a failsafe may use", "spare")]
    rows += [("violation: entry to exit", "hit"), ("home", "home")]
    rows += [(NAMES[kind], kind) for kind in ZoneKind if kind in kinds]
    for words, what in rows:
        _sample(canvas, x, y, what)
        canvas.text((x + 58, y), words, 13, INK, anchor="lm")
        y += 26


def _sample(canvas: Canvas, x: float, y: float, what: ZoneKind | str) -> None:
    box = shapely.box(x, y - 8, x + 44, y + 8)
    ring = list(box.exterior.coords)
    match what:
        case ZoneKind():
            color = COLORS[what]
            hatch = {ZoneKind.NO_FLY: 9.0, ZoneKind.KEEP_IN: 14.0}.get(what, 0.0)
            canvas.area(box, color, 0.15, hatch=hatch, hatch_alpha=0.4)
            canvas.line(ring, color, 1.9, dash=DASHES[what])
        case "way":
            canvas.line([(x, y), (x + 44, y)], WAY, 3.2)
            canvas.polygon(arrow_head((x + 26, y), 0.0, 9), WAY)
        case "own":
            canvas.area(box, WAY, 0.17)
            canvas.line(ring, WAY, 1.0, dash=(5.0, 4.0))
        case "spare":
            canvas.area(box, BACK, 0.16)
        case "hit":
            canvas.line([(x + 4, y), (x + 40, y)], HIT, 6.0)
            canvas.dot((x + 4, y), 4.5, WHITE, edge=HIT)
            canvas.dot((x + 40, y), 4.5, WHITE, edge=HIT)
        case _:
            canvas.dot((x + 22, y), 10, WAY, edge=WHITE)
            canvas.text((x + 22, y), "H", 12, WHITE, anchor="mm")
