"""A desk in memory: what the API, the command line and the console are tested against.

It keeps the desk's signatures and promises (one transaction, idempotency, bounded updates) and
moves parcels only when a test says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from controller.delivery.permits import UnknownPermitError
from controller.delivery.planned import PlannedView, Preview
from controller.delivery.refuges import Refuge
from controller.delivery.views import (
    Alarm,
    DuplicateParcelError,
    Found,
    HoldState,
    IdempotencyConflictError,
    LoggedEvent,
    ParcelView,
    Severity,
    Submitted,
    UnknownAlarmError,
    UnknownSiteError,
    UnknownVehicleError,
    Update,
    VehicleView,
)
from controller.domain.model import (
    AssignmentState,
    Custodian,
    CustodianKind,
    Event,
    Parcel,
    ParcelState,
    Proof,
    Site,
    SiteKind,
)
from controller.domain.permits import Permit
from controller.fleet.allowed import allowed
from geofence.check import Surroundings
from geofence.frames import LatLon
from geofence.zones import CircleArea, PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.inspect import FileChecks, inspect_file
from missions.model import AirMission, DropDevice
from missions.picture import Picture, picture_of
from vehicles.audit import Audit, Remedy
from vehicles.parameters import ParameterSet
from vehicles.port import (
    Capability,
    Clock,
    CommandResult,
    Divert,
    LinkState,
    Outcome,
    Phase,
    Telemetry,
    Verb,
)

DRONE = Capability(
    vehicle_class=VehicleClass.MULTIROTOR,
    max_payload_kg=2.5,
    parcel_slots=1,
    cruise_speed_mps=12.0,
    usable_energy_wh=300.0,
    max_parcel_size_m=(0.4, 0.3, 0.3),
    drop_device=DropDevice.WINCH,
)
ROBOT = Capability(
    vehicle_class=VehicleClass.ROBOT,
    max_payload_kg=20.0,
    parcel_slots=3,
    cruise_speed_mps=1.6,
    usable_energy_wh=1200.0,
    max_parcel_size_m=(0.6, 0.5, 0.5),
    handover_pin=True,
)
HUB = Site("hub-north", "Pasila hub", SiteKind.HUB, LatLon(60.1985, 24.9330), 20.0)
DEPOT = Site("hub-south", "Hietalahti hub", SiteKind.HUB, LatLon(60.1625, 24.9230), 5.0)
LOCKER = Site("locker-1", "Locker at the market", SiteKind.LOCKER, LatLon(60.1677, 24.9525), 4.0)

ZONES = (
    Zone(
        "heliport",
        "Hospital heliport",
        ZoneKind.NO_FLY,
        CircleArea(LatLon(60.1900, 24.9080), 450.0),
    ),
    Zone(
        "quarter",
        "Government quarter",
        ZoneKind.RESTRICTED,
        PolygonArea(
            (
                LatLon(60.1720, 24.9480),
                LatLon(60.1720, 24.9580),
                LatLon(60.1672, 24.9580),
                LatLon(60.1672, 24.9480),
            )
        ),
    ),
    Zone(
        "park",
        "Park with crowds on Sundays",
        ZoneKind.ADVISORY,
        PolygonArea((LatLon(60.1880, 24.9330), LatLon(60.1880, 24.9430), LatLon(60.1820, 24.9400))),
    ),
    Zone(
        "city",
        "Operating area",
        ZoneKind.KEEP_IN,
        PolygonArea(
            (
                LatLon(60.2080, 24.8850),
                LatLon(60.2080, 24.9950),
                LatLon(60.1500, 24.9950),
                LatLon(60.1500, 24.8850),
            )
        ),
    ),
)


class FakeMissions:
    """Planned missions before launch; what is shown of one is judged for real, in still air."""

    def __init__(self, desk: FakeDesk) -> None:
        self.desk = desk
        self.planned: dict[str, tuple[PlannedView, AirMission]] = {}
        self.launched: list[tuple[str, str, str]] = []
        self.shut = ""
        self.surroundings = Surroundings(ground_amsl_m=10.0, geoid_m=17.0)

    def all(self) -> list[PlannedView]:
        return [view for view, _ in self.planned.values()]

    async def preview(self, mission_id: str) -> Preview | None:
        if mission_id not in self.planned:
            return None
        view, mission = self.planned[mission_id]
        asked = FileChecks(depart_at=self.desk.clock.now())
        title = f"{view.vehicle_id}: {', '.join(view.parcel_ids)}"
        return Preview(view, await self.check(mission, asked, title), self.shut)

    async def check(self, mission: AirMission, asked: FileChecks, name: str) -> Picture:
        return picture_of(inspect_file(mission, asked, self.desk.zone_set, self.surroundings), name)

    async def launch(self, mission_id: str, content_hash: str, *, by: str) -> CommandResult:
        view, mission = self.planned[mission_id]
        if content_hash not in {"", mission.content_hash}:
            return CommandResult(Outcome.REFUSED, "the mission was planned anew: look again")
        if self.shut:
            return CommandResult(Outcome.REFUSED, self.shut)
        self.launched.append((mission_id, content_hash, by))
        self.planned[mission_id] = (replace(view, awaits_launch=False), mission)
        vehicle = self.desk.vehicle(view.vehicle_id)
        if vehicle is not None:
            self.desk.put_vehicle(replace(vehicle, awaits_launch=False))
        return CommandResult(Outcome.DONE)

    def put(self, mission: AirMission, parcel_ids: tuple[str, ...]) -> None:
        view = PlannedView(
            mission.mission_id,
            mission.vehicle_id,
            parcel_ids,
            AssignmentState.LOADED,
            awaits_launch=True,
            content_hash=mission.content_hash,
            duration_s=mission.duration_s,
        )
        self.planned[mission.mission_id] = (view, mission)


class FakeDesk:
    """The desk's surface over plain dictionaries."""

    def __init__(self, clock: Clock, sites: Sequence[Site] = (HUB, DEPOT, LOCKER)) -> None:
        self.clock = clock
        self.zone_set = ZoneSet(ZONES)
        self.held: HoldState | None = None
        self.turns: Any = None
        self.commands: list[tuple[str, Verb, str, str]] = []
        self.diverts: list[tuple[str, Divert, str, str]] = []
        self.places: list[Refuge] = []
        self.audits: dict[str, Audit] = {}
        self.read: dict[str, ParameterSet] = {}
        self.applied: list[tuple[str, str, str]] = []
        self.written_off: list[tuple[str, str, str, bool]] = []
        self.charged: list[tuple[str, bool, str, str]] = []
        self.answered: list[tuple[str, bool, str, str]] = []
        self.settled: list[tuple[str, Found, str, str]] = []
        self.triggered: list[tuple[str, str | None, str]] = []
        self.explanations: dict[str, Any] = {}
        self.missions = FakeMissions(self)
        self._sites = list(sites)
        self._parcels: dict[str, ParcelView] = {}
        self._vehicles: dict[str, VehicleView] = {}
        self._alarms: dict[str, Alarm] = {}
        self._permits: dict[str, Permit] = {}
        self._keys: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._log: list[Event] = []
        self._subscribers: list[asyncio.Queue[Update]] = []

    async def submit(self, parcels: Sequence[Parcel], *, key: str, fingerprint: str) -> Submitted:
        if key in self._keys:
            known, ids = self._keys[key]
            if known != fingerprint:
                raise IdempotencyConflictError(key)
            return Submitted(tuple(self._parcels[i] for i in ids), replayed=True)
        ids = tuple(p.parcel_id for p in parcels)
        for index, parcel in enumerate(parcels):
            if parcel.parcel_id in self._parcels or parcel.parcel_id in ids[:index]:
                raise DuplicateParcelError(parcel.parcel_id)
            if parcel.origin_site_id not in {s.site_id for s in self._sites}:
                raise UnknownSiteError(parcel.origin_site_id)
        self._keys[key] = (fingerprint, ids)
        for parcel in parcels:
            self._tell_parcel(
                ParcelView(
                    parcel=parcel,
                    state=ParcelState.SUBMITTED,
                    custodian=Custodian(CustodianKind.SITE, parcel.origin_site_id),
                    vehicle_id="",
                    assignment_id="",
                    eta=None,
                    times={"submitted": self.clock.now()},
                    reasons=(),
                    proof=None,
                    attempts=0,
                )
            )
        return Submitted(tuple(self._parcels[i] for i in ids), replayed=False)

    def parcels(self) -> list[ParcelView]:
        return list(self._parcels.values())

    def parcel(self, parcel_id: str) -> ParcelView | None:
        return self._parcels.get(parcel_id)

    def vehicles(self) -> list[VehicleView]:
        return [self._aged(v) for v in self._vehicles.values()]

    def vehicle(self, vehicle_id: str) -> VehicleView | None:
        view = self._vehicles.get(vehicle_id)
        return self._aged(view) if view else None

    def sites(self) -> list[Site]:
        return list(self._sites)

    def explain(self, parcel_id: str) -> Any:
        return self.explanations.get(parcel_id)

    async def command(
        self, vehicle_id: str, verb: Verb, *, by: str, reason: str = ""
    ) -> CommandResult:
        view = self._vehicles.get(vehicle_id)
        if view is None:
            raise UnknownVehicleError(vehicle_id)
        self.commands.append((vehicle_id, verb, by, reason))
        self._log.append(
            Event("command", self.clock.now(), vehicle_id=vehicle_id, data={"verb": verb.value})
        )
        if view.telemetry.link is not LinkState.ONLINE:
            return CommandResult(Outcome.UNCERTAIN, "no link")
        phase = {
            Verb.HOLD: Phase.HOLDING,
            Verb.RESUME: Phase.EN_ROUTE,
            Verb.RETURN: Phase.RETURNING,
            Verb.LAND: Phase.LANDING,
        }[verb]
        self.put_vehicle(replace(view, telemetry=replace(view.telemetry, phase=phase)))
        return CommandResult(Outcome.DONE)

    async def write_off(
        self, vehicle_id: str, *, by: str, reason: str, removed: bool
    ) -> CommandResult:
        view = self._vehicles[vehicle_id]
        if view.telemetry.link is LinkState.ONLINE:
            return CommandResult(Outcome.REFUSED, f"{vehicle_id} is heard")
        self.written_off.append((vehicle_id, by, reason, removed))
        return CommandResult(Outcome.DONE, "settle P-1")

    @property
    def failed_actions(self) -> FakeDesk:
        return self

    async def answer(self, vehicle_id: str, *, again: bool, by: str, reason: str) -> CommandResult:
        if self._vehicles[vehicle_id].kind == "drone":
            return CommandResult(Outcome.REFUSED, "it waits with no action that failed")
        self.answered.append((vehicle_id, again, by, reason))
        return CommandResult(Outcome.DONE)

    async def charge(
        self, vehicle_id: str, *, on: bool, by: str, reason: str = ""
    ) -> CommandResult:
        view = self._vehicles[vehicle_id]
        if view.kind == "drone":
            return CommandResult(Outcome.REFUSED, f"{vehicle_id} cannot be told to charge")
        self.charged.append((vehicle_id, on, by, reason))
        return CommandResult(Outcome.DONE)

    async def audit(self, vehicle_id: str) -> Audit | str:
        view = self._vehicles.get(vehicle_id)
        if view is None:
            raise UnknownVehicleError(vehicle_id)
        return self.audits.get(vehicle_id, "it has no parameters that a baseline could name")

    async def audit_all(self) -> dict[str, Audit | str]:
        return {vehicle_id: await self.audit(vehicle_id) for vehicle_id in self._vehicles}

    async def parameters(self, vehicle_id: str) -> ParameterSet | str:
        if vehicle_id not in self._vehicles:
            raise UnknownVehicleError(vehicle_id)
        return self.read.get(vehicle_id, "it has no parameters")

    async def apply_baseline(self, vehicle_id: str, *, by: str, reason: str = "") -> CommandResult:
        audit = await self.audit(vehicle_id)
        if isinstance(audit, str):
            return CommandResult(Outcome.REFUSED, audit)
        self.applied.append((vehicle_id, by, reason))
        left = [rule for rule in audit.broken if rule.remedy is not Remedy.SET]
        if left:
            return CommandResult(Outcome.REFUSED, f"{left[0].name}: a fitter must set it")
        return CommandResult(Outcome.DONE, "set")

    async def command_all(self, verb: Verb, *, by: str, reason: str) -> dict[str, CommandResult]:
        self.held = HoldState(by, reason, self.clock.now())
        self._tell(Update("held", self.held))
        return {v: await self.command(v, verb, by=by, reason=reason) for v in self._vehicles}

    async def divert(
        self, vehicle_id: str, to: Divert, *, by: str, reason: str = ""
    ) -> CommandResult:
        view = self._vehicles.get(vehicle_id)
        if view is None:
            raise UnknownVehicleError(vehicle_id)
        self.diverts.append((vehicle_id, to, by, reason))
        if to.alt_home_m > 120.0:
            return CommandResult(Outcome.REFUSED, "alt_home_m: outside 20-120 m above home")
        return CommandResult(Outcome.DONE)

    async def refuges(self, vehicle_id: str) -> list[Refuge]:
        if vehicle_id not in self._vehicles:
            raise UnknownVehicleError(vehicle_id)
        return list(self.places)

    async def unfreeze(self, *, by: str, reason: str) -> None:
        self.held = None
        self._tell(Update("held", None))

    async def cancel(self, parcel_id: str, *, by: str, reason: str) -> CommandResult:
        view = self._parcels[parcel_id]
        if view.state not in {ParcelState.SUBMITTED, ParcelState.ASSIGNED}:
            return CommandResult(Outcome.REFUSED, "it has left its origin")
        self.put_state(parcel_id, ParcelState.CANCELLED, reasons=(reason,))
        return CommandResult(Outcome.DONE)

    async def settle(self, parcel_id: str, *, found: Found, by: str, reason: str) -> CommandResult:
        view = self._parcels[parcel_id]
        if view.state is not ParcelState.STRANDED:
            return CommandResult(Outcome.REFUSED, f"{parcel_id} is {view.state}: not stranded")
        self.settled.append((parcel_id, found, by, reason))
        if found is Found.DELIVERED:
            self.deliver(parcel_id, by)
        else:
            base = Custodian(CustodianKind.SITE, view.parcel.origin_site_id)
            self.put_state(parcel_id, ParcelState.RETURNED, custodian=base, reasons=(reason,))
        return CommandResult(Outcome.DONE)

    async def trigger(self, parcel_id: str, *, pin: str | None, by: str) -> CommandResult:
        self.triggered.append((parcel_id, pin, by))
        view = self._parcels[parcel_id]
        if view.door is None:
            return CommandResult(Outcome.REFUSED, f"{parcel_id}: nobody waits")
        if view.door.asks == "pin" and pin != "4711":
            return CommandResult(Outcome.REFUSED, "wrong PIN: 2 tries are left")
        return CommandResult(Outcome.DONE, "opened")

    async def resend(self, parcel_id: str, *, by: str, reason: str) -> CommandResult:
        view = self._parcels[parcel_id]
        if not view.resendable:
            return CommandResult(Outcome.REFUSED, f"{parcel_id} is {view.state}: not returned")
        self.put_state(parcel_id, ParcelState.SUBMITTED, resendable=False)
        return CommandResult(Outcome.DONE)

    async def replace_zones(self, zones: tuple[Zone, ...], *, by: str) -> ZoneSet:
        self.zone_set = ZoneSet(zones)
        self._tell(Update("zones", self.zone_set.version))
        return self.zone_set

    def permits(self) -> list[Permit]:
        return list(self._permits.values())

    async def grant(self, name: str, **fields: Any) -> Permit:
        if name not in {zone.permit for zone in self.zone_set}:
            raise ValueError(f"permit: {name!r} is named by no zone in force")
        if fields["vehicle_id"] and fields["vehicle_id"] not in self._vehicles:
            raise UnknownVehicleError(fields["vehicle_id"])
        if fields["until"] is not None and fields["until"] <= self.clock.now():
            raise ValueError("until: is over")
        ident = f"permit-{len(self._permits) + 1}"
        self._permits[ident] = Permit(ident, name, granted_at=self.clock.now(), **fields)
        return self._permits[ident]

    async def withdraw(self, permit_id: str, *, by: str, reason: str = "") -> Permit:
        if permit_id not in self._permits:
            raise UnknownPermitError(permit_id)
        return self._permits.pop(permit_id)

    def alarms(self) -> list[Alarm]:
        return list(self._alarms.values())

    async def acknowledge(self, alarm_id: str, *, by: str) -> None:
        if alarm_id not in self._alarms:
            raise UnknownAlarmError(alarm_id)
        self.put_alarm(
            replace(self._alarms[alarm_id], acknowledged_by=by, acknowledged_at=self.clock.now())
        )

    async def log_after(self, seq: int, limit: int = 500) -> list[LoggedEvent]:
        numbered = list(enumerate(self._log, 1))
        return [LoggedEvent(n, e) for n, e in numbered if n > seq][:limit]

    @asynccontextmanager
    async def updates(self) -> AsyncIterator[AsyncIterator[Update]]:
        queue: asyncio.Queue[Update] = asyncio.Queue(256)
        self._subscribers.append(queue)

        async def following() -> AsyncIterator[Update]:
            while True:
                yield await queue.get()

        iterator = following()
        try:
            yield iterator
        finally:
            await iterator.aclose()
            self._subscribers.remove(queue)

    # what tests do

    def put_state(self, parcel_id: str, state: ParcelState, **changes: Any) -> None:
        view = self._parcels[parcel_id]
        times = {**view.times, state.value: self.clock.now()}
        self._tell_parcel(replace(view, state=state, times=times, **changes))

    def deliver(self, parcel_id: str, vehicle_id: str) -> None:
        to = self._parcels[parcel_id].parcel.destination.position
        self.put_state(
            parcel_id,
            ParcelState.DELIVERED,
            custodian=Custodian(CustodianKind.RECIPIENT, parcel_id),
            proof=Proof(self.clock.now(), to, 1.2, ("winch released", vehicle_id)),
        )

    def put_vehicle(self, view: VehicleView) -> None:
        self._vehicles[view.vehicle_id] = view
        self._tell(Update("vehicle", self._aged(view)))

    def put_alarm(self, alarm: Alarm) -> None:
        self._alarms[alarm.alarm_id] = alarm
        self._tell(Update("alarm", alarm))

    def _tell_parcel(self, view: ParcelView) -> None:
        self._parcels[view.parcel.parcel_id] = view
        self._log.append(
            Event(
                "parcel_" + view.state.value,
                self.clock.now(),
                parcel_id=view.parcel.parcel_id,
                vehicle_id=view.vehicle_id,
            )
        )
        self._tell(Update("parcel", view))

    def _aged(self, view: VehicleView) -> VehicleView:
        at = view.telemetry.received_at
        age_s = (self.clock.now() - at).total_seconds() if at else float("inf")
        return replace(view, age_s=age_s)

    def _tell(self, update: Update) -> None:
        for queue in self._subscribers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                update = Update("resync", None)
            queue.put_nowait(update)


