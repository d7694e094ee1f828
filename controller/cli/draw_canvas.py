"""A supersampled canvas: smooth lines, patterns, text with a halo.

Owns pixels. Must not know missions or zones. All lengths are in pixels of the finished picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import shapely
import shapely.ops
from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]
Color = tuple[int, int, int]

SCALE = 2
"""Pixels drawn for each pixel of the picture."""


class Canvas:
    """A picture of `width` by `height` pixels in the making."""

    def __init__(self, width: int, height: int, background: Color) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width * SCALE, height * SCALE), background)
        self._fonts: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}

    @cached_property
    def _draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self._image)

    def area(
        self,
        shape: shapely.Geometry,
        color: Color,
        alpha: float,
        *,
        hatch: float = 0.0,
        hatch_alpha: float = 0.0,
    ) -> None:
        """Fill polygons, holes left out; `hatch` is the distance of diagonal lines, 0 for none."""
        shape = shapely.box(0, 0, self.width, self.height).intersection(shape)
        if shape.is_empty:
            return
        west, north, east, south = (round(v * SCALE) for v in shape.bounds)
        size = (max(1, east - west + 1), max(1, south - north + 1))
        mask = Image.new("L", size, 0)
        pen = ImageDraw.Draw(mask)
        for part in shapely.get_parts(shape):
            if part.geom_type != "Polygon":
                continue
            pen.polygon(_moved(part.exterior.coords, west, north), fill=255)
            for hole in part.interiors:
                pen.polygon(_moved(hole.coords, west, north), fill=0)
        solid = mask.point([round(v * alpha) for v in range(256)])
        self._image.paste(color, (west, north), solid)
        if hatch:
            lines = Image.new("L", size, 0)
            self._hatch(ImageDraw.Draw(lines), size, hatch * SCALE, (west + north))
            both = Image.new("L", size, 0)
            both.paste(lines, (0, 0), mask)
            strong = both.point([round(v * hatch_alpha) for v in range(256)])
            self._image.paste(color, (west, north), strong)

    @staticmethod
    def _hatch(pen: ImageDraw.ImageDraw, size: tuple[int, int], step: float, phase: float) -> None:
        width, height = size
        at = -(phase % step)
        while at < width + height:
            pen.line([(at, 0), (at - height, height)], fill=255, width=SCALE)
            at += step

    def line(
        self,
        points: Sequence[Point],
        color: Color,
        width: float,
        *,
        dash: tuple[float, float] | None = None,
        alpha: float = 1.0,
    ) -> None:
        """A line with round joins, dashed where `dash` gives on and off."""
        if len(points) < 2:
            return
        pieces = _dashes(points, *dash) if dash else [list(points)]
        if alpha < 1.0:
            shape = shapely.union_all([shapely.LineString(p).buffer(width / 2) for p in pieces])
            self.area(shape, color, alpha)
            return
        wide = max(1, round(width * SCALE))
        for piece in pieces:
            scaled = _moved(piece, 0, 0)
            self._draw.line(scaled, fill=color, width=wide, joint="curve")
            if wide > 2 and dash is None:
                for x, y in (scaled[0], scaled[-1]):
                    r = wide / 2 - 0.5
                    self._draw.ellipse((x - r, y - r, x + r, y + r), fill=color)

    def dot(self, at: Point, radius: float, color: Color, *, edge: Color | None = None) -> None:
        """A filled circle, with an edge where a color for it is given."""
        x, y, r = at[0] * SCALE, at[1] * SCALE, radius * SCALE
        box = (x - r, y - r, x + r, y + r)
        self._draw.ellipse(box, fill=color, outline=edge, width=round(1.6 * SCALE))

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """A plain filled polygon."""
        self._draw.polygon(_moved(points, 0, 0), fill=color)

    def box(
        self, corners: tuple[float, float, float, float], color: Color, edge: Color | None = None
    ) -> None:
        """A rectangle: west, north, east, south."""
        scaled = tuple(v * SCALE for v in corners)
        self._draw.rectangle(scaled, fill=color, outline=edge, width=SCALE)

    def _font(self, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        if size not in self._fonts:
            # the font that ships with the library: the same picture on every machine
            self._fonts[size] = ImageFont.load_default(size * SCALE)
        return self._fonts[size]

    def text_width(self, text: str, size: int) -> float:
        """How wide a line of text is."""
        return self._draw.textlength(text, font=self._font(size)) / SCALE

    def text(
        self,
        at: Point,
        text: str,
        size: int,
        color: Color,
        *,
        anchor: str = "lt",
        halo: Color | None = None,
    ) -> None:
        """A line of text; `anchor` as in Pillow: l, m, r and t, m, b."""
        self._draw.text(
            (at[0] * SCALE, at[1] * SCALE),
            text,
            fill=color,
            font=self._font(size),
            anchor=anchor,
            stroke_width=round(2.2 * SCALE) if halo else 0,
            stroke_fill=halo,
        )

    def wrapped(self, text: str, size: int, width: float) -> list[str]:
        """The text in lines no wider than `width`."""
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.text_width(longer, size) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def save(self, path: Path) -> None:
        """Write the picture as PNG. Raises OSError where it cannot be written."""
        small = self._image.resize((self.width, self.height), Image.Resampling.LANCZOS)
        small.save(path, format="PNG", optimize=True)


def _moved(points: Sequence[Point], west: float, north: float) -> list[Point]:
    return [(p[0] * SCALE - west, p[1] * SCALE - north) for p in points]


def _dashes(points: Sequence[Point], on: float, off: float) -> list[list[Point]]:
    line = shapely.LineString(points)
    made: list[list[Point]] = []
    at = 0.0
    while at < line.length and len(made) < 4_000:
        piece = shapely.ops.substring(line, at, min(at + on, line.length))
        if piece.geom_type == "LineString":
            made.append([(x, y) for x, y in piece.coords])
        at += on + off
    return made


def arrow_head(tip: Point, towards: float, size: float) -> list[Point]:
    """A triangle that points along `towards`, radians from the picture's x axis."""
    return [
        (tip[0] + size * math.cos(towards + turn), tip[1] + size * math.sin(towards + turn))
        for turn in (0.0, 2.5, -2.5)
    ]
