"""A controller, a broker and a robot that waits at doors: all real but robot and streets."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from controller.api.app import create_app
from controller.api.context import Context
from controller.app import App, build
from controller.config import from_dict
from controller.domain.model import ParcelState
from geofence.frames import LatLon, geodesic_m, offset
from missions.roads import StreetEdge, StreetGraph, StreetNode
from missions.roads_file import write_streets
from sitl.broker import Broker
from sitl.referee.doors import judge_doors, words_of
from sitl.referee.truth import Happening
from sitl.robot import Customer, RobotFleet, RobotMap, RobotSpec
from sitl.robot.fleet import TICK_WALL_S
from sitl.world import TruthSample
from tests.support.steady import steady_clocks

SPEEDUP = 80.0
HUB = LatLon(60.1700, 24.9400)
PIN = "4711"
WAIT_S = 120.0


def place(number: int) -> LatLon:
    """The doors along one street, 60 m apart."""
    return HUB if number == 0 else offset(HUB, 90.0, 60.0 * number)


def streets(doors: int) -> StreetGraph:
    nodes = [StreetNode(f"n{i}", place(i)) for i in range(doors + 1)]
    edges = [
        StreetEdge(
            f"e{i}", a.node_id, b.node_id, geodesic_m(a.position, b.position), 4.0,
            (a.position, b.position), "service", one_way=False,
        )
        for i, (a, b) in enumerate(pairwise(nodes))
    ]  # fmt: skip
    return StreetGraph(nodes, edges)


@dataclass
class Street:
    """What a test may ask and demand."""

    app: App
    client: httpx.AsyncClient
    robots: RobotFleet
    truth: list[TruthSample]
    now: Callable[[], datetime]
    again: Callable[[], AbstractAsyncContextManager[tuple[App, httpx.AsyncClient]]]
    """The same controller once more, after it was stopped."""

    def body(self, ident: str, door: int, **changes: Any) -> dict[str, Any]:
        to, name = place(door), f"Door {door}"
        return {
            "id": ident, "weight_kg": 1.0, "size_m": [0.2, 0.2, 0.1], "origin": "hub",
            "destination": {"lat_deg": to.lat_deg, "lon_deg": to.lon_deg, "address": name},
            "due_at": (self.now() + timedelta(hours=3)).isoformat(), **changes,
        }  # fmt: skip

    async def submit(self, ident: str, door: int, **changes: Any) -> dict[str, Any]:
        (told,) = await self.submit_all(self.body(ident, door, **changes))
        return told

    async def submit_all(self, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
        """Together, so that one round takes them."""
        key = "-".join(body["id"] for body in bodies)
        answer = await self.client.post(
            "/v1/parcels", json=list(bodies), headers={"Idempotency-Key": key}
        )
        assert answer.status_code == 201, answer.text
        told: list[dict[str, Any]] = answer.json()
        return told

    async def parcel(self, ident: str) -> dict[str, Any]:
        told: dict[str, Any] = (await self.client.get(f"/v1/parcels/{ident}")).json()
        return told

    async def trigger(self, ident: str, pin: str | None = None) -> dict[str, str]:
        body = {} if pin is None else {"pin": pin}
        answer = await self.client.post(f"/v1/parcels/{ident}/trigger", json=body)
        assert answer.status_code == 200, answer.text
        told: dict[str, str] = answer.json()
        return told

    def state(self, ident: str) -> ParcelState:
        return self.app.ledger.parcels[ident].state

    def at_door(self, ident: str) -> bool:
        view = self.app.desk.parcel(ident)
        return view is not None and view.door is not None

    async def judged(self) -> list[str]:
        """What the judge of doors says of everything so far."""
        log = (await self.client.get("/v1/log?after=0&limit=1000")).json()
        seen = [
            Happening(s.vehicle_id, s.t.timestamp(), s.lon_deg, s.lat_deg, s.event, s.detail)
            for s in self.truth
            if s.event
        ]
        slack_s = 2.0 * TICK_WALL_S * SPEEDUP
        return [f.text for f in judge_doors(seen, words_of(log), slack_s=slack_s)]

    def seen(self, event: str) -> list[str]:
        return [s.detail for s in self.truth if s.event == event]

    async def until(self, condition: Callable[[], bool], wall_s: float = 60.0) -> None:
        try:
            async with asyncio.timeout(wall_s):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            views = [(v.parcel.parcel_id, v.state, v.reasons) for v in self.app.desk.parcels()]
            told = [v.sentence for v in self.app.desk.vehicles()]
            raise AssertionError(f"{views}; {told}; {self.app.board.alarms()}") from None


@asynccontextmanager
async def street(
    folder: Path,
    *,
    doors: int,
    profile: str = "pavement-door",
    customers: Mapping[str, Customer] | None = None,
    kind: str = "iotcore",
    version: str = "2.1.0",
) -> AsyncIterator[Street]:
    """One robot with room for three at the hub of a street."""
    clock, lab_clock = steady_clocks(SPEEDUP)
    (folder / "streets.geojson").write_text(json.dumps(write_streets(streets(doors))))
    async with Broker(kind=kind) as broker:
        config = from_dict(
            {
                "store": {"url": f"sqlite+aiosqlite:///{folder / 'waypost.db'}"},
                "clock": {"speedup": SPEEDUP},
                "streets": {"file": "streets.geojson"},
                "delivery": {"door_wait_s": WAIT_S},
                "mqtt": {
                    "host": broker.host, "port": broker.port, "map_id": "site",
                    "map_lat0": HUB.lat_deg, "map_lon0": HUB.lon_deg,
                },
                "sites": [
                    {"id": "hub", "kind": "hub", "lat_deg": HUB.lat_deg, "lon_deg": HUB.lon_deg},
                    {
                        "id": "locker", "kind": "locker", "lat_deg": place(1).lat_deg,
                        "lon_deg": place(1).lon_deg,
                    },
                ],
                "robots": [
                    {
                        "id": "R-1", "base": "hub", "manufacturer": "ACME", "serial": "R-1",
                        "profile": profile, "cruise_speed_mps": 3.0,
                    }
                ],
            },
            base=folder,
        )  # fmt: skip
        spec = RobotSpec(
            "R-1", "ACME", "R-1", HUB.lat_deg, HUB.lon_deg, speed_mps=3.0, pick_duration_s=5.0,
            drop_duration_s=8.0, customers=customers or {}, version=version,
        )  # fmt: skip
        truth: list[TruthSample] = []
        robots = RobotFleet(
            [spec],
            host=broker.host,
            port=broker.port,
            robot_map=RobotMap("site", HUB.lat_deg, HUB.lon_deg, 0.0, 0.0),
            clock=lab_clock,
            on_truth=truth.append,
        )
        async with robots, AsyncExitStack() as stack:
            first = await stack.enter_async_context(AsyncExitStack())
            app, client = await first.enter_async_context(controller(config, clock))

            @asynccontextmanager
            async def again() -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
                await first.aclose()
                async with controller(config, clock) as both:
                    yield both

            yield Street(app, client, robots, truth, clock.now, again)


@asynccontextmanager
async def controller(config, clock) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    """A controller that serves, with a client of its API in the same process."""
    async with build(config, clock=clock) as app:
        serving = asyncio.create_task(app.run(), name="controller")
        numbers = itertools.count()
        context = Context(app.desk, clock, lambda prefix: f"{prefix}-{next(numbers)}")
        transport = httpx.ASGITransport(create_app(context))
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1"
            ) as client:
                yield app, client
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
