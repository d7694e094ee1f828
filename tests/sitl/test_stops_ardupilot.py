"""Two parcels in one flight, by two drops in the air or two landings: light and real copter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from geofence.frames import LatLon, geodesic_m, offset
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from tests.integration.mavlink_rig import (
    CRUISE_M,
    HOME,
    HOME_AMSL_M,
    PATIENT,
    UDP,
    Watched,
    light,
    real,
    serving,
    spec,
    vehicle,
)
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.session import MavlinkSession
from vehicles.port import EventKind, Phase, Verb

pytestmark = pytest.mark.timeout(300)
LABS = [
    pytest.param(light, id="light"),
    pytest.param(real, id="ardupilot", marks=pytest.mark.ardupilot),
]
Lab = Callable[..., Any]
FIRST, SECOND = offset(HOME, 90.0, 80.0), offset(HOME, 90.0, 160.0)
K = ItemKind


def dropping(parcel_id: str, place: LatLon, device: DropDevice) -> list[AirItem]:
    rope_m = 5.0 if device is DropDevice.WINCH else 0.0
    return [
        AirItem(K.WAYPOINT, place, CRUISE_M),
        AirItem(K.WAYPOINT, place, 12.0),
        AirItem(K.RELEASE, device=device, parcel_id=parcel_id, winch_m=rope_m),
        AirItem(K.DELAY, delay_s=8.0),
        AirItem(K.WAYPOINT, place, CRUISE_M),
    ]


def landing(parcel_id: str, place: LatLon, device: DropDevice) -> list[AirItem]:
    return [
        AirItem(K.WAYPOINT, place, CRUISE_M),
        AirItem(K.LAND, place),
        AirItem(K.RELEASE, device=device, parcel_id=parcel_id),
        AirItem(K.DELAY, delay_s=3.0),
        AirItem(K.TAKEOFF, place, CRUISE_M),
    ]


Stop = Callable[[str, LatLon, DropDevice], list[AirItem]]


def two_stops(stop: Stop, device: DropDevice = DropDevice.GRIPPER) -> AirMission:
    """Out over the first to the second, and the same ground back."""
    items = (
        AirItem(K.TAKEOFF, HOME, CRUISE_M),
        AirItem(K.SPEED, speed_mps=10.0),
        *stop("P-1", FIRST, device),
        *stop("P-2", SECOND, device),
        AirItem(K.RETURN_PATH),
        AirItem(K.WAYPOINT, SECOND, CRUISE_M),
        AirItem(K.WAYPOINT, FIRST, CRUISE_M),
        AirItem(K.WAYPOINT, HOME, CRUISE_M),
        AirItem(K.LAND, HOME),
    )
    return AirMission("M-2", "D-0", HOME, HOME_AMSL_M, CRUISE_M, items, "test")


async def start(one: Watched, mission: AirMission) -> None:
    await one.ready()
    loaded = await one.session.load(mission)
    assert loaded.done, loaded
    result = await one.session.start(mission)
    assert result.done, result


def trail(one: Watched) -> list[Phase]:
    assert isinstance(one.session, MavlinkSession)
    seen = [t.after for t in one.session.machine.trail]
    return seen[seen.index(Phase.EN_ROUTE) :]


@pytest.mark.parametrize("lab", LABS)
@pytest.mark.parametrize("stop", [dropping, landing])
async def test_each_parcel_is_released_at_its_own_place_and_once(lab: Lab, stop: Stop) -> None:
    specs = [replace(spec(), parcels=2)]
    async with lab(specs=specs, slots=2) as (watched, _, _):
        one = watched["D-0"]
        await start(one, two_stops(stop))
        await one.ended()
        assert one.kinds() == [
            EventKind.STARTED, EventKind.RELEASED, EventKind.RELEASED, EventKind.COMPLETED,
        ]  # fmt: skip
        released = [e for e in one.seen if e.kind is EventKind.RELEASED]
        assert [e.parcel_id for e in released] == ["P-1", "P-2"]
        for event, place in zip(released, (FIRST, SECOND), strict=True):
            assert event.position is not None
            assert geodesic_m(event.position, place) < 3.0
            assert any("Gripper load releas" in words for words in event.evidence)
        phases = [p for p in trail(one) if p in {Phase.AT_STOP, Phase.RELEASED}]
        assert phases == [Phase.AT_STOP, Phase.RELEASED] * 2
        rest = one.session.telemetry.position
        assert rest is not None
        assert geodesic_m(rest, HOME) < 3.0


@pytest.mark.parametrize("lab", LABS)
@pytest.mark.parametrize("stop", [dropping, landing])
async def test_a_return_between_the_stops_leaves_the_second_aboard(lab: Lab, stop: Stop) -> None:
    async with lab(specs=[replace(spec(), parcels=2)], slots=2) as (watched, _, _):
        one = watched["D-0"]
        await start(one, two_stops(stop))
        await one.until(lambda: EventKind.RELEASED in one.kinds(), "first release")
        await one.until(
            lambda: (
                one.session.telemetry.phase is Phase.EN_ROUTE
                and (one.session.telemetry.alt_home_m or 0.0) > CRUISE_M - 4.0
            ),
            "on to the second",
        )
        returned = await one.session.execute(Verb.RETURN)
        assert returned.done, returned
        await one.ended()
        told = one.first(EventKind.ABORTED).detail
        assert "returned before the release of P-2" in told
        assert "P-1" not in told
        assert one.kinds().count(EventKind.RELEASED) == 1


async def test_the_light_copter_lets_two_parcels_go_at_the_two_places() -> None:
    async with light(specs=[replace(spec(), parcels=2)], slots=2) as (watched, _, _):
        one = watched["D-0"]
        await start(one, two_stops(dropping))
        await one.ended()
        truth = [LatLon(t.lat_deg, t.lon_deg) for t in one.truth if t.event == "released"]
        assert len(truth) == 2
        assert geodesic_m(truth[0], FIRST) < 3.0
        assert geodesic_m(truth[1], SECOND) < 3.0


async def test_after_a_restart_at_a_landing_both_parcels_are_still_accounted_for() -> None:
    async with light(specs=[replace(spec(), parcels=2)], slots=2) as (watched, _, fleet):
        one = watched["D-0"]
        mission = two_stops(landing)
        await start(one, mission)
        await one.until(lambda: one.session.telemetry.phase is Phase.RELEASED, "at the first stop")
        assert (one.session.telemetry.alt_home_m or 0.0) < 1.0
        host, port = fleet.udp_address(UDP)
        await fleet.__aexit__()
        again = MavlinkFleet([vehicle(link=f"udpin:{host}:{port}", slots=2)], one.clock, PATIENT)
        async with again, serving(again, one.clock, 18.0) as found:
            two = found["D-0"]
            progress = await two.session.adopt(mission)
            assert (progress.holds, progress.running) == (True, True), progress
            assert not progress.completed
            await two.ended()
            told = [e.parcel_id for e in two.seen if e.kind is EventKind.RELEASED]
            assert sorted(progress.released | set(told)) == ["P-1", "P-2"]
            assert len(told) == len(set(told) - progress.released)
            assert two.kinds()[-1] is EventKind.COMPLETED


async def test_a_winch_lets_two_parcels_down() -> None:
    async with light(device=DropDevice.WINCH, slots=2) as (watched, _, _):
        one = watched["D-0"]
        await start(one, two_stops(dropping, DropDevice.WINCH))
        await one.ended()
        assert one.kinds() == [
            EventKind.STARTED, EventKind.RELEASED, EventKind.RELEASED, EventKind.COMPLETED,
        ]  # fmt: skip
