"""Zone sets and answers to requests: what version 3 alone has for zones.

Owns the messages on topics zoneSet and responses (version 3, sections 6.4 and 6.8). Must not
decide which zones there are or who may enter one.

A zone set is immutable under its id, belongs to one map and takes effect by the instant action
`enableZoneSet`. Polygons are counter-clockwise in metres of that map; a robot that is sent a set
under an id that it holds reports DUPLICATE_ZONE_SET.
"""

from __future__ import annotations

from typing import Literal

from vehicles.vda5050.models import Header, Id, Metres, Wire

ZoneType = Literal["BLOCKED", "SPEED_LIMIT", "RELEASE"]
GrantType = Literal["GRANTED", "QUEUED", "REVOKED", "REJECTED"]


class Vertex(Wire, frozen=True, kw_only=True):
    """A corner of a polygon on the map."""

    x: Metres
    y: Metres


class Zone(Wire, frozen=True, kw_only=True):
    """One zone. Use `blocked`, `speed_limit` or `release`: each type has fields it must carry."""

    zone_id: Id
    zone_type: ZoneType
    vertices: tuple[Vertex, ...]
    zone_descriptor: str | None = None
    maximum_speed: float | None = None
    release_loss_behavior: Literal["STOP", "CONTINUE", "EVACUATE"] | None = None


class ZoneSet(Wire, frozen=True, kw_only=True):
    """All zones of one map under one id."""

    map_id: Id
    zone_set_id: Id
    zones: tuple[Zone, ...]
    zone_set_descriptor: str | None = None


class ZoneSetMessage(Header, frozen=True, kw_only=True):
    """Topic zoneSet."""

    zone_set: ZoneSet


class Response(Wire, frozen=True, kw_only=True):
    """An answer to a request in the robot's state; `lease_expiry` is ISO 8601 in UTC."""

    request_id: Id
    grant_type: GrantType
    lease_expiry: str | None = None


class ResponsesMessage(Header, frozen=True, kw_only=True):
    """Topic responses."""

    responses: tuple[Response, ...]


def polygon(points: tuple[tuple[float, float], ...]) -> tuple[Vertex, ...]:
    """Corners counter-clockwise, the last not a copy of the first. Raises ValueError under 3."""
    ring = points[:-1] if len(points) > 1 and points[0] == points[-1] else points
    if len(ring) < 3:
        raise ValueError(f"a zone needs at least 3 corners, not {len(ring)}")
    twice_area = sum(
        x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True)
    )
    ring = ring if twice_area >= 0.0 else ring[::-1]
    return tuple(Vertex(x=x, y=y) for x, y in ring)


def blocked(zone_id: str, points: tuple[tuple[float, float], ...]) -> Zone:
    """A zone that no robot may enter."""
    return Zone(zone_id=zone_id, zone_type="BLOCKED", vertices=polygon(points))


def speed_limit(zone_id: str, points: tuple[tuple[float, float], ...], speed_mps: float) -> Zone:
    """A zone with a greatest speed."""
    return Zone(
        zone_id=zone_id,
        zone_type="SPEED_LIMIT",
        vertices=polygon(points),
        maximum_speed=speed_mps,
    )


def release(
    zone_id: str,
    points: tuple[tuple[float, float], ...],
    on_loss: Literal["STOP", "CONTINUE", "EVACUATE"] = "STOP",
) -> Zone:
    """A zone that a robot enters with a lease only; `on_loss`: what it does when that ends."""
    return Zone(
        zone_id=zone_id,
        zone_type="RELEASE",
        vertices=polygon(points),
        release_loss_behavior=on_loss,
    )
