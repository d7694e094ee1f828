"""What callers get: JSON shapes of parcels, vehicles, sites, alarms and zones.

Owns the outward form alone; REST and the live stream use the same functions, so they agree.
Positions are objects with lat_deg and lon_deg; paths are [longitude, latitude] as in GeoJSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from geofence.frames import LatLon

if TYPE_CHECKING:
    from controller.delivery.planned import PlannedView
    from controller.delivery.refuges import Refuge
    from controller.delivery.views import ParcelView, VehicleView
    from controller.domain.alarms import Alarm
    from controller.domain.model import Site
    from vehicles.port import Capability, CommandResult


class PositionOut(TypedDict):
    """WGS84 degrees."""

    lat_deg: float
    lon_deg: float


class DestinationOut(PositionOut):
    """Where a parcel goes."""

    site: str
    address: str


class ProofOut(TypedDict):
    """Proof of delivery."""

    at: str
    position: PositionOut
    distance_m: float
    evidence: list[str]


class DoorOut(TypedDict):
    """A vehicle stands at the door: what it asks for, and until when."""

    asks: str
    since: str
    until: str
    tries_left: int


class ParcelOut(TypedDict):
    """A parcel, its state, and why it is in it."""

    id: str
    state: str
    priority: str
    handling: str
    handover: str
    service_s: float | None
    earliest_at: str | None
    latest_at: str | None
    weight_kg: float
    size_m: list[float]
    origin: str
    destination: DestinationOut
    ready_at: str
    due_at: str
    carrier: str
    custodian: dict[str, str]
    vehicle_id: str
    assignment_id: str
    eta: str | None
    times: dict[str, str]
    reasons: list[str]
    proof: ProofOut | None
    attempts: int
    door: DoorOut | None
    resendable: bool


class SiteOut(TypedDict):
    """A place with a name."""

    id: str
    name: str
    kind: str
    position: PositionOut
    ground_amsl_m: float
    landing: bool


class CapabilityOut(TypedDict):
    """What a vehicle can carry and how far."""

    vehicle_class: str
    max_payload_kg: float
    parcel_slots: int
    cruise_speed_mps: float
    usable_energy_wh: float
    max_parcel_size_m: list[float]
    drop_device: str
    handover_pin: bool


class LastKnownOut(TypedDict):
    """Where a vehicle was before a restart, and how long ago: it has not been heard since."""

    at: str | None
    age_s: float | None
    position: PositionOut | None
    alt_amsl_m: float | None
    alt_home_m: float | None
    heading_deg: float | None
    battery_pct: float | None
    phase: str


class VehicleOut(TypedDict):
    """A vehicle's newest known state; `age_s` says how old it is."""

    id: str
    kind: str
    capability: CapabilityOut
    link: str
    broken: str
    phase: str
    mode: str
    armed: bool | None
    position: PositionOut | None
    alt_amsl_m: float | None
    alt_home_m: float | None
    heading_deg: float | None
    speed_mps: float | None
    battery_pct: float | None
    item: int
    item_count: int
    mission_hash: str
    not_ready: list[str]
    received_at: str | None
    age_s: float | None
    base: SiteOut
    assignment_id: str
    parcel_ids: list[str]
    sentence: str
    path_lonlat: list[list[float]]
    alarms: int
    commands: list[str]
    mission_id: str
    awaits_launch: bool
    battery_at_landing_pct: float | None
    battery_if_returned_pct: float | None
    charging: bool | None
    failed_action: str
    charges: bool
    kept: str
    failsafe: list[str]
    last_known: LastKnownOut | None


class CommandOut(TypedDict):
    """How a command ended: done, refused or uncertain, with the reason."""

    vehicle_id: str
    verb: str
    outcome: str
    reason: str


class RefugeOut(TypedDict):
    """A named place to divert to; `reason` says why the zones do not allow it now."""

    name: str
    kind: str
    position: PositionOut
    alt_home_m: float
    away_m: float
    allowed: bool
    reason: str


