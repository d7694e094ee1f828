"""Robots that charge between their rounds, by themselves or on an operator's word.

Owns who charges, since when and how far, and what is asked of the robots for it. Dispatch asks
`keeps`. Must not plan a way: a robot charges at its base, where its rounds end.

What is known here is not kept over a restart: a robot below `low_pct` is sent again, one above
it is dispatch's, and the start of a round ends charging by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.alarms import Condition, Severity
from controller.domain.model import Event
from controller.safety.board import AlarmBoard
from controller.store.changes import Changes
from controller.store.errors import FencedError, StoreError
from geofence.frames import LatLon, geodesic_m
from vehicles.port import Clock, CommandResult, LinkState, Outcome, Phase, Telemetry

log = structlog.get_logger(__name__)

POLICY = "policy"
AGAIN_S = 120.0
"""A robot that did not begin to charge is asked again after this."""
DONE = CommandResult(Outcome.DONE)


@dataclass(frozen=True, slots=True)
class ChargingRules:
    """Thresholds, percent of the battery; see `[charging]`."""

    low_pct: float = 20.0
    enough_pct: float = 80.0
    at_base_m: float = 60.0


@dataclass(slots=True)
class _Charge:
    """One robot that is to charge. `fault`: why it does not."""

    ask_at_s: float
    fault: str = ""


class ChargingDesk:
    """Decides and asks. `run` looks once a period, until cancelled."""

    def __init__(
        self,
        rules: ChargingRules,
        *,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        homes: Mapping[str, LatLon],
        board: AlarmBoard,
        clock: Clock,
        on_free: Callable[[], None],
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._processes = processes
        self._homes = homes
        self._board = board
        self._clock = clock
        self._on_free = on_free
        self._charges: dict[str, _Charge] = {}

    def keeps(self, vehicle_id: str) -> str:
        """Why dispatch may not have it: it charges, or is to; empty where it may."""
        charge = self._charges.get(vehicle_id)
        if charge is None:
            return ""
        pct = self._processes[vehicle_id].owner.telemetry.battery_pct
        now = "" if pct is None else f", {pct:.0f} % now"
        return f"it charges to {self._rules.enough_pct:g} %{now}"

    async def run(self, period_s: float) -> None:
        """Look once a period."""
        while True:
            await self._clock.sleep(period_s)
            await self.look()

    async def look(self) -> None:
        """Send who is low, free who has enough, and tell who cannot."""
        due = [v for v in self._processes if v in self._charges or self._must(v)]
        async with asyncio.TaskGroup() as group:
            for vehicle_id in due:
                group.create_task(self._look(vehicle_id), name=f"charging {vehicle_id}")
        self._board.tell("charging", [c for v in self._charges if (c := self._condition(v))])

    async def command(self, vehicle_id: str, *, on: bool, by: str, reason: str) -> CommandResult:
        """A person's word: charge now, or end it and let dispatch have it. Raises KeyError."""
        process = self._processes[vehicle_id]
        if not process.owner.charges:
            return _no(f"{vehicle_id} cannot be told to charge")
        if not on:
            return await self._end(vehicle_id, by, reason)
        telemetry = process.owner.telemetry
        if not self._rests(vehicle_id, telemetry):
            return _no(f"{vehicle_id} is not at rest without work: hold or end its round first")
        if away := self._away(vehicle_id, telemetry):
            return _no(away)
        if (telemetry.battery_pct or 0.0) >= self._rules.enough_pct:
            return _no(f"{vehicle_id} has enough: {telemetry.battery_pct:.0f} %")
        fault = await self._begin(vehicle_id, by, reason)
        if fault:
            self._charges.pop(vehicle_id, None)
            return _no(fault)
        return DONE

    async def _look(self, vehicle_id: str) -> None:
        telemetry = self._processes[vehicle_id].owner.telemetry
        try:
            if vehicle_id in self._charges:
                await self._follow(vehicle_id, telemetry)
            else:
                await self._begin(vehicle_id, POLICY, f"battery {telemetry.battery_pct:.0f} %")
        except FencedError:
            raise
        except StoreError as error:
            log.warning("charging not kept", vehicle=vehicle_id, reason=str(error))

    # --- parts -----------------------------------------------------------------------------

    def _must(self, vehicle_id: str) -> bool:
        owner = self._processes[vehicle_id].owner
        pct = owner.telemetry.battery_pct if owner.charges else None
        low = pct is not None and pct < self._rules.low_pct
        return low and self._rests(vehicle_id, owner.telemetry)

    def _rests(self, vehicle_id: str, telemetry: Telemetry) -> bool:
        return (
            telemetry.link is LinkState.ONLINE
            and telemetry.phase in {Phase.READY, Phase.NOT_READY}
            and vehicle_id not in self._ledger.assignments
        )

    def _away(self, vehicle_id: str, telemetry: Telemetry) -> str:
        if telemetry.position is None:
            return f"{vehicle_id} does not tell where it is"
        away_m = geodesic_m(telemetry.position, self._homes[vehicle_id])
        if away_m <= self._rules.at_base_m:
            return ""
        return f"{vehicle_id} stands {away_m:.0f} m from its base, where its charger is"

    async def _begin(self, vehicle_id: str, by: str, reason: str) -> str:
        charge = self._charges[vehicle_id] = _Charge(self._clock.monotonic_s() + AGAIN_S)
        await self._note("vehicle.charge", vehicle_id, by, reason)
        await self._ask(vehicle_id, charge)
        return charge.fault

    async def _follow(self, vehicle_id: str, telemetry: Telemetry) -> None:
        pct = telemetry.battery_pct
        if vehicle_id in self._ledger.assignments:
            del self._charges[vehicle_id]
        elif telemetry.link is LinkState.ONLINE and pct is not None:
            if pct >= self._rules.enough_pct:
                await self._free(vehicle_id, POLICY, f"battery {pct:.0f} %")
            elif telemetry.charging:
                self._charges[vehicle_id].fault = ""
            elif self._clock.monotonic_s() >= self._charges[vehicle_id].ask_at_s:
                await self._ask(vehicle_id, self._charges[vehicle_id])

    async def _ask(self, vehicle_id: str, charge: _Charge) -> None:
        """Have it begin where it stands; nothing for one that begins by itself."""
        owner = self._processes[vehicle_id].owner
        charge.ask_at_s = self._clock.monotonic_s() + AGAIN_S
        charge.fault = self._away(vehicle_id, owner.telemetry)
        if charge.fault or owner.telemetry.charging or owner.charges_by_itself:
            return
        result = await owner.charge(on=True)
        charge.fault = "" if result.done else f"{vehicle_id} does not charge: {result.reason}"

    async def _end(self, vehicle_id: str, by: str, reason: str) -> CommandResult:
        if vehicle_id not in self._charges:
            return _no(f"{vehicle_id} was not sent to charge")
        owner = self._processes[vehicle_id].owner
        if owner.telemetry.charging and not owner.charges_by_itself:
            result = await owner.charge(on=False)
            if not result.done:
                return result
        await self._free(vehicle_id, by, reason)
        return DONE

    async def _free(self, vehicle_id: str, by: str, reason: str) -> None:
        self._charges.pop(vehicle_id, None)
        await self._note("vehicle.charged", vehicle_id, by, reason)
        self._on_free()

    async def _note(self, kind: str, vehicle_id: str, by: str, reason: str) -> None:
        log.info(kind, vehicle=vehicle_id, by=by, reason=reason)
        data: dict[str, object] = {"by": by, "reason": reason}
        event = Event(kind, self._clock.now(), vehicle_id=vehicle_id, data=data)
        await self._ledger.keep(Changes(events=(event,)))

    def _condition(self, vehicle_id: str) -> Condition | None:
        fault = self._charges[vehicle_id].fault
        if not fault:
            return None
        return Condition(
            f"charging:{vehicle_id}",
            Severity.CAUTION,
            f"{vehicle_id} is to charge and does not: {fault.removeprefix(f'{vehicle_id} ')}",
            "Bring it to its charger, or end its charging so that dispatch has it again",
            vehicle_id,
        )


def _no(reason: str) -> CommandResult:
    return CommandResult(Outcome.REFUSED, reason)
