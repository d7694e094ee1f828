"""The zone set of a robot of version 3 over a wire that loses, and what else befalls it."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from datetime import time, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon
from geofence.heights import Surroundings
from geofence.schedule import Schedule, Window
from geofence.zones import CircleArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from sitl.robot import RobotMap, RobotSpec, words3
from sitl.robot.core import RobotCore
from tests.support.clock import START, ManualClock
from vehicles.port import Capability, EventKind, LinkState
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine_model import BrokerUp, Tick
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.session import Vda5050Session
from vehicles.vda5050.settings import Vda5050Settings, Vda5050Vehicle
from vehicles.zonekeeping import Grant, OwnZones, Turn, ZoneKeeping

ORIGIN = LatLon(60.17, 24.94)
SITE = SiteMap("site", ORIGIN)
MAP = RobotMap("site", ORIGIN.lat_deg, ORIGIN.lon_deg)
CAPABILITY = Capability(VehicleClass.ROBOT, 10.0, 4, 1.6, 800.0, (0.5, 0.5, 0.5))
GROUND = Surroundings(0.0, 18.0)
SPAN = (START, START + timedelta(hours=1))


def at(x: float, y: float) -> LatLon:
    return SITE.to_latlon(x, y)


def zones(number: int) -> ZoneSet:
    """The set of that number: so many zones, far from the robot."""
    return ZoneSet(
        tuple(
            Zone(f"z{n}", f"z{n}", ZoneKind.NO_FLY, CircleArea(at(200.0 + 50.0 * n, 0.0), 10.0))
            for n in range(number)
        )
    )


class Pair:
    """A session and a robot of version 3, with a wire that may lose what passes."""

    def __init__(self, seed: int = 0, **spec: Any) -> None:
        self.clock = ManualClock()
        self.rng = random.Random(seed)
        self.loss = 0.0
        self.sent: list[str] = []
        self.core = RobotCore(
            RobotSpec("r1", "ACME", "R-1", ORIGIN.lat_deg, ORIGIN.lon_deg, version="3.0.0", **spec),
            MAP,
            lambda *event: None,
            0.0,
            lambda s: START + timedelta(seconds=s),
        )
        self.skew = timedelta()
        self.header = count()
        numbers = count()
        self.session = Vda5050Session(
            Vda5050Vehicle("r1", "ACME", "R-1", CAPABILITY, ORIGIN),
            SITE,
            self.clock,
            Vda5050Settings(),
            dialect=Dialect("ACME", "R-1", self.clock.now, version="3.0.0"),
            publish=self._publish,
            ids=lambda kind: f"{kind}-{next(numbers)}",
        )
        self.session.feed(BrokerUp())
        self.say("connection", words3.connection("ONLINE"))

    def _publish(self, topic: str, payload: bytes, *, urgent: bool) -> None:
        self.sent.append(topic)
        if self.rng.random() >= self.loss:
            self.core.receive(topic, payload)

    def say(self, topic: str, body: dict[str, Any]) -> None:
        if self.rng.random() < self.loss:
            return
        head = {
            "headerId": next(self.header),
            "timestamp": (self.clock.now() + self.skew).isoformat(),
            "version": "3.0.0",
            "manufacturer": "ACME",
            "serialNumber": "R-1",
        }
        self.session.received(topic, json.dumps(head | body).encode())

    async def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            # nobody sleeps here, so that time may just go on
            self.clock._now_s += 1.0
            self.session.feed(Tick())
            self.core.advance(self.core.t + 1.0)
            if self.core.factsheet_wanted:
                self.core.factsheet_wanted = False
                self.say("factsheet", words3.factsheet(self.core.spec))
            self.say("state", words3.state(self.core))

    async def keep(self, zone_set: ZoneSet, **more: Any) -> None:
        await self.session.keep_zones(OwnZones(zone_set, GROUND, SPAN, **more))

    @property
    def wanted(self) -> str:
        zone_set = self.session._sets.wanted
        assert zone_set is not None
        return zone_set.zone_set_id

    @property
    def alarms(self) -> list[str]:
        queue = self.session._events
        events = [queue.get_nowait() for _ in range(queue.qsize())]
        return [e.detail for e in events if e.kind is EventKind.ALARM]


STEPS = st.one_of(
    st.tuples(st.just("zones"), st.integers(0, 4)),
    st.tuples(st.just("lossy"), st.floats(0.0, 0.8)),
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.just(("restart",)),
    st.just(("wiped",)),
    st.just(("stranger",)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=12), st.integers(0, 2**16))
def test_whatever_happens_the_wanted_set_comes_into_force(steps: list[Any], seed: int) -> None:
    async def run() -> None:
        pair = Pair(seed)
        await pair.keep(zones(1))
        for step in steps:
            match step:
                case ("zones", number):
                    await pair.keep(zones(number))
                case ("lossy", share):
                    pair.loss = share
                case ("wait", seconds):
                    await pair.passes(seconds)
                case ("restart",):
                    pair.core.forget()
                case ("wiped",):
                    pair.core.zones.sets.clear()
                    pair.core.zones.enabled = ""
                case ("stranger",):
                    pair.core.zones.sets["other"] = ()
                    pair.core.zones.enabled = "other"
            shown = pair.session._engine.state
            if shown is not None and not pair.session.telemetry.not_ready:
                assert (pair.wanted, "ENABLED") in [
                    (z.zone_set_id, z.zone_set_status) for z in shown.zone_sets
                ]
        pair.loss = 0.0
        await pair.passes(120)
        assert pair.core.zones.enabled == pair.wanted
        assert pair.session.telemetry.link is LinkState.ONLINE
        assert pair.session.telemetry.not_ready == ()
        # one of ours, and the stranger's, which is not ours to delete
        assert set(pair.core.zones.sets) <= {pair.wanted, "other"}
        before = len(pair.sent)
        await pair.passes(30)
        assert "zoneSet" not in pair.sent[before:]

    asyncio.run(run())


async def test_it_is_not_startable_before_its_zones_are_in_force() -> None:
    pair = Pair()
    assert isinstance(pair.session, ZoneKeeping)
    pair.session.expect_zones()
    await pair.passes(3)
    assert pair.session.telemetry.not_ready == ("its zone set is not made yet",)
    assert not pair.session.telemetry.startable
    pair.loss = 1.0
    await pair.keep(zones(2))
    pair.loss = 0.0
    pair.say("state", words3.state(pair.core))
    (why,) = pair.session.telemetry.not_ready
    assert why == f"zone set {pair.wanted} is not on board"
    await pair.passes(10)
    assert pair.session.telemetry.startable


async def test_a_robot_that_has_it_already_is_sent_nothing() -> None:
    pair = Pair()
    await pair.keep(zones(2))
    await pair.passes(10)
    again = Pair()
    again.core.zones = pair.core.zones
    await again.keep(zones(2))
    await again.passes(5)
    assert again.session.telemetry.startable
    assert "zoneSet" not in again.sent


async def test_a_refused_set_is_alarmed_once_and_keeps_it_from_starting() -> None:
    pair = Pair(zone_types=("SPEED_LIMIT",))
    # its factsheet says one thing and its memory another
    pair.core.factsheet_wanted = False
    sheet = words3.factsheet(replace(pair.core.spec, zone_types=("BLOCKED", "SPEED_LIMIT")))
    await pair.keep(zones(1))
    pair.say("factsheet", sheet)
    for _ in range(120):
        pair.core.factsheet_wanted = False
        await pair.passes(1)
    (why,) = pair.session.telemetry.not_ready
    assert "is not on board: robot says UNSUPPORTED_PARAMETER" in why
    refused = [a for a in pair.alarms if "refuses zone set" in a]
    assert len(refused) == 1
    assert "zone z0: no BLOCKED here" in refused[0]
    assert pair.sent.count("zoneSet") < 12


async def test_the_set_waits_for_the_factsheet_and_not_for_ever() -> None:
    pair = Pair()
    await pair.keep(zones(1))
    for second in range(20):
        pair.core.factsheet_wanted = False
        await pair.passes(1)
        if second == 5:
            assert pair.session.telemetry.not_ready == ("its zone set waits for its factsheet",)
            assert "zoneSet" not in pair.sent
    assert pair.core.zones.enabled == pair.wanted


async def test_types_that_its_factsheet_leaves_out_are_not_sent() -> None:
    pair = Pair(zone_types=("SPEED_LIMIT",))
    await pair.keep(zones(2))
    await pair.passes(10)
    assert pair.core.zones.zones == ()
    assert pair.session.telemetry.startable


async def test_passages_give_way_where_it_holds_few_zones() -> None:
    pair = Pair()
    await pair.passes(5)
    sheet = words3.factsheet(pair.core.spec)
    sheet["protocolLimits"]["maximumArrayLengths"] = {"zoneSet.zones": 2}
    pair.say("factsheet", sheet)
    turn = Turn("crossing:c", (at(20.0, 0.0), at(60.0, 0.0)))
    for number, kinds in ((1, {"BLOCKED", "RELEASE"}), (2, {"BLOCKED"})):
        await pair.keep(zones(number), turns=(turn,))
        await pair.passes(10)
        assert {z.kind for z in pair.core.zones.zones} == kinds
        assert pair.session.telemetry.startable


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"maximumArrayLengths": {"zoneSet.zones": 2}}, "zoneSet.zones is 2: 3 zones bind it"),
        ({"maximumStringLengths": {"maximumIdLength": 20}}, "maximumIdLength is 20"),
        ({"maximumStringLengths": {"idNumericalOnly": True}}, "idNumericalOnly is true"),
    ],
)
async def test_a_set_beyond_its_factsheet_is_not_sent(limits: dict[str, Any], said: str) -> None:
    pair = Pair()
    await pair.passes(5)
    sheet = words3.factsheet(pair.core.spec)
    sheet["protocolLimits"] |= limits
    pair.say("factsheet", sheet)
    await pair.keep(zones(3))
    await pair.passes(10)
    (why,) = pair.session.telemetry.not_ready
    assert said in why
    assert "zoneSet" not in pair.sent
    assert len(pair.alarms) == 1


async def test_a_set_of_somebody_else_is_alarmed_and_replaced() -> None:
    pair = Pair()
    await pair.keep(zones(1))
    await pair.passes(10)
    pair.core.zones.sets["other"] = ()
    pair.core.zones.enabled = "other"
    pair.say("state", words3.state(pair.core))
    assert "other is" in pair.session.telemetry.not_ready[0]
    await pair.passes(10)
    assert pair.core.zones.enabled == pair.wanted
    assert [a for a in pair.alarms if "none of ours" in a] != []


async def test_only_what_applies_in_the_span_is_on_board() -> None:
    pair = Pair()
    evening = Schedule((Window(start=time(11)),))
    plain = zones(2).zones
    later = (plain[0], replace(plain[1], schedule=evening))
    await pair.keep(ZoneSet(later))
    await pair.passes(10)
    assert [z.zone_id for z in pair.core.zones.zones] == ["z0"]
    hours = timedelta(hours=2)
    await pair.session.keep_zones(
        OwnZones(ZoneSet(later), GROUND, (SPAN[0] + hours, SPAN[1] + hours))
    )
    await pair.passes(10)
    assert [z.zone_id for z in pair.core.zones.zones] == ["z0", "z1"]


@pytest.mark.parametrize("hours", [-3, 0, 5])
async def test_a_lease_ends_by_the_robots_own_clock(hours: int) -> None:
    pair = Pair()
    pair.skew = timedelta(hours=hours)
    pair.core._clock = lambda s: START + timedelta(seconds=s) + pair.skew
    turn = Turn("crossing:c", (at(2.0, 0.0), at(6.0, 0.0)))
    await pair.keep(zones(0), turns=(turn,))
    # it stands in the passage, so that it asks
    pair.core.x = 4.0
    await pair.passes(10)
    (request,) = pair.session.passage_requests
    assert (request.passage_id, request.granted) == ("crossing:c", False)
    pair.session.answer(request.request_id, Grant.QUEUED)
    pair.session.answer(request.request_id, Grant.GRANTED, 20.0)
    await pair.passes(15)
    (shown,) = pair.session.passage_requests
    assert shown.granted
    await pair.passes(10)
    (shown,) = pair.session.passage_requests
    assert (shown.granted, shown.lapsed) == (False, True)


def test_a_robot_of_version_2_keeps_no_zones() -> None:
    pair = Pair()
    pair.session._dialect = Dialect("ACME", "R-1", pair.clock.now, version="2.1.0")
    pair.session.expect_zones()
    pair.sent.clear()
    pair.session.answer("x", Grant.GRANTED, 5.0)
    assert not pair.session.keeps_zones
    assert pair.session.passage_requests == ()
    assert pair.sent == []
    assert "zone" not in " ".join(pair.session.telemetry.not_ready)
