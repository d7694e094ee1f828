"""One demand on many vehicles at once: journalled together, then sent together.

Owns the order of a fleet command. A stop must not wait for a commit per vehicle: all are kept as
sent in one, then every vehicle is told, and results are kept as they come, as many as wait in
one. Must not decide what may be demanded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.records import CommandKind, CommandRecord
from vehicles.port import CommandResult, Verb

_Ended = tuple[VehicleProcess, CommandRecord, CommandResult]


async def demand_together(
    ledger: Ledger, processes: Sequence[VehicleProcess], verb: Verb, *, by: str, reason: str
) -> dict[str, CommandResult]:
    """Results by vehicle, once all are there. Raises StoreError, and then nothing was sent."""
    kind = CommandKind(verb.value)
    sent = [(p, p.owner.as_sent(p.demanded(kind, by, reason))) for p in processes]
    if not sent:
        return {}
    draft = ledger.draft()
    for _, command in sent:
        draft.command(command)
    await ledger.keep(draft.changes({c.vehicle_id: c.epoch for _, c in sent}))
    ended: asyncio.Queue[_Ended] = asyncio.Queue(len(sent))

    async def one(process: VehicleProcess, command: CommandRecord) -> None:
        record, result = await process.owner.perform(command, None)
        ended.put_nowait((process, record, result))

    results: dict[str, CommandResult] = {}
    async with asyncio.TaskGroup() as group:
        for process, command in sent:
            group.create_task(one(process, command), name=f"{verb} {command.vehicle_id}")
        while len(results) < len(sent):
            batch = [await ended.get()]
            while not ended.empty():
                batch.append(ended.get_nowait())
            draft = ledger.draft()
            for process, record, result in batch:
                process.note_demanded(draft, record, result, reason)
                results[record.vehicle_id] = result
            await ledger.keep(draft.changes({r.vehicle_id: r.epoch for _, r, _ in batch}))
    return results
