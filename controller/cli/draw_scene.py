"""Sizes, colors and dashes of the picture of a checked mission.

Owns the palette. Must not draw.
"""

from __future__ import annotations

from controller.cli.draw_canvas import Color
from geofence.zones import ZoneKind

WIDTH, HEIGHT = 1600, 1080
PANEL = 410
MARGIN = 18

INK: Color = (28, 36, 48)
SOFT: Color = (104, 116, 132)
PAPER: Color = (246, 247, 244)
PANEL_PAPER: Color = (255, 255, 255)
RULE: Color = (221, 225, 228)
WAY: Color = (20, 70, 160)
HIT: Color = (200, 16, 40)
BACK: Color = (120, 92, 160)
EARTH: Color = (150, 128, 96)
GO: Color = (24, 128, 72)
WHITE: Color = (255, 255, 255)

COLORS: dict[ZoneKind, Color] = {
    ZoneKind.NO_FLY: (206, 44, 60),
    ZoneKind.RESTRICTED: (216, 128, 8),
    ZoneKind.ADVISORY: (40, 132, 176),
    ZoneKind.KEEP_IN: (36, 140, 84),
}
DASHES: dict[ZoneKind, tuple[float, float] | None] = {
    ZoneKind.NO_FLY: None,
    ZoneKind.RESTRICTED: (12.0, 5.0),
    ZoneKind.ADVISORY: (3.0, 5.0),
    ZoneKind.KEEP_IN: None,
}
