"""What was read of a drone, in its plans."""

from __future__ import annotations

from dataclasses import replace

from controller.dispatch.failsafes import policy_of
from controller.dispatch.flights import FlightPlan
from controller.dispatch.plans import Plans
from missions.contingency import DEFAULT_POLICY, Answer
from missions.plan_reasons import NoGo
from tests.unit.controller.dispatch_worlds import at, drone, no_fly, parcel, world
from vehicles.port import FailsafeAction, Failsafes, RallyPlace, Telemetry

A = FailsafeAction
READ = Failsafes(A.RETURN_PATH, A.RETURN_PATH, A.LAND, A.LAND, A.RETURN_PATH, 60.0)


def of(failsafes: Failsafes | None) -> Telemetry:
    return Telemetry("D-01", failsafes=failsafes)


def test_a_drone_that_was_not_read_has_neither_avoidance_nor_rally_points() -> None:
    policy = policy_of(of(None), "v1")
    assert policy == DEFAULT_POLICY
    assert not policy.avoidance_verified
    assert policy.rally == ()


def test_every_answer_comes_from_what_was_read() -> None:
    places = (RallyPlace(at(100.0, 0.0), 40.0),)
    told = Failsafes(
        A.RETURN, A.LAND, A.CONTINUE, A.LAND, A.RETURN_PATH, 45.0, places, 500.0, False
    )
    policy = policy_of(of(told), "v1")
    assert policy.lost_link is Answer.STRAIGHT_RETURN
    assert policy.battery_low is Answer.LAND_HERE
    assert policy.battery_critical is Answer.CONTINUE
    assert policy.dead_reckoning is Answer.RETURN_PATH
    assert policy.rtl_alt_home_m == 45.0
    assert [(p.position, p.alt_home_m) for p in policy.rally] == [(at(100.0, 0.0), 40.0)]
    assert (policy.rally_limit_m, policy.rally_includes_home) == (500.0, False)


def test_avoidance_counts_only_with_a_fence_of_the_zones_in_force() -> None:
    for avoidance, fence_hash, verified in (
        (True, "v1", True), (True, "v0", False), (True, "", False), (False, "v1", False),
    ):  # fmt: skip
        told = replace(READ, avoidance=avoidance, fence_hash=fence_hash)
        assert policy_of(of(told), "v1").avoidance_verified is verified
    assert not policy_of(of(replace(READ, avoidance=True)), "").avoidance_verified


def test_a_drone_that_returns_straight_is_not_planned_over_what_lies_between() -> None:
    # round the zone there is a way out and back; straight home there is none
    facts = parcel(1, at(900.0, 0.0))
    zone = no_fly("z-1", at(450.0, 0.0), 100.0)

    def planned(failsafes: Failsafes | None) -> FlightPlan | NoGo:
        one = drone(1)
        one = replace(one, telemetry=replace(one.telemetry, failsafes=failsafes))
        return Plans().flight(world((one,), (facts,), (zone,)), one, facts)

    assert isinstance(planned(None), FlightPlan)
    assert isinstance(planned(READ), FlightPlan)
    refused = planned(replace(READ, lost_link=A.RETURN))
    assert isinstance(refused, NoGo)
    assert "straight return from" in refused.text
    assert "on lost link" in refused.text
