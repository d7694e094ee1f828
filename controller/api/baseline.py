"""Routes of parameters: the baseline that must hold of a vehicle, setting it, and reading all."""

from __future__ import annotations

import math

from fastapi import APIRouter
from typing_extensions import TypedDict

from controller.api import views
from controller.api.actor import CurrentActor
from controller.api.context import Ctx, VehicleId
from controller.api.models import ReasonIn
from controller.api.problems import not_found
from vehicles.audit import Audit, RuleState
from vehicles.parameters import ParameterSet, ParameterValue

router = APIRouter(prefix="/v1", tags=["vehicles"])


class RuleOut(TypedDict):
    """One rule, what the vehicle holds, and what becomes of it: none, set, fitter or unknown."""

    name: str
    wanted: str
    why: str
    value: float | None
    holds: bool
    remedy: str
    would_set: float | None


class AuditOut(TypedDict):
    """A vehicle's baseline as it was read now; `reason` says why it could not be."""

    vehicle_id: str
    read_at: str | None
    holds: bool
    """Every rule does."""
    rules: list[RuleOut]
    blocks: list[str]
    """Why dispatch passes it over."""
    approved: dict[str, str]
    reason: str


class ParameterOut(TypedDict):
    """One parameter. An integer stands without a point; `value` is null where it is no number."""

    name: str
    kind: str
    value: float | int | None


class ParametersOut(TypedDict):
    """Every parameter as it was read now, in the vehicle's order; `reason` says why there is none.

    `way`: file (packed, exact) or list (integers above 2^24 may be rounded). `system` and
    `component` are the vehicle's address.
    """

    vehicle_id: str
    read_at: str | None
    way: str
    system: int
    component: int
    parameters: list[ParameterOut]
    reason: str


@router.get("/fleet/audit", summary="Audit the baseline of every vehicle")
async def audit_fleet(ctx: Ctx) -> list[AuditOut]:
    """Read from the vehicles now, all at once. Nothing is set."""
    found = await ctx.desk.audit_all()
    return [_out(vehicle_id, audit) for vehicle_id, audit in found.items()]


@router.get("/vehicles/{vehicle_id}/audit", summary="Audit a vehicle's baseline")
async def audit_vehicle(vehicle_id: VehicleId, ctx: Ctx) -> AuditOut:
    """Read from the vehicle now. Nothing is set."""
    if ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")
    return _out(vehicle_id, await ctx.desk.audit(vehicle_id))


@router.get("/vehicles/{vehicle_id}/parameters", summary="Every parameter of a vehicle")
async def read_parameters(vehicle_id: VehicleId, ctx: Ctx) -> ParametersOut:
    """Read from the vehicle now, while it is disarmed. Nothing is set."""
    if ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")
    return _parameters(vehicle_id, await ctx.desk.parameters(vehicle_id))


@router.post("/vehicles/{vehicle_id}/apply", summary="Set what a vehicle's baseline demands")
async def apply_vehicle(
    vehicle_id: VehicleId, ctx: Ctx, actor: CurrentActor, body: ReasonIn | None = None
) -> views.CommandOut:
    """Only while it is disarmed. Done: all of it holds; what takes a fitter is named and blocks.

    May be repeated: what holds is not set again.
    """
    if ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")
    reason = body.reason if body else ""
    result = await ctx.desk.apply_baseline(vehicle_id, by=actor.name, reason=reason)
    return views.command(vehicle_id, "apply", result)


def _parameters(vehicle_id: str, read: ParameterSet | str) -> ParametersOut:
    if isinstance(read, str):
        return {
            "vehicle_id": vehicle_id,
            "read_at": None,
            "way": "",
            "system": 0,
            "component": 0,
            "parameters": [],
            "reason": read,
        }
    return {
        "vehicle_id": vehicle_id,
        "read_at": read.at.isoformat(),
        "way": read.way.value,
        "system": read.system,
        "component": read.component,
        "parameters": [_parameter(one) for one in read.values],
        "reason": "",
    }


def _parameter(one: ParameterValue) -> ParameterOut:
    value = one.value if math.isfinite(one.value) else None
    return {"name": one.name, "kind": one.kind.value, "value": value}


def _out(vehicle_id: str, audit: Audit | str) -> AuditOut:
    if isinstance(audit, str):
        return {
            "vehicle_id": vehicle_id,
            "read_at": None,
            "holds": False,
            "rules": [],
            "blocks": [],
            "approved": {},
            "reason": audit,
        }
    return {
        "vehicle_id": vehicle_id,
        "read_at": audit.at.isoformat(),
        "holds": not audit.broken,
        "rules": [_rule(rule, broken=rule in audit.broken) for rule in audit.rules],
        "blocks": list(audit.blocks),
        "approved": dict(audit.approved),
        "reason": "",
    }


def _rule(rule: RuleState, *, broken: bool) -> RuleOut:
    return {
        "name": rule.name,
        "wanted": rule.wanted,
        "why": rule.why,
        "value": rule.value,
        "holds": not broken,
        "remedy": rule.remedy.value,
        "would_set": rule.would_set,
    }
