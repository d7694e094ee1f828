"""Stops to missions: flights for drones, rounds for robots.

Owns the names under which the rest of Waypost plans; the work is in plan_flight and plan_round.
"""

from __future__ import annotations

from missions.plan_flight import FlightRequest, plan_flight
from missions.plan_flown import DEFAULT_FLIGHT_RULES, FlightRules, FlownLeg, flown_legs, total
from missions.plan_reasons import NoGo, Reason
from missions.plan_round import (
    RoundParcel,
    RoundRequest,
    closed_edges,
    open_streets,
    plan_round,
    slowed_edges,
)

__all__ = [
    "DEFAULT_FLIGHT_RULES",
    "FlightRequest",
    "FlightRules",
    "FlownLeg",
    "NoGo",
    "Reason",
    "RoundParcel",
    "RoundRequest",
    "closed_edges",
    "flown_legs",
    "open_streets",
    "plan_flight",
    "plan_round",
    "slowed_edges",
    "total",
]
