"""A robot's line with zones: what version 3 has for a robot that keeps to zones by itself.

Owns the session's part of zone sets and of requests to enter a zone. Must not decide who may
enter: answers come from the controller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from geofence.zones import VehicleTraits
from vehicles.port import Clock, EventKind
from vehicles.vda5050 import topics, zonesets
from vehicles.vda5050.codec import timestamp
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine_model import Ask, Input, Notice
from vehicles.vda5050.keeping import AskAbout, SetKeeper
from vehicles.vda5050.line import Publish, RobotLine
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.models import ActionParameter
from vehicles.vda5050.settings import Vda5050Settings, Vda5050Vehicle
from vehicles.vda5050.zoning import Compiled, compile_zones
from vehicles.zonekeeping import Grant, OwnZones, PassageRequest

log = structlog.get_logger(__name__)

MAX_SETS = 16


class ZoneCompiler:
    """Zone sets of a fleet: robots that are alike have one, compiled once."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Compiled] = {}
        self._busy = asyncio.Lock()

    async def compile(self, own: OwnZones, site: SiteMap, traits: VehicleTraits) -> Compiled:
        """The set for robots of these traits on this map; worked out in a thread."""
        # what applies in the span is what counts, not the span itself: it moves on all the time
        active = frozenset(
            z.zone_id for z in own.zones.zones if z.schedule.active_during(*own.span)
        )
        key = (own.zones.version, active, own.permits, own.turns, site, traits)
        async with self._busy:
            made = self._made.get(key)
            if made is None:
                made = await asyncio.to_thread(
                    compile_zones,
                    own.zones,
                    site,
                    traits,
                    own.surroundings,
                    own.span,
                    permits=own.permits,
                    turns=own.turns,
                )
                while len(self._made) >= MAX_SETS:
                    del self._made[next(iter(self._made))]
                self._made[key] = made
            return made


class ZonedLine(RobotLine):
    """Implements ZoneKeeping."""

    def __init__(
        self,
        vehicle: Vda5050Vehicle,
        site_map: SiteMap,
        clock: Clock,
        settings: Vda5050Settings,
        *,
        dialect: Dialect,
        publish: Publish,
        ids: Callable[[str], str],
        compiler: ZoneCompiler | None = None,
    ) -> None:
        super().__init__(
            vehicle, site_map, clock, settings, dialect=dialect, publish=publish, ids=ids
        )
        self._compiler = compiler or ZoneCompiler()
        self._sets = SetKeeper(site_map.map_id)

    @property
    def keeps_zones(self) -> bool:
        """Whether it speaks version 3, by its enrolment or its latest message."""
        return self._dialect.speaks_zones

    def expect_zones(self) -> None:
        """Zones will come: until they are enabled on board, it is not startable."""
        self._sets.expected = True
        self._look_at_zones()

    async def keep_zones(self, own: OwnZones) -> None:
        """Compile these zones for its map, and see to it that the set is enabled on board."""
        made = await self._compiler.compile(own, self._map, self.capability.traits)
        wanted = self._sets.made
        if wanted is not None and wanted.zone_set.zone_set_id == made.zone_set.zone_set_id:
            return
        for zone_id, reason in made.left_out.items():
            log.info("zone.left_out", vehicle=self.vehicle_id, zone=zone_id, reason=reason)
        self._sets.want(made, self._ids("zones"), self._clock.monotonic_s())
        self._look_at_zones()

    @property
    def passage_requests(self) -> tuple[PassageRequest, ...]:
        """Requests of type ACCESS in its newest state."""
        return self._sets.requests(self._engine.state) if self.keeps_zones else ()

    def answer(self, request_id: str, grant: Grant, lease_s: float | None = None) -> None:
        """Publish on topic responses. A lease's end is told in the robot's own time.

        Its clock may be wrong by minutes: what its newest state says of it is taken into account.
        """
        if not self.keeps_zones:
            return
        expiry = None
        if grant is Grant.GRANTED and lease_s is not None:
            expiry = timestamp(self._clock.now() + timedelta(seconds=lease_s) + self._clock_off())
        response = zonesets.Response(
            request_id=request_id, grant_type=grant.value, lease_expiry=expiry
        )
        self._publish(topics.RESPONSES, self._dialect.responses((response,)), urgent=True)

    def _clock_off(self) -> timedelta:
        """How far the robot's clock is ahead of ours, as its newest state shows."""
        state, heard_at = self._engine.state, self._received_at
        if state is None or heard_at is None:
            return timedelta()
        try:
            said = datetime.fromisoformat(state.timestamp)
            return said - heard_at
        except (ValueError, TypeError, OverflowError):
            return timedelta()

    # --- the line --------------------------------------------------------------------------

    def feed(self, event: Input) -> None:
        """Advance the engine; then see how its zone set stands."""
        super().feed(event)
        if self.keeps_zones:
            self._look_at_zones()

    def _look_at_zones(self) -> None:
        if not self.keeps_zones:
            return
        before = self._sets.fault
        for wanted in self._sets.look(self._engine, self._clock.monotonic_s()):
            if isinstance(wanted, AskAbout):
                parameter = ActionParameter(key="zoneSetId", value=wanted.zone_set_id)
                self.feed(Ask(wanted.action_type, wanted.action_id, (parameter,)))
            else:
                payload = self._dialect.zone_set(wanted.zone_set)
                self._publish(topics.ZONE_SET, payload, urgent=False)
        if self._sets.fault != before:
            self._telemetry = None
        alarms, self._sets.alarms = self._sets.alarms, []
        for text in alarms:
            self._tell(Notice(EventKind.ALARM, detail=text))

    def _further_faults(self) -> tuple[str, ...]:
        fault = self._sets.fault
        own = (fault,) if fault and self.keeps_zones else ()
        return (*super()._further_faults(), *own)
