"""An upload, message by message: what ends it, and what only interrupts it."""

from __future__ import annotations

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from tests.integration.mavlink_rig import delivery
from vehicles.mavlink.items import translate
from vehicles.mavlink.messages import MissionAck, MissionRequest
from vehicles.mavlink.mission_transfer import MissionUpload

GCS = (255, 190)


def upload() -> MissionUpload:
    return MissionUpload(translate(delivery()).messages(1, 1), 1, 1)


def ack(result: int) -> MissionAck:
    return MissionAck(*GCS, result, 0)


@pytest.mark.parametrize(
    "passing",
    [
        mav.MAV_MISSION_NO_SPACE,
        mav.MAV_MISSION_DENIED,
        mav.MAV_MISSION_OPERATION_CANCELLED,
        # to an item of an earlier transfer that comes late
        mav.MAV_MISSION_ERROR,
    ],
)
def test_a_passing_refusal_is_followed_by_another_count(passing: int) -> None:
    sending = upload()
    (first,) = sending.start(0.0)
    assert sending.receive(ack(passing), 0.1) == []
    assert sending.result is None
    (again,) = sending.tick(0.1 + sending.again_s)
    assert (again.get_type(), again.count) == ("MISSION_COUNT", first.count)


def test_a_refusal_that_stays_ends_it_with_its_reason() -> None:
    sending, now_s = upload(), 0.0
    sending.start(now_s)
    while sending.result is None:
        sending.receive(ack(mav.MAV_MISSION_ERROR), now_s)
        now_s += sending.again_s
        sending.tick(now_s)
        assert now_s < 60.0
    assert not sending.result.accepted
    assert "error" in sending.result.reason


def test_an_item_that_cannot_be_is_refused_at_once() -> None:
    sending = upload()
    sending.start(0.0)
    sending.receive(MissionRequest(0, *GCS, 0), 0.1)
    sending.receive(ack(mav.MAV_MISSION_UNSUPPORTED), 0.2)
    assert sending.result is not None
    assert "command not supported" in sending.result.reason
