from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from geofence.zones import Schedule, VehicleClass
from geofence.zoneset import ZoneSet
from missions.errors import RequestError
from missions.model import GroundMission, RouteAction, StopAction
from missions.plan import (
    NoGo,
    RoundParcel,
    RoundRequest,
    closed_edges,
    open_streets,
    plan_round,
)
from missions.roads import StreetGraph
from missions.validate import RoundChecks, validate_round
from tests.unit.controller.dispatch_worlds import CENTER, FLAT, NOW, at, grid, no_fly

EMPTY = ZoneSet(())
STREETS = grid()


def carried(number: int, place, **changes) -> RoundParcel:
    made = RoundParcel(f"P-{number}", 2.0, CENTER, place)
    return replace(made, **changes)


def request(*parcels: RoundParcel, **changes) -> RoundRequest:
    made = RoundRequest("m-1", "R-01", CENTER, CENTER, parcels, speed_mps=1.7, slots=4)
    return replace(made, **changes)


def planned(*parcels: RoundParcel, streets=STREETS, zones=EMPTY, **changes) -> GroundMission:
    mission = plan_round(request(*parcels, **changes), zones, streets)
    assert isinstance(mission, GroundMission), mission
    return mission


def checks(*parcels: RoundParcel, **changes) -> RoundChecks:
    made = RoundChecks(
        depart_at=NOW,
        loads={p.parcel_id: p.weight_kg for p in parcels},
        max_payload_kg=20.0,
        slots=4,
        speed_mps=1.7,
        usable_energy_wh=1000.0,
        available_energy_wh=1000.0,
    )
    return replace(made, **changes)


def test_a_round_starts_and_ends_at_base_and_joins_up():
    parcels = (carried(1, at(500.0, 250.0)), carried(2, at(-500.0, 0.0)))
    mission = planned(*parcels)
    assert mission.nodes[0].node_id == mission.nodes[-1].node_id == "n4-4"
    for number, edge in enumerate(mission.edges):
        ends = (mission.nodes[number].node_id, mission.nodes[number + 1].node_id)
        assert (edge.start_node_id, edge.end_node_id) == ends
        assert edge.geometry[0] == mission.nodes[number].position
    picked = [a.parcel_id for a in mission.nodes[0].actions]
    assert sorted(picked) == ["P-1", "P-2"]
    assert sorted(mission.parcel_ids) == ["P-1", "P-2"]
    metres = sum(edge.length_m for edge in mission.edges)
    assert metres == pytest.approx(2500.0, rel=0.01)
    assert mission.duration_s > metres / 1.7
    assert validate_round(mission, checks(*parcels), EMPTY, FLAT).go


def test_action_ids_are_unique_stable_and_speak_for_themselves():
    parcels = (carried(1, at(500.0, 250.0)), carried(2, at(500.0, 250.0), pin_sha256="ab"))
    one, two = planned(*parcels), planned(*parcels)
    actions = [a for node in one.nodes for a in node.actions]
    assert len({a.action_id for a in actions}) == len(actions) == 4
    assert one == two
    assert "m-1:n6-5:drop:P-1" in {a.action_id for a in actions}
    pins = {a.parcel_id: a.handover_pin_sha256 for a in actions if a.kind is StopAction.DROP}
    assert pins == {"P-1": "", "P-2": "ab"}


def test_stops_go_in_the_cheap_order():
    parcels = [carried(i, at(250.0 * i, 0.0)) for i in (3, 1, 4, 2)]
    mission = planned(*parcels)
    assert mission.parcel_ids in {("P-1", "P-2", "P-3", "P-4"), ("P-4", "P-3", "P-2", "P-1")}
    assert sum(e.length_m for e in mission.edges) == pytest.approx(2000.0, rel=0.01)


def test_a_place_off_the_street_and_too_many_parcels_are_refused():
    far = plan_round(request(carried(1, at(1500.0, 0.0))), EMPTY, STREETS)
    assert isinstance(far, NoGo)
    assert "the destination is 500 m from the nearest street" in far.text
    full = plan_round(request(carried(1, at(250.0, 0.0)), slots=0), EMPTY, STREETS)
    assert isinstance(full, NoGo)
    assert full.reasons[0].code == "slots"