class AlarmOut(TypedDict):
    """A condition that someone must act on, and how."""

    id: str
    severity: str
    cause: str
    advice: str
    vehicle_id: str
    parcel_id: str
    raised_at: str
    acknowledged_by: str
    acknowledged_at: str | None
    cleared_at: str | None


class MissionOut(TypedDict):
    """A mission that a vehicle has, or is about to have."""

    id: str
    vehicle_id: str
    parcel_ids: list[str]
    state: str
    awaits_launch: bool
    content_hash: str
    duration_s: float


def plain(value: Any) -> Any:
    """JSON values of dataclasses, enums, times, sets and mappings, field by field."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case str() | int() | float() | bool() | None:
            return value
        case Mapping():
            return {str(plain(k)): plain(v) for k, v in value.items()}
        case set() | frozenset():
            return sorted(plain(v) for v in value)
        case list() | tuple():
            return [plain(v) for v in value]
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    return str(value)


def position(where: LatLon) -> PositionOut:
    """A position."""
    return {"lat_deg": where.lat_deg, "lon_deg": where.lon_deg}


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def site(view: Site) -> SiteOut:
    """A site."""
    return {
        "id": view.site_id,
        "name": view.name,
        "kind": view.kind.value,
        "position": position(view.position),
        "ground_amsl_m": view.ground_amsl_m,
        "landing": view.landing,
    }


def refuge(place: Refuge) -> RefugeOut:
    """A place to divert to."""
    return {
        "name": place.name,
        "kind": place.kind,
        "position": position(place.to.position),
        "alt_home_m": place.to.alt_home_m,
        "away_m": round(place.away_m, 1),
        "allowed": not place.against,
        "reason": place.against,
    }


def parcel(view: ParcelView) -> ParcelOut:
    """A parcel; the PIN's hash stays inside."""
    p = view.parcel
    proof = view.proof
    return {
        "id": p.parcel_id,
        "state": view.state.value,
        "priority": p.priority.value,
        "handling": p.handling.value,
        "handover": p.handover.value,
        "service_s": p.service_s or None,
        "earliest_at": _time(p.earliest_at),
        "latest_at": _time(p.latest_at),
        "weight_kg": p.weight_kg,
        "size_m": list(p.size_m),
        "origin": p.origin_site_id,
        "destination": {
            "lat_deg": p.destination.position.lat_deg,
            "lon_deg": p.destination.position.lon_deg,
            "site": p.destination.site_id,
            "address": p.destination.address,
        },
        "ready_at": p.ready_at.isoformat(),
        "due_at": p.due_at.isoformat(),
        "carrier": p.carrier,
        "custodian": {"kind": view.custodian.kind.value, "id": view.custodian.ident},
        "vehicle_id": view.vehicle_id,
        "assignment_id": view.assignment_id,
        "eta": _time(view.eta),
        "times": {str(plain(state)): at.isoformat() for state, at in view.times.items()},
        "reasons": list(view.reasons),
        "proof": None
        if proof is None
        else {
            "at": proof.at.isoformat(),
            "position": position(proof.position),
            "distance_m": proof.distance_m,
            "evidence": list(proof.evidence),
        },
        "attempts": view.attempts,
        "door": None
        if view.door is None
        else {
            "asks": view.door.asks,
            "since": view.door.since.isoformat(),
            "until": view.door.until.isoformat(),
            "tries_left": view.door.tries_left,
        },
        "resendable": view.resendable,
    }


def _capability(capability: Capability) -> CapabilityOut:
    return {
        "vehicle_class": capability.vehicle_class.value,
        "max_payload_kg": capability.max_payload_kg,
        "parcel_slots": capability.parcel_slots,
        "cruise_speed_mps": capability.cruise_speed_mps,
        "usable_energy_wh": capability.usable_energy_wh,
        "max_parcel_size_m": list(capability.max_parcel_size_m),
        "drop_device": capability.drop_device.value if capability.drop_device else "",
        "handover_pin": capability.handover_pin,
    }


