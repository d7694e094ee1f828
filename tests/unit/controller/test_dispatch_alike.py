"""Robots that are alike are judged once, and each is told what is its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.dispatch import alike
from controller.dispatch.engine import dispatch
from controller.dispatch.rounds import insertions
from tests.unit.controller.dispatch_worlds import HUB, at, numbered, parcel, robot, world


def test_of_a_thousand_robots_at_two_bases_two_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[object] = []

    def counted(*asked: object) -> object:
        looked.append(asked)
        return insertions(*asked)

    monkeypatch.setattr(alike, "insertions", counted)
    other = replace(HUB, site_id="hub-b", position=at(500.0, 0.0))
    out = tuple(robot(n, assigned="A-1", base=other if n % 2 else HUB) for n in range(1_000))
    made = world((*out, robot(2_000)), (parcel(1, at(250.0, 500.0)),))
    decision = dispatch(made, ids=numbered())
    assert len(looked) == 2
    (offer,) = decision.offers
    assert offer.vehicle_id == "R-2000"
    codes = {refusal.code for refusal in decision.explanations["P-001"].refusals}
    assert codes == {"busy"}


def test_one_with_an_empty_battery_waits_where_one_like_it_goes() -> None:
    full, empty = robot(1), robot(2)
    empty = replace(empty, telemetry=replace(empty.telemetry, battery_pct=26.0))
    decision = dispatch(world((full, empty), (parcel(1, at(750.0, 750.0)),)), ids=numbered())
    assert [offer.vehicle_id for offer in decision.offers] == ["R-01"]
    (refusal,) = decision.explanations["P-001"].refusals
    assert (refusal.vehicle_id, refusal.code, refusal.permanent) == ("R-02", "battery", False)
