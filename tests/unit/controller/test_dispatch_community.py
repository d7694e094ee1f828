"""A community's own rules, from the example file: its gate, its streets, its loading bay.

Robots and drones meet each of them, and wait, go round or are refused with the reason. The hub is
in the middle of a grid of streets; times are those of Helsinki, three hours ahead of UTC.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.dispatch.engine import dispatch
from controller.dispatch.model import DispatchSettings
from geofence.formats import read_any
from geofence.zones import Surface, Zone
from missions.model import AirMission, GroundMission
from tests.unit.controller.dispatch_worlds import at, drone, numbered, parcel, robot, world

FILE = Path(__file__).parents[3] / "docs" / "community-zones.geojson"
YARD = at(1000.0, 1000.0)
SHOP = at(500.0, 0.0)
BEYOND_THE_ROAD = at(0.0, 500.0)
BAY = at(-500.0, 0.0)


def clock(hour: int, minute: int = 0) -> datetime:
    """Of Monday 1 June in Helsinki."""
    return datetime(2026, 6, 1, tzinfo=UTC) + timedelta(hours=hour - 3, minutes=minute)


def rules(*zone_ids: str) -> tuple[Zone, ...]:
    zones = {zone.zone_id: zone for zone in read_any(FILE.read_bytes(), FILE.name)}
    return tuple(zones[zone_id] for zone_id in zone_ids) if zone_ids else tuple(zones.values())


def vehicle(made, now: datetime, **traits):
    seen = replace(made.telemetry, received_at=now)
    return replace(made, telemetry=seen, capability=replace(made.capability, **traits))


def decide(made, place, now, zones=(), **changes):
    facts = parcel(1, place, ready_at=now, due_at=now + timedelta(hours=2))
    asked = world((made,), (facts,), zones, now=now, **changes)
    return dispatch(asked, ids=numbered(), seed=0)


def mission(decision) -> GroundMission | AirMission:
    (offer,) = decision.offers
    return offer.mission


def waits(decision) -> str:
    """The one reason; the parcel is kept for later."""
    assert decision.offers == ()
    assert decision.unservable == {}
    (refused,) = decision.explanations["P-001"].refusals
    assert not refused.permanent
    return refused.text


def edges(decision) -> set[str]:
    return {edge.edge_id for edge in mission(decision).edges}


def test_the_file_is_read_and_every_zone_of_it_is_met_here() -> None:
    assert {zone.zone_id for zone in rules()} == {
        "gate", "walk", "walk-pace", "walk-air", "low-emission", "bay-7", "bay-7-air",
    }  # fmt: skip


@pytest.mark.parametrize("made", [robot(), drone()], ids=["robot", "drone"])
def test_the_gate_is_waited_for_at_night_and_passed_by_day(made) -> None:
    night, day = clock(23), clock(12)
    text = waits(decide(vehicle(made, night), YARD, night, rules()))
    assert "Yard of the housing company" in text
    decision = decide(vehicle(made, day), YARD, day, rules())
    assert mission(decision).parcel_ids == ("P-001",)


def test_a_robot_that_would_still_be_out_when_the_gate_shuts_waits_for_the_morning() -> None:
    late = clock(21, 50)
    assert "Yard" in waits(decide(vehicle(robot(), late), YARD, late, rules()))


def test_the_pedestrian_street_is_gone_round_on_the_road() -> None:
    now = clock(12)
    road = vehicle(robot(), now, surface=Surface.ROAD)
    free, bound = decide(road, SHOP, now), decide(road, SHOP, now, rules())
    assert "n5-4:n6-4" in edges(free)
    assert "n5-4:n6-4" not in edges(bound)
    assert mission(bound).duration_s > mission(free).duration_s + 100.0


def test_on_its_pavement_the_pedestrian_street_is_driven_at_walking_pace() -> None:
    shopping, early = clock(12), clock(3)
    speeds = []
    for now in (shopping, early):
        pavement = vehicle(robot(), now, surface=Surface.PAVEMENT)
        made = mission(decide(pavement, SHOP, now, rules("walk", "walk-pace")))
        speeds.append({edge.edge_id: edge.max_speed_mps for edge in made.edges})
    # half of it slowly is still quicker than the way round
    assert [found["n5-4:n6-4"] for found in speeds] == [0.8, 3.0]
    assert min(speeds[1].values()) == 3.0


def test_a_drone_flies_round_the_pedestrian_street_and_drops_nothing_in_it() -> None:
    now = clock(12)
    zones = rules("walk-air")
    beyond = at(700.0, 0.0)
    flown = decide(vehicle(drone(), now), beyond, now, zones)
    straight = decide(vehicle(drone(), now), beyond, now)
    assert len(mission(flown).items) > len(mission(straight).items)
    text = waits(decide(vehicle(drone(), now), at(300.0, 0.0), now, zones))
    assert "Pedestrian street" in text
    assert "covers the destination" in text


@pytest.mark.parametrize(("electric", "through"), [(True, True), (False, False), (None, False)])
def test_the_low_emission_road_is_for_electric_robots(electric, through) -> None:
    now = clock(12)
    made = vehicle(robot(), now, electric=electric)
    found = edges(decide(made, BEYOND_THE_ROAD, now, rules()))
    assert ("n4-5:n4-6" in found) is through


def test_a_loading_bay_has_its_hours_and_its_permit() -> None:
    noon, morning = clock(12), clock(6, 30)
    text = waits(decide(vehicle(robot(), noon), BAY, noon, rules()))
    assert "Loading bay 7" in text
    permitted = DispatchSettings(permits=frozenset({"bay-7"}))
    assert mission(decide(vehicle(robot(), noon), BAY, noon, rules(), settings=permitted))
    assert mission(decide(vehicle(robot(), morning), BAY, morning, rules()))


def test_a_drone_leaves_the_bay_to_the_lorries_in_the_morning() -> None:
    noon, morning = clock(12), clock(7)
    text = waits(decide(vehicle(drone(), morning), BAY, morning, rules()))
    assert "Loading bay 7" in text
    assert mission(decide(vehicle(drone(), noon), BAY, noon, rules()))


def test_what_nobody_may_ever_do_is_refused_at_once() -> None:
    """A robot of the road, to a door in the pedestrian street: no hour will let it in."""
    now = clock(12)
    road = vehicle(robot(), now, surface=Surface.ROAD)
    everywhere = replace(rules("walk")[0], area=rules("gate")[0].area)
    decision = decide(road, YARD, now, (everywhere,))
    (reason,) = decision.unservable["P-001"]
    assert reason.permanent
    assert "Pedestrian street" in reason.text
