"""A decision: who carries what now, checked, with every vehicle's reason.

Owns the order of the phases. Pure: the same world and seed give the same answer; may run in a
thread, one decision at a time for one Engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from controller.dispatch.explain import explain
from controller.dispatch.insertion import place
from controller.dispatch.joining import Joining, trips_of
from controller.dispatch.model import Decision, World
from controller.dispatch.offers import make_offers
from controller.dispatch.plans import Plans
from controller.dispatch.table import fill


class Engine:
    """Dispatch that remembers the plans it has made, so that repeated decisions are quick."""

    def __init__(self, plans: Plans | None = None) -> None:
        self._plans = plans or Plans()

    def dispatch(self, world: World, *, ids: Callable[[str], str], seed: int = 0) -> Decision:
        """Decide. `ids("mission")` gives a new mission id; one is drawn for each vehicle used."""
        table, problem = fill(world, self._plans)
        trips, apart_m = trips_of(table)
        if trips:
            join = Joining(table, self._plans)
            problem = replace(problem, trips=trips, apart_m=apart_m, join=join)
        placed = place(problem, seed=seed)
        made = make_offers(
            table, problem, placed, self._plans.streets(world), ids, plans=self._plans
        )
        explanations = explain(table, problem, placed, made)
        unservable = {
            parcel_id: explanation.refusals
            for parcel_id, explanation in explanations.items()
            if explanation.refusals
            and not explanation.candidates
            and all(refusal.permanent for refusal in explanation.refusals)
        }
        return Decision(tuple(made.offers), explanations, unservable)


def dispatch(world: World, *, ids: Callable[[str], str], seed: int = 0) -> Decision:
    """One decision without memory; see Engine for repeated ones."""
    return Engine().dispatch(world, ids=ids, seed=seed)
