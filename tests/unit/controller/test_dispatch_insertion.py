from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.dispatch.insertion import Problem, place
from controller.dispatch.rounds import Jobs, Robot, Round, insert, insertions

ROBOT = Robot(
    start=0, base=0, speed_mps=2.0, slots=4, payload_kg=10.0, spare_wh=500.0, wh_per_m=0.01,
    idle_w=40.0, pick_s=30.0, max_round_s=7200.0, prepare_s=60.0, energy_per_wh=0.02,
    detour_per_km=0.5, use=1.0,
)  # fmt: skip


def line(places: list[float]) -> np.ndarray:
    at = np.array(places)
    return np.abs(at[:, None] - at[None, :])


def jobs(goals: list[int], **changes) -> Jobs:
    n = len(goals)
    made = Jobs(
        weight_kg=np.full(n, 2.0),
        origin=np.zeros(n, dtype=np.intp),
        goal=np.array(goals, dtype=np.intp),
        dwell_s=np.full(n, 45.0),
        waiting=np.ones(n),
        lateness=np.full(n, 3.0),
        due_s=np.full(n, 3600.0),
    )
    return replace(made, **changes)


def slow_cost(trip: Round, made: Jobs, far: np.ndarray) -> tuple[float, float]:
    """Cost and metres of a whole round, step by step."""
    robot = trip.robot
    where, metres, cost, energy = robot.start, 0.0, 0.0, 0.0
    for origin in trip.picks:
        metres += far[where, origin]
        where = origin
    time = robot.prepare_s + metres / robot.speed_mps + robot.pick_s * len(trip.drops)
    for job in trip.drops:
        step = far[where, made.goal[job]]
        metres, time, where = metres + step, time + step / robot.speed_mps, made.goal[job]
        late = max(0.0, time - made.due_s[job])
        cost += (made.waiting[job] * time + made.lateness[job] * late) / 60.0
        time += made.dwell_s[job]
        energy += (made.dwell_s[job] + robot.pick_s) * robot.idle_w / 3600.0
    metres += far[where, robot.base]
    energy += metres * robot.wh_per_m
    cost += robot.energy_per_wh * energy + robot.detour_per_km * metres / 1000.0
    return cost + (robot.use if trip.drops else 0.0), metres


@pytest.mark.parametrize("seed", range(8))
def test_the_vectorised_cost_is_the_difference_of_whole_rounds(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.0, 2000.0, (9, 2))
    far = np.linalg.norm(points[:, None] - points[None, :], axis=-1)
    made = jobs(
        list(rng.integers(1, 9, 6)),
        origin=rng.integers(0, 3, 6).astype(np.intp),
        due_s=rng.uniform(300.0, 3000.0, 6),
        waiting=rng.uniform(1.0, 5.0, 6),
    )
    trip = Round(ROBOT)
    for _ in range(4):
        left = np.array([job not in trip.drops for job in range(6)])
        found = insertions(trip, made, left, far)
        before, metres = slow_cost(trip, made, far)
        for job in np.flatnonzero(left):
            options = []
            for at in range(len(trip.drops) + 1):
                changed = Round(ROBOT, list(trip.picks), list(trip.drops))
                insert(changed, int(job), at, int(made.origin[job]))
                options.append(slow_cost(changed, made, far))
            cost, length = min(options)
            assert found.cost[job] == pytest.approx(cost - before)
            assert found.added_m[job] == pytest.approx(length - metres)
        best = int(np.argmin(found.cost))
        insert(trip, best, int(found.at[best]), int(made.origin[best]))


def test_slots_load_energy_time_and_places_without_street_bar():
    far = line([0.0, 500.0, 3000.0])
    made = jobs([1, 2])
    everyone = np.ones(2, dtype=bool)
    cost = lambda **c: insertions(Round(replace(ROBOT, **c)), made, everyone, far).cost  # noqa: E731
    assert np.isfinite(cost()).all()
    assert np.isinf(cost(slots=0)).all()
    assert np.isinf(cost(payload_kg=1.9)).all()
    assert list(np.isfinite(cost(spare_wh=20.0))) == [True, False]
    assert list(np.isfinite(cost(max_round_s=900.0))) == [True, False]
    nowhere = replace(made, goal=np.array([1, -1]))
    assert list(np.isfinite(insertions(Round(ROBOT), nowhere, everyone, far).cost)) == [True, False]
    cut_off = far.copy()
    cut_off[:, 2] = np.inf
    assert list(np.isfinite(insertions(Round(ROBOT), made, everyone, cut_off).cost)) == [
        True,
        False,
    ]


