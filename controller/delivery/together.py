"""One demand on many vehicles at once: journalled together, then sent together.

Owns the order of a fleet command. A stop must not wait for a commit per vehicle: the hold and
every command are kept in one, before all that waits to be written; then every vehicle is told,
and results are kept as they come, as many as wait in one. Must not decide what may be demanded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.records import CommandKind, CommandRecord, HoldRecord
from controller.fleet.allowed import refusal
from vehicles.port import CommandResult, Outcome, Verb

SLICE = 50
"""So many vehicles are told before the messages leave: those of the first need not wait for the
last's."""
GATHER_S = 0.1
"""Results wait so long for others, in wall time: commits take from what is still to be told."""

_Sent = list[tuple[VehicleProcess, CommandRecord]]
_Ended = tuple[VehicleProcess, CommandRecord, CommandResult]


async def demand_of_all(
    ledger: Ledger, processes: Sequence[VehicleProcess], verb: Verb, hold: HoldRecord
) -> dict[str, CommandResult]:
    """Freeze dispatch and demand it of every vehicle. Results by vehicle, once all are there.

    A vehicle that says it is disarmed is not told, unless it has armed until the hold was kept:
    from there on nothing starts. Raises StoreError, and then nothing is frozen or sent.
    """
    rest = {p for p in processes if refusal(p.owner.telemetry, verb)}
    asked = [p for p in processes if p not in rest]
    sent = await _keep_as_sent(ledger, asked, verb, hold, freeze=True)
    results: dict[str, CommandResult] = {}
    late = []
    for process in rest:
        if refused := refusal(process.owner.telemetry, verb):
            results[process.owner.vehicle_id] = CommandResult(Outcome.REFUSED, refused)
        else:
            late.append(process)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(_send(ledger, sent, verb, hold.reason), name="first told")
        more = await _keep_as_sent(ledger, late, verb, hold, freeze=False) if late else []
        after = await _send(ledger, more, verb, hold.reason)
    return results | first.result() | after


async def _keep_as_sent(
    ledger: Ledger,
    processes: Sequence[VehicleProcess],
    verb: Verb,
    hold: HoldRecord,
    *,
    freeze: bool,
) -> _Sent:
    """Commands that may be sent now: they are kept."""
    kind = CommandKind(verb.value)
    draft = ledger.draft()
    if freeze:
        draft.freeze(hold)
    sent = [(p, p.owner.as_sent(p.demanded(kind, hold.by, hold.reason))) for p in processes]
    for _, command in sent:
        draft.command(command)
    await ledger.keep(draft.changes({c.vehicle_id: c.epoch for _, c in sent}), ahead=True)
    return sent


async def _send(ledger: Ledger, sent: _Sent, verb: Verb, reason: str) -> dict[str, CommandResult]:
    """Tell every vehicle, and keep the results."""
    ended: asyncio.Queue[_Ended] = asyncio.Queue(len(sent))

    async def one(process: VehicleProcess, command: CommandRecord) -> None:
        record, result = await process.owner.perform(command, None)
        ended.put_nowait((process, record, result))

    results: dict[str, CommandResult] = {}
    async with asyncio.TaskGroup() as group:
        for number, (process, command) in enumerate(sent, 1):
            group.create_task(one(process, command), name=f"{verb} {command.vehicle_id}")
            if number % SLICE == 0:
                await asyncio.sleep(0)
        while len(results) < len(sent):
            batch = [await ended.get()]
            if len(results) + ended.qsize() + 1 < len(sent):
                await asyncio.sleep(GATHER_S)
            while not ended.empty():
                batch.append(ended.get_nowait())
            draft = ledger.draft()
            for process, record, result in batch:
                process.note_demanded(draft, record, result, reason)
                results[record.vehicle_id] = result
            await ledger.keep(draft.changes({r.vehicle_id: r.epoch for _, r, _ in batch}))
    return results