def vehicle_view(
    vehicle_id: str,
    now: datetime | None,
    position: LatLon,
    *,
    robot: bool = False,
    base: Site = HUB,
    path: tuple[LatLon, ...] = (),
    parcel_ids: tuple[str, ...] = (),
    sentence: str = "Waits for work",
    alarms: int = 0,
    **telemetry: Any,
) -> VehicleView:
    """A vehicle with the telemetry given; `now` None: it never spoke."""
    told: dict[str, Any] = {
        "link": LinkState.ONLINE if now else LinkState.UNKNOWN,
        "phase": Phase.READY if now else Phase.UNKNOWN,
        "battery_pct": 87.0,
        "heading_deg": 40.0,
        "speed_mps": 0.0,
        "armed": False,
    }
    shown = Telemetry(vehicle_id, now, position=position, **{**told, **telemetry})
    return VehicleView(
        vehicle_id=vehicle_id,
        kind="robot" if robot else "drone",
        capability=ROBOT if robot else DRONE,
        telemetry=shown,
        commands=allowed(shown),
        age_s=0.0,
        base=base,
        assignment_id="a-1" if parcel_ids else "",
        parcel_ids=parcel_ids,
        sentence=sentence,
        path=path,
        alarms=alarms,
    )


def parcel(parcel_id: str, now: datetime, to: LatLon, **changes: Any) -> Parcel:
    """A parcel from the north hub, due in half an hour."""
    from controller.domain.model import Destination

    base = Parcel(
        parcel_id=parcel_id,
        weight_kg=1.2,
        size_m=(0.3, 0.2, 0.1),
        origin_site_id=HUB.site_id,
        destination=Destination(to, address=changes.pop("address", "Mannerheimintie 1")),
        ready_at=now,
        due_at=now + timedelta(minutes=30),
    )
    return replace(base, **changes)


def alarm(alarm_id: str, now: datetime, **changes: Any) -> Alarm:
    """A caution of a lost link."""
    base = Alarm(
        alarm_id=alarm_id,
        severity=Severity.CAUTION,
        cause="D-03: no message for 12 s",
        advice="Wait for the link; its mission goes on without it",
        raised_at=now,
        vehicle_id="D-03",
    )
    return replace(base, **changes)
