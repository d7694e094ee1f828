"""Time windows in dispatch: never before, never late, every wait counted, every no told."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dispatch.engine import dispatch
from controller.dispatch.rounds import Jobs, Robot, Round, insert, insertions
from controller.dispatch.windows import Windows
from controller.domain.model import Handling
from missions.model import GroundMission, Handover, StopAction
from tests.unit.controller.dispatch_worlds import NOW, at, drone, numbered, parcel, random_world
from tests.unit.controller.dispatch_worlds import robot as robot_of
from tests.unit.controller.dispatch_worlds import world as world_of

SEEDS = st.integers(0, 2**32 - 1)


def timed_world(seed: int):
    """A random world in which most parcels have a window, some a door, some a service time."""
    made, rng = random_world(seed), random.Random(seed + 7)
    waiting = []
    for facts in made.parcels:
        opens = rng.choice([None, NOW + timedelta(minutes=rng.uniform(-10, 40))])
        after = (opens or NOW) + timedelta(minutes=rng.uniform(1, 45))
        closes = rng.choice([None, after])
        pin = facts.parcel.handling is Handling.PIN
        told = replace(
            facts.parcel,
            earliest_at=opens,
            latest_at=closes,
            handover=Handover.DOOR if pin else rng.choice(list(Handover)),
            service_s=rng.choice([0.0, 20.0, 240.0]),
        )
        waiting.append(replace(facts, parcel=told))
    return replace(made, parcels=tuple(waiting))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_what_is_offered_is_in_its_window_and_what_is_not_says_why(seed: int) -> None:
    world = timed_world(seed)
    decision = dispatch(world, ids=numbered(), seed=seed)
    parcels = {p.parcel.parcel_id: p.parcel for p in world.parcels}
    rules = world.settings
    for offer in decision.offers:
        for parcel_id in offer.parcel_ids:
            told, there = parcels[parcel_id], offer.arrive_at[parcel_id]
            slack = timedelta(seconds=1)
            assert told.earliest_at is None or there >= told.earliest_at - slack
            assert told.latest_at is None or there <= told.latest_at
        if not isinstance(offer.mission, GroundMission):
            assert all(parcels[p].handover is Handover.DROP for p in offer.parcel_ids)
            continue
        drops = [a for n in offer.mission.nodes for a in n.actions if a.kind is StopAction.DROP]
        for action in drops:
            told = parcels[action.parcel_id]
            assert action.timed is (told.earliest_at is not None)
            assert action.handover is told.handover
            assert 0.0 <= action.wait_s <= rules.max_early_s + 1.0
        stood = sum(a.wait_s + rules.round.dwell_s(a) for a in drops)
        assert offer.mission.duration_s >= stood
    chosen = {p for offer in decision.offers for p in offer.parcel_ids}
    for parcel_id in parcels.keys() - chosen:
        assert decision.explanations[parcel_id].refusals or (
            decision.explanations[parcel_id].candidates
        )


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_a_window_that_is_wide_open_changes_nothing(seed: int) -> None:
    world = random_world(seed, drones=0)
    wide = tuple(
        replace(
            f,
            parcel=replace(
                f.parcel,
                earliest_at=NOW - timedelta(hours=1),
                latest_at=NOW + timedelta(hours=20),
            ),
        )
        for f in world.parcels
    )
    plain = dispatch(world, ids=numbered(), seed=seed)
    timed = dispatch(replace(world, parcels=wide), ids=numbered(), seed=seed)
    assert [(o.vehicle_id, o.parcel_ids) for o in plain.offers] == [
        (o.vehicle_id, o.parcel_ids) for o in timed.offers
    ]
    for one, other in zip(plain.offers, timed.offers, strict=True):
        assert one.cost == pytest.approx(other.cost)
        assert one.arrive_at == other.arrive_at


ROBOT = Robot(
    start=0, base=0, speed_mps=1.5, slots=6, payload_kg=50.0, spare_wh=1e6, wh_per_m=0.01,
    idle_w=30.0, pick_s=30.0, max_round_s=1e6, prepare_s=60.0, energy_per_wh=0.02,
    detour_per_km=0.5, use=1.0,
)  # fmt: skip


def driven(trip: Round, made: Jobs, far) -> tuple[float, float, dict[int, float], bool]:
    """A whole round, step by step: cost, waits, when each begins, whether its windows hold."""
    robot, windows = trip.robot, made.windows
    where, metres = robot.start, 0.0
    for origin in trip.picks:
        metres, where = metres + far[where, origin], origin
    time = robot.prepare_s + metres / robot.speed_mps + robot.pick_s * len(trip.drops)
    cost, waits, begin, good = 0.0, 0.0, {}, True
    energy = 0.0
    for job in trip.drops:
        step = far[where, made.goal[job]]
        metres, time, where = metres + step, time + step / robot.speed_mps, made.goal[job]
        wait = max(0.0, windows.opens_s[job] - time)
        good &= wait <= windows.max_early_s and time + wait <= windows.closes_s[job]
        waits, time = waits + wait, time + wait
        begin[job] = time
        late = max(0.0, time - made.due_s[job])
        cost += (made.waiting[job] * time + made.lateness[job] * late) / 60.0
        time += made.dwell_s[job]
        energy += (made.dwell_s[job] + robot.pick_s + wait) * robot.idle_w / 3600.0
    metres += far[where, robot.base]
    energy += metres * robot.wh_per_m
    cost += robot.energy_per_wh * energy + robot.detour_per_km * metres / 1000.0
    return cost + (robot.use if trip.drops else 0.0), waits, begin, good


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_round_grows_by_what_walking_it_shows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.0, 1500.0, (8, 2))
    far = np.linalg.norm(points[:, None] - points[None, :], axis=-1)
    count = 6
    opens = np.where(rng.random(count) < 0.6, rng.uniform(0.0, 2500.0, count), -np.inf)
    closes = np.where(rng.random(count) < 0.6, rng.uniform(800.0, 5000.0, count), np.inf)
    made = Jobs(
        weight_kg=np.full(count, 1.0),
        origin=np.zeros(count, dtype=np.intp),
        goal=rng.integers(1, 8, count).astype(np.intp),
        dwell_s=rng.uniform(20.0, 200.0, count),
        waiting=rng.uniform(1.0, 5.0, count),
        lateness=rng.uniform(1.0, 9.0, count),
        due_s=rng.uniform(300.0, 4000.0, count),
        windows=Windows(opens, closes, 600.0),
    )
    trip = Round(ROBOT)
    for _ in range(count):
        left = np.array([job not in trip.drops for job in range(count)])
        found = insertions(trip, made, left, far)
        before = driven(trip, made, far)[0]
        for job in np.flatnonzero(left):
            best = (np.inf, 0.0)
            for place in range(len(trip.drops) + 1):
                other = Round(ROBOT, list(trip.picks), list(trip.drops))
                insert(other, int(job), place, 0)
                cost, _, begin, good = driven(other, made, far)
                if good and cost - before < best[0] - 1e-9:
                    best = (cost - before, begin[int(job)])
            assert found.cost[job] == pytest.approx(best[0], rel=1e-6, abs=1e-6)
            if np.isfinite(best[0]):
                assert found.arrive_s[job] == pytest.approx(best[1])
        open_ = [int(j) for j in np.flatnonzero(left) if np.isfinite(found.cost[j])]
        if not open_:
            return
        insert(trip, open_[0], int(found.at[open_[0]]), 0)


def refusals(decision, parcel_id: str) -> dict[str, str]:
    return {r.vehicle_id: r.text for r in decision.explanations[parcel_id].refusals}


def test_a_window_far_ahead_is_waited_for_at_the_hub() -> None:
    opens = NOW + timedelta(hours=1)
    facts = parcel(
        1, at(250.0, 0.0), earliest_at=opens, latest_at=opens + timedelta(minutes=20),
        due_at=NOW + timedelta(hours=3),
    )  # fmt: skip
    decision = dispatch(world_of((drone(), robot_of()), (facts,)), ids=numbered(), seed=1)
    assert not decision.offers
    assert not decision.unservable
    told = refusals(decision, "P-001")
    assert all("the window opens at 10:00 UTC: it leaves at about" in t for t in told.values())


def test_a_robot_that_is_a_little_early_waits_and_says_so_in_the_plan() -> None:
    opens = NOW + timedelta(minutes=10)
    facts = parcel(1, at(250.0, 0.0), earliest_at=opens, due_at=NOW + timedelta(hours=3))
    decision = dispatch(world_of((robot_of(),), (facts,)), ids=numbered(), seed=1)
    (offer,) = decision.offers
    assert abs((offer.arrive_at["P-001"] - opens).total_seconds()) < 1.0
    (drop,) = [a for n in offer.mission.nodes for a in n.actions if a.kind is StopAction.DROP]
    assert 200.0 < drop.wait_s < 600.0
    sooner = replace(facts, parcel=replace(facts.parcel, earliest_at=None))
    plain = dispatch(world_of((robot_of(),), (sooner,)), ids=numbered(), seed=1).offers[0]
    assert offer.mission.duration_s == pytest.approx(plain.mission.duration_s + drop.wait_s)
    assert offer.mission.energy_wh > plain.mission.energy_wh
    assert offer.cost > plain.cost


def test_a_window_that_cannot_be_met_is_told_with_both_times() -> None:
    facts = parcel(1, at(1000.0, 1000.0), latest_at=NOW + timedelta(minutes=5))
    decision = dispatch(world_of((robot_of(),), (facts,)), ids=numbered(), seed=1)
    text = refusals(decision, "P-001")["R-01"]
    assert "after the window closes at 09:05 UTC" in text
    assert not decision.unservable


def test_a_window_that_is_over_is_nobodys_any_more() -> None:
    facts = parcel(1, at(250.0, 0.0), latest_at=NOW - timedelta(minutes=1))
    decision = dispatch(world_of((drone(), robot_of()), (facts,)), ids=numbered(), seed=1)
    assert set(decision.unservable) == {"P-001"}
    assert all("closed at 08:59" in t for t in refusals(decision, "P-001").values())


def test_drones_neither_wait_at_doors_nor_open_lockers() -> None:
    door = parcel(1, at(300.0, 0.0), handover=Handover.DOOR)
    locker = parcel(2, at(300.0, 0.0), handover=Handover.LOCKER)
    decision = dispatch(world_of((drone(), robot_of()), (door, locker)), ids=numbered(), seed=1)
    (offer,) = decision.offers
    assert offer.vehicle_id == "R-01"
    assert set(offer.parcel_ids) == {"P-001", "P-002"}
    assert refusals(decision, "P-001")["D-01"] == "it cannot wait for a customer at the door"
    assert refusals(decision, "P-002")["D-01"] == "it cannot open a locker"
