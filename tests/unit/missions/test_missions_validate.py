from __future__ import annotations

from dataclasses import replace

import pytest

from geofence.frames import Altitude, Datum
from geofence.zoneset import ZoneSet
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from missions.plan import plan_flight
from missions.plan_flown import DEFAULT_FLIGHT_RULES, flown_legs, total
from missions.plan_paths import uncovered_ways_out
from missions.validate import energy_needed_wh, validate_flight
from tests.unit.missions.flights import FLAT, HOME, at, box, checks, circle, request, without_items

EMPTY = ZoneSet(())
CORNER = at(800.0, 0.0)
DROP = at(800.0, 800.0)


def planned(destination=DROP, zones=EMPTY, **changes) -> AirMission:
    mission = plan_flight(request(destination, **changes), zones, FLAT)
    assert isinstance(mission, AirMission), mission
    return mission


def detour(*, return_path: bool, back_same: bool = True) -> AirMission:
    """Out by a corner to the north-west; back the same way, or straight."""
    cruise = 60.0
    up = [AirItem(ItemKind.RETURN_PATH, DROP, 20.0)] if return_path else []
    back = [AirItem(ItemKind.WAYPOINT, CORNER, cruise)] if back_same else []
    items = (
        AirItem(ItemKind.TAKEOFF, HOME, cruise),
        AirItem(ItemKind.WAYPOINT, CORNER, cruise),
        AirItem(ItemKind.WAYPOINT, DROP, cruise),
        AirItem(ItemKind.WAYPOINT, DROP, 20.0),
        AirItem(ItemKind.RELEASE, parcel_id="P-1"),
        *up,
        AirItem(ItemKind.WAYPOINT, DROP, cruise),
        *back,
        AirItem(ItemKind.WAYPOINT, HOME, cruise),
        AirItem(ItemKind.LAND, HOME),
    )
    return AirMission("m", "D-01", HOME, 10.0, cruise, items, EMPTY.version)


def codes(answer) -> list[str]:
    return [reason.code for reason in answer.reasons]


def test_go_has_no_reasons_and_a_verdict():
    answer = validate_flight(planned(), checks(), EMPTY, FLAT)
    assert answer.go
    assert answer.reasons == ()
    assert answer.verdict is not None
    assert answer.verdict.allowed


def test_a_sliver_between_the_waypoints_is_found_with_leg_zone_and_depth():
    sliver = box("Z-9", (399.5, 300.0), (400.0, 500.0))
    answer = validate_flight(planned(), checks(), ZoneSet((sliver,)), FLAT)
    assert not answer.go
    (reason,) = answer.reasons
    assert (reason.code, reason.zone_id) == ("zone", "Z-9")
    assert reason.leg == "leg 2 on the way out"
    assert reason.depth_m > DEFAULT_FLIGHT_RULES.corridor_m(12.0)
    assert "Z-9 Place Z-9 (no-fly 0-120 m AGL)" in reason.text


def test_the_straight_return_is_checked_where_there_is_no_return_path():
    zones = ZoneSet((circle("Z-1", at(400.0, 400.0), 60.0),))
    assert validate_flight(detour(return_path=True), checks(), zones, FLAT).go
    answer = validate_flight(detour(return_path=False), checks(), zones, FLAT)
    assert not answer.go
    assert answer.reasons[0].leg.startswith("straight return from")


def test_the_swept_triangle_is_checked_not_its_edges():
    inside = circle("Z-1", at(600.0, 250.0), 15.0)
    answer = validate_flight(detour(return_path=False), checks(), ZoneSet((inside,)), FLAT)
    assert [r.zone_id for r in answer.reasons] == ["Z-1"]
    beside = circle("Z-2", at(200.0, 600.0), 15.0)
    assert validate_flight(detour(return_path=False), checks(), ZoneSet((beside,)), FLAT).go


def test_a_return_path_that_is_another_way_does_not_cover_the_way_out():
    mission = detour(return_path=True, back_same=False)
    legs = flown_legs(
        mission, loads={}, speed_mps=12.0, model=checks().model, rules=DEFAULT_FLIGHT_RULES
    )
    assert [leg.label for leg in uncovered_ways_out(mission, legs)] == [
        "leg 1 on the way out",
        "leg 2 on the way out",
    ]
    inside = ZoneSet((circle("Z-1", at(600.0, 250.0), 15.0),))
    assert not validate_flight(mission, checks(), inside, FLAT).go


