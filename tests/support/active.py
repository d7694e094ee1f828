"""A controller whose drones are in the air on missions: the real one, with drones that hover.

The drones stand still where a test puts them and do at once what they are told; everything else,
from the store to the desk, is the controller's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from controller.app import App, build
from controller.config import Config, from_dict
from controller.domain.model import (
    Assignment,
    AssignmentState,
    Custodian,
    CustodianKind,
    Destination,
    Parcel,
    ParcelState,
)
from controller.domain.records import (
    AssignmentRecord,
    CommandKind,
    CommandRecord,
    CommandState,
    ParcelRecord,
)
from controller.store.changes import AssignmentStep, Changes, ParcelStep
from geofence.frames import LatLon
from geofence.heights import Surroundings
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.model import AirMission, DropDevice, Mission
from missions.plan_flight import FlightRequest, plan_flight
from vehicles.port import (
    Capability,
    Clock,
    CommandResult,
    LinkState,
    Loss,
    MissionProgress,
    Outcome,
    Phase,
    Telemetry,
    VehicleEvent,
    VehicleSession,
    Verb,
)

GROUND_M = 10.0
WEIGHT_KG = 1.0
DRONE = Capability(VehicleClass.MULTIROTOR, 2.5, 1, 12.0, 900.0, (0.4, 0.3, 0.3), DropDevice.WINCH)
PHASES = {
    Verb.HOLD: Phase.HOLDING,
    Verb.RESUME: Phase.EN_ROUTE,
    Verb.RETURN: Phase.RETURNING,
    Verb.LAND: Phase.LANDING,
}


class Hovering:
    """One drone, a VehicleSession; `told` are the verbs that it was given."""

    capability = DRONE

    def __init__(self, vehicle_id: str, home: LatLon, clock: Clock) -> None:
        self.vehicle_id = vehicle_id
        self.clock = clock
        self.told: list[Verb] = []
        self.telemetry = Telemetry(
            vehicle_id, clock.now(), LinkState.ONLINE, Phase.READY, position=home, home=home,
            alt_amsl_m=GROUND_M, alt_home_m=0.0, battery_pct=90.0, armed=False,
            home_amsl_m=GROUND_M,
        )  # fmt: skip
        self.starting: asyncio.Event | None = None
        """Where set: a start ends once this is."""

    def show(self, **changes: Any) -> None:
        self.telemetry = replace(self.telemetry, received_at=self.clock.now(), **changes)

    def fly(self, position: LatLon, alt_home_m: float = 60.0) -> None:
        self.show(
            position=position, alt_home_m=alt_home_m, alt_amsl_m=GROUND_M + alt_home_m,
            phase=Phase.EN_ROUTE, armed=True,
        )  # fmt: skip

    async def events(self) -> AsyncIterator[VehicleEvent]:
        await asyncio.Event().wait()
        yield VehicleEvent("", "", self.clock.now())  # type: ignore[arg-type]

    async def load(self, mission: Mission) -> CommandResult:
        self.show(mission_hash=mission.content_hash)
        return CommandResult(Outcome.DONE)

    async def start(self, mission: Mission) -> CommandResult:
        if self.starting is not None:
            await self.starting.wait()
        assert isinstance(mission, AirMission)
        self.fly(mission.home)
        return CommandResult(Outcome.DONE)

    async def execute(self, verb: Verb) -> CommandResult:
        self.told.append(verb)
        if not self.telemetry.armed:
            return CommandResult(Outcome.REFUSED, "the vehicle is not armed")
        self.show(phase=PHASES[verb])
        return CommandResult(Outcome.DONE)

    async def adopt(self, mission: Mission) -> MissionProgress:
        holds = self.telemetry.mission_hash == mission.content_hash
        return MissionProgress(holds=holds, running=bool(self.telemetry.armed))


class HoveringFleet:
    """The adapter."""

    def __init__(self, drones: Sequence[Hovering]) -> None:
        self.drones = {drone.vehicle_id: drone for drone in drones}

    @property
    def sessions(self) -> dict[str, VehicleSession]:
        return dict(self.drones)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    def losses(self) -> tuple[Loss, ...]:
        return ()

    async def run(self) -> None:
        """Every drone is heard once a second."""
        while True:
            for drone in self.drones.values():
                drone.show()
            await asyncio.sleep(1.0)


def configured(folder: Path, homes: Mapping[str, LatLon], **sections: object) -> Config:
    """A configuration of one hub and these drones' pads."""
    first = next(iter(homes.values()))
    hub = {"id": "hub", "kind": "hub", "lat_deg": first.lat_deg, "lon_deg": first.lon_deg}
    drones = [
        {
            "id": vehicle_id, "link": f"tcp:127.0.0.1:{number + 1}", "sysid": 1, "base": "hub",
            "pad_lat_deg": home.lat_deg, "pad_lon_deg": home.lon_deg, "pad_amsl_m": GROUND_M,
            "usable_energy_wh": DRONE.usable_energy_wh,
        }
        for number, (vehicle_id, home) in enumerate(homes.items())
    ]  # fmt: skip
    made = {
        "store": {"url": f"sqlite+aiosqlite:///{folder / 'w.db'}"},
        "terrain": {"ground_amsl_m": GROUND_M, "geoid_m": 18.0},
        "sites": [{**hub, "ground_amsl_m": GROUND_M}],
        "drones": drones,
        **sections,
    }
    return from_dict(made, base=folder)


