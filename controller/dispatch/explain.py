"""Every vehicle's part in a decision, in words that an operator uses.

Owns explanations. Must not decide: it tells what table and placing have found.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.dispatch.cost import breakdown
from controller.dispatch.feasibility import No
from controller.dispatch.insertion import Placed, Problem
from controller.dispatch.model import Candidate, Explanation, Ineligible, Offer, VehicleFacts
from controller.dispatch.offers import Made
from controller.dispatch.table import Table, drone_cost

MOST_CAUSES = 3
"""Causes named in one sentence."""
JOINED_DIFFERENCE = 1e-6
"""A drone's cost that differs by more from that of the parcel's own flight is of a joined one."""


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M} UTC"


def vehicle_sentences(explanation: Explanation) -> tuple[str, ...]:
    """A sentence for every vehicle: the chosen one, the other candidates, the refused."""
    lines = []
    for candidate in explanation.candidates:
        verb = "was chosen" if candidate.vehicle_id == explanation.chosen else "was not chosen"
        lines.append(
            f"{candidate.vehicle_id} {verb}: there at {_clock(candidate.arrive_at)}, "
            f"cost {candidate.cost:.1f}"
        )
    lines.extend(
        f"{refusal.vehicle_id} was not chosen: {refusal.text}" for refusal in explanation.refusals
    )
    return tuple(lines)


def explain(
    table: Table, problem: Problem, placed: tuple[Placed, ...], made: Made
) -> dict[str, Explanation]:
    """One explanation for each parcel."""
    carried = {p: offer for offer in made.offers for p in offer.parcel_ids}
    gone = _takings(table, placed, made)
    found: dict[str, Explanation] = {}
    for turn in placed:
        parcel_id = table.parcels[turn.job].parcel.parcel_id
        candidates, refusals = _parts(table, problem, turn, made.undone.get(parcel_id), gone)
        offer = carried.get(parcel_id)
        if offer is not None:
            candidates = [_as_offered(c, offer, parcel_id) for c in candidates]
        found[parcel_id] = Explanation(
            parcel_id=parcel_id,
            at=table.world.now,
            chosen=offer.vehicle_id if offer is not None else "",
            sentence=_sentence(table, turn, offer, candidates, refusals),
            candidates=tuple(candidates),
            refusals=tuple(refusals),
        )
    return found


def _takings(table: Table, placed: tuple[Placed, ...], made: Made) -> dict[int, list[str]]:
    """Parcels by vehicle row, as placed."""
    taken: dict[int, list[str]] = {}
    for turn in placed:
        parcel_id = table.parcels[turn.job].parcel.parcel_id
        if turn.vehicle >= 0 and parcel_id not in made.undone:
            taken.setdefault(turn.vehicle, []).append(parcel_id)
    return taken


def _parts(
    table: Table,
    problem: Problem,
    turn: Placed,
    undone: tuple[str, No] | None,
    taken: dict[int, list[str]],
) -> tuple[list[Candidate], list[Ineligible]]:
    parcel_id = table.parcels[turn.job].parcel.parcel_id
    candidates: list[Candidate] = []
    refusals: list[Ineligible] = []
    for row, vehicle in enumerate(table.vehicles):
        if undone is not None and undone[0] == vehicle.vehicle_id:
            refusals.append(undone[1].of(vehicle.vehicle_id))
        elif math.isfinite(turn.cost[row]):
            candidates.append(_candidate(table, turn, row, vehicle))
        else:
            known = table.noes.get((vehicle.vehicle_id, parcel_id))
            no = known or _full(table, problem, turn, row, taken)
            refusals.append(no.of(vehicle.vehicle_id))
    candidates.sort(key=lambda c: (c.cost, c.vehicle_id))
    refusals.sort(key=lambda r: r.vehicle_id)
    return candidates, refusals


def _as_offered(candidate: Candidate, offer: Offer, parcel_id: str) -> Candidate:
    """The chosen candidate with the arrival of the mission as planned, not as estimated."""
    if candidate.vehicle_id != offer.vehicle_id:
        return candidate
    return replace(candidate, arrive_at=offer.arrive_at[parcel_id])


def _sentence(
    table: Table,
    turn: Placed,
    offer: Offer | None,
    candidates: list[Candidate],
    refusals: list[Ineligible],
) -> str:
    parcel_id = table.parcels[turn.job].parcel.parcel_id
    if offer is not None:
        return _chosen_words(table, turn, offer, candidates)
    if turn.later_s > 0.0:
        return _later_words(parcel_id, turn, candidates)
    return _waiting_words(parcel_id, refusals)


def _candidate(table: Table, turn: Placed, row: int, vehicle: VehicleFacts) -> Candidate:
    settings = table.world.settings
    cost, arrive_s = float(turn.cost[row]), float(turn.arrive_s[row])
    if row < len(table.drones):
        parts = drone_cost(table, row, turn.job) or {}
        if abs(sum(parts.values()) - cost) > JOINED_DIFFERENCE:
            # it joins parcels that the drone takes anyhow: what it adds to their flight
            parts = dict(breakdown(table.weights[turn.job], arrive_s, 0.0, 0.0, settings))
            parts["flight"] = cost - sum(parts.values())
    else:
        weights = table.weights[turn.job]
        parts = dict(breakdown(weights, arrive_s, 0.0, 0.0, settings))
        parts["round"] = cost - sum(parts.values())
    return Candidate(
        vehicle_id=vehicle.vehicle_id,
        cost=cost,
        arrive_at=table.world.now + timedelta(seconds=arrive_s),
        breakdown=parts,
        detour_m=float(turn.detour_m[row]),
    )


def _full(
    table: Table, problem: Problem, turn: Placed, row: int, taken: dict[int, list[str]]
) -> No:
    """Why a vehicle that was open at first was not any more at this parcel's turn."""
    load = ", ".join(taken.get(row, [])) or "other parcels"
    drones = len(table.drones)
    if row < drones and row not in taken:
        return No("taken", "it is meant for a parcel that waits for it", permanent=False)
    if row < drones:
        return _joined_full(table, problem, turn, row, load)
    robot = problem.rounds[row - drones].robot
    drops = problem.rounds[row - drones].drops
    if len(drops) >= robot.slots:
        text = f"its {robot.slots} slots are full: {load}"
    elif problem.jobs.weight_kg[drops].sum() + problem.jobs.weight_kg[turn.job] > robot.payload_kg:
        text = f"its load is full: {load}"
    else:
        text = f"its round with {load} leaves no time or energy for it"
    return No("taken", text, permanent=False)


