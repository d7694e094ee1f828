"""The composition root: the only module that knows every class.

Owns what is made, in which order, and which tasks run. `build` opens the database, takes the
vehicles' leases and opens the links; `App.run` serves until cancelled.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from controller.config import Config
from controller.delivery import recovery
from controller.delivery.approvals import Approvals
from controller.delivery.charging import ChargingDesk, ChargingRules
from controller.delivery.demands import Demands
from controller.delivery.desk import Desk
from controller.delivery.doors import DoorRules
from controller.delivery.gate import Gate
from controller.delivery.happenings import Happenings, Tolerances, stranded_conditions
from controller.delivery.hub import Hub
from controller.delivery.ledger import Ledger
from controller.delivery.lost import Lost
from controller.delivery.matching import Matching
from controller.delivery.newest import NewestStates
from controller.delivery.permits import KINDS, PermitBook
from controller.delivery.planned import PlannedMissions
from controller.delivery.process import ProcessSettings, VehicleProcess
from controller.delivery.publish import Publisher
from controller.delivery.refuges import Refuges
from controller.delivery.releases import Releases
from controller.delivery.rezoning import Rezoning
from controller.delivery.robotzones import RobotZones, turns_of
from controller.delivery.steps import Retry
from controller.delivery.strays import Strays
from controller.delivery.turns import Turns
from controller.delivery.ways import Ways
from controller.delivery.zones import ZoneBook
from controller.domain.alarms import Alarm
from controller.domain.model import Event, ParcelState, Site
from controller.enrol import (
    COMMAND_WALL_S,
    Enrolment,
    at_least,
    dispatch_settings,
    enrol,
    make_adapters,
    make_clock,
    permits_of,
    random_id,
    read_street_file,
    read_surroundings,
    read_zone_files,
    sessions_of,
    sites_of,
)
from controller.fleet.owner import VehicleOwner
from controller.observe import Figures
from controller.safety.battery import BatteryBook
from controller.safety.board import AlarmBoard
from controller.safety.monitors import EnergyLimits
from controller.safety.reaction import Reaction
from controller.safety.stall import StallBook
from controller.safety.watch import Watch
from controller.store.changes import Changes
from controller.store.database import Store
from controller.watching import FleetView
from geofence.check import Surroundings
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.roads import StreetGraph
from vehicles.port import Clock, Telemetry, VehicleAdapter, VehicleSession

log = structlog.get_logger(__name__)

PUBLISH_PERIOD_S = 0.25
LEASE_PERIOD_S = 2.0
LEAST_WATCH_WALL_S = 0.1
"""However fast the clock runs, the watch looks no more often than this in wall time."""
LEAST_DISPATCH_WALL_S = 1.0
SWITCH_S = 0.001
"""How long a thread that computes may keep the interpreter from the links (5 ms by default)."""
MAX_TELEMETRY_AGE_S = 45.0
"""A robot at rest speaks every 30 s (VDA 5050); a drone's silence shows in its link sooner."""
RELEASE_S, RELEASE_WALL_S = 60.0, 10.0
"""How long a robot is let into a passage for, before that is renewed."""
ZONES_AHEAD_S, ZONES_AHEAD_WALL_S = 60.0, 5.0
"""How early robots have zones on board that begin to apply."""
TRACK_LIMIT_M = {VehicleClass.MULTIROTOR.value: 50.0, VehicleClass.ROBOT.value: 50.0}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a controller is made of, opened and read."""

    config: Config
    clock: Clock
    store: Store
    ledger: Ledger
    adapters: Sequence[VehicleAdapter]
    epochs: Mapping[str, int]
    enrolment: Enrolment
    sites: Mapping[str, Site]
    zones: ZoneSet
    streets: StreetGraph | None
    figures: Figures
    ids: Callable[[str], str]
    surroundings: Surroundings

    @property
    def retry(self) -> Retry:
        """How often a failed parcel is offered again."""
        return Retry(self.config.delivery.max_attempts, self.config.delivery.retry_backoff_s)


class App:
    """A controller. `run` serves it until cancelled."""

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.clock = setting.clock
        self.figures = setting.figures
        self.ledger = setting.ledger
        self._setting = setting
        self._enrolment = setting.enrolment
        self._startable: set[str] = set()
        self._hub = Hub()
        self._dispatch_settings = dispatch_settings(
            setting.config, max_telemetry_age_s=MAX_TELEMETRY_AGE_S
        )
        self.board = AlarmBoard(setting.clock, setting.ids, self._on_alarm)
        self.zones = ZoneBook(setting.zones, setting.ledger, setting.clock)
        self.permits = PermitBook(
            permits_of(setting.config.dispatch), setting.ledger, setting.clock, setting.ids
        )
        self._approvals = Approvals(setting.config.dispatch.approve)
        self._gate = Gate(
            settings=self._dispatch_settings,
            surroundings=setting.surroundings,
            zones=self._zones_now,
            clock=setting.clock,
            max_age_s=MAX_TELEMETRY_AGE_S,
            permits=self.permits.held,
            streets=setting.streets,
        )
        happenings = self._make_happenings()
        self.processes = {
            vehicle_id: self._make_process(session, happenings)
            for vehicle_id, session in sessions_of(setting.adapters, setting.enrolment).items()
        }
        self.charging = ChargingDesk(
            ChargingRules(**setting.config.charging.model_dump()),
            ledger=self.ledger, processes=self.processes, homes=self._enrolment.homes,
            board=self.board, clock=self.clock,
            on_free=lambda: self.matching.wake(),  # noqa: PLW0108 - it is made after this
        )  # fmt: skip
        self.matching = self._make_matching()
        rules = self._dispatch_settings
        self.battery = BatteryBook(rules.multirotor, rules.flight)
        self._ways = Ways(self.ledger, self._gate, self.processes)
        self._demands = Demands(self.processes, self.clock)
        self.watch = self._make_watch()
        self._demands.breaching = self.watch.breaching
        self._refuges = Refuges(
            ledger=self.ledger,
            processes=self.processes,
            gate=self._gate,
            sites=setting.sites,
            homes=self._enrolment.homes,
            permits=self._permits_now,
        )
        self.rezoning = Rezoning(
            ledger=self.ledger,
            processes=self.processes,
            gate=self._gate,
            board=self.board,
            refuges=self._refuges,
            reactions=[Reaction(each) for each in setting.config.safety.rezoned],
        )
        self.newest = NewestStates(self._telemetry, self.ledger.keep, setting.epochs)
        self.turns = self._make_turns()
        self.desk = self._make_desk()
        self.desk.turns = self.turns
        self._strays = Strays(self.ledger, self.processes)
        self.releases = self._make_releases()
        self.robot_zones = self._make_robot_zones()
        self._publisher = Publisher(self.desk, self._hub, self.ledger, self._telemetry)
        self.ledger.listen(self._on_kept)

    def _make_happenings(self) -> Happenings:
        delivery = self.config.delivery
        return Happenings(
            ledger=self.ledger,
            board=self.board,
            bases=self._enrolment.bases,
            homes=self._enrolment.homes,
            tolerances=Tolerances(
                delivery.drop_tolerance_drone_m,
                delivery.drop_tolerance_robot_m,
                delivery.home_tolerance_m,
            ),
            retry=self._setting.retry,
        )

    def _make_process(self, session: VehicleSession, happenings: Happenings) -> VehicleProcess:
        delivery = self.config.delivery
        owner = VehicleOwner(
            session,
            epoch=self._setting.epochs[session.vehicle_id],
            clock=self.clock,
            command_timeout_s=at_least(delivery.command_timeout_s, COMMAND_WALL_S, self.config),
        )
        return VehicleProcess(
            owner,
            ledger=self.ledger,
            gate=self._gate,
            happenings=happenings,
            clock=self.clock,
            figures=self.figures,
            settings=ProcessSettings(
                retry=self._setting.retry,
                load_tries=delivery.load_tries,
                start_tries=delivery.start_tries,
                vehicle_rest_s=delivery.vehicle_rest_s,
            ),
            ids=self._setting.ids,
            on_free=lambda: self.matching.wake(),  # noqa: PLW0108 - it is made later
            zones_version=lambda: self._zones_now().version,
            approved=self._approvals.given,
        )

    def _make_matching(self) -> Matching:
        return Matching(
            ledger=self.ledger,
            board=self.board,
            processes=self.processes,
            enrolled=self._enrolment.known,
            sites=self._setting.sites,
            zones=self._zones_now,
            surroundings=self._setting.surroundings,
            streets=self._setting.streets,
            settings=self._dispatch_settings,
            permits=self.permits.standing,
            kept=self.charging.keeps,
            clock=self.clock,
            figures=self.figures,
            ids=self._setting.ids,
            seed=self.config.dispatch.seed,
        )

    def _make_watch(self) -> Watch:
        safety = self.config.safety
        return Watch(
            board=self.board,
            clock=self.clock,
            surroundings=self._setting.surroundings,
            limits=EnergyLimits(safety.low_battery_pct, safety.reserve_pct, safety.return_pct),
            track_limit_m=TRACK_LIMIT_M,
            fleet=self._fleet_view(),
            zones=self._zones_now,
            hold=self._demands.hold,
            battery=self.battery,
            bring_home=self._demands.bring_home,
        )

    def _fleet_view(self) -> FleetView:
        return FleetView(
            config=self.config,
            clock=self.clock,
            ledger=self.ledger,
            processes=self.processes,
            enrolment=self._enrolment,
            ways=self._ways,
            approvals=self._approvals,
            permits=self._permits_now,
            notice_ready=self._notice_ready,
            turns=lambda: self.turns,
            stalls=StallBook(self.config.safety.stall_s),
            up_since_s=self.clock.monotonic_s(),
        )

    def _make_turns(self) -> Turns | None:
        if self._setting.streets is None:
            return None
        return Turns(
            self._setting.streets,
            ledger=self.ledger,
            processes=self.processes,
            homes=self._enrolment.homes,
            board=self.board,
            clock=self.clock,
            gate=self._gate,
            ids=self._setting.ids,
        )

    def _make_releases(self) -> Releases:
        return Releases(
            processes=self.processes,
            turns=self.turns,
            board=self.board,
            clock=self.clock,
            lease_s=at_least(RELEASE_S, RELEASE_WALL_S, self.config),
        )

    def _make_robot_zones(self) -> RobotZones:
        streets = self._setting.streets
        passages = self.turns.passages if self.turns is not None else None
        return RobotZones(
            processes=self.processes,
            zones=self._zones_now,
            permits=self._permits_now,
            surroundings=self._setting.surroundings,
            turns=turns_of(passages, streets) if passages is not None and streets else (),
            board=self.board,
            clock=self.clock,
            ahead_s=at_least(ZONES_AHEAD_S, ZONES_AHEAD_WALL_S, self.config),
        )

    def _make_desk(self) -> Desk:
        return Desk(
            store=self._setting.store,
            ledger=self.ledger,
            board=self.board,
            hub=self._hub,
            matching=self.matching,
            processes=self.processes,
            enrolled=self._enrolment.known,
            sites=self._setting.sites,
            zones=self.zones,
            rezoning=self.rezoning,
            permits=self.permits,
            retry=self._setting.retry,
            clock=self.clock,
            forecast=self.battery.forecast,
            doors=DoorRules(self.config.delivery.door_wait_s, self.config.delivery.pin_tries),
            before=self.newest.before,
            refuges=self._refuges,
            lost=Lost(self.ledger, self.processes, self.turns),
            charging=self.charging,
            missions=PlannedMissions(
                ledger=self.ledger,
                processes=self.processes,
                gate=self._gate,
                matching=self.matching,
                approvals=self._approvals,
                zones=self._zones_now,
                clock=self.clock,
            ),
        )

    def _zones_now(self) -> ZoneSet:
        return self.zones.zones

    async def run(self) -> None:
        """Serve the vehicles, the parcels and whoever watches, until cancelled."""
        watch_s = at_least(self.config.safety.period_s, LEAST_WATCH_WALL_S, self.config)
        dispatch_s = at_least(self.config.dispatch.period_s, LEAST_DISPATCH_WALL_S, self.config)
        sys.setswitchinterval(SWITCH_S)
        self._tell_stranded()
        async with asyncio.TaskGroup() as group:
            self._demands.group = group
            group.create_task(self._setting.store.run(), name="store")
            group.create_task(self.ledger.write_notes(), name="event-log")
            group.create_task(self.ledger.guard_leases(LEASE_PERIOD_S), name="leases")
            for number, adapter in enumerate(self._setting.adapters):
                group.create_task(adapter.run(), name=f"adapter {number}")
            for vehicle_id, process in self.processes.items():
                group.create_task(process.owner.hear(process.hear), name=f"hear {vehicle_id}")
                group.create_task(process.run(), name=f"deliver {vehicle_id}")
            group.create_task(self.matching.run(dispatch_s), name="dispatch")
            group.create_task(self.watch.run(watch_s), name="safety")
            group.create_task(self.charging.run(watch_s), name="charging")
            group.create_task(self.rezoning.run(), name="rezoning")
            group.create_task(self._strays.run(), name="strays")
            if self.turns is not None:
                group.create_task(self.turns.run(watch_s), name="turns")
            group.create_task(self.releases.run(watch_s), name="releases")
            group.create_task(self.robot_zones.run(watch_s), name="robot zones")
            group.create_task(self.desk.run(watch_s), name="desk")
            group.create_task(self.newest.run(), name="newest-states")
            group.create_task(self._publisher.run(PUBLISH_PERIOD_S), name="publish")

    def _on_kept(self, changes: Changes) -> None:
        for step in changes.parcels:
            if step.before is not step.after.state:
                self.figures.parcels.labels(state=step.after.state.value).inc()
        seen = {ParcelState.STRANDED, ParcelState.RETURNED}
        if any(s.after.state in seen or s.before in seen for s in changes.parcels):
            self._tell_stranded()

    def _tell_stranded(self) -> None:
        self.board.tell("delivery", stranded_conditions(self.ledger))

    def _on_alarm(self, alarm: Alarm) -> None:
        self.figures.alarms.set(len(self.board))
        kind = "raised"
        if alarm.cleared_at is not None:
            kind = "cleared"
        elif alarm.acknowledged_at is not None:
            kind = "acknowledged"
        self.ledger.note(
            Event(
                f"alarm.{kind}",
                self.clock.now(),
                parcel_id=alarm.parcel_id,
                vehicle_id=alarm.vehicle_id,
                data={
                    "id": alarm.alarm_id,
                    "severity": alarm.severity.value,
                    "cause": alarm.cause,
                    "by": alarm.acknowledged_by,
                },
            )
        )
        self._publisher.alarm(alarm)

    def _telemetry(self) -> dict[str, Telemetry]:
        return {v: p.owner.telemetry for v, p in self.processes.items()}

    def _permits_now(self, vehicle_id: str) -> frozenset[str]:
        """What a vehicle holds at this moment."""
        task = self.ledger.assignments.get(vehicle_id)
        aboard = task.assignment.parcel_ids if task is not None else ()
        held = self.permits.held(vehicle_id, aboard, self.clock.now())
        return self._dispatch_settings.permits | held

    def _notice_ready(self, telemetry: Telemetry) -> None:
        """A vehicle that has become ready is offered work at once."""
        vehicle_id = telemetry.vehicle_id
        if not telemetry.startable:
            self._startable.discard(vehicle_id)
        elif vehicle_id not in self._startable:
            self._startable.add(vehicle_id)
            self.matching.wake()


@asynccontextmanager
async def build(
    config: Config,
    *,
    clock: Clock | None = None,
    adapters: Sequence[VehicleAdapter] | None = None,
    ids: Callable[[str], str] | None = None,
) -> AsyncIterator[App]:
    """A controller with its database open, its leases taken and its links up.

    `clock`, `adapters` and `ids` replace what the configuration says. Raises StoreError,
    VehicleError (a port taken, two vehicles in one place), ZoneFileError, StreetError, ConfigError
    (a grid of heights), OSError.
    """
    clock = clock or make_clock(config.clock)
    sites = sites_of(config)
    enrolment = enrol(config, sites)
    zones = await asyncio.to_thread(read_zone_files, config)
    streets = await asyncio.to_thread(read_street_file, config)
    surroundings = await asyncio.to_thread(read_surroundings, config)
    figures = Figures()
    make_id = ids or random_id
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            Store(config.store.url, on_commit=figures.commit_s.observe)
        )
        kept = await store.read()
        epochs = await store.take_leases(tuple(enrolment.bases), make_id("controller"), clock.now())
        made = make_adapters(config, enrolment, clock) if adapters is None else adapters
        figures.watch(made)
        for adapter in made:
            await stack.enter_async_context(adapter)
        ledger = Ledger(store, clock, make_id)
        recovery.restore(kept, ledger, epochs, clock)
        app = App(
            Setting(
                config=config,
                clock=clock,
                store=store,
                ledger=ledger,
                adapters=made,
                epochs=epochs,
                enrolment=enrolment,
                sites=sites,
                zones=zones,
                streets=streets,
                figures=figures,
                ids=make_id,
                surroundings=surroundings,
            )
        )
        recovery.tell_orphans(kept, enrolment.bases, sites, app.board)
        app.newest.restore(kept.last_known)
        app.zones.restore(kept.zones)
        if app.turns is not None:
            app.turns.restore(kept.passages)
        app.permits.restore(await store.events_of(KINDS))
        yield app
        await app.newest.write_last(store.keep_at_once)
