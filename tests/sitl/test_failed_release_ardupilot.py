"""A release that fails brings the parcel home: light and real copter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from geofence.frames import geodesic_m
from missions.model import AirMission, DropDevice, ItemKind
from tests.integration.mavlink_rig import HOME, delivery, light, real
from vehicles.port import EventKind, Phase

pytestmark = pytest.mark.timeout(300)
LABS = [
    pytest.param(light, id="light"),
    pytest.param(real, id="ardupilot", marks=pytest.mark.ardupilot),
]
Lab = Callable[..., Any]


def too_high() -> AirMission:
    """Payload place may feel 4 m down from 12 m, and finds no ground."""
    mission = delivery(device=DropDevice.PAYLOAD_PLACE)
    items = tuple(
        replace(item, winch_m=4.0) if item.kind is ItemKind.RELEASE else item
        for item in mission.items
    )
    return replace(mission, items=items)


@pytest.mark.parametrize("lab", LABS)
async def test_a_place_that_finds_no_ground_keeps_its_parcel_and_flies_home(lab: Lab) -> None:
    async with lab(device=DropDevice.PAYLOAD_PLACE) as (watched, _, _):
        one = watched["D-0"]
        await one.ready()
        mission = too_high()
        assert (await one.session.load(mission)).done
        started = await one.session.start(mission)
        assert started.done, started
        await one.until(lambda: EventKind.RELEASE_FAILED in one.kinds(), "failed release")
        failed = one.first(EventKind.RELEASE_FAILED)
        assert failed.parcel_id == "P-1"
        assert "Reached maximum descent" in failed.detail
        await one.ended()
        assert one.kinds() == [
            EventKind.STARTED, EventKind.RELEASE_FAILED, EventKind.COMPLETED,
        ]  # fmt: skip
        assert [t for t in one.truth if t.event == "released"] == []
        rest = one.session.telemetry.position
        assert rest is not None
        assert geodesic_m(rest, HOME) < 3.0
        assert one.session.telemetry.phase in {Phase.READY, Phase.NOT_READY}
