"""How far a flight is known to have come before it turned home, and where nobody looked.

Owns the answer to one question: may this release have begun? Must not know what proves a release
(`flight` does). State and time in; it never forgets on its own what it could not see.

A parcel is certainly aboard only where the index of the mission was seen before the item that
leads to the release, mode and index were heard without a gap until the vehicle had turned home,
and the index not seen for less time than the items up to the release take at least. Everything
else is doubt, and a person looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.items import Plan, Release, is_navigation
from vehicles.mavlink.messages import MissionItemInt
from vehicles.mavlink.state import VehicleState

INDEX_SILENCE_S = 5.0
"""MISSION_CURRENT comes every 2 s on the way (`commands.LEAN_RATES`): one lost is no gap."""
ALOFT_M = 3.0
"""Height above home above which a vehicle is not on its pad."""


@dataclass(slots=True)
class WayOut:
    """The watch over one flight's way out. `follow` after every message and tick."""

    plan: Plan
    silence_s: float
    """A heartbeat that is missing for longer is a gap."""
    unseen: str = ""
    """Why nobody knows what it did; empty where it was seen all the way."""
    reached: int = 0
    """Highest item of the way out that was shown."""
    turned: bool = False
    """Seen to have turned home: from there it reaches no release."""
    blind_s: float = 0.0
    """How old the index was when it was last seen not to have turned."""
    _beat_s: float | None = None
    _index_s: float = 0.0
    _shown_s: float | None = None

    def follow(self, state: VehicleState, now_s: float) -> None:
        """Take in what the vehicle shows now."""
        self._listen(now_s)
        fresh = state.seq is not None and state.seq_s > self._index_s
        self._beat_s, self._index_s = state.heartbeat_s, max(self._index_s, state.seq_s)
        if state.mode in state.modes.homeward:
            self.turned = True
        if fresh:
            self._index(state.seq or 0, state)
        self._see_again(state, now_s)

    def turn(self) -> None:
        """The vehicle says that it has joined its return path."""
        self.turned = True

    def doubt(self, release: Release) -> str:
        """Why a release may have begun; empty where it certainly has not."""
        first = self._navigation_before(release.seq)
        if self.reached >= first:
            return f"item {self.reached} was reached, and item {first} leads to the release"
        least_s = _least_s(self.plan.items[first])
        if self.reached >= self._navigation_before(first) and self.blind_s > least_s:
            return (
                f"item {self.reached} was shown {self.blind_s:.0f} s before it was seen to turn "
                f"home, and the release may be {least_s:.0f} s after it"
            )
        return self.unseen

    def _listen(self, now_s: float) -> None:
        if self.turned or self._beat_s is None or not self._index_s:
            return
        silent_s = now_s - self._beat_s
        blind_s = self.blind_s = now_s - self._index_s
        gap = silent_s > self.silence_s or blind_s > max(self.silence_s, INDEX_SILENCE_S)
        if gap:
            self.unseen = (
                f"nothing of its place in the mission was heard for {max(silent_s, blind_s):.0f} s "
                "before it was seen to turn home"
            )

    def _index(self, seq: int, state: VehicleState) -> None:
        path_seq = self.plan.return_path_seq
        if path_seq is not None and seq > path_seq:
            self._shown_s = None
            # seen from one side of the drop to the other without a gap: it jumped
            self.turned = self.turned or not self.unseen
        elif seq > 0:
            self.reached = max(self.reached, seq)
            self._shown_s = state.seq_s
            self.turned = self.turned and state.mode != state.modes.mission

    def _see_again(self, state: VehicleState, now_s: float) -> None:
        """A gap is over once mode, index and height show it in the air on the way out.

        After a landing the index may stand at the beginning again, so the index alone is nothing.
        """
        shown_s = self._shown_s
        if shown_s is None or now_s - shown_s > INDEX_SILENCE_S:
            return
        if state.mode != state.modes.mission or state.armed is not True:
            return
        later = (state.heartbeat_s or 0.0) > shown_s and (state.position_s or 0.0) > shown_s
        if later and (state.alt_home_m or 0.0) > ALOFT_M:
            self.unseen = ""

    def _navigation_before(self, seq: int) -> int:
        """The navigation item before an item: a DO item runs when that one ends."""
        seq -= 1
        while seq > self.plan.takeoff_seq and not is_navigation(self.plan.items[seq].command):
            seq -= 1
        return seq


def _least_s(item: MissionItemInt) -> float:
    """The least time that the last item before a release takes.

    What NAV_DELAY waits; the way down to a drop is longer than an index may be silent.
    """
    return item.param1 if item.command == mav.MAV_CMD_NAV_DELAY else INDEX_SILENCE_S
