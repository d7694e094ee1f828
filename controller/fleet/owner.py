"""The one owner of a vehicle: hears its events and sends its commands, journal first.

Owns the calls into a vehicle's session. Must not know parcels: what an event or a result means is
decided by whoever hands in the handlers. Commands of one vehicle do not wait for each other: a
hold must not queue behind an upload.

    FleetError
    +-- UnknownSessionError    an enrolled vehicle that no adapter serves
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import structlog

from controller.domain.records import CommandKind, CommandRecord, CommandState
from geofence.frames import LatLon
from missions.model import AirMission, GroundMission, Mission
from vehicles.audit import Audit
from vehicles.charging import Charging
from vehicles.errors import VehicleError
from vehicles.parameters import ParameterSet, Parametrised
from vehicles.port import (
    Audited,
    Capability,
    Clock,
    CommandResult,
    Divert,
    Diverting,
    FenceHolder,
    FlightFence,
    MissionProgress,
    Outcome,
    Paced,
    Telemetry,
    VehicleEvent,
    VehicleSession,
    Verb,
)
from vehicles.retrying import Retrying
from vehicles.under_way import Doorkeeper, Rerouting
from vehicles.zonekeeping import Grant, OwnZones, PassageRequest, Trailing, ZoneKeeping

log = structlog.get_logger(__name__)

Keep = Callable[[CommandRecord, CommandResult | None], Awaitable[None]]
"""Keeps a command: with None before it is sent, with its result after."""

_ENDED = {
    Outcome.DONE: CommandState.DONE,
    Outcome.REFUSED: CommandState.REFUSED,
    Outcome.UNCERTAIN: CommandState.UNCERTAIN,
}


class FleetError(Exception):
    """Anything that the fleet raises on purpose."""


class UnknownSessionError(FleetError):
    """An enrolled vehicle that no adapter serves."""


class VehicleOwner:
    """One vehicle under one lease epoch."""

    def __init__(
        self, session: VehicleSession, *, epoch: int, clock: Clock, command_timeout_s: float
    ) -> None:
        self._session = session
        self._clock = clock
        self._command_timeout_s = command_timeout_s
        self.epoch = epoch

    @property
    def vehicle_id(self) -> str:
        """The enrolled name."""
        return self._session.vehicle_id

    @property
    def capability(self) -> Capability:
        """What it can carry and how far."""
        return self._session.capability

    @property
    def telemetry(self) -> Telemetry:
        """The newest state, at once."""
        return self._session.telemetry

    def age_s(self) -> float:
        """Seconds since the vehicle was last heard; inf where it never was."""
        heard = self.telemetry.received_at
        return float("inf") if heard is None else (self._clock.now() - heard).total_seconds()

    @property
    def wants_fence(self) -> bool:
        """Whether every flight of it needs a fence ordered before it is loaded."""
        return isinstance(self._session, FenceHolder) and self._session.wants_fence

    def lacks_fence(self, mission: Mission) -> bool:
        """Whether it must be loaded anew because nobody ordered this mission's fence here."""
        if not isinstance(mission, AirMission) or not isinstance(self._session, FenceHolder):
            return False
        return self._session.wants_fence and self._session.fence_for != mission.content_hash

    def order_fence(self, fence: FlightFence) -> None:
        """Have the next load put it on board; nothing for a vehicle that takes none."""
        if isinstance(self._session, FenceHolder):
            self._session.order_fence(fence)

    @property
    def paced(self) -> bool:
        """Whether it can be let go on along a round piece by piece."""
        return isinstance(self._session, Paced)

    def pace(self, mission: GroundMission, node: int) -> None:
        """Let it go to this node of its round; nothing for a vehicle that cannot be told."""
        if isinstance(self._session, Paced):
            self._session.grant(mission, node)

    def reached(self, mission: GroundMission) -> int | None:
        """The last node of its round that it shows as reached; None where it does not tell."""
        return self._session.reached(mission) if isinstance(self._session, Paced) else None

    def trail(self) -> tuple[tuple[datetime, LatLon], ...]:
        """Places that it told since the last call; none where it does not remember them."""
        return self._session.trail() if isinstance(self._session, Trailing) else ()

    def waits_for(self, mission: GroundMission) -> str:
        """The parcel that it stands at a stop for until it is told; empty: none."""
        return self._session.waits_for(mission) if isinstance(self._session, Doorkeeper) else ""

    def judges(self, mission: GroundMission, parcel_id: str) -> bool:
        """Whether the vehicle asks the customer by itself."""
        if not isinstance(self._session, Doorkeeper):
            return True
        return self._session.judges(mission, parcel_id)

    def settle(self, mission: GroundMission, parcel_id: str, *, opens: bool) -> bool:
        """Have it begin the hand-over or go on without; whether that word stands."""
        if not isinstance(self._session, Doorkeeper):
            return False
        return self._session.settle(mission, parcel_id, opens=opens)

    @property
    def reroutable(self) -> bool:
        """Whether it takes another way on a round that it is on."""
        return isinstance(self._session, Rerouting)

    def reroute(self, mission: GroundMission) -> str:
        """Another way behind the last node that it was let go to; why not, or empty."""
        if not isinstance(self._session, Rerouting):
            return "this vehicle takes no other way under way"
        return self._session.reroute(mission)

    def rerouted(self, mission: GroundMission) -> bool:
        """Whether its own state shows that it is on this very round."""
        return isinstance(self._session, Rerouting) and self._session.rerouted(mission)

    @property
    def keeps_zones(self) -> bool:
        """Whether it can keep to zones by itself, as far as is known now."""
        return isinstance(self._session, ZoneKeeping) and self._session.keeps_zones

    def expect_zones(self) -> None:
        """Its zones will come; nothing for a vehicle that cannot be told."""
        if isinstance(self._session, ZoneKeeping):
            self._session.expect_zones()

    async def keep_zones(self, own: OwnZones) -> None:
        """Have these zones in force on board; nothing for a vehicle that cannot be told."""
        if isinstance(self._session, ZoneKeeping):
            await self._session.keep_zones(own)

    @property
    def passage_requests(self) -> tuple[PassageRequest, ...]:
        """Passages that it asks to enter."""
        return self._session.passage_requests if isinstance(self._session, ZoneKeeping) else ()

    def answer(self, request_id: str, grant: Grant, lease_s: float | None) -> None:
        """Answer such a request."""
        if isinstance(self._session, ZoneKeeping):
            self._session.answer(request_id, grant, lease_s)

    @property
    def charges(self) -> bool:
        """Whether it can be told to charge, or does so by itself."""
        return isinstance(self._session, Charging)

    @property
    def charges_by_itself(self) -> bool:
        """Whether nobody needs to ask it."""
        return isinstance(self._session, Charging) and self._session.charges_by_itself

    async def charge(self, *, on: bool) -> CommandResult:
        """Begin to charge, or end it; refused by what cannot be told."""
        if not isinstance(self._session, Charging):
            return CommandResult(Outcome.REFUSED, "it cannot be told to charge")
        try:
            async with self._clock.timeout(self._command_timeout_s):
                return await self._session.charge(on=on)
        except TimeoutError:
            return CommandResult(Outcome.UNCERTAIN, "no end in time: look at its state")
        except VehicleError as error:
            return CommandResult(Outcome.UNCERTAIN, error.reason)

    async def retry(self, *, again: bool) -> CommandResult:
        """Have it try a failed action again, or go on without; refused by what knows none."""
        if not isinstance(self._session, Retrying):
            return CommandResult(Outcome.REFUSED, "it waits with no action that failed")
        try:
            async with self._clock.timeout(self._command_timeout_s):
                return await self._session.retry(again=again)
        except TimeoutError:
            return CommandResult(Outcome.UNCERTAIN, "no end in time: look at its state")
        except VehicleError as error:
            return CommandResult(Outcome.UNCERTAIN, error.reason)

    async def audit(self) -> Audit | str:
        """Its baseline, read now, or why there is none."""
        if not isinstance(self._session, Audited):
            return "it has no parameters that a baseline could name"
        try:
            async with self._clock.timeout(self._command_timeout_s):
                return await self._session.audit()
        except (VehicleError, TimeoutError) as error:
            return f"it could not be read: {str(error) or 'no answer in time'}"

    async def apply_baseline(self) -> CommandResult:
        """Set what its baseline demands; refused unless it is disarmed."""
        if not isinstance(self._session, Audited):
            return CommandResult(Outcome.REFUSED, "it has no parameters that a baseline could name")
        try:
            async with self._clock.timeout(self._command_timeout_s):
                return await self._session.apply()
        except TimeoutError:
            return CommandResult(Outcome.UNCERTAIN, "no end in time: audit it again")
        except VehicleError as error:
            return CommandResult(Outcome.UNCERTAIN, error.reason)

    async def parameters(self) -> ParameterSet | str:
        """Every parameter of it, read now, or why not."""
        if not isinstance(self._session, Parametrised):
            return "it has no parameters"
        try:
            async with self._clock.timeout(self._command_timeout_s):
                return await self._session.parameters()
        except (VehicleError, TimeoutError) as error:
            return f"it could not be read: {str(error) or 'no end in time'}"

    async def hear(self, handler: Callable[[VehicleEvent], Awaitable[None]]) -> None:
        """Hand every event on, in order, until cancelled or the session ends."""
        async for event in self._session.events():
            await handler(event)

    async def adopt(self, mission: Mission) -> MissionProgress | None:
        """What the vehicle shows of a mission; None where it could not be read now."""
        try:
            async with self._clock.timeout(self._command_timeout_s):
                return await self._session.adopt(mission)
        except (VehicleError, TimeoutError) as error:
            log.warning("vehicle cannot be read", vehicle=self.vehicle_id, reason=str(error))
        except Exception:
            # whatever one vehicle's adapter stumbles over, the others fly on
            log.exception("adapter failed", vehicle=self.vehicle_id)
        return None

    async def send(
        self,
        command: CommandRecord,
        mission: Mission | None,
        keep: Keep,
        divert: Divert | None = None,
    ) -> CommandResult:
        """Keep the command as sent, send it, keep its result.

        Whatever goes wrong after the first `keep` is UNCERTAIN: read the vehicle. Raises what
        `keep` raises; if the first one does, nothing was sent.
        """
        sent = self.as_sent(command)
        await keep(sent, None)
        ended, result = await self.perform(sent, mission, divert)
        await keep(ended, result)
        return result

    def as_sent(self, command: CommandRecord) -> CommandRecord:
        """The command as it is kept before it is sent."""
        return replace(
            command,
            state=CommandState.SENT,
            epoch=self.epoch,
            tries=command.tries + 1,
            sent_at=self._clock.now(),
            ended_at=None,
        )

    async def perform(
        self, sent: CommandRecord, mission: Mission | None, divert: Divert | None = None
    ) -> tuple[CommandRecord, CommandResult]:
        """Send a command that is kept as sent; the command as it is to be kept after, and why."""
        result = await self._call(sent, mission, divert)
        ended = replace(
            sent,
            state=_ENDED[result.outcome],
            reason=result.reason or sent.reason,
            ended_at=self._clock.now(),
        )
        return ended, result

    async def _call(
        self, command: CommandRecord, mission: Mission | None, divert: Divert | None
    ) -> CommandResult:
        try:
            async with self._clock.timeout(self._command_timeout_s):
                if divert is not None:
                    return await self._divert(divert)
                if mission is None:
                    return await self._session.execute(Verb(command.kind.value))
                if command.kind is CommandKind.LOAD:
                    return await self._session.load(mission)
                return await self._session.start(mission)
        except TimeoutError:
            return CommandResult(
                Outcome.UNCERTAIN, f"no end of {command.kind} in {self._command_timeout_s:g} s"
            )
        except VehicleError as error:
            return CommandResult(Outcome.UNCERTAIN, error.reason)
        except Exception as error:
            # whatever one vehicle's adapter stumbles over, the others fly on
            log.exception("adapter failed", vehicle=self.vehicle_id, kind=command.kind.value)
            return CommandResult(Outcome.UNCERTAIN, f"{type(error).__name__}: {error}")

    async def _divert(self, to: Divert) -> CommandResult:
        if not isinstance(self._session, Diverting):
            return CommandResult(Outcome.REFUSED, "this vehicle takes no other way under way")
        return await self._session.divert(to)
