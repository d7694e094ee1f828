"""What is kept true of a vehicle without anyone asking: rates, baseline, home, pre-arm reasons.

Owns the coroutine that renews message rates after a reboot, audits and applies the parameter
baseline while disarmed, reads what the vehicle does by itself, asks for what readiness lacks, and
disarms what drives when its round is over. Must not arm or move anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink import commands, failsafes, modes
from vehicles.mavlink.all_parameters import file_is_cheaper
from vehicles.mavlink.baseline import Finding, Requirement, audit, repairs
from vehicles.mavlink.lists import fence_form, fence_items, list_differences, list_hash
from vehicles.mavlink.messages import MissionItemInt
from vehicles.mavlink.mission_transfer import FENCE, RALLY, MissionDownload
from vehicles.mavlink.param_pack import ParamPack
from vehicles.mavlink.parameters import ParameterRead, ParameterWrite
from vehicles.port import Failsafes, FlightFence, LinkState, Phase, RallyPlace

if TYPE_CHECKING:
    from vehicles.mavlink.session import MavlinkSession

LOOP_S = 1.0
PREARM_AGAIN_S = 15.0
HOME_AGAIN_S = 10.0
BASELINE_AGAIN_S = 30.0
STREAM_SILENT_S = 4.0
NEVER_TOLD_S = 12.0
"""Longer than the slowest of the streams that readiness needs, with one of its messages lost."""
NEWCOMERS = 40
_BOOST_PHASES = frozenset(
    {
        Phase.ARMED, Phase.AT_STOP, Phase.RELEASED, Phase.LANDING, Phase.LANDED, Phase.FAILSAFE,
    }
)  # fmt: skip
PATIENT_READS = 10
"""Times that a parameter is asked for where a flight depends on it."""
Values = Mapping[str, float | None]


class Upkeep:
    """The standing duties for one session."""

    def __init__(self, session: MavlinkSession, newcomers: asyncio.Semaphore | None = None) -> None:
        """`newcomers`: how many of a fleet may be set up at once; a fleet gives all of its own."""
        self._session = session
        self._newcomers = newcomers or asyncio.Semaphore(NEWCOMERS)
        self._rates: dict[int, float] = {}
        self._baseline: tuple[Finding, ...] | None = None
        self._failsafes: Failsafes | None = None
        self._rally_fault = ""
        self._values: Values = {}
        self._fence: FlightFence | None = None
        self._baseline_s = -1e9
        self._prearm_s = -1e9
        self._home_s = -1e9
        self._rated_s = -1e9
        self._count = 0
        self._era = 0
        self._looked_s = -1e9
        self._wanted = asyncio.Event()

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
        self._baseline = self._failsafes = self._fence = None
        self._rally_fault = ""
        self._baseline_s = self._prearm_s = self._home_s = -1e9
        self._era += 1

    async def run(self) -> None:
        """Until cancelled. A failure becomes an alarm of this vehicle and the duties go on."""
        session = self._session
        while True:
            await self._wanted.wait()
            try:
                if session.link is LinkState.ONLINE:
                    await self._admitted()
            except Exception as error:  # noqa: BLE001 - one vehicle's nonsense must harm nobody else
                session.alarm(f"{type(error).__name__}: {error}")
            self._looked_s = session.clock.monotonic_s()
            self._wanted.clear()

    async def _admitted(self) -> None:
        """The duties; of those that came up and stand on the ground only some at once.

        Asked all at once, a thousand vehicles answer later than they are asked again.
        """
        if self._baseline is not None or self._session.state.armed is not False:
            await self._duties()
            return
        async with self._newcomers:
            await self._duties()

    def look(self, now_s: float) -> None:
        """Wake the duties where one is due; looks once a second, however often it is called.

        To be cheap: a vehicle at rest has nothing due for hours.
        """
        if now_s - self._looked_s < LOOP_S or self._wanted.is_set():
            return
        self._looked_s = now_s
        if self._session.link is LinkState.ONLINE and self._due(now_s):
            self._wanted.set()

    def _due(self, now_s: float) -> bool:
        """Whether `_duties` would do anything."""
        return (
            self._stream_stopped(now_s)
            or self._streams_never_told(now_s)
            or any(self._rates.get(n) != every_s for n, every_s in self._wanted_rates())
            or self._over(now_s)
            or (
                self._session.state.armed is False
                and (self._home_due(now_s) or self._baseline_due(now_s) or self._prearm_due(now_s))
            )
        )

    async def _duties(self) -> None:
        session = self._session
        clock = session.clock
        if self._stream_stopped(clock.monotonic_s()):
            await self._notice_reboot()
        if self._streams_never_told(clock.monotonic_s()):
            self._doubt_silent_rates()
        await self._keep_rates()
        if self._over(clock.monotonic_s()):
            await session.driver.command(commands.disarm(), attempts=1)
        if session.state.armed is not False:
            return
        now_s = clock.monotonic_s()
        if self._home_due(now_s):
            self._home_s = now_s
            await session.driver.command(commands.request("HOME_POSITION"), attempts=1)
        if self._baseline_due(now_s):
            await self._check_baseline()
        if self._prearm_due(now_s):
            self._prearm_s = now_s
            await session.driver.command(commands.run_prearm_checks(), attempts=1)

    def _over(self, now_s: float) -> bool:
        over = self._session.profile.over
        return over is not None and over(self._session.state, self._session.flight, now_s)

    def _home_due(self, now_s: float) -> bool:
        return self._session.state.home is None and now_s - self._home_s >= HOME_AGAIN_S

    def _baseline_due(self, now_s: float) -> bool:
        if self._baseline is None:
            return True
        return bool(self.faults) and now_s - self._baseline_s >= BASELINE_AGAIN_S

    def _prearm_due(self, now_s: float) -> bool:
        return self._session.state.prearm_ok is False and now_s - self._prearm_s >= PREARM_AGAIN_S

    def _stream_stopped(self, now_s: float) -> bool:
        """Whether the asked-for stream has stopped, or the vehicle says that it is booting."""
        if not self._rates:
            return False
        state = self._session.state
        since_s = max(self._rated_s, state.position_s or self._rated_s)
        return now_s - since_s >= STREAM_SILENT_S or state.system_status in modes.BOOTING_STATES

    async def _notice_reboot(self) -> None:
        """Ask for the time since boot, and for the streams again.

        A rebooted vehicle has forgotten its rates, so nothing that tells of the reboot comes by
        itself; and rates asked for while it still initialises are forgotten too.
        """
        era = self._era
        await self._session.driver.command(commands.request("SYSTEM_TIME"))
        if era == self._era:
            self._rates.clear()

    def _never_told(self) -> list[int]:
        """Streams asked for, of which nothing ever came since the boot."""
        state = self._session.state
        told = (
            (mav.MAVLINK_MSG_ID_SYS_STATUS, state.prearm_ok is not None),
            (mav.MAVLINK_MSG_ID_EKF_STATUS_REPORT, state.ekf_flags is not None),
            (mav.MAVLINK_MSG_ID_MISSION_CURRENT, state.seq is not None),
            (mav.MAVLINK_MSG_ID_EXTENDED_SYS_STATE, state.landed_state != 0),
        )
        return [message_id for message_id, came in told if not came and message_id in self._rates]

    def _streams_never_told(self, now_s: float) -> bool:
        return now_s - self._rated_s >= NEVER_TOLD_S and bool(self._never_told())

    def _doubt_silent_rates(self) -> None:
        """Ask again for streams of which nothing ever came since the boot.

        COMMAND_ACK does not say which message its SET_MESSAGE_INTERVAL was for: a late one for the
        message before may have answered for a request that was lost.
        """
        for message_id in self._never_told():
            del self._rates[message_id]

    def _wanted_rates(self) -> Iterable[tuple[int, float]]:
        """Message ids and the seconds that there shall be between two."""
        session = self._session
        rates = session.profile.rates
        # the phase of a disarmed vehicle takes every reason for not being ready to work out
        if session.state.armed and session.phase in _BOOST_PHASES:
            return {**rates, **commands.BOOST_RATES}.items()
        return rates.items()

    async def _keep_rates(self) -> None:
        """One SET_MESSAGE_INTERVAL for every message whose rate is not the wanted one."""
        session = self._session
        era = self._era
        for message_id, every_s in tuple(self._wanted_rates()):
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
        era = self._era
        self._baseline_s = session.clock.monotonic_s()
        held = await self._read_baseline()
        if session.settings.apply_baseline and session.state.armed is False:
            held.update(await self._repair(held))
        await self._keep(held, era)

    async def audit(self) -> Values:
        """Read everything that the baseline names, and judge by it; what was read."""
        era = self._era
        held = await self._read_baseline()
        await self._keep(held, era)
        return held

    async def apply(self) -> dict[str, float]:
        """Read, set what is broken and can be set, and judge by what it then says; what was set."""
        era = self._era
        held = await self._read_baseline()
        wanted = repairs(audit(self.rules, held))
        held.update(await self._repair(held))
        await self._keep(held, era)
        return wanted

    @property
    def rules(self) -> tuple[Requirement, ...]:
        """What must hold of this vehicle."""
        return self._session.profile.requirements(self._session.vehicle)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(
                (*(rule.name for rule in self.rules), *self._session.profile.reading.names)
            )
        )

    async def _read_baseline(self) -> dict[str, float | None]:
        """What the baseline names, from the packed file where that is fewer bytes than by name.

        The file leaves out what belongs to a feature that is switched off, and that is answered
        for by name all the same (AP_Param::find). In the air it is by name: few messages at once.
        """
        session, names = self._session, self._names
        if session.state.armed is not False or not file_is_cheaper(len(names), self._count):
            return await self._read(names)
        pack = await session.all_parameters.pack()
        if not isinstance(pack, ParamPack):
            return await self._read(names)
        self._count = pack.total
        packed = {param.name: param.told for param in pack.params}
        held: dict[str, float | None] = {name: packed[name] for name in names if name in packed}
        unpacked = tuple(name for name in names if name not in packed)
        return held | (await self._read(unpacked) if unpacked else {})

    async def _read(self, names: tuple[str, ...], attempts: int = 4) -> dict[str, float | None]:
        driver = self._session.driver
        asked = ParameterRead(
            names,
            driver.system,
            driver.component,
            resend_s=driver.answer_s,
            attempts=attempts,
            encoding=self._session.profile.encoding,
        )
        held = dict(await driver.run(asked))
        self._count = asked.count or self._count
        return held

    async def _repair(self, held: Values) -> Values:
        wanted = repairs(audit(self.rules, held))
        if not wanted:
            return {}
        driver, encoding = self._session.driver, self._session.profile.encoding
        address = (driver.system, driver.component)
        write = ParameterWrite(wanted, *address, resend_s=driver.answer_s, encoding=encoding)
        return await driver.run(write)

    async def _keep(self, held: Values, era: int) -> tuple[RallyPlace, ...] | str:
        """Judge by what was read, unless the vehicle rebooted since; its rally list, or why not."""
        rally = await self._read_rally(held)
        if era != self._era:
            return "the vehicle rebooted while it was read"
        self._values = held
        self._baseline = audit(self.rules, held)
        self._keep_failsafes(held, rally)
        return rally

    async def read_state(
        self, order: FlightFence | None
    ) -> tuple[Values, tuple[RallyPlace, ...], str] | str:
        """Parameters, rally list and the hash of the fence, all read now, or why they bar a start.

        With an order the fence must be that one; without it there may be none that acts.
        """
        era = self._era
        known = tuple(name for name in self._names if self._values.get(name) is not None)
        held = dict.fromkeys(self._names) | await self._read(known or self._names, PATIENT_READS)
        fence = await self._held_fence(held, order)
        proven = order is not None and not fence[1]
        self._fence = order if proven else None
        rally = await self._keep(held, era)
        if self._baseline:
            return "; ".join(finding.text for finding in self._baseline[:3])
        if isinstance(rally, str):
            return rally
        return fence[1] or (held, rally, fence[0])

    async def _held_fence(self, held: Values, order: FlightFence | None) -> tuple[str, str]:
        """Hash of the fence on board, and why it bars a start; one that cannot act is not read."""
        if order is None and not failsafes.fence_acts(held):
            return "", ""
        found = await self.read_fence()
        if isinstance(found, str):
            return "", found
        wanted = fence_items(order.items) if order is not None else ()
        different = list_differences(wanted, found, fence_form)
        if not different:
            return list_hash(found, fence_form), ""
        if order is not None:
            return "", f"the fence on board is not this flight's: {'; '.join(different[:3])}"
        return "", (
            f"it holds a fence of {len(found)} items that nobody approved, and FENCE_ENABLE is on: "
            "let the controller make its fences (onboard_fence = true), clear the fence, or "
            "switch it off"
        )

    async def read_fence(self) -> tuple[MissionItemInt, ...] | str:
        """The fence list as the vehicle holds it now, or why it could not be read."""
        driver = self._session.driver
        read = await driver.run(
            MissionDownload(
                driver.system, driver.component, mission_type=FENCE, resend_s=driver.answer_s
            )
        )
        return read.reason if read.items is None else read.items

    def _keep_failsafes(self, held: Values, rally: tuple[RallyPlace, ...] | str) -> None:
        self._rally_fault = rally if isinstance(rally, str) else ""
        known = (
            None if isinstance(rally, str) else self._session.profile.reading.meaning(held, rally)
        )
        if known is not None:
            known = replace(known, fenced=self._session.wants_fence)
        fence = self._fence
        if known is not None and fence is not None and fence.items and held["FENCE_ENABLE"] == 1:
            known = replace(known, fence_hash=fence.zones_version, fence_mission=fence.mission_hash)
        self._failsafes = known

    async def _read_rally(self, held: Values) -> tuple[RallyPlace, ...] | str:
        """The rally list, or why it is not known. A vehicle that counts none is not asked."""
        reading = self._session.profile.reading
        if reading.rally_total and not held.get(reading.rally_total):
            return ()
        silent = [name for name in reading.rally_rules if held.get(name) is None]
        if silent:
            return f"it has rally points, and parameter {silent[0]} gave no answer"
        driver = self._session.driver
        read = await driver.run(
            MissionDownload(
                driver.system, driver.component, mission_type=RALLY, resend_s=driver.answer_s
            )
        )
        if read.items is None:
            return f"its rally points could not be read: {read.reason}"
        return failsafes.rally_places(read.items, self._session.state.home_amsl_m)
