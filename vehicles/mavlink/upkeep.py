"""What is kept true of a vehicle without anyone asking: rates, baseline, home, pre-arm reasons.

Owns the coroutine that renews message rates after a reboot, audits and applies the parameter
baseline while disarmed, reads what the vehicle does by itself, asks for what readiness lacks, and
disarms what drives when its round is over. Must not arm or move anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vehicles.mavlink import commands, failsafes, modes
from vehicles.mavlink.baseline import Finding, audit, repairs
from vehicles.mavlink.mission_transfer import RALLY, MissionDownload
from vehicles.mavlink.parameters import ParameterRead, ParameterWrite
from vehicles.port import Failsafes, LinkState, Phase, RallyPlace

if TYPE_CHECKING:
    from vehicles.mavlink.session import MavlinkSession

LOOP_S = 1.0
PREARM_AGAIN_S = 15.0
HOME_AGAIN_S = 10.0
BASELINE_AGAIN_S = 30.0
STREAM_SILENT_S = 4.0
_BOOST_PHASES = frozenset({Phase.ARMED, Phase.AT_STOP, Phase.LANDING, Phase.FAILSAFE})


class Upkeep:
    """The standing duties for one session."""

    def __init__(self, session: MavlinkSession) -> None:
        self._session = session
        self._rates: dict[int, float] = {}
        self._baseline: tuple[Finding, ...] | None = None
        self._failsafes: Failsafes | None = None
        self._rally_fault = ""
        self._baseline_s = -1e9
        self._prearm_s = -1e9
        self._home_s = -1e9
        self._rated_s = -1e9
        self._era = 0

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the parameter baseline blocks readiness; empty where it is verified."""
        if self._baseline is None:
            return ("parameter baseline is not verified yet",)
        rally = (self._rally_fault,) if self._rally_fault else ()
        return tuple(finding.text for finding in self._baseline) + rally

    @property
    def failsafes(self) -> Failsafes | None:
        """As read from the vehicle since its last boot; None: not read, or not understood."""
        return self._failsafes

    def forget(self) -> None:
        """After a reboot: nothing that was set or proven counts."""
        self._rates.clear()
        self._baseline = self._failsafes = None
        self._rally_fault = ""
        self._baseline_s = self._prearm_s = self._home_s = -1e9
        self._era += 1

    async def run(self) -> None:
        """Until cancelled. A failure becomes an alarm of this vehicle and the duties go on."""
        session = self._session
        while True:
            try:
                if session.link is LinkState.ONLINE:
                    await self._duties()
            except Exception as error:  # noqa: BLE001 - one vehicle's nonsense must harm nobody else
                session.alarm(f"{type(error).__name__}: {error}")
            await session.clock.sleep(LOOP_S)

    async def _duties(self) -> None:
        session = self._session
        await self._notice_reboot()
        await self._keep_rates()
        over = session.profile.over
        if over is not None and over(session.state, session.flight, session.clock.monotonic_s()):
            await session.driver.command(commands.disarm(), attempts=1)
        if session.state.armed is not False:
            return
        now_s = session.clock.monotonic_s()
        if session.state.home is None and now_s - self._home_s >= HOME_AGAIN_S:
            self._home_s = now_s
            await session.driver.command(commands.request("HOME_POSITION"), attempts=1)
        if self._baseline is None or (self.faults and now_s - self._baseline_s >= BASELINE_AGAIN_S):
            await self._check_baseline()
        if session.state.prearm_ok is False and now_s - self._prearm_s >= PREARM_AGAIN_S:
            self._prearm_s = now_s
            await session.driver.command(commands.run_prearm_checks(), attempts=1)

    async def _notice_reboot(self) -> None:
        """Where the asked-for stream has stopped, ask for the time since boot, and stream again.

        A rebooted vehicle has forgotten its rates, so nothing that tells of the reboot comes by
        itself; and rates asked for while it still initialises are forgotten too.
        """
        session = self._session
        state = session.state
        if not self._rates:
            return
        since_s = max(self._rated_s, state.position_s or self._rated_s)
        silent_s = session.clock.monotonic_s() - since_s
        if silent_s >= STREAM_SILENT_S or state.system_status in modes.BOOTING_STATES:
            era = self._era
            await session.driver.command(commands.request("SYSTEM_TIME"))
            if era == self._era:
                self._rates.clear()

    async def _keep_rates(self) -> None:
        """One SET_MESSAGE_INTERVAL for every message whose rate is not the wanted one."""
        session = self._session
        wanted = dict(session.profile.rates)
        if session.phase in _BOOST_PHASES:
            wanted |= commands.BOOST_RATES
        era = self._era
        for message_id, every_s in wanted.items():
            if self._rates.get(message_id) == every_s:
                continue
            answer = await session.driver.command(commands.set_interval(message_id, every_s))
            if answer.result is None or era != self._era:
                return
            self._rates[message_id] = every_s
            self._rated_s = session.clock.monotonic_s()

    async def _check_baseline(self) -> None:
        """Audit; apply while disarmed; audit again by what the vehicle then says."""
        session = self._session
        driver = session.driver
        address = (driver.system, driver.component)
        rules = session.profile.requirements(session.vehicle)
        reading, encoding = session.profile.reading, session.profile.encoding
        names = tuple(dict.fromkeys((*(rule.name for rule in rules), *reading.names)))
        era = self._era
        self._baseline_s = session.clock.monotonic_s()
        asked = ParameterRead(names, *address, resend_s=driver.answer_s, encoding=encoding)
        held = dict(await driver.run(asked))
        found = audit(rules, held)
        wanted = repairs(found)
        if wanted and session.settings.apply_baseline and session.state.armed is False:
            write = ParameterWrite(wanted, *address, resend_s=driver.answer_s, encoding=encoding)
            held.update(await driver.run(write))
            found = audit(rules, held)
        rally = await self._read_rally(held)
        if era == self._era:
            self._baseline = found
            self._keep_failsafes(held, rally)

    async def read_failsafes(self) -> None:
        """Read what it does by itself once more: another station may have changed it."""
        driver, profile = self._session.driver, self._session.profile
        era = self._era
        asked = ParameterRead(
            profile.reading.names,
            driver.system,
            driver.component,
            resend_s=driver.answer_s,
            encoding=profile.encoding,
        )
        held = await driver.run(asked)
        rally = await self._read_rally(held)
        if era == self._era:
            self._keep_failsafes(held, rally)

    def _keep_failsafes(
        self, held: Mapping[str, float | None], rally: tuple[RallyPlace, ...] | str
    ) -> None:
        told = rally if isinstance(rally, str) else ""
        self._rally_fault = told
        meaning = self._session.profile.reading.meaning
        self._failsafes = None if isinstance(rally, str) else meaning(held, rally)

    async def _read_rally(self, held: Mapping[str, float | None]) -> tuple[RallyPlace, ...] | str:
        """The rally list, or why it is not known. A vehicle that counts none is not asked."""
        reading = self._session.profile.reading
        if reading.rally_total and not held.get(reading.rally_total):
            return ()
        silent = [name for name in reading.rally_rules if held.get(name) is None]
        if silent:
            return f"it has rally points, and parameter {silent[0]} gave no answer"
        driver = self._session.driver
        read = await driver.run(
            MissionDownload(driver.system, driver.component, mission_type=RALLY)
        )
        if read.items is None:
            return f"its rally points could not be read: {read.reason}"
        return failsafes.rally_places(read.items, self._session.state.home_amsl_m)
