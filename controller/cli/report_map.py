"""The report's map: zones, streets and tracks as one SVG drawing.

Owns the projection (longitude shortened by the cosine of the middle latitude: fine for a city)
and the reading of the truth file.
"""

from __future__ import annotations

import contextlib
import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

WIDTH = 1180.0
M_PER_DEG = 111_320.0
NEAR_PX = 1.2
"""Track points nearer than this to the last one drawn are left out."""
NAMED_PX = 22.0
"""A zone narrower than twice this has its name in its title alone."""

# Okabe and Ito's colour-blind-safe set, darkened for a light ground, then tints of it
COLOURS = (
    "#0072b2", "#d55e00", "#007a5a", "#b0468f", "#8a6d00", "#3a8fc2", "#7a3e00", "#4b4bb3",
    "#00867d", "#a83250", "#5c7a00", "#6b4fa0",
)  # fmt: skip
ROBOT_COLOURS = ("#222222", "#4a4a4a", "#5a4632", "#2f4858", "#4b3b52", "#37503c")

ZONE_LOOK: Mapping[str, tuple[str, str]] = {
    "no_fly": ("url(#hatch-no)", "#8c2f2f"),
    "restricted": ("url(#hatch-restricted)", "#8a6100"),
    "keep_in": ("none", "#3d6b99"),
    "advisory": ("url(#dots)", "#6a6f75"),
}


@dataclass(slots=True)
class Track:
    """Where one vehicle really was."""

    points: list[tuple[float, float]] = field(default_factory=list)
    """Longitude and latitude."""
    releases: list[tuple[float, float, str]] = field(default_factory=list)
    length_m: float = 0.0


def read_tracks(truth: Path) -> dict[str, Track]:
    """Tracks by vehicle from a truth file of JSON lines; a last line cut short is left out."""
    tracks: dict[str, Track] = {}
    with truth.open(encoding="utf-8") as lines:
        for line in lines:
            with contextlib.suppress(ValueError):
                _take(tracks, json.loads(line))
    return tracks


def _take(tracks: dict[str, Track], sample: Mapping[str, Any]) -> None:
    if "vehicle_id" not in sample:
        return
    here = (float(sample["lon_deg"]), float(sample["lat_deg"]))
    track = tracks.setdefault(str(sample["vehicle_id"]), Track())
    if track.points:
        track.length_m += _metres(track.points[-1], here)
    if not track.points or track.points[-1] != here:
        track.points.append(here)
    if sample.get("event") in {"released", "dropped"}:
        track.releases.append((*here, str(sample.get("detail", ""))))


def _metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    east = (b[0] - a[0]) * math.cos(math.radians(a[1]))
    return math.hypot(east, b[1] - a[1]) * M_PER_DEG


def colour_of(vehicle_id: str, kinds: Mapping[str, str]) -> str:
    """A vehicle's colour, the same in map and legend."""
    kind = kinds.get(vehicle_id, "")
    same = sorted(v for v, k in kinds.items() if k == kind)
    colours = ROBOT_COLOURS if kind == "robot" else COLOURS
    return colours[same.index(vehicle_id) % len(colours)] if vehicle_id in same else "#555555"


@dataclass(frozen=True, slots=True)
class Frame:
    """Longitude and latitude to pixels."""

    west: float
    north: float
    px_per_deg: float
    stretch: float
    height: float

    @classmethod
    def around(cls, points: Sequence[tuple[float, float]]) -> Frame:
        """A frame of WIDTH that holds all points with a margin."""
        lons = [p[0] for p in points] or [0.0, 0.01]
        lats = [p[1] for p in points] or [0.0, 0.01]
        stretch = math.cos(math.radians((min(lats) + max(lats)) / 2))
        width_deg = max((max(lons) - min(lons)) * stretch, 0.004) * 1.08
        height_deg = max(max(lats) - min(lats), 0.002) * 1.08
        px = min(WIDTH / width_deg, 900.0 / height_deg)
        middle_lon = (min(lons) + max(lons)) / 2
        middle_lat = (min(lats) + max(lats)) / 2
        return cls(
            west=middle_lon - WIDTH / px / stretch / 2,
            north=middle_lat + height_deg / 2,
            px_per_deg=px,
            stretch=stretch,
            height=height_deg * px,
        )

    def xy(self, point: Sequence[float]) -> tuple[float, float]:
        """Pixels from the upper left corner."""
        x = (point[0] - self.west) * self.stretch * self.px_per_deg
        return x, (self.north - point[1]) * self.px_per_deg

    def metres(self, metres: float) -> float:
        """Pixels of a length."""
        return metres / M_PER_DEG * self.px_per_deg

    def path(self, points: Iterable[Sequence[float]], *, near_px: float = 0.0) -> str:
        """An SVG path through points; those nearer than `near_px` to the last are left out."""
        told: list[str] = []
        last = (math.inf, math.inf)
        end = ""
        for point in points:
            x, y = self.xy(point)
            end = f"{x:.1f} {y:.1f}"
            if math.hypot(x - last[0], y - last[1]) >= near_px:
                told.append(end)
                last = (x, y)
        if told and told[-1] != end:
            told.append(end)
        return "M" + "L".join(told) if told else ""


