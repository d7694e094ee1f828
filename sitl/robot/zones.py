"""What a robot of version 3 knows of zones, and how it keeps to them.

Owns zone sets, requests to enter RELEASE zones and their leases (VDA 5050 3.0, sections 6.4 and
6.9), written against the document without the master's code. Must not drive: it tells how far and
how fast the body may go.

The robot counts as a disc of `RADIUS_M`: any part of it in a zone is the robot in the zone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shapely import LineString, Point, Polygon, prepare
from shapely.geometry.base import BaseGeometry

from sitl.robot.rules import Message, References, Refusal, need, parameter

XY = tuple[float, float]

RADIUS_M = 0.5
SHORT_M = 0.05
"""It stops so far before a border."""
ASK_AHEAD_M = 6.0
"""A RELEASE zone this near on its way is asked for."""
ASK_AGAIN_S = 10.0
"""After a rejection."""
MAX_SETS = 16
TINY_M = 1e-6

KEPT_TYPES = ("BLOCKED", "SPEED_LIMIT", "RELEASE")
LOSS = ("STOP", "CONTINUE", "EVACUATE")


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone, grown by the robot's radius."""

    zone_id: str
    kind: str
    shape: Polygon
    speed_mps: float = math.inf
    on_loss: str = "STOP"

    def along(self, line: LineString) -> tuple[float, float] | None:
        """The first stretch of a line in the zone, metres from its start; None: none."""
        if not self.shape.intersects(line):
            return None
        inside = self.shape.intersection(line)
        spans = sorted(_spans(inside, line))
        return spans[0] if spans else None

    def holds(self, place: XY) -> bool:
        """Whether a robot there is in the zone."""
        return bool(self.shape.contains(Point(place)))


def _spans(inside: BaseGeometry, line: LineString) -> Iterator[tuple[float, float]]:
    for part in getattr(inside, "geoms", [inside]):
        if isinstance(part, LineString) and part.length > TINY_M:
            ends = [line.project(Point(part.coords[i])) for i in (0, -1)]
            yield min(ends), max(ends)