@asynccontextmanager
async def controller(
    config: Config, homes: Mapping[str, LatLon], clock: Clock
) -> AsyncIterator[tuple[App, dict[str, Hovering]]]:
    """The controller, running, and its drones."""
    fleet = HoveringFleet([Hovering(ident, home, clock) for ident, home in homes.items()])
    async with (
        build(config, clock=clock, adapters=[fleet]) as app,
        asyncio.TaskGroup() as group,
    ):
        task = group.create_task(app.run(), name="controller")
        yield app, fleet.drones
        task.cancel()


def flight(
    vehicle_id: str,
    home: LatLon,
    goal: LatLon,
    zones: ZoneSet,
    surroundings: Surroundings,
    clock: Clock,
    permits: frozenset[str] = frozenset(),
) -> AirMission:
    """A planned flight that the zones allow."""
    request = FlightRequest(
        mission_id=f"m-{vehicle_id}",
        vehicle_id=vehicle_id,
        home=home,
        home_amsl_m=GROUND_M,
        parcel_id=f"P-{vehicle_id}",
        weight_kg=WEIGHT_KG,
        destination=goal,
        device=DropDevice.WINCH,
        cruise_alt_home_m=60.0,
        cruise_speed_mps=DRONE.cruise_speed_mps,
        depart_at=clock.now(),
        permits=permits,
    )
    mission = plan_flight(request, zones, surroundings)
    assert isinstance(mission, AirMission), mission
    return mission


async def put_under_way(
    app: App,
    missions: Sequence[AirMission],
    *,
    state: AssignmentState = AssignmentState.STARTED,
    start: CommandState | None = None,
) -> None:
    """Into the ledger, as though they had been assigned, and started where `state` says so."""
    now = app.clock.now()
    parcels, tasks, commands = [], [], []
    for mission in missions:
        vehicle_id, (parcel_id,) = mission.vehicle_id, mission.parcel_ids
        goal = next(i.position for i in reversed(mission.items[:-1]) if i.position is not None)
        started = state is AssignmentState.STARTED
        holder = (
            Custodian(CustodianKind.VEHICLE, vehicle_id)
            if started
            else Custodian(CustodianKind.SITE, "hub")
        )
        parcel = Parcel(
            parcel_id, WEIGHT_KG, (0.2, 0.2, 0.1), "hub", Destination(goal), now,
            now + timedelta(hours=2),
        )  # fmt: skip
        record = ParcelRecord(
            parcel,
            ParcelState.IN_TRANSIT if started else ParcelState.PREPARING,
            holder,
            {},
            vehicle_id,
            f"A-{vehicle_id}",
        )
        task = Assignment(
            f"A-{vehicle_id}", vehicle_id, (parcel_id,), state, now, mission.content_hash
        )
        parcels.append(ParcelStep(None, record))
        tasks.append(
            AssignmentStep(
                None,
                AssignmentRecord(
                    task, mission, epoch=1, arrive_at={parcel_id: now + timedelta(minutes=5)},
                    started_at=now if started else None,
                ),
            )
        )  # fmt: skip
        if start is not None:
            commands.append(
                CommandRecord(
                    f"C-{vehicle_id}", vehicle_id, 1, CommandKind.START, start, now,
                    assignment_id=task.assignment_id, body_hash=mission.content_hash,
                )
            )  # fmt: skip
    await app.ledger.keep(
        Changes(parcels=tuple(parcels), assignments=tuple(tasks), commands=tuple(commands))
    )