def problem(drone_cost: list[list[float]], rank: list[int] | None = None, **changes) -> Problem:
    cost = np.array(drone_cost)
    n = cost.shape[1]
    made = Problem(
        rank=np.array(rank or [0] * n, dtype=np.intp),
        jobs=jobs([0] * n),
        drone_cost=cost,
        drone_arrive_s=cost * 60.0,
        drone_detour_m=np.zeros_like(cost),
        rounds=(),
        robot_jobs=(),
        robot_allowed=np.zeros((0, n), dtype=bool),
        far=np.zeros((1, 1)),
        drone_later_cost=np.full(n, np.inf),
        drone_later_count=np.zeros(n),
        cycle_s=600.0,
    )
    return replace(made, **changes)


def who(placed) -> dict[int, int]:
    return {turn.job: turn.vehicle for turn in placed}


def test_regret_gives_the_parcel_with_no_alternative_its_vehicle():
    inf = np.inf
    assert who(place(problem([[1.0, 2.0], [1.5, inf]]), seed=0)) == {0: 1, 1: 0}
    assert who(place(problem([[1.0, 2.0], [1.5, 9.0]]), seed=0)) == {0: 1, 1: 0}


def test_rank_goes_before_regret():
    assert who(place(problem([[5.0, 1.0]], [0, 1]), seed=0)) == {0: 0, 1: -1}
    assert who(place(problem([[5.0, 1.0]], [1, 0]), seed=0)) == {0: -1, 1: 0}


def test_ties_go_by_the_seed_alone():
    even = [[1.0] * 4] * 4
    answers = [tuple(sorted(who(place(problem(even), seed=s)).items())) for s in range(12)]
    again = [tuple(sorted(who(place(problem(even), seed=s)).items())) for s in range(12)]
    assert answers == again
    assert len(set(answers)) > 1


def test_every_turn_keeps_the_costs_of_its_moment():
    placed = place(problem([[1.0, 3.0], [4.0, 4.5]]), seed=0)
    first, second = placed
    assert np.isfinite(first.cost).all()
    assert np.isinf(second.cost[first.vehicle])
    assert np.isfinite(second.cost[second.vehicle])


def test_waiting_for_a_drone_wins_only_while_it_is_cheaper():
    far = line([0.0, 3000.0])
    goals = jobs([1])
    base = {
        "rounds": (Round(ROBOT),),
        "robot_jobs": (goals,),
        "robot_allowed": np.ones((1, 1), dtype=bool),
        "far": far,
        "jobs": goals,
        "drone_later_cost": np.array([8.0]),
        "drone_later_count": np.array([1.0]),
    }
    nothing = np.full((1, 1), np.inf)
    waits = place(problem(nothing, **base), seed=0)
    assert (waits[0].vehicle, waits[0].later_s) == (-1, 600.0)
    base["rounds"] = (Round(ROBOT),)
    drives = place(problem(nothing, **base, cycle_s=6000.0), seed=0)
    assert (drives[0].vehicle, drives[0].later_s) == (1, 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_slow_streets_make_rounds_longer_and_cost_what_is_drawn_at_rest(seed):
    """Against the same round where the robot stands for as long at its stops."""
    rng = np.random.default_rng(seed)
    far = line([0.0, *rng.uniform(100.0, 900.0, 3)])
    late = np.zeros((4, 4))
    late[0, 2] = late[2, 0] = 120.0
    made, everyone = jobs([1, 2, 3]), np.ones(3, dtype=bool)
    even = insertions(Round(ROBOT), made, everyone, far)
    slow = insertions(Round(ROBOT, late_s=late), made, everyone, far)
    assert list(slow.arrive_s - even.arrive_s) == pytest.approx([0.0, 120.0, 0.0])
    assert list(slow.added_wh - even.added_wh) == pytest.approx([0.0, 240.0 * 40.0 / 3600.0, 0.0])
    assert list(slow.added_m) == list(even.added_m)
    assert list(slow.cost - even.cost) == pytest.approx([0.0, 2.0 + 0.02 * 240 * 40 / 3600, 0.0])
    short = replace(ROBOT, max_round_s=float(even.arrive_s[1]) + far[2, 0] / 2.0 + 46.0)
    assert np.isfinite(insertions(Round(short), made, everyone, far).cost[1])
    assert np.isinf(insertions(Round(short, late_s=late), made, everyone, far).cost[1])
