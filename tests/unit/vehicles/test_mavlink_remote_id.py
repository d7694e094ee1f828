"""Remote ID: who flies it, when it is told, and what must not be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon
from vehicles.errors import ConfigurationError
from vehicles.mavlink.remote_id import EuCategory, RemoteId, RemoteIdSender
from vehicles.mavlink.wire import Encoder

PLACE = LatLon(60.17, 24.94)
NUMBER = "FIN87astrdge12k8"
NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


def told(remote_id: RemoteId, at_s: float = 0.0, now: datetime = NOW) -> dict[str, Any]:
    """What is due at once, as pymavlink reads it from the wire, by message name."""
    encoder, reader = Encoder(), mav.MAVLink(None)
    messages = RemoteIdSender(remote_id, 7, 1).due(at_s, now)
    read = [reader.decode(bytearray(encoder.encode(m))) for m in messages]
    return {m.get_type(): m for m in read}


def test_the_operator_is_told_as_the_standard_says() -> None:
    seen = told(RemoteId(NUMBER, PLACE, 31.5, EuCategory.SPECIFIC, 3, "parcels", "1581F4XYZ"))
    system = seen["OPEN_DRONE_ID_SYSTEM"]
    assert (system.target_system, system.target_component) == (7, 1)
    assert system.operator_latitude == 601_700_000
    assert system.operator_longitude == 249_400_000
    assert system.operator_altitude_geo == 31.5
    assert system.classification_type == mav.MAV_ODID_CLASSIFICATION_TYPE_EU
    assert system.category_eu == mav.MAV_ODID_CATEGORY_EU_SPECIFIC
    assert system.class_eu == mav.MAV_ODID_CLASS_EU_CLASS_3
    since = datetime(2019, 1, 1, tzinfo=UTC) + timedelta(seconds=system.timestamp)
    assert since == NOW
    assert seen["OPEN_DRONE_ID_OPERATOR_ID"].operator_id == NUMBER
    assert seen["OPEN_DRONE_ID_SELF_ID"].description == "parcels"
    assert bytes(seen["OPEN_DRONE_ID_BASIC_ID"].uas_id).rstrip(b"\0") == b"1581F4XYZ"


def test_what_is_not_known_is_said_to_be_unknown_or_not_said() -> None:
    seen = told(RemoteId("US-12345", PLACE))
    assert set(seen) == {"OPEN_DRONE_ID_SYSTEM", "OPEN_DRONE_ID_OPERATOR_ID"}
    assert seen["OPEN_DRONE_ID_SYSTEM"].operator_altitude_geo == -1000.0
    assert seen["OPEN_DRONE_ID_SYSTEM"].classification_type == 0
    assert seen["OPEN_DRONE_ID_SYSTEM"].class_eu == 0


@given(st.lists(st.floats(0.01, 2.0), min_size=20, max_size=60))
def test_system_is_never_older_than_the_drone_bears(steps_s: list[float]) -> None:
    sender, now_s, last_s = RemoteIdSender(RemoteId(NUMBER, PLACE), 1, 1), 0.0, 0.0
    constant_s: list[float] = []
    for step_s in steps_s:
        now_s += step_s
        for message in sender.due(now_s, NOW):
            if message.get_type() == "OPEN_DRONE_ID_SYSTEM":
                assert now_s - last_s < 1.0 + 2.0
                last_s = now_s
            else:
                constant_s.append(now_s)
    assert all(b - a < 3.0 + 2.0 for a, b in pairwise(constant_s))
    assert len(constant_s) <= now_s / 3.0 + 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"operator_id": NUMBER + "-abc"}, "secret"),
        ({"operator_id": ""}, "empty"),
        ({"operator_id": "x" * 21}, "20 characters"),
        ({"operator_id": "väylä"}, "ASCII"),
        ({"operator_id": "SHORT", "eu_category": EuCategory.OPEN}, "EU operator number"),
        ({"operator_id": NUMBER, "eu_class": 2}, "eu_class"),
        ({"operator_id": NUMBER, "eu_category": EuCategory.OPEN, "eu_class": 7}, "eu_class"),
        ({"operator_id": NUMBER, "description": "d" * 24}, "description"),
        ({"operator_id": NUMBER, "serial": "s" * 21}, "serial"),
    ],
)
def test_what_must_not_be_told_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        RemoteId(operator=PLACE, **fields)
