"""Models, codec, topics and maps."""

from __future__ import annotations

import contextlib
import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from geofence.frames import LatLon, bearing_deg, geodesic_m, offset
from sitl.robot import RobotMap
from vehicles.errors import ConfigurationError, ProtocolError
from vehicles.vda5050.codec import MAX_MESSAGE_BYTES, HeaderCounter
from vehicles.vda5050.codec2 import Codec2
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.models import State
from vehicles.vda5050.topics import Address, Topics, check_address

CODEC = Codec2()
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

STATE = {
    "headerId": 7,
    "timestamp": "2026-01-02T03:04:05.678Z",
    "version": "2.0.0",
    "manufacturer": "ACME",
    "serialNumber": "R-1",
    "orderId": "",
    "orderUpdateId": 0,
    "lastNodeId": "",
    "lastNodeSequenceId": 0,
    "nodeStates": [],
    "edgeStates": [],
    "driving": False,
    "actionStates": [],
    "batteryState": {"batteryCharge": 80, "charging": False},
    "operatingMode": "AUTOMATIC",
    "errors": [],
    "safetyState": {"eStop": "NONE", "fieldViolation": False},
}


def state(**changes: object) -> State:
    return CODEC.state(json.dumps(STATE | changes).encode(), "r1")


def test_minimal_state_of_version_2_0_is_accepted() -> None:
    message = state(vendorKey={"x": 1})
    assert message.idle
    assert message.battery_state.battery_charge == 80.0
    assert message.agv_position is None


@pytest.mark.parametrize("key", sorted(STATE))
def test_every_required_key_is_required(key: str) -> None:
    body = {k: v for k, v in STATE.items() if k != key}
    with pytest.raises(ProtocolError, match=key) as caught:
        CODEC.state(json.dumps(body).encode(), "r1")
    assert caught.value.vehicle_id == "r1"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"driving": "no"}, "driving"),
        ({"headerId": -1}, "headerId"),
        ({"headerId": True}, "headerId"),
        ({"orderId": 5}, "orderId"),
        ({"orderId": "x" * 300}, "orderId"),
        ({"operatingMode": "FLYING"}, "operatingMode"),
        ({"errors": None}, "errors"),
        ({"safetyState": {"eStop": "MAYBE", "fieldViolation": False}}, "eStop"),
        ({"actionStates": [{"actionId": "a", "actionStatus": "DONE"}]}, "actionStatus"),
        ({"version": "3.0.0"}, "3.0.0"),
        ({"version": "1.1"}, "speaks"),
        ({"nodeStates": [{}] * 5000}, "nodeStates"),
    ],
)
def test_nonsense_is_named(change: dict[str, object], names: str) -> None:
    with pytest.raises(ProtocolError, match=names):
        state(**change)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"null", b"[]", b"\xff", b"[" * 100_000, b'{"headerId":1e999}', b"NaN"],
)
def test_what_is_no_message_is_no_crash(payload: bytes) -> None:
    for decode in (CODEC.state, CODEC.connection, CODEC.factsheet):
        with pytest.raises(ProtocolError, match="malformed"):
            decode(payload, "r1")