@dataclass(slots=True)
class Request:
    """A wish to enter a RELEASE zone. `until_s`: end of its lease in simulated seconds."""

    request_id: str
    zone_id: str
    status: str = "REQUESTED"
    until_s: float = math.inf
    entered: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What zones let a robot do on the line before it."""

    free_m: float
    """How far it may go."""
    speed_mps: float
    check_m: float
    """How far these limits hold: look anew there."""
    stopped_by: Zone | None = None
    """What it stands before, or may not go on in."""


@dataclass(slots=True)
class ZoneKeeper:
    """Zone sets and requests of one robot. Sets outlive a restart, requests do not."""

    map_id: str
    kinds: tuple[str, ...] = KEPT_TYPES
    sets: dict[str, tuple[Zone, ...]] = field(default_factory=dict)
    enabled: str = ""
    requests: list[Request] = field(default_factory=list)
    _asked: int = 0
    _not_before_s: dict[str, float] = field(default_factory=dict)

    @property
    def zones(self) -> tuple[Zone, ...]:
        """Those that bind."""
        return self.sets.get(self.enabled, ())

    # --- what comes in ---------------------------------------------------------------------

    def take_set(self, message: Message) -> None:
        """Keep a zone set, disabled. Raises Refusal."""
        about: References = (("topic", "zoneSet"),)
        body = need(message, "zoneSet", dict, about)
        set_id = str(need(body, "zoneSetId", str, about))
        about = (("topic", "zoneSet"), ("zoneSetId", set_id))
        if need(body, "mapId", str, about) != self.map_id:
            raise Refusal("UNKNOWN_MAP_ID", f"map {body['mapId']} is not here", about)
        if set_id in self.sets:
            raise Refusal("DUPLICATE_ZONE_SET", f"zone set {set_id} is here already", about)
        if not set_id or len(self.sets) >= MAX_SETS:
            why = "it has no id" if not set_id else f"{MAX_SETS} zone sets are all it holds"
            raise Refusal("validationError", why, about)
        zones = tuple(self._zone(z, about) for z in need(body, "zones", list, about))
        if len({z.zone_id for z in zones}) < len(zones):
            raise Refusal("validationError", "two zones have one id", about)
        self.sets[set_id] = zones

    def _zone(self, body: Message, about: References) -> Zone:
        if not isinstance(body, dict):
            raise Refusal("validationError", "a zone is no object", about)
        zone_id = need(body, "zoneId", str, about)
        kind = need(body, "zoneType", str, about)
        if kind not in self.kinds:
            raise Refusal("UNSUPPORTED_PARAMETER", f"zone {zone_id}: no {kind} here", about)
        points = [_point(p, about) for p in need(body, "vertices", list, about)]
        if len(points) < 3:
            raise Refusal("validationError", f"zone {zone_id} has {len(points)} corners", about)
        shape = Polygon(points)
        if not shape.is_valid or shape.area <= 0.0 or not shape.exterior.is_ccw:
            raise Refusal("validationError", f"zone {zone_id} is no polygon drawn left", about)
        speed, on_loss = math.inf, "STOP"
        if kind == "SPEED_LIMIT":
            speed = _figure(body.get("maximumSpeed"), "maximumSpeed", about)
            if speed < 0.0:
                raise Refusal("validationError", f"zone {zone_id}: maximumSpeed", about)
        if kind == "RELEASE":
            on_loss = need(body, "releaseLossBehavior", str, about)
            if on_loss not in LOSS:
                raise Refusal("validationError", f"zone {zone_id}: {on_loss}", about)
        grown = shape.buffer(RADIUS_M)
        prepare(grown)
        return Zone(zone_id, kind, grown, speed, on_loss)

    def act(self, action: Message) -> str:
        """Enable or delete a zone set; why not, or empty."""
        set_id = parameter(action, "zoneSetId")
        if not isinstance(set_id, str) or set_id not in self.sets:
            return f"no zone set {set_id!r} is here"
        if action["actionType"] == "enableZoneSet":
            if set_id != self.enabled:
                self.enabled = set_id
                known = {z.zone_id for z in self.zones if z.kind == "RELEASE"}
                # a zone that is the same place under another set is asked for anew
                self.requests = [r for r in self.requests if r.entered and r.zone_id in known]
            return ""
        if set_id == self.enabled:
            return f"zone set {set_id} is in use"
        del self.sets[set_id]
        return ""

    def take_responses(
        self, message: Message, seconds_at: Callable[[datetime], float], now_s: float
    ) -> bool:
        """Follow answers to requests; whether anything changed. Raises Refusal."""
        about = (("topic", "responses"),)
        changed = False
        for entry in need(message, "responses", list, about):
            if not isinstance(entry, dict):
                raise Refusal("validationError", "a response is no object", about)
            ident, word = (need(entry, k, str, about) for k in ("requestId", "grantType"))
            until_s = math.inf
            if entry.get("leaseExpiry") is not None:
                try:
                    until_s = seconds_at(datetime.fromisoformat(entry["leaseExpiry"]))
                except (TypeError, ValueError) as error:
                    raise Refusal("validationError", f"leaseExpiry: {error}", about) from None
            for request in [r for r in self.requests if r.request_id == ident]:
                changed |= self._answered(request, word, until_s, now_s)
        return changed

    def _answered(self, request: Request, word: str, until_s: float, now_s: float) -> bool:
        before = (request.status, request in self.requests)
        if word == "GRANTED":
            request.status, request.until_s = "GRANTED", until_s
        elif word == "REVOKED":
            if request.entered:
                request.status = "REVOKED"
            else:
                self.requests.remove(request)
        elif word == "REJECTED" and not request.entered:
            self.requests.remove(request)
            self._not_before_s[request.zone_id] = now_s + ASK_AGAIN_S
        return before != (request.status, request in self.requests)

    # --- what the body asks ----------------------------------------------------------------

    def look(self, place: XY, ahead: Sequence[XY], now_s: float) -> bool:
        """Ask for what is near on the way, give back what was left; whether anything changed."""
        before = [(r.request_id, r.status) for r in self.requests]
        line = _line(place, ahead, ASK_AHEAD_M)
        near: set[str] = set()
        for zone in self.zones:
            if zone.kind == "RELEASE" and (
                zone.holds(place) or (line is not None and zone.along(line) is not None)
            ):
                near.add(zone.zone_id)
        here = {z.zone_id for z in self.zones if z.holds(place)}
        for request in list(self.requests):
            inside = request.zone_id in here
            request.entered |= inside
            if request.status == "GRANTED" and now_s >= request.until_s:
                request.status = "EXPIRED"
            left = (request.entered and not inside) or request.zone_id not in near
            if left or (request.status == "EXPIRED" and not inside):
                self.requests.remove(request)
        have = {r.zone_id for r in self.requests}
        for zone_id in sorted(near - have):
            if now_s >= self._not_before_s.get(zone_id, -math.inf):
                self._asked += 1
                asked = Request(f"release-{self._asked}", zone_id)
                self.requests.append(asked)
        return before != [(r.request_id, r.status) for r in self.requests]

    def limits(self, place: XY, goal: XY, speed_mps: float) -> Limits:
        """What holds on the straight line to `goal`."""
        line = _line(place, [goal], math.inf)
        away_m = math.dist(place, goal)
        free_m, check_m, by = away_m, away_m, None
        for zone in self.zones:
            span = zone.along(line) if line is not None else None
            if zone.kind == "SPEED_LIMIT":
                if span is not None and span[0] <= TINY_M:
                    speed_mps = min(speed_mps, zone.speed_mps)
                if span is not None:
                    check_m = min(check_m, *(d for d in (*span, away_m) if d > TINY_M))
                continue
            inside = zone.holds(place)
            if (span is None and not inside) or not self._bars(zone, inside=inside):
                continue
            stop_m = 0.0 if inside or span is None else max(0.0, span[0] - SHORT_M)
            if stop_m < free_m:
                free_m, by = stop_m, zone
        return Limits(free_m, speed_mps, min(check_m, free_m), by)

    def _bars(self, zone: Zone, *, inside: bool) -> bool:
        """Whether the robot may not go into it, or not on in it."""
        if zone.kind == "BLOCKED":
            return True
        request = next((r for r in self.requests if r.zone_id == zone.zone_id), None)
        if request is not None and request.status == "GRANTED":
            return False
        lost = request is not None and request.status in {"EXPIRED", "REVOKED"}
        # EVACUATE: the way on is the way out
        return not (inside and lost and zone.on_loss != "STOP")

    def violations(self, place: XY) -> list[Message]:
        """Errors that hold where the robot stands."""
        found: list[Message] = []
        for zone in self.zones:
            if zone.kind == "BLOCKED" and zone.holds(place):
                word, text = "BLOCKED_ZONE_VIOLATION", f"inside blocked zone {zone.zone_id}"
            elif any(
                r.zone_id == zone.zone_id and r.entered and r.status in {"EXPIRED", "REVOKED"}
                for r in self.requests
            ):
                word, text = "RELEASE_LOST", f"the release for {zone.zone_id} is over"
            else:
                continue
            refusal = Refusal(word, text, (("zoneId", zone.zone_id),))
            level = "WARNING" if word == "RELEASE_LOST" and zone.on_loss != "STOP" else "CRITICAL"
            found.append(refusal.entry(three=True) | {"errorLevel": level})
        return found

    def forget(self) -> None:
        """A restart: requests are gone."""
        self.requests = []
        self._not_before_s = {}


def _line(place: XY, ahead: Sequence[XY], most_m: float) -> LineString | None:
    """The way from `place` through `ahead`, cut at `most_m`; None where it has no length."""
    points, left_m = [place], most_m
    for point in ahead:
        step_m = math.dist(points[-1], point)
        if step_m <= TINY_M:
            continue
        if step_m >= left_m:
            (ax, ay), (bx, by), share = points[-1], point, left_m / step_m
            points.append((ax + (bx - ax) * share, ay + (by - ay) * share))
            break
        points.append(point)
        left_m -= step_m
    return LineString(points) if len(points) > 1 else None


def _point(body: object, about: References) -> XY:
    if not isinstance(body, dict):
        raise Refusal("validationError", "a vertex is no object", about)
    return _figure(body.get("x"), "x", about), _figure(body.get("y"), "y", about)


def _figure(value: object, name: str, about: References) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good:
        raise Refusal("validationError", f"{name} is no number", about)
    return float(value)  # type: ignore[arg-type]
