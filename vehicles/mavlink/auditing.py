"""The parameter baseline as an operator reads and applies it.

Owns the report's words for each rule. Must not judge: `baseline` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vehicles.audit import Audit, Remedy, RuleState
from vehicles.mavlink.baseline import Requirement
from vehicles.mavlink.upkeep import Values
from vehicles.port import CommandResult, LinkState, Outcome

if TYPE_CHECKING:
    from vehicles.mavlink.session import MavlinkSession


def audit_of(session: MavlinkSession, held: Values) -> Audit:
    """The report over the values that were just read."""
    approved = session.prover.approved
    return Audit(
        vehicle_id=session.vehicle_id,
        at=session.clock.now(),
        rules=tuple(_state(rule, held.get(rule.name)) for rule in session.upkeep.rules),
        blocks=session.not_ready,
        approved={} if approved is None else approved.hashes,
    )


async def apply_baseline(session: MavlinkSession) -> CommandResult:
    """Set what can be set; REFUSED where it is not disarmed or something is left broken."""
    if session.link is not LinkState.ONLINE:
        return CommandResult(Outcome.REFUSED, f"the link is {session.link.value}")
    if session.state.armed is not False:
        return CommandResult(Outcome.REFUSED, "the vehicle is not disarmed: nothing was set")
    wanted = await session.upkeep.apply()
    told = ", ".join(f"{name} = {value:g}" for name, value in wanted.items())
    left = session.upkeep.faults
    if left:
        tried = f" (set: {told})" if told else ""
        return CommandResult(Outcome.REFUSED, "; ".join(left) + tried)
    return CommandResult(Outcome.DONE, f"set: {told}" if told else "nothing was to set")


def _state(rule: Requirement, value: float | None) -> RuleState:
    holds = value is not None and rule.holds(value)
    if holds:
        remedy = Remedy.NONE
    elif rule.reboot:
        remedy = Remedy.FITTER
    else:
        remedy = Remedy.UNKNOWN if value is None else Remedy.SET
    return RuleState(
        rule.name,
        rule.wanted,
        rule.why,
        value,
        remedy,
        rule.repaired(value) if remedy is Remedy.SET and value is not None else None,
    )