def test_long_messages_are_not_parsed() -> None:
    with pytest.raises(ProtocolError, match="longer than"):
        CODEC.state(b" " * (MAX_MESSAGE_BYTES + 1), "r1")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_protocol_error(payload: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert CODEC.state(payload, "r1").version.startswith("2.")


def test_headers_count_per_topic() -> None:
    headers = HeaderCounter("ACME", "R-1", lambda: NOW)
    assert [headers.next(t).header_id for t in ("order", "order", "instantActions", "order")] == [
        0,
        1,
        0,
        2,
    ]
    assert headers.next("order").timestamp == "2026-01-02T03:04:05.678Z"


def test_a_robot_is_answered_in_the_version_that_it_speaks() -> None:
    headers = HeaderCounter("ACME", "R-1", lambda: NOW)
    spoken = []
    for version in ("2.0.0", "2.1.0", "2.0", "2.2.0"):
        headers.answer(version)
        payload = CODEC.instant_actions((), headers.next("instantActions"))
        spoken.append(json.loads(payload)["version"])
    assert spoken == ["2.0.0", "2.1.0", "2.0", "2.1.0"]


def test_the_newest_entry_of_a_repeated_action_counts() -> None:
    twice = [
        {"actionId": "a", "actionStatus": "FINISHED"},
        {"actionId": "a", "actionStatus": "WAITING"},
    ]
    message = state(actionStates=twice)
    found = message.action("a")
    assert found is not None
    assert found.action_status == "WAITING"
    assert not message.idle


def test_topics_join_and_split() -> None:
    topics = Topics("site/uagv")
    address = Address("ACME", "R:1.2-3")
    name = topics.of(address, "order")
    assert name == "site/uagv/v2/ACME/R:1.2-3/order"
    assert topics.split(name) == (address, "order")
    assert topics.split("site/uagv/v2/ACME/order") is None
    assert topics.split("site/uagv/v3/ACME/R/order") is None
    assert topics.split("other/v2/ACME/R/state") is None
    assert "site/uagv/v2/ACME/+/connection" in topics.filters(frozenset({"ACME"}))


@pytest.mark.parametrize(
    ("maker", "serial", "names"),
    [
        ("AC/ME", "1", "manufacturer"),
        ("", "1", "manufacturer"),
        ("ACME", "1/2", "serial"),
        ("ACME", "", "serial"),
        ("ACME", "ä", "serial"),
        ("A+", "1", "manufacturer"),
    ],
)
def test_addresses_that_cannot_stand_in_a_topic(maker: str, serial: str, names: str) -> None:
    with pytest.raises(ConfigurationError, match=names):
        check_address("r1", Address(maker, serial))


ORIGIN = LatLon(60.17, 24.94)
LATS = st.floats(-80, 80)
SPANS = st.floats(-20_000, 20_000)


@given(LATS, st.floats(-180, 180), SPANS, SPANS, st.floats(0, 360), st.floats(-100, 3000))
def test_map_goes_both_ways(
    lat: float, lon: float, x: float, y: float, heading: float, alt: float
) -> None:
    site = SiteMap("m", LatLon(lat, lon), alt, heading)
    back = site.to_map(site.to_latlon(x, y))
    assert math.dist(back, (x, y)) < 1e-3


@given(SPANS, SPANS)
def test_map_agrees_with_proj(x: float, y: float) -> None:
    site = SiteMap("m", ORIGIN, 20.0)
    enu = Transformer.from_pipeline(
        f"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart "
        f"+ellps=WGS84 +step +proj=topocentric +ellps=WGS84 +lat_0={ORIGIN.lat_deg} "
        f"+lon_0={ORIGIN.lon_deg} +h_0=20"
    )
    position = site.to_latlon(x, y)
    east, north, _ = enu.transform(position.lon_deg, position.lat_deg, 20.0)
    assert math.dist((east, north), (x, y)) < 1e-3


@given(SPANS, SPANS, st.floats(0, 360))
def test_the_labs_own_map_agrees(x: float, y: float, heading: float) -> None:
    site = SiteMap("m", ORIGIN, 20.0, heading)
    lab = RobotMap("m", ORIGIN.lat_deg, ORIGIN.lon_deg, 20.0, heading)
    ours, theirs = site.to_latlon(x, y), lab.to_latlon(x, y)
    assert geodesic_m(ours, LatLon(*theirs)) < 1e-3
    assert math.dist(lab.to_xy(ours.lat_deg, ours.lon_deg), (x, y)) < 1e-3


@pytest.mark.parametrize("heading", [0.0, 33.0, 270.0])
@pytest.mark.parametrize("azimuth", [0.0, 45.0, 181.0, 300.0])
def test_heading_is_true(heading: float, azimuth: float) -> None:
    """A robot that drives from one place to another looks along the geodesic between them."""
    site = SiteMap("m", ORIGIN, 0.0, heading)
    start = offset(ORIGIN, 70.0, 4000.0)
    end = offset(start, azimuth, 5.0)
    (x0, y0), (x1, y1) = site.to_map(start), site.to_map(end)
    told = site.heading_true_deg(x0, y0, math.atan2(y1 - y0, x1 - x0))
    assert abs((told - bearing_deg(start, end) + 180.0) % 360.0 - 180.0) < 0.01