def test_a_return_path_without_its_place_leaves_the_descent_uncovered():
    mission = planned()
    legs = flown_legs(
        mission, loads={}, speed_mps=12.0, model=checks().model, rules=DEFAULT_FLIGHT_RULES
    )
    assert uncovered_ways_out(mission, legs) == ()
    bare = replace(
        mission,
        items=tuple(
            AirItem(ItemKind.RETURN_PATH) if i.kind is ItemKind.RETURN_PATH else i
            for i in mission.items
        ),
    )
    assert {leg.label for leg in uncovered_ways_out(bare, legs)} == {
        "descent at the drop",
        "hover",
        "release",
    }


def test_a_return_at_rtl_height_meets_a_zone_above_the_leg():
    rules = replace(DEFAULT_FLIGHT_RULES, rtl_alt_home_m=90.0)
    high = circle(
        "Z-1", at(400.0, 200.0), 30.0,
        floor=Altitude(80.0, Datum.AGL), ceiling=Altitude(100.0, Datum.AGL),
    )  # fmt: skip
    mission = without_items(planned(), ItemKind.RETURN_PATH)
    zones = ZoneSet((replace(high, area=circle("x", at(400.0, 400.0), 30.0).area),))
    assert validate_flight(mission, checks(), zones, FLAT).go
    assert not validate_flight(mission, checks(rules=rules), zones, FLAT).go


def test_pad_and_drop_discs_are_checked_down_to_the_ground():
    low = {"ceiling": Altitude(15.0, Datum.AGL)}
    at_pad = ZoneSet((circle("Z-1", at(-12.0, 0.0), 5.0, **low),))
    answer = validate_flight(planned(), checks(), at_pad, FLAT)
    assert [r.leg for r in answer.reasons] == ["take-off"]
    assert "covers the pad" in answer.reasons[0].text
    under = ZoneSet((circle("Z-2", at(800.0, 812.0), 5.0, **low),))
    for device in DropDevice:
        answer = validate_flight(planned(device=device), checks(), under, FLAT)
        assert [r.leg for r in answer.reasons] == ["drop"], device


def test_payload_energy_reserve_and_range():
    mission = planned()
    assert codes(validate_flight(mission, checks(max_payload_kg=1.0), EMPTY, FLAT)) == ["payload"]
    assert codes(validate_flight(mission, checks(loads={}), EMPTY, FLAT)) == ["payload"]
    low = validate_flight(mission, checks(available_energy_wh=150.0), EMPTY, FLAT)
    assert codes(low) == ["battery"]
    assert not low.reasons[0].permanent
    far = validate_flight(mission, checks(usable_energy_wh=120.0), EMPTY, FLAT)
    assert codes(far) == ["range"]
    assert far.reasons[0].permanent


def test_the_energy_covers_a_release_that_failed():
    mission = planned()
    legs = flown_legs(
        mission,
        loads={"P-1": 2.5},
        speed_mps=12.0,
        model=checks().model,
        rules=DEFAULT_FLIGHT_RULES,
    )
    assert energy_needed_wh(legs) > total(legs).energy_wh
    assert total(legs).time_s == pytest.approx(mission.duration_s)


def test_form_height_and_landing():
    mission = planned()
    headless = replace(mission, items=mission.items[1:])
    answer = validate_flight(headless, checks(), EMPTY, FLAT)
    assert not answer.go
    assert "starts with TAKEOFF" in answer.reasons[0].text
    away = replace(mission, items=(*mission.items[:-2], AirItem(ItemKind.LAND, DROP)))
    assert "landing" in codes(validate_flight(away, checks(), EMPTY, FLAT))
    fast = tuple(
        replace(i, speed_mps=25.0) if i.kind is ItemKind.SPEED else i for i in mission.items
    )
    quick = validate_flight(replace(mission, items=fast), checks(), EMPTY, FLAT)
    assert set(codes(quick)) == {"speed"}
    roof = validate_flight(replace(mission, home_amsl_m=75.0), checks(), EMPTY, FLAT)
    assert codes(roof) == ["height"]
    assert "125 m above ground" in roof.reasons[0].text
    high = replace(mission, cruise_alt_home_m=130.0)
    assert "height" in codes(validate_flight(high, checks(), EMPTY, FLAT))
