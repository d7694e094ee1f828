"""Planned flights with several stops: how light and real copter fly them and come home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from geofence.check import Surroundings
from geofence.frames import LatLon, geodesic_m, offset
from geofence.zoneset import ZoneSet
from missions.model import AirMission, DropDevice
from missions.plan_flight import plan_flight
from missions.plan_stops import FlightRequest, FlightStop
from tests.integration.mavlink_rig import CRUISE_M, HOME, HOME_AMSL_M, Watched, light, real, spec
from vehicles.mavlink.items import translate
from vehicles.port import EventKind, Verb

pytestmark = pytest.mark.timeout(300)
LABS = [
    pytest.param(light, id="light"),
    pytest.param(real, id="ardupilot", marks=pytest.mark.ardupilot),
]
Lab = Callable[..., Any]
FIRST = offset(HOME, 90.0, 80.0)
SECOND = offset(FIRST, 20.0, 80.0)
NEAR_M = 4.0
NAV_LAND = 21


def planned(*, landing: bool = False, device: DropDevice = DropDevice.GRIPPER) -> AirMission:
    """To the first, round a corner to the second, and the same ground back."""
    request = FlightRequest(
        mission_id="M-2",
        vehicle_id="D-0",
        home=HOME,
        home_amsl_m=HOME_AMSL_M,
        parcel_id="P-1",
        weight_kg=0.5,
        destination=FIRST,
        device=device,
        cruise_alt_home_m=CRUISE_M,
        cruise_speed_mps=10.0,
        depart_at=datetime(2026, 6, 1, 9, 0, tzinfo=UTC),
        landing=landing,
        further=(FlightStop("P-2", 0.5, SECOND, landing=landing),),
    )
    mission = plan_flight(request, ZoneSet(()), Surroundings(ground_amsl_m=HOME_AMSL_M))
    assert isinstance(mission, AirMission)
    return mission


async def start(one: Watched, mission: AirMission) -> None:
    await one.ready()
    loaded = await one.session.load(mission)
    assert loaded.done, loaded
    result = await one.session.start(mission)
    assert result.done, result


def height_m(one: Watched) -> float:
    return one.session.telemetry.alt_home_m or 0.0


@pytest.mark.parametrize("lab", LABS)
@pytest.mark.parametrize("landing", [False, True], ids=["dropping", "landing"])
async def test_a_planned_flight_lets_both_go_and_halts_over_the_first_on_its_way_back(
    lab: Lab, landing: bool
) -> None:
    async with lab(specs=[replace(spec(), parcels=2)], slots=2) as (watched, _, _):
        one = watched["D-0"]
        await start(one, planned(landing=landing))
        await one.ended()
        assert one.kinds() == [
            EventKind.STARTED, EventKind.RELEASED, EventKind.RELEASED, EventKind.COMPLETED,
        ]  # fmt: skip
        released = [e for e in one.seen if e.kind is EventKind.RELEASED]
        assert [e.parcel_id for e in released] == ["P-1", "P-2"]
        for event, place in zip(released, (FIRST, SECOND), strict=True):
            assert event.position is not None
            assert geodesic_m(event.position, place) < 3.0
        rest = one.session.telemetry.position
        assert rest is not None
        assert geodesic_m(rest, HOME) < 3.0
        # every true position near the first stop on the way back: it comes to rest there
        assert _passes_by_at_rest(one)


def _passes_by_at_rest(one: Watched) -> bool:
    """Whether two true samples in a row lie within a metre, high over the first stop, at the end.

    The way back is what comes after the last release.
    """
    gone = max(n for n, t in enumerate(one.truth) if t.event == "released")
    high = [
        LatLon(t.lat_deg, t.lon_deg)
        for t in one.truth[gone:]
        if t.alt_amsl_m > HOME_AMSL_M + CRUISE_M - 3.0
    ]
    near = [p for p in high if geodesic_m(p, FIRST) < NEAR_M]
    return any(geodesic_m(a, b) < 1.0 for a, b in pairwise(near))


@pytest.mark.parametrize("lab", LABS)
async def test_called_home_low_over_the_first_stop_it_rises_before_it_goes(lab: Lab) -> None:
    async with lab(specs=[replace(spec(), parcels=2)], slots=2) as (watched, _, _):
        one = watched["D-0"]
        await start(one, planned())
        await one.until(lambda: EventKind.RELEASED in one.kinds(), "the first has left")
        assert height_m(one) < 6.0
        returned = await one.session.execute(Verb.RETURN)
        assert returned.done, returned
        await one.ended()
        assert one.kinds().count(EventKind.RELEASED) == 1
        assert "returned before the release of P-2" in one.first(EventKind.ABORTED).detail
        gone = next(n for n, t in enumerate(one.truth) if t.event == "released")
        low = [
            LatLon(t.lat_deg, t.lon_deg)
            for t in one.truth[gone:]
            if t.alt_amsl_m < HOME_AMSL_M + CRUISE_M - 3.0
        ]
        assert all(min(geodesic_m(p, FIRST), geodesic_m(p, HOME)) < NEAR_M for p in low)
        high = [
            LatLon(t.lat_deg, t.lon_deg)
            for t in one.truth[gone:]
            if t.alt_amsl_m > HOME_AMSL_M + CRUISE_M - 3.0
        ]
        # straight home, not on to the second
        assert all(geodesic_m(p, SECOND) > 60.0 for p in high)


@pytest.mark.parametrize("lab", LABS)
async def test_a_first_that_cannot_be_placed_comes_home_and_the_second_is_delivered(
    lab: Lab,
) -> None:
    """The first may feel 4 m down from 10 m, and finds no ground."""
    device = DropDevice.PAYLOAD_PLACE
    mission = planned(device=device)
    items = tuple(
        replace(item, winch_m=4.0) if item.parcel_id == "P-1" else item for item in mission.items
    )
    async with lab(specs=[replace(spec(device=device), parcels=2)], slots=2, device=device) as (
        watched, _, _,
    ):  # fmt: skip
        one = watched["D-0"]
        await start(one, replace(mission, items=items))
        await one.ended()
        told = [(e.kind, e.parcel_id) for e in one.seen if e.kind is not EventKind.ALARM]
        assert told == [
            (EventKind.STARTED, ""), (EventKind.RELEASE_FAILED, "P-1"),
            (EventKind.RELEASED, "P-2"), (EventKind.COMPLETED, ""),
        ]  # fmt: skip
        (true,) = [t for t in one.truth if t.event == "released"]
        assert geodesic_m(LatLon(true.lat_deg, true.lon_deg), SECOND) < 3.0


@pytest.mark.parametrize("lab", LABS)
async def test_called_home_while_it_lands_at_the_first_stop_it_comes_home(lab: Lab) -> None:
    """In its landing ArduCopter takes the order, lands all the same, and goes on to the second."""
    async with lab(specs=[replace(spec(), parcels=2)], slots=2) as (watched, _, _):
        one = watched["D-0"]
        mission = planned(landing=True)
        plan = translate(mission)
        landing_seq = next(item.seq for item in plan.items if item.command == NAV_LAND)
        await start(one, mission)
        await one.until(
            lambda: one.session.telemetry.item == landing_seq and height_m(one) < CRUISE_M - 5.0,
            "landing at the first stop",
        )
        returned = await one.session.execute(Verb.RETURN)
        assert returned.done, returned
        await one.ended()
        assert [t for t in one.truth if t.event == "released"] == []
        assert EventKind.RELEASED not in one.kinds()
        high = [
            LatLon(t.lat_deg, t.lon_deg)
            for t in one.truth
            if t.alt_amsl_m > HOME_AMSL_M + CRUISE_M - 3.0
        ]
        assert all(geodesic_m(p, SECOND) > 60.0 for p in high)
        rest = one.session.telemetry.position
        assert rest is not None
        assert geodesic_m(rest, HOME) < 3.0


@pytest.mark.parametrize("lab", LABS)
async def test_called_home_on_the_ground_at_a_stop_it_takes_off_first(lab: Lab) -> None:
    async with lab(specs=[replace(spec(), parcels=2)], slots=2) as (watched, _, _):
        one = watched["D-0"]
        await start(one, planned(landing=True))
        await one.until(lambda: EventKind.RELEASED in one.kinds(), "the first has left")
        assert height_m(one) < 1.0
        returned = await one.session.execute(Verb.RETURN)
        assert returned.done, returned
        await one.ended()
        rest = one.session.telemetry.position
        assert rest is not None
        assert geodesic_m(rest, HOME) < 3.0
        assert one.kinds().count(EventKind.RELEASED) == 1
        assert "returned before the release of P-2" in one.first(EventKind.ABORTED).detail
