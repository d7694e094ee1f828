"""Hold, resume, return, land and divert.

Owns the mode changes that an operator may demand in flight, and their proof: the mode in a later
heartbeat, and for a divert the way that it takes. Must not arm, load or start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from geofence.frames import geodesic_m
from vehicles.mavlink import commands
from vehicles.mavlink.command import Answer, Command
from vehicles.mavlink.flight import Flight
from vehicles.mavlink.items import lands_at_stop, off_leg_m
from vehicles.mavlink.modes import Modes
from vehicles.mavlink.state import VehicleState
from vehicles.port import CommandResult, Divert, LinkState, Outcome, Verb

if TYPE_CHECKING:
    from vehicles.mavlink.session import MavlinkSession


OFF_WAY_M = 30.0
"""A hold drifts no farther from the leg that it was on; braking at 10 m/s takes 20 m of it."""
ARRIVED_M = 5.0
NEARER_M = 3.0


class Maneuvers:
    """The demands on one session."""

    def __init__(self, session: MavlinkSession) -> None:
        self._session = session

    @property
    def _modes(self) -> Modes:
        return self._session.profile.modes

    async def execute(self, verb: Verb) -> CommandResult:
        """Do it and see it. REFUSED: nothing changed. UNCERTAIN: read the vehicle first."""
        refusal = self._refusal()
        if refusal:
            return CommandResult(Outcome.REFUSED, refusal)
        match verb:
            case Verb.HOLD:
                return await self._hold()
            case Verb.RESUME:
                return await self._resume()
            case Verb.RETURN:
                return await self._return()
            case Verb.LAND:
                return await self._to(self._modes.land)

    async def divert(self, to: Divert) -> CommandResult:
        """Go to a point and hold there. DONE: in GUIDED, and seen nearer to it or there."""
        refusal = self._refusal()
        state, guided = self._session.state, self._modes.guided
        if not refusal and not state.airborne:
            refusal = "it is not in the air"
        if not refusal and guided is None:
            refusal = "its autopilot has no mode that takes it to a point"
        if refusal or guided is None:
            return CommandResult(Outcome.REFUSED, refusal)
        sent_s = self._session.clock.monotonic_s()
        farthest_m = 0.0

        def going() -> bool:
            nonlocal farthest_m
            if state.mode != guided or state.position is None:
                return False
            if (state.position_s or 0.0) < sent_s:
                return False
            away_m = _away_m(state, to)
            # it overshoots while it brakes, and comes nearer only then
            farthest_m = max(farthest_m, away_m)
            return away_m < ARRIVED_M or away_m < farthest_m - NEARER_M

        return await self._change(
            commands.reposition(to),
            guided,
            seen=going,
            timeout_s=self._session.settings.divert_timeout_s,
        )

    def _refusal(self) -> str:
        session = self._session
        if session.link in {LinkState.UNKNOWN, LinkState.OFFLINE}:
            return "the vehicle does not answer; its own failsafe decides"
        if session.state.armed is False:
            return "the vehicle is not armed"
        return ""

    async def _hold(self) -> CommandResult:
        """The best mode to hold in that the vehicle takes."""
        result = CommandResult(Outcome.REFUSED, "it has no mode to hold in")
        for mode in self._modes.hold:
            result = await self._to(mode)
            if result.outcome is not Outcome.REFUSED:
                return result
        return result

    async def _to(self, mode: int) -> CommandResult:
        return await self._change(commands.set_mode(self._modes, mode), mode)

    async def _resume(self) -> CommandResult:
        session = self._session
        if session.flight is None:
            return CommandResult(Outcome.REFUSED, "it is on no mission that could be resumed")
        if session.flight.mission.content_hash != session.mission_hash:
            return CommandResult(
                Outcome.REFUSED, "it no longer provably holds the mission: return or land it"
            )
        if session.state.mode == self._modes.mission:
            return CommandResult(Outcome.DONE)
        if session.state.mode not in self._modes.holding:
            return CommandResult(
                Outcome.REFUSED, f"it is in {session.state.mode_name}, not holding"
            )
        off_m = _off_way_m(session.flight, session.state)
        if off_m > OFF_WAY_M:
            return CommandResult(
                Outcome.REFUSED,
                f"it is {off_m:.0f} m off its mission's way, and nothing between was checked: "
                "return or land it",
            )
        session.flight.resuming = True
        result = await self._to(self._modes.mission)
        if result.outcome is Outcome.REFUSED:
            session.flight.resuming = False
        return result

    async def _return(self) -> CommandResult:
        """By the mission's checked return path; a plain RTL only where there is none.

        A vehicle that flies what this session does not know (just restarted, not adopted yet) is
        asked for its return path first, too: RTL would fly straight through whatever lies between.
        """
        flight = self._session.flight
        if flight is None and self._modes.return_path is not None:
            result = await self._return_path(None)
            if result.outcome is not Outcome.REFUSED:
                return result
        elif flight is not None and flight.plan.return_path_seq is not None:
            against = await self._leave_landing(flight)
            if against is not None:
                return against
            before, flight.jumped = flight.jumped, True
            result = await self._return_path(flight.plan.return_path_seq)
            if result.outcome is Outcome.REFUSED:
                flight.jumped = before
            return result
        return await self._to(self._modes.rtl)

    async def _leave_landing(self, flight: Flight) -> CommandResult | None:
        """Out of a landing on the way before a return; why that is not to be had.

        In a landing ArduCopter takes the order to return and flies the mission on, take-off and
        next stop included (AP_Mission.cpp, jump_to_closest_mission_leg: "Landing sequence
        active"); out of a hold it joins the return path. On the ground it would stay there, so
        its own take-off is waited for.
        """
        state = self._session.state

        def landing() -> bool:
            on_mission = state.mode in self._modes.on_mission
            return on_mission and lands_at_stop(flight.plan, state.seq or 0)

        if landing() and state.airborne:
            held = await self._hold()
            return None if held.done else held
        if state.airborne or not flight.airborne:
            return None
        up = await self._session.driver.until(
            lambda: state.airborne and not landing(), self._session.settings.takeoff_timeout_s
        )
        words = "it is on the ground at a stop and does not take off: look at it"
        return None if up else CommandResult(Outcome.REFUSED, words)

    async def _return_path(self, path_seq: int | None) -> CommandResult:
        state = self._session.state
        sent_s = self._session.clock.monotonic_s()

        def on_path() -> bool:
            # out of a hold AUTO_RTL may pass between two heartbeats: AUTO on the path is it, too
            # and that AUTO must be later than the turn: one under way with the order is older
            beat_s = state.heartbeat_s or 0.0
            told = any(
                sent_s <= t.at_s <= beat_s and t.text.startswith("Return path") for t in state.texts
            )
            past = (
                path_seq is not None
                and sent_s <= state.seq_s <= beat_s
                and (state.seq or 0) > path_seq
            )
            if state.mode == self._modes.return_path:
                return True
            return state.mode == self._modes.mission and (told or past)

        return await self._change(commands.return_path(), *self._modes.on_mission, seen=on_path)

    async def _change(
        self,
        command: Command,
        *wanted: int,
        seen: Callable[[], bool] | None = None,
        timeout_s: float | None = None,
    ) -> CommandResult:
        """Send, then wait for a later heartbeat in a wanted mode; `seen` asks for more."""
        session = self._session
        state, flight = session.state, session.flight
        before = frozenset(flight.expected) if flight else frozenset()
        if flight:
            flight.expect(*wanted)
        sent_s = session.clock.monotonic_s()
        answer = await session.driver.command(command)
        if answer.result is not None and not answer.accepted:
            if flight:
                flight.settle(*before)
            return self._refused(answer, sent_s)
        proven = seen or (lambda: state.mode in wanted)
        done = await session.driver.until(
            lambda: (state.heartbeat_s or 0.0) >= sent_s and proven(),
            session.settings.mode_timeout_s if timeout_s is None else timeout_s,
        )
        if done:
            if flight:
                flight.settle(*wanted)
            return CommandResult(Outcome.DONE)
        if flight:
            # whatever it does now, its progress alone proves nothing any more
            flight.jumped = True
        return CommandResult(
            Outcome.UNCERTAIN,
            f"{answer.text if answer.result is None else 'accepted'}, but the vehicle shows "
            f"{state.mode_name or 'no mode'}",
        )

    def _refused(self, answer: Answer, since_s: float) -> CommandResult:
        state = self._session.state
        said = [t.text for t in state.texts if t.at_s >= since_s]
        return CommandResult(Outcome.REFUSED, "; ".join([answer.text, *said[-3:]]))


def _away_m(state: VehicleState, to: Divert) -> float:
    """Metres from a point, by the newest position, in three dimensions."""
    over_ground_m = geodesic_m(state.position or to.position, to.position)
    rise_m = to.alt_home_m - (to.alt_home_m if state.alt_home_m is None else state.alt_home_m)
    return float((over_ground_m**2 + rise_m**2) ** 0.5)


def _off_way_m(flight: Flight, state: VehicleState) -> float:
    """Metres over ground from the leg that it would resume; 0 where nobody knows."""
    if state.position is None or not state.seq:
        return 0.0
    return off_leg_m(flight.plan, state.seq, state.position)