def test_zones_for_robots_close_streets_and_rounds_go_round_them():
    classes = frozenset({VehicleClass.ROBOT})
    wall = no_fly("Z-1", at(375.0, 0.0), 60.0, classes=classes)
    zones = ZoneSet((wall,))
    closed = closed_edges(STREETS, zones, FLAT, enter=NOW, leave=NOW + timedelta(hours=1))
    assert closed == {"n5-4:n6-4": ("Z-1",)}
    parcel = carried(1, at(500.0, 0.0))
    straight = planned(parcel)
    answer = validate_round(straight, checks(parcel), zones, FLAT)
    assert [r.zone_id for r in answer.reasons] == ["Z-1"]
    assert answer.reasons[0].leg == "street n5-4:n6-4"
    around = planned(parcel, streets=open_streets(STREETS, closed), zones=zones)
    assert validate_round(around, checks(parcel), zones, FLAT).go
    assert len(around.edges) > len(straight.edges)


def test_zones_for_drones_alone_and_zones_at_other_times_close_nothing():
    span = {"enter": NOW, "leave": NOW + timedelta(hours=1)}
    zones = ZoneSet((no_fly("Z-1", at(375.0, 0.0), 60.0),))
    assert closed_edges(STREETS, zones, FLAT, **span) == {}
    over = Schedule(valid_to=NOW - timedelta(days=1))
    past = no_fly("Z-2", at(375.0, 0.0), 60.0, classes=frozenset(), schedule=over)
    assert closed_edges(STREETS, ZoneSet((past,)), FLAT, **span) == {}


def test_validation_finds_what_is_wrong_with_form_load_and_energy():
    parcel = carried(1, at(500.0, 0.0))
    mission = planned(parcel)
    codes = lambda **c: [  # noqa: E731
        r.code for r in validate_round(mission, checks(parcel, **c), EMPTY, FLAT).reasons
    ]
    assert codes() == []
    assert codes(max_payload_kg=1.0) == ["payload"]
    assert codes(slots=0) == ["slots"]
    assert codes(available_energy_wh=255.0) == ["battery"]
    assert codes(usable_energy_wh=5.0) == ["range"]
    torn = replace(mission, edges=mission.edges[1:])
    assert validate_round(torn, checks(parcel), EMPTY, FLAT).reasons[0].code == "form"
    swapped = replace(mission, edges=tuple(reversed(mission.edges)))
    assert not validate_round(swapped, checks(parcel), EMPTY, FLAT).go
    action = RouteAction("x", StopAction.DROP, "P-9")
    ghost = replace(
        mission, nodes=(*mission.nodes[:-1], replace(mission.nodes[-1], actions=(action,)))
    )
    texts = [r.text for r in validate_round(ghost, checks(parcel), EMPTY, FLAT).reasons]
    assert texts == ["parcel P-9 is dropped before it is picked"]


def test_an_island_is_not_mistaken_for_the_street():
    lonely = replace(next(iter(STREETS.nodes.values())), node_id="island", position=at(30.0, 30.0))
    streets = StreetGraph((*STREETS.nodes.values(), lonely), STREETS.edges.values())
    mission = planned(carried(1, at(30.0, 30.0)), streets=streets)
    assert {node.node_id for node in mission.nodes} == {"n4-4"}
    assert all(a != b for a, b in pairwise(n.node_id for n in mission.nodes))


@pytest.mark.parametrize(("field", "value"), [("speed_mps", 0.0), ("parcels", ())])
def test_impossible_rounds_name_their_field(field, value):
    with pytest.raises(RequestError, match=field):
        request(carried(1, at(250.0, 0.0)), **{field: value})


def test_the_content_hash_knows_how_fast_streets_may_be_driven():
    mission = planned(carried(1, at(500.0, 250.0)))
    first, *others = mission.edges
    slower = replace(mission, edges=(replace(first, max_speed_mps=1.0), *others))
    assert slower.content_hash != mission.content_hash
    assert replace(mission).content_hash == mission.content_hash
