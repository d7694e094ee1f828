"""Doors: whether a lid opened, or a parcel was handed over, when it must not.

Owns the rules of hand-overs, judged from simulator truth. What a robot's own pad saw is in the
truth; what a customer told the controller is not, and comes from its event log as words. Must not
trust the controller: its words can only forbid more, or explain a lid that no pad opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sitl.referee.findings import Finding
from sitl.referee.truth import Happening

OPENS = frozenset({"pin_right"})
FORBIDS = frozenset({"pin_wrong", "gave_up"})


@dataclass(frozen=True, slots=True)
class Word:
    """What was decided about a hand-over, `t_s` in seconds since 1970."""

    t_s: float
    parcel_id: str
    opens: bool


def words_of(log: Iterable[Mapping[str, object]]) -> list[Word]:
    """The words in a controller's event log, as `GET /v1/log` tells it."""
    opens = {"parcel.door_opened": True, "parcel.returning": False}
    return [
        Word(_seconds(entry["at"]), str(entry["parcel_id"]), opens[str(entry["kind"])])
        for entry in log
        if entry["kind"] in opens
    ]


def _seconds(at: object) -> float:
    return datetime.fromisoformat(str(at)).timestamp()


def judge_doors(
    happenings: Sequence[Happening], words: Sequence[Word] = (), *, slack_s: float = 0.0
) -> list[Finding]:
    """Lids that opened without the right PIN or word, and hand-overs after the wait was over.

    Each robot and parcel is judged from its pick on: what was decided before counts no more.
    `slack_s`: how much earlier than the controller's clock a robot of the lab may act on a word
    that opens, since it takes what arrives at the time of its last tick.
    """
    told = [
        (w.t_s - slack_s, 0, "", w.parcel_id, "pin_right")
        if w.opens
        else (w.t_s, 0, "", w.parcel_id, "gave_up")
        for w in words
    ]
    seen = [(h.t_s, 1, h.vehicle_id, h.detail, h.event) for h in happenings]
    allowed: dict[str, bool | None] = {}
    found: list[Finding] = []
    for t_s, _, vehicle_id, parcel_id, event in sorted(told + seen):
        if event == "picked":
            allowed[parcel_id] = None
        elif event in OPENS:
            # once over it stays over, whatever is said later
            if allowed.get(parcel_id) is not False:
                allowed[parcel_id] = True
        elif event in FORBIDS:
            allowed[parcel_id] = False
        elif event == "lid_opened" and allowed.get(parcel_id) is not True:
            text = f"{vehicle_id} opened its lid for {parcel_id} without the right PIN or word"
            found.append(Finding("lid", text, vehicle_id, parcel_id, t_s=t_s))
        elif event == "dropped" and allowed.get(parcel_id) is False:
            text = f"{vehicle_id} handed {parcel_id} over after the wait for it was over"
            found.append(Finding("handed_over_late", text, vehicle_id, parcel_id, t_s=t_s))
    return found