def _joined_full(table: Table, problem: Problem, turn: Placed, row: int, load: str) -> No:
    """Why a drone that takes others does not take this one in the same flight, too."""
    drone, parcel = table.drones[row], table.parcels[turn.job].parcel
    told = table.unjoined.get((drone.vehicle_id, parcel.parcel_id))
    if told is not None:
        return told
    text = f"it takes {load} in this decision"
    trip = problem.trips.get(row)
    if trip is not None:
        aboard_kg = float(problem.jobs.weight_kg[trip.jobs].sum())
        if len(trip.jobs) >= trip.flyer.slots:
            text = f"its {trip.flyer.slots} slots are full: {load}"
        elif aboard_kg + parcel.weight_kg > trip.flyer.payload_kg:
            text = f"its load is full: {load}"
    return No("taken", text, permanent=False)


def _chosen_words(table: Table, turn: Placed, offer: Offer, candidates: list[Candidate]) -> str:
    parcel = table.parcels[turn.job].parcel
    arrive_at = offer.arrive_at[parcel.parcel_id]
    early_min = (parcel.due_at - arrive_at).total_seconds() / 60.0
    due = (
        f"{early_min:.0f} min before it is due"
        if early_min >= 0.0
        else f"{-early_min:.0f} min late"
    )
    others = [c for c in candidates if c.vehicle_id != offer.vehicle_id]
    rest = "no other vehicle could"
    if others:
        rest = f"next best is {others[0].vehicle_id}, there at {_clock(others[0].arrive_at)}"
    there = f"there at {_clock(arrive_at)}, {due}"
    note = f"; {offer.note}" if offer.note else ""
    rows = {vehicle.vehicle_id: row for row, vehicle in enumerate(table.vehicles)}
    others_aboard = [p for p in offer.parcel_ids if p != parcel.parcel_id]
    if others_aboard and rows[offer.vehicle_id] < len(table.drones):
        note = f"; in one flight with {', '.join(others_aboard)}{note}"
    return f"{offer.vehicle_id} carries {parcel.parcel_id}: {there}; {rest}{note}"


def _later_words(parcel_id: str, turn: Placed, candidates: list[Candidate]) -> str:
    best = candidates[0]
    return (
        f"{parcel_id} waits for a drone, expected in about {turn.later_s / 60.0:.0f} min: better "
        f"than {best.vehicle_id}, there at {_clock(best.arrive_at)}"
    )


def _waiting_words(parcel_id: str, refusals: list[Ineligible]) -> str:
    if not refusals:
        return f"{parcel_id} waits: no vehicle is enrolled"
    lasting = all(refusal.permanent for refusal in refusals)
    told = refusals if lasting else [r for r in refusals if not r.permanent]
    causes = Counter(refusal.text for refusal in told)
    words = [
        f"{_who(text, told)}: {text}" for text, _ in sorted(causes.items(), key=lambda c: -c[1])
    ][:MOST_CAUSES]
    more = len(causes) - len(words)
    tail = f"; and {more} more causes" if more > 0 else ""
    verb = "cannot be carried by any vehicle" if lasting else "waits"
    return f"{parcel_id} {verb}: {'; '.join(words)}{tail}"


def _who(text: str, refusals: list[Ineligible]) -> str:
    names = [refusal.vehicle_id for refusal in refusals if refusal.text == text]
    if len(names) <= MOST_CAUSES:
        return ", ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"
