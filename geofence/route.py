"""The exact shortest way round the zones that apply.

Owns the loop of obstacle generation and the confirmation of its result. Must not decide what is
allowed: the way is confirmed by the predicates of the check on the zones as they are.

The shortest way amid some of the obstacles is a lower bound; where it meets no other, it is the
shortest amid all. So the straight line is tried first, then zones are added as they are met.
Shortest is meant among the zones inflated by the margin with mitred corners, in one affine frame.

Turns: with none told the vehicle is taken to stop at corners. With `turns` (see turns.py) the parts
of the legs that a turn widens are confirmed at their width too; where one fails, all obstacles are
inflated by what it needs, and the way is the shortest amid those.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import shapely

from geofence.contact import HEIGHT_TOLERANCE_M, Contacts, depth_m, find_contacts
from geofence.frames import Array, LatLon, geodesic_m
from geofence.heights import Band, Surroundings, resolve
from geofence.keep_in import LIMIT_ROUNDING_M, KeepInUnions, demanded, edges_of
from geofence.kernel import deepest
from geofence.lazy import search
from geofence.obstacles import GRAZE_M, SNAP_M, Plane, complement, enclosing_rings, inflated
from geofence.path import Disc, FlightPath, PathLeg
from geofence.prepared import Answers, PreparedWorld, RouteCache, cell_origin
from geofence.relief import expected_place
from geofence.route_request import NoRoute, Route, RouteRequest
from geofence.track import Pieces, pieces_of, reach_m, split_leg
from geofence.turns import Turns, widened, widest_m
from geofence.visibility import Obstacle, shortest_path
from geofence.zones import Zone, ZoneKind
from geofence.zoneset import ZoneSet

__all__ = ["NoRoute", "Route", "RouteRequest", "find_route"]

ROUTE_SLACK_M = 0.1
"""Kept beyond the margin, so that rounding and the bow of a leg never fail the confirmation."""

_ATTEMPTS = 3
_TURN_ATTEMPTS = 6
_WHENEVER = datetime(2000, 1, 1, tzinfo=UTC)
_DOUBT_M = 2.0
"""More than what frame and bow of a line of _SURE_TO_M leave in doubt of its distance."""
_SURE_TO_M = 10_000.0
_SPAN_STEP_DEG = 0.1
"""Frames are valid this many degrees, or twice, thrice as many, about their origin."""
_EVERYWHERE = Band(-math.inf, math.inf)


def find_route(
    request: RouteRequest,
    zones: ZoneSet,
    surroundings: Surroundings,
    cache: RouteCache | None = None,
) -> Route | NoRoute:
    """The shortest way with `margin_m` to every zone that applies, or why there is none.

    With a `cache` obstacles are prepared once for all requests that the same zones apply to.
    Raises PathError or FrameError for a request that no check can take.
    """
    if surroundings.terrain is not None or surroundings.geoid is not None:
        # over uneven ground the heights of zones are taken near the ends, which no cache keeps
        cache = None
    return _Router(request, zones, surroundings, cache).route()


class _Router:
    def __init__(
        self,
        request: RouteRequest,
        zones: ZoneSet,
        surroundings: Surroundings,
        cache: RouteCache | None,
    ) -> None:
        self._request = request
        self._cache = cache
        self._zones = zones
        self._surroundings = surroundings
        binding = [
            zone for zone in zones.keep_ins if zone.binds(request.traits or request.vehicle_class)
        ]
        self._groups = demanded(binding, self._disc("start", request.start))
        self._origin = cell_origin(request.start, request.goal)
        self._known = self._answers()

    def _answers(self) -> Answers:
        """What is known of requests like this one; nothing where keep-ins or the place count."""
        if self._cache is None or self._groups or not self._flat:
            return Answers()
        return self._cache.answers((self._zones.version, self._alike(), self._surroundings))

    @property
    def _flat(self) -> bool:
        """Whether heights do not depend on the place."""
        over = self._surroundings
        return over == Surroundings(over.ground_amsl_m, over.geoid_m)

    def route(self) -> Route | NoRoute:
        if self._surely_blocked():
            # a way that is confirmed proves that its ends are clear: no need to ask for them first
            found = self._bent()
            return found if isinstance(found, Route) else self._straight() or found
        return self._straight() or self._bent()

    def _bent(self) -> Route | NoRoute:
        turns = self._request.turns
        return self._around(0.0) if turns is None else self._turning(turns)

    def _surely_blocked(self) -> bool:
        """Whether a zone is on the straight line beyond all doubt of frames and roundings."""
        request = self._request
        within_m = request.margin_m - _DOUBT_M
        if self._cache is None or self._groups or within_m <= 0.0:
            return False
        if geodesic_m(request.start, request.goal) > _SURE_TO_M:
            return False
        world, plane = self._prepared(ROUTE_SLACK_M)
        ends = np.stack((plane.start, plane.goal))
        world.ensure(ends)
        if world.met(ends[:1]) or world.met(ends[1:]):
            return False
        return world.crossed(ends, within_m)

    def _straight(self) -> Route | NoRoute | None:
        """The straight line where it is clear, why it cannot be one where an end is not."""
        request = self._request
        straight = (request.start, request.goal)
        ends = (self._disc("start", request.start), self._disc("goal", request.goal))
        pieces = pieces_of(FlightPath(request.vehicle_class, self._legs(straight), ends))
        contacts = self._contacts(pieces)
        refused = self._refused_ends(ends, pieces, contacts)
        if refused is not None:
            return refused
        return None if self._failing_of(pieces, contacts, 1) else _route(straight)

    def _turning(self, turns: Turns) -> Route | NoRoute:
        """The way whose turns are clear too."""
        # a vehicle that slows needs the same at nearly every corner: one search does
        extra_m = turns.waypoint_radius_m if turns.slows else 0.0
        for attempt in range(_TURN_ATTEMPTS):
            found = self._around(extra_m)
            if isinstance(found, NoRoute):
                if attempt or not extra_m:
                    return found
                # a gap that it flies straight through, or turns in wide enough, may be left
                extra_m = 0.0
                continue
            if not self._turns_fail(found.points, turns):
                return found
            extra_m = max(2.0 * extra_m, widest_m(found.points, turns))
        return NoRoute(
            f"no way is clear of zones in its turns at {turns.speed_mps:g} m/s: fly slower", (), 0.0
        )

    def _turns_fail(self, points: tuple[LatLon, ...], turns: Turns) -> bool:
        return bool(self._failing_legs(self._turn_legs(points, turns)))

    def _turn_legs(self, points: tuple[LatLon, ...], turns: Turns | None) -> tuple[PathLeg, ...]:
        if turns is None:
            return ()
        request = self._request
        low, high = request.low_amsl_m, request.high_amsl_m
        when = (request.enter, request.leave)
        return tuple(
            PathLeg(
                number, "turn", part.start, part.end, low, high, *when,
                request.margin_m + part.width_m,
            )
            for number, part in enumerate(widened(points, turns))
        )  # fmt: skip

    def _around(self, extra_m: float) -> Route | NoRoute:
        """The shortest way with this much more than the margin where it turns."""
        slack = ROUTE_SLACK_M
        for _ in range(_ATTEMPTS):
            found = self._search(slack + extra_m)
            if isinstance(found, NoRoute):
                return found
            # of all that will be asked at once: one look costs less than two
            self._failing_legs((*self._legs(found), *self._turn_legs(found, self._request.turns)))
            confirmed = self._confirm(found)
            if confirmed is not None:
                return _route(confirmed)
            slack = 10.0 * slack + 0.01 * self._request.margin_m
        return NoRoute(
            "the check does not confirm the ways found: move start or goal by a metre or two",
            (),
            0.0,
        )

    def _applies(self, zone: Zone) -> bool:
        known = self._known.applying.get(zone.zone_id)
        if known is None:
            known = self._known.applying[zone.zone_id] = self._decide(zone)
        return known

    def _decide(self, zone: Zone) -> bool:
        request = self._request
        if zone.kind in {ZoneKind.KEEP_IN, ZoneKind.ADVISORY}:
            return False
        if not zone.binds(request.traits or request.vehicle_class):
            return False
        if zone.kind is ZoneKind.RESTRICTED and zone.permit in request.permits:
            return False
        band = self._resolved(zone)
        if band.low_m - HEIGHT_TOLERANCE_M > request.high_amsl_m:
            return False
        if band.high_m + HEIGHT_TOLERANCE_M < request.low_amsl_m:
            return False
        return zone.schedule.active_during(request.enter, request.leave)

    def _holding(self, zone: Zone) -> Band:
        """Everywhere for a keep-in that holds all the heights asked for, else unknown."""
        band, request = self._resolved(zone), self._request
        if band.unknown:
            return band
        low, high = band.low_m - LIMIT_ROUNDING_M, band.high_m + LIMIT_ROUNDING_M
        if low <= request.low_amsl_m and request.high_amsl_m <= high:
            return _EVERYWHERE
        why = f"it is from {band.low_m:g} to {band.high_m:g} m AMSL"
        return Band(-math.inf, math.inf, why)

    def _resolved(self, zone: Zone) -> Band:
        """The zone's band; with grids the widest that a way is expected to find."""
        request = self._request
        ends = request.start, request.goal
        place = expected_place(zone, ends, request.margin_m, self._surroundings)
        return resolve(zone, self._surroundings, place)

    def _disc(self, label: str, center: LatLon) -> Disc:
        request = self._request
        low, high = request.low_amsl_m, request.high_amsl_m
        return Disc(0, label, center, request.margin_m, low, high, request.enter, request.leave)

    def _refused_ends(
        self, ends: tuple[Disc, ...], pieces: Pieces, contacts: Contacts
    ) -> NoRoute | None:
        request = self._request
        owner = pieces.owner[contacts.piece]
        # discs are numbered behind the one leg
        for number, end in enumerate(ends, start=1):
            rows = [int(r) for r in np.flatnonzero(contacts.hit & (owner == number))]
            if rows:
                depth = {row: depth_m(contacts, row, pieces, self._zones) for row in rows}
                rows.sort(key=lambda row: -depth[row])
                worst = self._zones.zones[contacts.zone[rows[0]]]
                ids = tuple(self._zones.zones[contacts.zone[row]].zone_id for row in rows)
                off = float(contacts.distance_m[rows[0]])
                where = "is inside" if off == 0.0 else f"is only {off:.1f} m from"
                return NoRoute(
                    f"the {end.label} {where} zone {_name(worst)}: with a margin of "
                    f"{request.margin_m:.1f} m it is {depth[rows[0]]:.1f} m deep"
                    f"{self._unknown(worst)}",
                    tuple(dict.fromkeys(ids)),
                    depth[rows[0]],
                )
            refused = self._refused_by_keep_in(pieces, number, end)
            if refused is not None:
                return refused
        return None

    def _unknown(self, zone: Zone) -> str:
        unknown = self._resolved(zone).unknown
        return f"; {unknown}" if unknown else ""

    def _refused_by_keep_in(self, pieces: Pieces, number: int, end: Disc) -> NoRoute | None:
        for group in self._groups:
            breaches = KeepInUnions(pieces, self._holding).breaches(number, group)
            if not breaches:
                continue
            ids = tuple(zone.zone_id for zone in group)
            names = ", ".join(_name(zone) for zone in group)
            unknown = "; ".join(
                f"{z.zone_id}: {self._holding(z).unknown}"
                for z in group
                if self._holding(z).unknown
            )
            depth = max(breach.depth_m for breach in breaches)
            return NoRoute(
                f"the {end.label} is not inside keep-in zone {names} with a margin of "
                f"{self._request.margin_m:.1f} m: {depth:.1f} m short"
                + (f"; {unknown}" if unknown else ""),
                ids,
                depth,
            )
        return None

    def _legs(self, points: tuple[LatLon, ...]) -> tuple[PathLeg, ...]:
        request = self._request
        low, high = request.low_amsl_m, request.high_amsl_m
        return tuple(
            PathLeg(i, "route", a, b, low, high, request.enter, request.leave, request.margin_m)
            for i, (a, b) in enumerate(itertools.pairwise(points))
        )

    def _failing(self, points: tuple[LatLon, ...]) -> set[int]:
        """Numbers of the legs that the predicates of the check do not let pass."""
        return self._failing_legs(self._legs(points))

    def _failing_legs(self, legs: tuple[PathLeg, ...]) -> set[int]:
        """Of legs at the heights and times asked for; what is known of one is kept."""
        known = self._known.failing
        keys = [(leg.start, leg.end, leg.corridor_m) for leg in legs]
        new = {key: leg for key, leg in zip(keys, legs, strict=True) if key not in known}
        if new:
            pieces = pieces_of(FlightPath(self._request.vehicle_class, tuple(new.values())))
            failing = self._failing_of(pieces, self._contacts(pieces), len(new))
            known.update((key, number in failing) for number, key in enumerate(new))
        return {number for number, key in enumerate(keys) if known[key]}

    def _contacts(self, pieces: Pieces) -> Contacts:
        return find_contacts(
            pieces, self._zones, self._applies, lambda _: _EVERYWHERE, nearest=False
        )

    def _failing_of(self, pieces: Pieces, contacts: Contacts, legs: int) -> set[int]:
        """The same of the first `legs` owners of pieces."""
        owners = pieces.owner[contacts.piece[contacts.hit]]
        failing = {int(i) for i in owners if i < legs}
        for group in self._groups:
            keep_in = KeepInUnions(pieces, self._holding)
            failing |= {i for i in range(legs) if keep_in.breaches(i, group)}
        return failing

    def _confirm(self, points: tuple[LatLon, ...]) -> tuple[LatLon, ...] | None:
        """The points, if the check lets every leg pass; legs that bow into a margin are split."""
        failing = self._failing(points)
        if not failing:
            return points
        finer: list[LatLon] = [points[0]]
        for number, leg in enumerate(self._legs(points)):
            if number in failing:
                finer.extend(_between(leg))
            finer.append(leg.end)
        return None if self._failing(tuple(finer)) else tuple(finer)

    def _search(self, slack_m: float) -> tuple[LatLon, ...] | NoRoute:
        return self._search_prepared(slack_m) or self._search_anew(slack_m)

    def _search_prepared(self, slack_m: float) -> tuple[LatLon, ...] | None:
        """The way in a prepared world; None where it has none, or an end is too near a zone."""
        request = self._request
        world, plane = self._prepared(slack_m)
        ends = np.stack((plane.start, plane.goal))
        world.ensure(ends)
        walls = {self._wall(world, plane, group) for group in self._groups}
        if world.met(ends[:1]) or world.met(ends[1:]):
            return None
        path = search(world, plane.start, plane.goal, walls)
        if path is None:
            return None
        return (request.start, *(plane.latlon(p) for p in path[1:-1]), request.goal)

    def _prepared(self, slack_m: float) -> tuple[PreparedWorld, Plane]:
        """The world that the request lies in, and its ends there."""
        request, zones, origin = self._request, self._zones, self._origin
        reach = max(abs(end.lat_deg - origin[1]) for end in (request.start, request.goal))
        reach += geodesic_m(request.start, request.goal) / 2.0 / 111_000.0
        span_deg = math.ceil(reach / _SPAN_STEP_DEG) * _SPAN_STEP_DEG
        margin = slack_m + float(
            reach_m(*(np.array(v) for v in (request.margin_m, origin[1], span_deg, 0.0)))
        )
        return self._world(margin), Plane(request.start, request.goal, zones, origin)

    def _world(self, margin_m: float) -> PreparedWorld:
        def make() -> PreparedWorld:
            return PreparedWorld(self._origin, self._zones, margin_m, self._applies)

        if self._cache is None or not self._flat:
            # where the ground is not told by these two numbers, heights depend on the place
            return make()
        version, origin = self._zones.version, self._origin
        key = (version, self._alike(), self._surroundings, origin, margin_m)
        return self._cache.world(key, make)

    def _alike(self) -> RouteRequest:
        """The request without its ends, and without its times where no zone comes and goes.

        What is left decides what applies; whatever a request gains counts without being named.
        """
        request, nowhere = self._request, LatLon(self._origin[1], 0.0)
        timed = self._cache is None or self._cache.timed(self._zones)
        when = (request.enter, request.leave) if timed else (_WHENEVER, _WHENEVER)
        return replace(
            request, start=nowhere, goal=nowhere, enter=when[0], leave=when[1], margin_m=0.0
        )

    def _wall(self, world: PreparedWorld, plane: Plane, group: tuple[Zone, ...]) -> int:
        def make() -> Obstacle:
            ends = np.stack((plane.start, plane.goal))
            return complement(self._kept(plane, group), world.margin_m, ends)

        return world.wall(tuple(zone.zone_id for zone in group), make)

    def _search_anew(self, slack_m: float) -> tuple[LatLon, ...] | NoRoute:
        request = self._request
        plane = Plane(request.start, request.goal, self._zones)
        span_deg = abs(request.start.lat_deg - request.goal.lat_deg) / 2.0
        span_deg += geodesic_m(request.start, request.goal) / 2.0 / 111_000.0
        margin = slack_m + float(
            reach_m(*(np.array(v) for v in (request.margin_m, plane.origin[1], span_deg, 0.0)))
        )
        ends = np.stack((plane.start, plane.goal))
        walls = [complement(self._kept(plane, group), margin, ends) for group in self._groups]
        obstacles: dict[int, Obstacle] = {}
        areas: dict[int, shapely.Polygon] = {}
        path: Array | None = ends
        if walls:
            path = shortest_path(plane.start, plane.goal, walls)
        while path is not None:
            met = plane.met_by(path, margin - 2.0 * GRAZE_M, areas)
            new = [i for i in sorted(met) if i not in obstacles]
            new = [i for i in new if self._applies(self._zones.zones[i])]
            if not new:
                inner = [plane.latlon(point) for point in path[1:-1]]
                return (request.start, *inner, request.goal)
            for number in new:
                area = areas.get(number) or plane.area(self._zones.zones[number])
                obstacles[number] = inflated(area, margin, ends)
            path = shortest_path(plane.start, plane.goal, [*obstacles.values(), *walls])
        return self._enclosed(ends, obstacles, walls)

    def _kept(self, plane: Plane, group: tuple[Zone, ...]) -> shapely.Geometry:
        holding = [zone for zone in group if not self._holding(zone).unknown]
        return shapely.union_all([plane.kept(zone) for zone in holding], grid_size=SNAP_M)

    def _enclosed(
        self, ends: Array, obstacles: dict[int, Obstacle], walls: list[Obstacle]
    ) -> NoRoute:
        """Names the zones that part start from goal."""
        owners: list[tuple[tuple[Zone, ...], Obstacle]] = [
            ((self._zones.zones[number],), item) for number, item in obstacles.items()
        ]
        owners.extend(zip(self._groups, walls, strict=True))
        rings = enclosing_rings(ends, [item for _, item in owners])
        parting = [
            (zones, item)
            for zones, item in owners
            if not rings or any(shapely.dwithin(item.hard, ring, 0.01) for ring in rings)
        ]
        depth = max(
            (deepest(ends.reshape(4), edges_of(item.hard)) for _, item in parting), default=0.0
        )
        named = [zone for zones, _ in parting for zone in zones]
        names = ", ".join(_name(zone) for zone in named[:5])
        names += f" and {len(named) - 5} more" if len(named) > 5 else ""
        return NoRoute(
            f"no way from start to goal with a margin of {self._request.margin_m:.1f} m: "
            f"closed in by {names}, where the straight line is {max(depth, 0.0):.1f} m deep",
            tuple(dict.fromkeys(zone.zone_id for zone in named)),
            max(depth, 0.0),
        )


def _name(zone: Zone) -> str:
    return f"{zone.zone_id} ({zone.name})" if zone.name else zone.zone_id


def _route(points: tuple[LatLon, ...]) -> Route:
    return Route(points, sum(geodesic_m(a, b) for a, b in itertools.pairwise(points)))


def _between(leg: PathLeg) -> list[LatLon]:
    """Points on the straight line of longitude and latitude that hold the autopilot's bow small."""
    count = len(split_leg(leg)[0]) - 1
    dlon = (leg.end.lon_deg - leg.start.lon_deg + 180.0) % 360.0 - 180.0
    dlat = leg.end.lat_deg - leg.start.lat_deg
    return [
        LatLon(
            leg.start.lat_deg + i / count * dlat,
            (leg.start.lon_deg + i / count * dlon + 180.0) % 360.0 - 180.0,
        )
        for i in range(1, count)
    ]