def draw_map(
    tracks: Mapping[str, Track],
    kinds: Mapping[str, str],
    *,
    zones: Sequence[Mapping[str, Any]],
    streets: Sequence[Mapping[str, Any]],
    parcels: Sequence[Mapping[str, Any]],
    bases: Sequence[Mapping[str, Any]],
) -> str:
    """The SVG drawing."""
    seen = [p for t in tracks.values() for p in t.points]
    seen += [(p["destination"]["lon_deg"], p["destination"]["lat_deg"]) for p in parcels]
    frame = Frame.around(seen)
    body = [
        _streets(frame, streets),
        *(_zone(frame, z) for z in zones),
        *(_track(frame, v, tracks[v], kinds) for v in sorted(tracks)),
        *(_destination(frame, p) for p in parcels),
        *(_zone_name(frame, z) for z in zones),
        *(_base(frame, b) for b in {b["id"]: b for b in bases}.values()),
        _scale_bar(frame),
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {frame.height:.0f}" role="img" '
        'aria-label="Map of tracks over zones" font-family="system-ui,sans-serif">'
        f"{_DEFS}{''.join(body)}</svg>"
    )


def _streets(frame: Frame, streets: Sequence[Mapping[str, Any]]) -> str:
    parts = [
        frame.path(f["geometry"]["coordinates"], near_px=2.0)
        for f in streets
        if f["geometry"]["type"] == "LineString"
    ]
    path = "".join(parts)
    return f'<path d="{path}" fill="none" stroke="#fff" stroke-width="1.6"/>' if path else ""


def _zone(frame: Frame, feature: Mapping[str, Any]) -> str:
    told = feature["properties"]
    fill, line = ZONE_LOOK.get(told.get("kind", ""), ("none", "#666"))
    title = f"<title>{escape(zone_words(told))}</title>"
    look = f'fill="{fill}" stroke="{line}" stroke-width="1.5" fill-rule="evenodd"'
    if told.get("kind") == "keep_in":
        look += ' stroke-dasharray="8 5"'
    shape = feature["geometry"]
    if shape["type"] == "Point":
        x, y = frame.xy(shape["coordinates"])
        radius = frame.metres(told["radius_m"])
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" {look}>{title}</circle>'
    path = "".join(frame.path(ring) + "Z" for rings in _polygons(shape) for ring in rings)
    return f'<path d="{path}" {look}>{title}</path>'


def _polygons(shape: Mapping[str, Any]) -> Sequence[Any]:
    whole = shape["type"] == "MultiPolygon"
    return list(shape["coordinates"]) if whole else [shape["coordinates"]]


def zone_words(told: Mapping[str, Any]) -> str:
    """A zone's name, kind and limits: whom it binds, at which heights, and whether always."""
    floor, ceiling = (_limit(told.get(end)) for end in ("floor", "ceiling"))
    words = [str(told.get("kind", "")).replace("_", "-")]
    if floor or ceiling:
        words.append(f"{floor or 'ground'} to {ceiling or 'unlimited'}")
    words += [f"for {c.replace('multirotor', 'drone')}s" for c in told.get("classes") or ()]
    if told.get("schedule"):
        words.append("at its hours only")
    return f"{told.get('name', '')}: {', '.join(words)}"


def _limit(limit: Mapping[str, Any] | None) -> str:
    return f"{limit['value_m']:g} m {limit['datum']}" if limit else ""


def _zone_name(frame: Frame, feature: Mapping[str, Any]) -> str:
    """The name of a zone that has room for it: over a circle, under a polygon."""
    told, shape = feature["properties"], feature["geometry"]
    if told.get("kind") == "keep_in":
        return ""
    lines = textwrap.wrap(str(told.get("name", "")), 22)
    if shape["type"] == "Point":
        x, middle = frame.xy(shape["coordinates"])
        half = frame.metres(told["radius_m"])
        y = middle - half - 13 * len(lines) - 5
    else:
        corners = [frame.xy(p) for rings in _polygons(shape) for p in rings[0]]
        left, right = min(c[0] for c in corners), max(c[0] for c in corners)
        x, half, y = (left + right) / 2, (right - left) / 2, max(c[1] for c in corners) + 2
    if half < NAMED_PX or not (half < x < WIDTH - half and 0 < y < frame.height - 30):
        return ""
    rows = "".join(f'<tspan x="{x:.1f}" dy="13">{escape(row)}</tspan>' for row in lines)
    return (
        f'<text y="{y:.1f}" font-size="11.5" text-anchor="middle" fill="#333a41" '
        f'stroke="#eceeef" stroke-width="3" paint-order="stroke">{rows}</text>'
    )


