"""20,000 VDA 5050 states of 1.5 kB, from 100 robots that drive orders of ours, on one core.

Ours: the whole way of a state, from the bytes of the broker's message: decode and validation
(`Dialect`), whose it is, the order engine; the events that it tells are kept in the controller's
event log, and the newest state of every robot by the controller's `NewestStates`, once for every
10 states that it sent, as it is at five states a second: states are coalesced, events are
not. Both are in the controller's store, SQLite on disk.
Peer: `State.model_validate_json` of PyPI vda5050-sdk on the same bytes, and nothing else.
CPU of this process, median of the rounds. `same`: both read the same, and every round of ours
ends with every parcel released and every order told as completed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import structlog
from vda5050.model.state import State as PeerState

from controller.clock import ScaledClock
from controller.delivery.newest import NewestStates
from controller.domain.model import Event
from controller.store.changes import Changes
from controller.store.database import Store
from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from tests.benchmarks.measure import rounds, told
from vehicles.port import Capability, EventKind
from vehicles.vda5050.engine_model import Begin, BrokerUp, Prepare
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.orders import OrderSettings, PreparedOrder, build_order
from vehicles.vda5050.session import Vda5050Session
from vehicles.vda5050.settings import Vda5050Settings, Vda5050Vehicle

ROBOTS, STATES, BYTES, COALESCED = 100, 200, 1500, 10
NODES = 14
ORIGIN = LatLon(60.17, 24.94)
MAP = SiteMap("site", ORIGIN)
CAPABILITY = Capability(VehicleClass.ROBOT, 20.0, 3, 1.6, 1200.0, (0.6, 0.5, 0.5))


def order(number: int) -> PreparedOrder:
    """A round of 14 nodes with one parcel."""
    nodes = [
        RouteNode(f"n{index}", MAP.to_latlon(20.0 * index, float(number))) for index in range(NODES)
    ]
    for index, kind in ((0, StopAction.PICK), (NODES - 2, StopAction.DROP)):
        deed = RouteAction(f"a{number}-{kind}", kind, f"p{number}")
        nodes[index] = RouteNode(nodes[index].node_id, nodes[index].position, (deed,))
    edges = tuple(RouteEdge(f"e{i}", f"n{i}", f"n{i + 1}", 20.0, 1.5) for i in range(NODES - 1))
    mission = GroundMission(f"m{number}", f"r{number}", tuple(nodes), edges, "zones")
    return build_order(mission, MAP, OrderSettings())


def state(number: int, count: int, prepared: PreparedOrder) -> dict[str, Any]:
    """State `count` of a robot: the order is passed evenly and done at the last."""
    share = count / (STATES - 1)
    passed = min(NODES, int(share * (NODES + 1)))
    body = prepared.body

    def status(node: int) -> str:
        if passed <= node:
            return "WAITING"
        return "FINISHED" if passed > node + 1 or count == STATES - 1 else "RUNNING"

    return {
        "headerId": count,
        "timestamp": f"2026-01-01T10:{count // 60:02}:{count % 60:02}.000Z",
        "version": "2.1.0",
        "manufacturer": "ACME",
        "serialNumber": f"R-{number}",
        "orderId": prepared.order_id,
        "orderUpdateId": 0,
        "lastNodeId": body.nodes[passed - 1].node_id if passed else "",
        "lastNodeSequenceId": 2 * (passed - 1) if passed else 0,
        "driving": passed < NODES,
        "paused": False,
        "newBaseRequest": False,
        "distanceSinceLastNode": round(20.0 * share, 3),
        "operatingMode": "AUTOMATIC",
        "nodeStates": [
            {"nodeId": n.node_id, "sequenceId": n.sequence_id, "released": True}
            for n in body.nodes[passed:]
        ],
        "edgeStates": [
            {"edgeId": e.edge_id, "sequenceId": e.sequence_id, "released": True}
            for e in body.edges[max(0, passed - 1) :]
        ],
        "agvPosition": {
            "x": round(20.0 * NODES * share, 4),
            "y": float(number),
            "theta": 0.01,
            "mapId": "site",
            "positionInitialized": True,
            "localizationScore": 0.97,
        },
        "velocity": {"vx": 1.43, "vy": 0.0, "omega": 0.01},
        "loads": [{"loadId": f"p{number}", "loadType": "PARCEL", "weight": 2.5}],
        "actionStates": [
            {
                "actionId": a.action_id,
                "actionType": a.kind.value,
                "actionStatus": status(0 if a.kind is StopAction.PICK else NODES - 2),
            }
            for a in prepared.actions
        ],
        "batteryState": {"batteryCharge": round(90.0 - 20.0 * share, 2), "charging": False},
        "errors": [],
        "information": [],
        "safetyState": {"eStop": "NONE", "fieldViolation": False},
    }


def payload(number: int, count: int, prepared: PreparedOrder) -> bytes:
    """The message, filled up to its length with what the robot tells besides."""
    body = state(number, count, prepared)
    short = BYTES - len(msgspec.json.encode(body))
    while short > 150:
        text = "x" * min(120, short - 80)
        note = {"infoType": "diagnosis", "infoLevel": "DEBUG", "infoDescription": text}
        body["information"].append(note)
        short = BYTES - len(msgspec.json.encode(body))
    return msgspec.json.encode(body)


def peer(messages: list[tuple[int, bytes]]) -> tuple[float, Counter[str]]:
    """Parse only."""
    charge, orders = 0.0, Counter[str]()
    for _, data in messages:
        read = PeerState.model_validate_json(data)
        charge += read.battery_state.battery_charge
        orders[read.order_id] += 1
    return charge, orders


def _session(number: int, prepared: PreparedOrder, clock: ScaledClock) -> Vda5050Session:
    vehicle = Vda5050Vehicle(f"r{number}", "ACME", f"R-{number}", CAPABILITY, ORIGIN)
    session = Vda5050Session(
        vehicle,
        MAP,
        clock,
        Vda5050Settings(),
        dialect=vehicle.dialect(clock.now),
        publish=lambda _topic, _payload, *, urgent: None,
        ids=lambda kind: kind,
    )
    for event in (BrokerUp(), Prepare(prepared), Begin()):
        session.feed(event)
    return session


async def ours(
    messages: list[tuple[int, bytes]],
    orders: list[PreparedOrder],
    store: Store,
    epochs: dict[str, int],
) -> tuple[float, Counter[str], Counter[EventKind]]:
    """The whole way."""
    clock = ScaledClock(datetime.now(UTC), time.time(), 1.0)
    sessions = [_session(number, prepared, clock) for number, prepared in enumerate(orders)]
    newest = NewestStates(lambda: {s.vehicle_id: s.telemetry for s in sessions}, store.keep, epochs)
    charge, seen, kinds = 0.0, Counter[str](), Counter[EventKind]()
    for index, (number, data) in enumerate(messages, 1):
        session = sessions[number]
        session.received("state", data)
        read = session._engine.state
        assert read is not None
        charge += read.battery_state.battery_charge
        seen[read.order_id] += 1
        if index % (ROBOTS * COALESCED) == 0:
            await newest.write()
            kept = []
            for session in sessions:
                while not session._events.empty():
                    event = session._events.get_nowait()
                    kinds[event.kind] += 1
                    kept.append(Event(event.kind.value, event.at, vehicle_id=event.vehicle_id))
            if kept:
                await store.keep(Changes(events=tuple(kept)))
    return charge, seen, kinds


async def _served(store: Store, work: Any) -> Any:
    writer = asyncio.create_task(store.run(), name="writer")
    try:
        return await work
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


def main() -> None:
    """Run it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    orders = [order(number) for number in range(ROBOTS)]
    messages = [
        (number, payload(number, count, orders[number]))
        for count in range(STATES)
        for number in range(ROBOTS)
    ]
    length = sum(len(data) for _, data in messages) / len(messages)
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        store = Store(f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}")
        runner.run(store.__aenter__())
        names = tuple(f"r{number}" for number in range(ROBOTS))
        epochs = runner.run(store.take_leases(names, "bench", datetime.now(UTC)))
        try:
            peer_s, ours_s, theirs, mine = rounds(
                lambda: peer(messages),
                lambda: runner.run(_served(store, ours(messages, orders, store, epochs))),
                count=5,
                timer=time.process_time,
            )
            rows = len(runner.run(store.read()).last_known)
        finally:
            runner.run(store.__aexit__(None, None, None))
    kinds = mine[2]
    wanted = (EventKind.STARTED, EventKind.PICKED, EventKind.RELEASED, EventKind.COMPLETED)
    done = all(kinds[kind] == ROBOTS for kind in wanted) and rows == ROBOTS
    peer_us, ours_us = peer_s / len(messages) * 1e6, ours_s / len(messages) * 1e6
    print(f"{len(messages)} states of {length:.0f} bytes: peer {peer_us:.1f} us of CPU each")
    print(f"ours {ours_us:.1f} us with engine, events and database; told {dict(kinds)}")
    told(
        bench="state_ingest",
        peer=round(peer_us, 2),
        ours=round(ours_us, 2),
        ratio=round(peer_us / ours_us, 2),
        cost_over_peer=round(ours_us / peer_us, 2),
        same=theirs == mine[:2] and done,
        states=len(messages),
        bytes_a_state=round(length),
    )


if __name__ == "__main__":
    main()
