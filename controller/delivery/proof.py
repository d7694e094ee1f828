"""Proof of delivery: place, time and evidence put together.

Owns how a release becomes a proof, and when a proof is odd. Pure.
"""

from __future__ import annotations

from datetime import datetime

from controller.domain.alarms import Condition, Severity
from controller.domain.model import Parcel, Proof
from geofence.frames import LatLon, geodesic_m
from missions.model import AirMission, ItemKind, Mission, StopAction


def stop_of(mission: Mission, parcel_id: str) -> LatLon | None:
    """Where the mission lets a parcel go."""
    if isinstance(mission, AirMission):
        position: LatLon | None = None
        for item in mission.items:
            position = item.position or position
            if item.kind is ItemKind.RELEASE and item.parcel_id == parcel_id:
                return position
        return None
    for node in mission.nodes:
        for action in node.actions:
            if action.kind is StopAction.DROP and action.parcel_id == parcel_id:
                return node.position
    return None


def make_proof(
    parcel: Parcel,
    mission: Mission,
    *,
    at: datetime,
    seen_at: LatLon | None,
    evidence: tuple[str, ...],
) -> Proof:
    """A proof; where nobody watched the place, the mission's stop, and it says so."""
    destination = parcel.destination.position
    if seen_at is not None:
        return Proof(at, seen_at, geodesic_m(seen_at, destination), evidence)
    planned = stop_of(mission, parcel.parcel_id) or destination
    told = (*evidence, "place as planned: the release itself was not watched")
    return Proof(at, planned, geodesic_m(planned, destination), told)


def far_condition(
    parcel: Parcel, proof: Proof, planned: LatLon | None, limit_m: float, vehicle_id: str
) -> Condition | None:
    """An alarm where a parcel was let go too far from where it was to be.

    A robot stops on the street: its distance counts from the stop that was planned where the
    destination itself lies off the street.
    """
    away_m = proof.distance_m
    if planned is not None:
        away_m = min(away_m, geodesic_m(proof.position, planned))
    if away_m <= limit_m:
        return None
    return Condition(
        f"far:{parcel.parcel_id}",
        Severity.CAUTION,
        f"{parcel.parcel_id} was let go {away_m:.0f} m from its destination",
        "Call the recipient; the place is on the map",
        vehicle_id,
        parcel.parcel_id,
    )