def _track(frame: Frame, vehicle_id: str, track: Track, kinds: Mapping[str, str]) -> str:
    colour = colour_of(vehicle_id, kinds)
    dash = ' stroke-dasharray="5 3"' if kinds.get(vehicle_id) == "robot" else ""
    drawn = (
        f'<path d="{frame.path(track.points, near_px=NEAR_PX)}" fill="none" stroke="{colour}" '
        f'stroke-width="2" stroke-opacity=".85" stroke-linejoin="round"{dash}>'
        f"<title>{escape(vehicle_id)}: {track.length_m / 1000:.1f} km</title></path>"
    )
    for lon, lat, detail in track.releases:
        x, y = frame.xy((lon, lat))
        drawn += (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" fill="{colour}" stroke="#fff">'
            f"<title>{escape(vehicle_id)} released {escape(detail)}</title></circle>"
        )
    return drawn


def _destination(frame: Frame, parcel: Mapping[str, Any]) -> str:
    to = parcel["destination"]
    x, y = frame.xy((to["lon_deg"], to["lat_deg"]))
    title = f"<title>{escape(parcel['id'])}: {escape(parcel['state'])}</title>"
    if parcel["state"] == "delivered":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="none" stroke="#444">{title}</circle>'
    return (
        f'<path d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10" stroke="#a4161a" '
        f'stroke-width="2.4">{title}</path>'
    )


def _base(frame: Frame, base: Mapping[str, Any]) -> str:
    x, y = frame.xy((base["position"]["lon_deg"], base["position"]["lat_deg"]))
    name = escape(base["name"] or base["id"])
    return (
        f'<rect x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12" fill="#fff" stroke="#111" '
        f'stroke-width="2.5"/><text x="{x + 11:.1f}" y="{y + 4:.1f}" font-size="13" '
        f'font-weight="600" fill="#111" stroke="#eceeef" stroke-width="3" '
        f'paint-order="stroke">{name}</text>'
    )


def _scale_bar(frame: Frame) -> str:
    metres = next(
        (m for m in (10_000, 5000, 2000, 1000, 500, 200, 100, 50) if frame.metres(m) <= WIDTH / 5),
        50,
    )
    length, y = frame.metres(metres), frame.height - 22
    label = f"{metres // 1000} km" if metres >= 1000 else f"{metres} m"
    return (
        f'<path d="M24 {y - 6:.1f}v6h{length:.1f}v-6" fill="none" stroke="#111" stroke-width="2"/>'
        f'<text x="{28 + length:.1f}" y="{y:.1f}" font-size="13" fill="#111">{label}</text>'
        f'<path d="M{WIDTH - 30:.1f} {frame.height - 20:.1f}v-28l-6 10m6 -10l6 10" fill="none" '
        f'stroke="#111" stroke-width="2"/><text x="{WIDTH - 34:.1f}" y="{frame.height - 54:.1f}" '
        'font-size="13" fill="#111">N</text>'
    )


def zone_legend() -> list[str]:
    """What zones and parcels look like, as list items for a page that has the drawing."""
    drawn = []
    for kind, name in (
        ("no_fly", "no-fly"),
        ("restricted", "restricted"),
        ("advisory", "advisory"),
        ("keep_in", "keep inside"),
    ):
        fill, line = ZONE_LOOK[kind]
        dash = ' stroke-dasharray="5 3"' if kind == "keep_in" else ""
        drawn.append(
            f'<rect x="1" y="1" width="24" height="12" fill="{fill}" stroke="{line}"{dash}/>|{name}'
        )
    drawn += [
        '<circle cx="13" cy="7" r="5.5" fill="none" stroke="#444"/>|delivered',
        '<path d="M9 3l8 8m0 -8l-8 8" stroke="#a4161a" stroke-width="2.4"/>|not delivered',
    ]
    items = (look.split("|") for look in drawn)
    return [
        f'<li><svg width="26" height="14" aria-hidden="true">{shape}</svg> {name}</li>'
        for shape, name in items
    ]


_DEFS = (
    '<defs><pattern id="hatch-no" width="7" height="7" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><line y2="7" stroke="#8c2f2f" stroke-width="1.6" '
    'stroke-opacity=".55"/></pattern>'
    '<pattern id="hatch-restricted" width="9" height="9" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(-45)"><line y2="9" stroke="#8a6100" stroke-width="1.4" '
    'stroke-opacity=".55"/></pattern>'
    '<pattern id="dots" width="9" height="9" patternUnits="userSpaceOnUse">'
    '<circle cx="2" cy="2" r="1.1" fill="#6a6f75" fill-opacity=".7"/></pattern></defs>'
)
