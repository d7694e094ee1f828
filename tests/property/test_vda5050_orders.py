"""Any round becomes an order that an independent robot accepts and drives as it was planned."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon, geodesic_m
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from sitl.robot import RobotMap, RobotSpec, words
from sitl.robot.core import RobotCore
from vehicles.vda5050.codec import HeaderCounter
from vehicles.vda5050.codec2 import Codec2
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.orders import OrderSettings, build_order, mission_fault

ORIGIN = LatLon(60.17, 24.94)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CODEC = Codec2()
POINT = st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000))


@st.composite
def rounds(draw: st.DrawFn) -> tuple[GroundMission, SiteMap]:
    site = SiteMap("site", ORIGIN, 12.0, draw(st.floats(0, 360)))
    places = draw(st.lists(POINT, min_size=1, max_size=8))
    positions = [site.to_latlon(*p) for p in places]
    parcels = draw(st.integers(0, 4))
    actions: list[list[RouteAction]] = [[] for _ in places]
    for number in range(parcels):
        start = draw(st.integers(0, len(places) - 1))
        end = draw(st.integers(start, len(places) - 1))
        for where, kind in ((start, StopAction.PICK), (end, StopAction.DROP)):
            actions[where].append(RouteAction(f"{kind}{number}", kind, f"p{number}"))
    for stop in actions:
        stop.sort(key=lambda a: a.kind is StopAction.DROP)
    nodes = tuple(
        RouteNode(f"n{i % 5}", p, tuple(a))
        for i, (p, a) in enumerate(zip(positions, actions, strict=True))
    )
    edges = []
    for i in range(len(nodes) - 1):
        bends = [site.to_latlon(*p) for p in draw(st.lists(POINT, max_size=3))]
        geometry = (positions[i], *bends, positions[i + 1]) if bends else ()
        edges.append(
            RouteEdge(
                f"e{i}",
                nodes[i].node_id,
                nodes[i + 1].node_id,
                1.0,
                draw(st.floats(0, 5)),
                geometry,
            )
        )
    return GroundMission("m", "r", nodes, tuple(edges), "z"), site


@given(rounds(), st.booleans())
@settings(max_examples=80, deadline=None)
def test_an_order_is_accepted_and_driven_along_the_street(
    planned: tuple[GroundMission, SiteMap], curves: bool
) -> None:
    mission, site = planned
    assert mission_fault(mission) == ""
    start = mission.nodes[0].position
    spec = RobotSpec(
        "r",
        "ACME",
        "R",
        start.lat_deg,
        start.lon_deg,
        speed_mps=5.0,
        range_m=1e9,
        trajectories=curves,
    )
    robot_map = RobotMap("site", ORIGIN.lat_deg, ORIGIN.lon_deg, 12.0, site.heading_deg)
    truth: Counter[tuple[str, str]] = Counter()
    robot = RobotCore(spec, robot_map, lambda _t, word, parcel: truth.update([(word, parcel)]), 0.0)
    sheet = words.Voice(spec, lambda: NOW).say("factsheet", words.factsheet(spec))
    order = build_order(mission, site, OrderSettings(), CODEC.factsheet(sheet, "r"))
    payload = CODEC.order(order.body, HeaderCounter("ACME", "R", lambda: NOW).next("order"))
    robot.receive("order", payload)
    assert robot.m.errors == []
    assert robot.m.order_id == order.order_id

    wanted = [mission.nodes[0].position]
    for edge, node in zip(mission.edges, mission.nodes[1:], strict=True):
        wanted += [*edge.geometry[1:-1], node.position]
    driven: list[tuple[float, float]] = [(robot.x, robot.y)]
    for _ in range(2000):
        if robot.idle:
            break
        robot.t += robot._live(1e9)  # one thing at a time: to the next point of the line
        driven.append((robot.x, robot.y))
    assert robot.idle
    picks = {a.parcel_id for n in mission.nodes for a in n.actions}
    assert {p for word, p in truth if word == "dropped"} == picks
    assert all(count == 1 for count in truth.values())
    for position in wanted:
        x, y = site.to_map(position)
        near = min(math.dist((x, y), d) for d in driven)
        assert near < 0.1
    lat, lon = robot_map.to_latlon(robot.x, robot.y)
    assert geodesic_m(LatLon(lat, lon), mission.nodes[-1].position) < 0.1
