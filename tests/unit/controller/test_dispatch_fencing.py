"""A flight judged with the fence that its vehicle would be given."""

from __future__ import annotations

from dataclasses import replace

from controller.dispatch.failsafes import policy_of
from controller.dispatch.fencing import fence_of, flight_fence, judge_flight, promised
from controller.dispatch.flights import FlightPlan
from controller.dispatch.plans import Plans
from geofence.zones import Zone
from missions.model import AirMission
from missions.plan_reasons import NoGo
from missions.validate import FlightChecks
from tests.unit.controller.dispatch_worlds import at, drone, no_fly, parcel, world
from vehicles.port import FailsafeAction, Failsafes, Telemetry

A = FailsafeAction
STRAIGHT = Failsafes(A.RETURN, A.RETURN, A.LAND, A.LAND, A.RETURN, 40.0)
AVOIDING = replace(STRAIGHT, avoidance=True, fenced=True)
BETWEEN = no_fly("z-1", at(450.0, 0.0), 100.0)


def planned(failsafes: Failsafes, *zones: Zone) -> FlightPlan | NoGo:
    one = drone(1)
    one = replace(one, telemetry=replace(one.telemetry, failsafes=failsafes))
    facts = parcel(1, at(900.0, 0.0))
    return Plans().flight(world((one,), (facts,), zones), one, facts)


def checked(*zones: Zone) -> tuple[AirMission, FlightChecks]:
    """A flight round the zones, judged for a drone that returns straight."""
    one = drone(1)
    facts = parcel(1, at(900.0, 0.0))
    asked = world((one,), (facts,), zones)
    plan = Plans().flight(asked, one, facts)
    assert isinstance(plan, FlightPlan)
    policy = policy_of(Telemetry("D-01", failsafes=STRAIGHT), "")
    checks = FlightChecks(
        depart_at=asked.now,
        loads={"": 1.0},
        max_payload_kg=one.capability.max_payload_kg,
        usable_energy_wh=one.capability.usable_energy_wh,
        available_energy_wh=one.capability.usable_energy_wh,
        speed_mps=one.capability.cruise_speed_mps,
        rules=asked.settings.flight,
        policy=policy,
    )
    return plan.mission, checks


def test_avoidance_counts_in_a_plan_where_its_fence_will_be_on_board() -> None:
    assert isinstance(planned(STRAIGHT, BETWEEN), NoGo)
    assert isinstance(planned(AVOIDING, BETWEEN), FlightPlan)
    # without a fence for every flight, or with that of another flight, it does not
    assert isinstance(planned(replace(AVOIDING, fenced=False), BETWEEN), NoGo)
    version = world((), (), (BETWEEN,)).zones.version
    old = replace(STRAIGHT, avoidance=True, fence_hash=version, fence_mission="another")
    assert isinstance(planned(old, BETWEEN), NoGo)


def test_a_proven_fence_counts_for_its_own_mission_only() -> None:
    told = Telemetry("D-01", failsafes=replace(AVOIDING, fence_hash="v1", fence_mission="m1"))
    assert policy_of(told, "v1", "m1").avoidance_verified
    assert not policy_of(told, "v1", "m2").avoidance_verified
    assert not policy_of(told, "v1", "").avoidance_verified
    assert not policy_of(told, "v2", "m1").avoidance_verified
    assert promised(told)
    assert not promised(Telemetry("D-01"))


def test_the_fence_holds_the_zone_between_and_is_needed_there() -> None:
    zones = world((), (), (BETWEEN,)).zones
    over = world((), (), ()).surroundings
    mission, checks = checked(BETWEEN)
    needed, fence = flight_fence(mission, checks, zones, over)
    assert needed
    assert fence.reason == ""
    assert {item.zone_id for item in fence.items} == {"z-1"}
    assert judge_flight(mission, checks, zones, over, avoidance=True).go
    refused = judge_flight(mission, checks, zones, over, avoidance=False)
    assert not refused.go


def test_a_return_above_the_flight_is_not_covered_by_its_fence_and_says_so() -> None:
    zones, over = world((), (), (BETWEEN,)).zones, world((), (), ()).surroundings
    mission, checks = checked(BETWEEN)
    high = replace(checks, policy=replace(checks.policy, rtl_alt_home_m=110.0))
    answer = judge_flight(mission, high, zones, over, avoidance=True)
    assert not answer.go
    assert "lower RTL_ALT" in answer.reasons[-1].text


def test_zones_that_have_no_room_bar_avoidance_and_are_only_told_without() -> None:
    # 42 circles fill the store
    far = [
        no_fly(f"f-{n}", at(-900.0 - 250.0 * (n % 8), 250.0 * (n // 8)), 90.0) for n in range(50)
    ]
    zones = world((), (), (BETWEEN, *far)).zones
    over = world((), (), ()).surroundings
    mission, checks = checked(BETWEEN)
    plain = replace(checks, policy=replace(checks.policy, rtl_alt_home_m=None))
    avoiding = replace(plain, policy=replace(plain.policy, avoidance_verified=True))
    fence = fence_of(mission, avoiding, zones, over)
    assert fence.left_out
    assert "the fence cannot hold" in fence.reason
    answer = judge_flight(mission, plain, zones, over, avoidance=True)
    assert not answer.go
    assert "does not count" in answer.reasons[-1].text