def vehicle(view: VehicleView) -> VehicleOut:
    """A vehicle."""
    t = view.telemetry
    return {
        "id": view.vehicle_id,
        "kind": str(plain(view.kind)),
        "capability": _capability(view.capability),
        "link": t.link.value,
        "broken": t.broken,
        "phase": t.phase.value,
        "mode": t.mode,
        "armed": t.armed,
        "position": position(t.position) if t.position else None,
        "alt_amsl_m": t.alt_amsl_m,
        "alt_home_m": t.alt_home_m,
        "heading_deg": t.heading_deg,
        "speed_mps": t.speed_mps,
        "battery_pct": t.battery_pct,
        "item": t.item,
        "item_count": t.item_count,
        "mission_hash": t.mission_hash or "",
        "not_ready": list(t.not_ready),
        "received_at": _time(t.received_at),
        "age_s": view.age_s if math.isfinite(view.age_s) else None,
        "base": site(view.base),
        "assignment_id": view.assignment_id,
        "parcel_ids": list(view.parcel_ids),
        "sentence": view.sentence,
        "path_lonlat": [[round(p.lon_deg, 7), round(p.lat_deg, 7)] for p in view.path],
        "alarms": view.alarms,
        "commands": [verb.value for verb in view.commands],
        "mission_id": view.mission_id,
        "awaits_launch": view.awaits_launch,
        "battery_at_landing_pct": _percent(view.battery_at_landing_pct),
        "battery_if_returned_pct": _percent(view.battery_if_returned_pct),
        "charging": t.charging,
        "failed_action": t.failed_action,
        "charges": view.charges,
        "kept": view.kept,
        "failsafe": list(t.failsafe),
        "last_known": _last_known(view),
    }


def _last_known(view: VehicleView) -> LastKnownOut | None:
    was = view.last_known
    if was is None:
        return None
    return {
        "at": _time(was.at),
        "age_s": view.last_known_age_s,
        "position": position(was.position) if was.position else None,
        "alt_amsl_m": was.alt_amsl_m,
        "alt_home_m": was.alt_home_m,
        "heading_deg": was.heading_deg,
        "battery_pct": was.battery_pct,
        "phase": was.phase,
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def mission(view: PlannedView) -> MissionOut:
    """A mission."""
    return {
        "id": view.mission_id,
        "vehicle_id": view.vehicle_id,
        "parcel_ids": list(view.parcel_ids),
        "state": view.state.value,
        "awaits_launch": view.awaits_launch,
        "content_hash": view.content_hash,
        "duration_s": round(view.duration_s, 1),
    }


def command(vehicle_id: str, verb: str, result: CommandResult) -> CommandOut:
    """How a command ended."""
    return {
        "vehicle_id": vehicle_id,
        "verb": verb,
        "outcome": result.outcome.value,
        "reason": result.reason,
    }


def alarm(value: Alarm) -> AlarmOut:
    """An alarm."""
    return {
        "id": value.alarm_id,
        "severity": value.severity.value,
        "cause": value.cause,
        "advice": value.advice,
        "vehicle_id": value.vehicle_id,
        "parcel_id": value.parcel_id,
        "raised_at": value.raised_at.isoformat(),
        "acknowledged_by": value.acknowledged_by,
        "acknowledged_at": _time(value.acknowledged_at),
        "cleared_at": _time(value.cleared_at),
    }


def explanation(value: Any) -> dict[str, Any]:
    """Why a parcel went, or did not go, to each vehicle."""
    body = plain(value)
    return body if isinstance(body, dict) else {"sentence": str(body)}


def unexplained(parcel_id: str) -> dict[str, Any]:
    """The same for a parcel that no vehicle was considered for yet."""
    return {
        "parcel_id": parcel_id,
        "at": None,
        "chosen": "",
        "sentence": "Not considered yet: it waits for its ready time or for dispatch",
        "candidates": [],
        "refusals": [],
    }
