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
from controller.delivery.desk import Desk
from controller.delivery.gate import Gate
from controller.delivery.happenings import Happenings, Tolerances, stranded_conditions
from controller.delivery.hub import Hub
from controller.delivery.ledger import Ledger
from controller.delivery.matching import Matching
from controller.delivery.permits import KINDS, PermitBook
from controller.delivery.planned import PlannedMissions
from controller.delivery.process import ProcessSettings, VehicleProcess
from controller.delivery.publish import Publisher
from controller.delivery.refuges import Refuges
from controller.delivery.rezoning import Rezoning
from controller.delivery.steps import Retry
from controller.delivery.turns import Turns
from controller.delivery.ways import Ways
from controller.delivery.zones import ZoneBook
from controller.domain.alarms import Alarm
from controller.domain.model import Event, ParcelState, Site
from controller.enrol import (
    COMMAND_WALL_S,
    OFFLINE_WALL_S,
    STALE_WALL_S,
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
from controller.fleet.watchdog import LinkLimits, at_work, link_conditions
from controller.observe import Figures
from controller.safety.battery import BatteryBook, Flown
from controller.safety.board import AlarmBoard
from controller.safety.monitors import EnergyLimits
from controller.safety.reaction import Reaction
from controller.safety.watch import Watch, Watched
from controller.store.changes import Changes
from controller.store.database import Store
from controller.store.errors import FencedError, StoreError
from geofence.check import Surroundings
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.roads import StreetGraph
from vehicles.port import Clock, VehicleAdapter, VehicleSession, Verb

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
ROBOT_STALE_S = 35.0
ROBOT_OFFLINE_S = 70.0
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
        self._group: asyncio.TaskGroup | None = None
        self._up_since_s = setting.clock.monotonic_s()
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
        self.matching = self._make_matching()
        rules = self._dispatch_settings
        self.battery = BatteryBook(rules.multirotor, rules.flight)
        self._ways = Ways(self.ledger, self._gate, self.processes)
        self.watch = self._make_watch()
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
        self.desk = self._make_desk()
        self.turns = self.desk.turns = self._make_turns()
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
            on_free=self._on_free,
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
            fleet=self._watched,
            zones=self._zones_now,
            hold=self._hold,
            battery=self.battery,
            bring_home=self._bring_home,
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
            refuges=self._refuges,
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
        config = self.config
        watch_s = at_least(config.safety.period_s, LEAST_WATCH_WALL_S, config)
        dispatch_s = at_least(config.dispatch.period_s, LEAST_DISPATCH_WALL_S, config)
        sys.setswitchinterval(SWITCH_S)
        self._tell_stranded()
        async with asyncio.TaskGroup() as group:
            self._group = group
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
            group.create_task(self.rezoning.run(), name="rezoning")
            if self.turns is not None:
                group.create_task(self.turns.run(watch_s), name="turns")
            group.create_task(self.desk.cancelling.run(), name="cancelling")
            group.create_task(self._publisher.run(PUBLISH_PERIOD_S), name="publish")

    def _on_free(self) -> None:
        self.matching.wake()

    def _on_kept(self, changes: Changes) -> None:
        for step in changes.parcels:
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

    def _telemetry(self) -> dict[str, object]:
        return {v: p.owner.telemetry for v, p in self.processes.items()}

    def _watched(self) -> list[Watched]:
        return [self._watch_one(v, p) for v, p in self.processes.items()]

    def _watch_one(self, vehicle_id: str, process: VehicleProcess) -> Watched:
        owner = process.owner
        task = self.ledger.assignments.get(vehicle_id)
        telemetry = owner.telemetry
        self._notice_ready(vehicle_id, ready=telemetry.startable)
        links = link_conditions(
            telemetry,
            owner.age_s(),
            self._limits(vehicle_id),
            expected=task is not None,
            up_s=self.clock.monotonic_s() - self._up_since_s,
        )
        return Watched(
            capability=owner.capability,
            telemetry=telemetry,
            home=self._enrolment.homes[vehicle_id],
            working=at_work(telemetry),
            track=self._ways.track(vehicle_id),
            extra=(*links, *process.conditions()),
            permits=self._permits_now(vehicle_id),
            flown=self._flown(vehicle_id),
        )

    def _flown(self, vehicle_id: str) -> Flown | None:
        """The air mission that a vehicle is on, with what is aboard."""
        known = self._ways.legs(vehicle_id)
        if known is None:
            return None
        weights = {
            parcel_id: self.ledger.parcels[parcel_id].parcel.weight_kg
            for parcel_id in self.ledger.aboard(vehicle_id)
        }
        return Flown(*known, weights)

    def _permits_now(self, vehicle_id: str) -> frozenset[str]:
        """What a vehicle holds at this moment."""
        task = self.ledger.assignments.get(vehicle_id)
        aboard = task.assignment.parcel_ids if task is not None else ()
        held = self.permits.held(vehicle_id, aboard, self.clock.now())
        return self._dispatch_settings.permits | held

    def _notice_ready(self, vehicle_id: str, *, ready: bool) -> None:
        """A vehicle that has become ready is offered work at once."""
        if not ready:
            self._startable.discard(vehicle_id)
        elif vehicle_id not in self._startable:
            self._startable.add(vehicle_id)
            self.matching.wake()

    def _limits(self, vehicle_id: str) -> LinkLimits:
        if self._enrolment.kinds[vehicle_id] is VehicleClass.ROBOT:
            return LinkLimits(ROBOT_STALE_S, ROBOT_OFFLINE_S)
        safety = self.config.safety
        return LinkLimits(
            at_least(safety.stale_s, STALE_WALL_S, self.config),
            at_least(safety.offline_s, OFFLINE_WALL_S, self.config),
        )

    async def _hold(self, vehicle_id: str, cause: str) -> None:
        self._soon(vehicle_id, Verb.HOLD, cause)

    async def _bring_home(self, vehicle_id: str, cause: str) -> None:
        self._soon(vehicle_id, Verb.RETURN, cause)

    def _soon(self, vehicle_id: str, verb: Verb, cause: str) -> None:
        if self._group is not None:
            name = f"{verb.value} {vehicle_id}"
            self._group.create_task(self._demand(vehicle_id, verb, cause), name=name)

    async def _demand(self, vehicle_id: str, verb: Verb, cause: str) -> None:
        try:
            result = await self.processes[vehicle_id].demand(verb, by="safety", reason=cause)
        except FencedError:
            raise
        except StoreError as error:
            log.warning("demand not sent", vehicle=vehicle_id, verb=verb.value, reason=str(error))
            return
        outcome = result.outcome.value
        log.warning("demanded", vehicle=vehicle_id, verb=verb.value, outcome=outcome, cause=cause)


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
        app.zones.restore(kept.zones)
        if app.turns is not None:
            app.turns.restore(kept.passages)
        app.permits.restore(await store.events_of(KINDS))
        yield app
