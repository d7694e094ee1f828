"""A second ground station that writes to the vehicle while we do, sans-IO.

It speaks its own side of the protocol, not the controller's: bytes heard in, bytes to send out.
"""

from __future__ import annotations

from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from tests.drills.cases import Case, mission
from vehicles.mavlink.items import translate


class Writer:
    """Writes once: a whole mission, the head of one, a single item, or nothing but an end.

    As other stations do, it takes the first acknowledgement for its own and is done.
    """

    def __init__(self, case: Case, system: int = 1) -> None:
        self._case = case
        self._system = system
        self._mav = mav.MAVLink(None, *case.writer_id)
        self._ears = mav.MAVLink(None)
        self._ears.robust_parsing = True
        plan = translate(mission(case.writer_stops, alt_m=45.0, parcel="P-9"))
        self._items = plan.messages(system, 1)
        self._only = min(3, len(self._items) - 1)
        self._over = case.writer == "clear"

    def begin(self) -> bytes:
        """Its first message."""
        if self._case.writer == "clear":
            return self._pack(mav.MAVLink_mission_clear_all_message(self._system, 1, 0))
        if self._case.writer == "partial":
            return self._pack(
                mav.MAVLink_mission_write_partial_list_message(
                    self._system, 1, self._only, self._only, 0
                )
            )
        return self._pack(mav.MAVLink_mission_count_message(self._system, 1, len(self._items), 0))

    def hear(self, data: bytes) -> list[bytes]:
        """Answers to what the vehicle asks of it."""
        answers = []
        for message in self._ears.parse_buffer(data) or ():
            kind = message.get_type()
            if self._over or not kind.startswith("MISSION_"):
                continue
            if getattr(message, "target_system", None) != self._case.writer_id[0]:
                continue
            if message.target_component != self._case.writer_id[1]:
                continue
            if kind == "MISSION_ACK":
                self._over = message.type != mav.MAV_MISSION_INVALID_SEQUENCE
            elif kind.startswith("MISSION_REQUEST") and self._answers(message.seq):
                answers.append(self._pack(self._items[message.seq]))
        return answers

    def _answers(self, seq: int) -> bool:
        if self._case.writer == "abandoned" and seq >= self._case.writer_stop_at:
            self._over = True
            return False
        return seq < len(self._items) and self._case.writer != "clear"

    def _pack(self, message: Any) -> bytes:
        data = bytes(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256
        return data
