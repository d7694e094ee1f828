"""A divert is checked by the geofence before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.delivery import diverting
from controller.delivery.gate import Gate
from controller.dispatch.model import DispatchSettings
from controller.domain.records import CommandKind, CommandRecord, CommandState
from controller.fleet.owner import VehicleOwner
from geofence.check import Surroundings
from geofence.frames import Altitude, Datum, LatLon, offset
from geofence.zones import CircleArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import DropDevice
from tests.support.clock import START, ManualClock
from vehicles.port import (
    Capability,
    CommandResult,
    Divert,
    LinkState,
    Outcome,
    Phase,
    Telemetry,
    Verb,
)

HOME = LatLon(60.2, 24.9)
HERE = offset(HOME, 90.0, 1000.0)
POINT = offset(HERE, 0.0, 800.0)
DRONE = Capability(VehicleClass.MULTIROTOR, 2.5, 1, 12.0, 300.0, (0.4, 0.3, 0.3), DropDevice.WINCH)


def zone(center: LatLon, radius_m: float = 50.0, ceiling_m: float | None = None) -> Zone:
    top = None if ceiling_m is None else Altitude(ceiling_m, Datum.AMSL)
    return Zone("z", "Stadium", ZoneKind.NO_FLY, CircleArea(center, radius_m), ceiling=top)


class Rig:
    vehicle_id = "D-1"
    capability = DRONE

    def __init__(self, *zones: Zone) -> None:
        self.telemetry = Telemetry(
            "D-1", START, LinkState.ONLINE, Phase.EN_ROUTE, position=HERE, alt_amsl_m=60.0,
            alt_home_m=50.0, battery_pct=80.0, armed=True, home=HOME, home_amsl_m=10.0,
        )  # fmt: skip
        clock = ManualClock()
        self.diverts: list[Divert] = []
        self.owner = VehicleOwner(self, epoch=1, clock=clock, command_timeout_s=60.0)  # type: ignore[arg-type]
        self.gate = Gate(
            settings=DispatchSettings(),
            surroundings=Surroundings(10.0, 18.0),
            zones=lambda: ZoneSet(zones),
            clock=clock,
            max_age_s=45.0,
        )

    async def divert(self, to: Divert) -> CommandResult:
        self.diverts.append(to)
        return CommandResult(Outcome.DONE)

    async def execute(self, verb: Verb) -> CommandResult:
        raise AssertionError(verb)

    def refusal(self, to: Divert | None = None) -> str:
        return diverting.refusal(
            self.gate, self.owner, to or Divert(POINT, 60.0), None, {}, home=HOME,
            permits=frozenset(),
        )  # fmt: skip


def test_a_clear_way_is_allowed() -> None:
    assert Rig().refusal() == ""
    assert Rig(zone(offset(HOME, 180.0, 2000.0))).refusal() == ""


@pytest.mark.parametrize(
    ("center", "words"),
    [
        (offset(HERE, 0.0, 400.0), "the way there is not allowed: Stadium"),
        # beside the line, within the corridor
        (offset(offset(HERE, 0.0, 400.0), 90.0, 70.0), "the way there is not allowed: Stadium"),
        (offset(POINT, 0.0, 60.0), "the way there is not allowed: Stadium"),
        (offset(HOME, 51.3, 640.0), "the way home from there is not allowed: Stadium"),
    ],
)
def test_a_zone_in_the_way_there_round_the_point_or_on_the_way_home_refuses(
    center: LatLon, words: str
) -> None:
    assert words in Rig(zone(center)).refusal()


def test_the_line_is_judged_at_its_heights() -> None:
    low = zone(offset(HERE, 0.0, 400.0), ceiling_m=40.0)
    assert Rig(low).refusal() == ""
    high = zone(offset(HERE, 0.0, 400.0), ceiling_m=64.0)
    assert "not allowed" in Rig(high).refusal()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"link": LinkState.STALE}, "is stale: where it is now is not known"),
        ({"position": None}, "has not told its place"),
        ({"home_amsl_m": None}, "has not told the height of its home"),
    ],
)
def test_nobody_is_sent_from_an_unknown_place(changes: dict[str, object], words: str) -> None:
    rig = Rig()
    rig.telemetry = replace(rig.telemetry, **changes)  # type: ignore[arg-type]
    assert words in rig.refusal()


def test_height_and_distance_are_bounded() -> None:
    assert "alt_home_m: 300 m is outside 20-120 m" in Rig().refusal(Divert(POINT, 300.0))
    assert "the point is 9.0 km away" in Rig().refusal(Divert(offset(HERE, 0.0, 9000.0), 60.0))


async def test_the_owner_journals_it_and_asks_only_a_session_that_can() -> None:
    rig = Rig()
    kept: list[CommandRecord] = []

    async def keep(record: CommandRecord, _: CommandResult | None) -> None:
        kept.append(record)

    command = CommandRecord("c", "D-1", 1, CommandKind.DIVERT, CommandState.PENDING, START)
    result = await rig.owner.send(command, None, keep, Divert(POINT, 60.0))
    assert result.done
    assert [r.state for r in kept] == [CommandState.SENT, CommandState.DONE]
    assert rig.diverts == [Divert(POINT, 60.0)]

    class Robot:
        vehicle_id = "R-1"

    owner = VehicleOwner(Robot(), epoch=1, clock=ManualClock(), command_timeout_s=60.0)  # type: ignore[arg-type]
    refused = await owner.send(command, None, keep, Divert(POINT, 60.0))
    assert refused.outcome is Outcome.REFUSED
    assert "takes no other way" in refused.reason
