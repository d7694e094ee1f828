"""Dispatch the plain way: each flight planned and checked by itself, nothing kept or asked in bulk.

What the quick way is held against: the same decisions, for the same reasons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from controller.dispatch.fencing import judge_flight
from controller.dispatch.flights import NO_DEVICE, FlightPlan, FlightQuestion, plan_of
from controller.dispatch.model import Decision, Ineligible, Offer, ParcelFacts, VehicleFacts, World
from controller.dispatch.plans import Plans
from missions.model import AirMission
from missions.plan_flight import plan_flight, straight_flight
from missions.plan_reasons import GoNoGo, NoGo
from missions.validate import walk_flight


class PlainPlans(Plans):
    """Every question is answered anew."""

    def __init__(self) -> None:
        super().__init__()
        self._straight_first: set[FlightQuestion] = set()

    def prepare(self, world: World, pairs: Iterable[tuple[VehicleFacts, ParcelFacts]]) -> None:
        for vehicle, facts in pairs:
            asked = self._question(world, vehicle, facts)
            if asked is not None:
                self._straight_first.add(asked)

    def known_flight(
        self, world: World, vehicle: VehicleFacts, facts: ParcelFacts
    ) -> FlightPlan | NoGo | None:
        return None

    def flight(self, world: World, vehicle: VehicleFacts, *load: ParcelFacts) -> FlightPlan | NoGo:
        asked = self._question(world, vehicle, *load)
        if asked is None:
            return NO_DEVICE
        zones, over = world.zones, world.surroundings
        if asked in self._straight_first:
            straight = straight_flight(asked.request, zones, over)
            found = _judged(asked, straight, world, avoidance=False)
            if isinstance(found, FlightPlan):
                return found
        mission = plan_flight(asked.request, zones, over)
        return _judged(asked, mission, world, avoidance=asked.avoidance)


def _judged(
    asked: FlightQuestion, mission: AirMission | NoGo, world: World, *, avoidance: bool
) -> FlightPlan | NoGo:
    if isinstance(mission, NoGo):
        return mission
    checks, over = asked.checks(), world.surroundings
    answer = judge_flight(mission, checks, world.zones, over, avoidance=avoidance)
    if not answer.go:
        return NoGo(answer.reasons, answer.verdict)
    walked = walk_flight(mission, checks, over)
    assert not isinstance(walked, GoNoGo)
    return plan_of(asked.request, mission, walked.legs)


def assert_alike(one: Decision, other: Decision) -> None:
    """The same but for the last digits: frames of a search differ by less than a millimetre."""
    assert [_offer(each) for each in one.offers] == [_offer(each) for each in other.offers]
    assert set(one.unservable) == set(other.unservable)
    assert set(one.explanations) == set(other.explanations)
    for parcel_id, told in one.explanations.items():
        again = other.explanations[parcel_id]
        assert (told.chosen, _words(told.sentence)) == (again.chosen, _words(again.sentence))
        assert [_no(each) for each in told.refusals] == [_no(each) for each in again.refusals]
        costs = {each.vehicle_id: each.cost for each in told.candidates}
        assert costs == pytest.approx({e.vehicle_id: e.cost for e in again.candidates}, abs=1e-3)


def _offer(offer: Offer) -> tuple[object, ...]:
    items = getattr(offer.mission, "items", ())
    return offer.vehicle_id, offer.parcel_ids, _words(offer.note), [item.kind for item in items]


def _no(no: Ineligible) -> tuple[object, ...]:
    return no.vehicle_id, no.code, _words(no.text), no.permanent


def _words(text: str) -> str:
    """Without numbers, which may be at the edge of rounding; names keep theirs."""
    return re.sub(r"(?<![-\w])\d[\d.:]*", "#", text)
