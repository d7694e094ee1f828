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
    PANEL,
    RULE,
    SOFT,
    WAY,
    WHITE,
    WIDTH,
)
from geofence.zones import ZoneKind
from missions.picture import Fault, Picture, depth_words
from missions.zone_text import KINDS, heights, short, times


def draw_panel(canvas: Canvas, picture: Picture, kinds: set[ZoneKind]) -> None:
    """Title, verdict, what is violated, and a key for the kinds of zone on the map."""
    x, y, width = WIDTH - PANEL + 6.0, float(MARGIN), PANEL - MARGIN - 6.0
    for line in canvas.wrapped(picture.title, 21, width):
        canvas.text((x, y), line, 21, INK)
        y += 27
    for line in canvas.wrapped(picture.subtitle, 13, width):
        canvas.text((x, y), line, 13, SOFT)
        y += 19
    y += 8
    color, word = (GO, "ALLOWED") if picture.allowed else (HIT, "NOT ALLOWED")
    canvas.box((x, y, x + width, y + 40), color)
    canvas.text((x + 14, y + 20), word, 20, WHITE, anchor="lm")
    verdict = picture.seen.verdict
    if verdict.clearance_m is not None and picture.allowed:
        words = f"line to {verdict.nearest_zone_id}: {verdict.clearance_m:.0f} m"
        canvas.text((x + width - 12, y + 20), words, 13, WHITE, anchor="rm")
    y += 54
    y = _tallies(canvas, (x, y), picture)
    legend_top = HEIGHT - MARGIN - 26 * (len(kinds) + 5) - 10
    rows = [(str(fault.number), _words(fault)) for fault in picture.faults]
    rows += [("!", reason.text) for reason in picture.seen.reasons]
    cut, more = False, picture.faults_left_out
    for number, (mark, words) in enumerate(rows):
        lines = canvas.wrapped(words, 13, width - 34)
        if y + 19 * len(lines) + 22 > legend_top:
            canvas.text((x + 32, y), f"and {len(rows) - number + more} more", 13, SOFT)
            cut = True
            break
        canvas.dot((x + 12, y + 11), 11, HIT)
        canvas.text((x + 12, y + 11), mark, 13, WHITE, anchor="mm")
        for line in lines:
            canvas.text((x + 32, y + 2), line, 13, INK)
            y += 19
        y += 10
    if not cut:
        _zones(canvas, (x, y + 6), picture, legend_top, width)
    _legend(canvas, (x, legend_top), kinds)


def _zones(canvas: Canvas, at: Point, picture: Picture, bottom: float, width: float) -> None:
    """What the nearest zones say: kind, heights, times; violated ones first, as far as they fit."""
    x, y = at
    for number, each in enumerate(picture.zones):
        zone = each.zone
        words = f"{KINDS[zone.kind]}, {heights(zone)}, {times(zone.schedule)}"
        if zone.permit:
            words += f", permit {zone.permit}"
        lines = canvas.wrapped(words, 12, width - 16)
        head = 20 if number == 0 else 0
        if y + head + 18 + 17 * len(lines) + 16 > bottom:
            return
        if number == 0:
            canvas.text((x, y), "Zones here", 14, INK)
            y += 24
        canvas.box((x, y + 2, x + 6, y + 15 + 17 * len(lines)), COLORS[zone.kind])
        canvas.text((x + 14, y), short(zone.zone_id, zone.name), 13, INK)
        y += 18
        for line in lines:
            canvas.text((x + 14, y), line, 12, SOFT)
            y += 17
        y += 8


def _tallies(canvas: Canvas, at: Point, picture: Picture) -> float:
    """How the mission itself and each kind of contingency fares; gives where to go on."""
    x, y = at
    for tally in picture.tallies:
        if tally.note:
            canvas.text((x, y), f"{tally.what}: {tally.note}", 14, INK)
        else:
            told, color = (
                ("clear", GO) if not tally.violated else (f"{tally.violated} violated", HIT)
            )
            canvas.text((x, y), tally.what, 14, INK)
            canvas.text((WIDTH - MARGIN, y), told, 14, color, anchor="rt")
        y += 23
    return y + 12


def _words(fault: Fault) -> str:
    violation = fault.violation
    zone = short(violation.zone_id, violation.zone_name)
    label = violation.label[:1].upper() + violation.label[1:]
    if violation.max_speed_mps is not None:
        return f"{label}: {violation.reason}"
    return f"{label}: {depth_words(violation)} {zone}"


def _legend(canvas: Canvas, at: Point, kinds: set[ZoneKind]) -> None:
    x, y = at
    canvas.line([(x, y), (WIDTH - MARGIN, y)], RULE, 1.2)
    y += 22
    rows: list[tuple[str, ZoneKind | str]] = [("path, with direction of flight", "way")]
    rows += [("corridor that is kept clear", "own"), ("air that a failsafe may use", "spare")]
    rows += [("violation: entry to exit", "hit"), ("home", "home")]
    rows += [(KINDS[kind], kind) for kind in ZoneKind if kind in kinds]
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
