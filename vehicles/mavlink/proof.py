"""The proofs of one vehicle: fence put on board, and everything approved read again.

Owns the order of reading and the words of what differs. Never starts anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geofence.frames import geodesic_m
from missions.model import AirMission
from vehicles.mavlink.approved import Approved, home_of
from vehicles.mavlink.lists import FENCE, fence_form, fence_items, list_differences, messages
from vehicles.mavlink.mission_transfer import MissionUpload
from vehicles.port import FlightFence

if TYPE_CHECKING:
    from vehicles.mavlink.session import MavlinkSession


class Prover:
    """Fence and approved state of one session. Answers are reasons, empty where all is well."""

    def __init__(self, session: MavlinkSession) -> None:
        self._session = session
        self.order: FlightFence | None = None
        self.approved: Approved | None = None

    def forget(self) -> None:
        """Nothing counts as proven any more."""
        self.approved = None

    async def put_fence(self, mission: AirMission) -> str:
        """Put the ordered fence on board and read it back; why it is not there."""
        session = self._session
        if not session.wants_fence:
            return ""
        order = self.order
        if order is None or order.mission_hash != mission.content_hash:
            return "no fence was ordered for this mission: load it through the controller"
        if order.zones_version != mission.zones_version:
            return "its fence is of other zones than the mission: plan it anew"
        wanted = fence_items(order.items)
        driver = session.driver
        address = (driver.system, driver.component)
        reason = ""
        for _ in range(session.settings.load_attempts):
            upload = await driver.run(
                MissionUpload(
                    messages(wanted, *address),
                    *address,
                    resend_s=driver.answer_s,
                    silence_s=max(9.0, 6.0 * driver.answer_s),
                    last_silence_s=max(4.0, 2.5 * driver.answer_s),
                    mission_type=FENCE,
                )
            )
            if not upload.accepted:
                return upload.reason
            held = await session.upkeep.read_fence()
            if isinstance(held, str):
                reason = held
                continue
            different = list_differences(wanted, held, fence_form)
            if not different:
                return ""
            reason = "the fence reads back as something else: " + "; ".join(different[:3])
        return reason

    async def approve(self, mission: AirMission) -> str:
        """Read all that a flight depends on, and keep it as approved; why that is impossible."""
        self.approved = None
        now = await self._read(mission)
        if isinstance(now, str):
            return now
        self.approved = now
        return ""

    async def prove(self, mission: AirMission) -> str:
        """Read all of it again; what is no longer as approved.

        After a restart of the controller nothing is approved yet: then what is read now is,
        unless the flight has a fence, which only a load can prove.
        """
        approved = self.approved
        if approved is None or approved.mission != mission.content_hash:
            if self._session.wants_fence:
                return "its fence is not proven since this controller was started: load it again"
            return await self.approve(mission)
        now = await self._read(mission)
        if isinstance(now, str):
            return now
        different = approved.differences(now)
        if not different:
            return ""
        self.approved = None
        return "it holds something else than what was approved: " + "; ".join(different[:4])

    async def _read(self, mission: AirMission) -> Approved | str:
        session = self._session
        order = self.order if session.wants_fence else None
        state = await session.upkeep.read_state(order)
        if isinstance(state, str):
            return state
        off = self._home_fault(mission)
        if off:
            return off
        values, rally, fence = state
        return Approved(mission.content_hash, home_of(mission), rally, fence, values)

    def _home_fault(self, mission: AirMission) -> str:
        state, figures = self._session.state, self._session.settings
        if state.home is None:
            return "home position is not known yet"
        off_m = geodesic_m(state.home, mission.home)
        if off_m > figures.home_tolerance_m:
            return f"home is {off_m:.1f} m from the mission's home: plan it anew"
        return ""
