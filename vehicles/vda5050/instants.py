"""Instant actions on their way: sent until the robot shows them, kept until they are over.

Owns their resending and their ends. Pure.
"""

from __future__ import annotations

from msgspec.structs import replace

from vehicles.vda5050.engine_model import EXPIRED, VANISHED, EngineSettings, InstantTrack
from vehicles.vda5050.models import Action, State

MAX_INSTANTS = 32
MISSED_STATES = 3
"""So many states without an action that they showed before, and it is gone for good."""
_OPPOSITE = {"startPause": "stopPause", "stopPause": "startPause"}

Instants = tuple[InstantTrack, ...]


def backoff_s(attempts: int, settings: EngineSettings) -> float:
    """Seconds until the next copy, after `attempts` copies."""
    return min(settings.resend_max_s, settings.resend_first_s * 2.0 ** min(attempts, 10))


def add(instants: Instants, action: Action, now: float, settings: EngineSettings) -> Instants:
    """With one more, sent now; the oldest that are over make room.

    A late copy of a pause must not undo the resume that was asked for after it: what an action
    contradicts is no longer sent.
    """
    against = _OPPOSITE.get(action.action_type)
    kept = tuple(
        replace(i, status=EXPIRED) if i.action.action_type == against and not i.over else i
        for i in instants
    )
    if len(kept) >= MAX_INSTANTS:
        over = [i for i in kept if i.over][: len(kept) - MAX_INSTANTS + 1]
        kept = tuple(i for i in kept if i not in over)
    return (*kept, InstantTrack(action, now, next_at=now + settings.resend_first_s))


def seen(instants: Instants, state: State) -> Instants:
    """As the robot's state shows them; ended ones may vanish from it and stay ended here.

    One that expired may have arrived all the same: the robot's later word counts.
    """
    return tuple(
        track if track.over and track.status != EXPIRED else _seen(track, state)
        for track in instants
    )


def _seen(track: InstantTrack, state: State) -> InstantTrack:
    shown = state.action(track.action.action_id)
    if shown is not None:
        return replace(
            track, status=shown.action_status, result=shown.result_description or "", missed=0
        )
    if track.status in {"", EXPIRED}:
        return track
    missed = track.missed + 1
    if missed < MISSED_STATES:
        return replace(track, missed=missed)
    gone = "it went from the robot's state before it was over"
    return replace(track, status=VANISHED, result=gone, missed=missed)


def due(
    instants: Instants, now: float, settings: EngineSettings
) -> tuple[Instants, tuple[Action, ...]]:
    """After `now`: which are to be sent again, and all of them with that noted.

    One that was never shown expires; one that runs may take as long as the drop it waits for.
    """
    again: list[Action] = []
    after: list[InstantTrack] = []
    for track in instants:
        entry = track
        if entry.status == "":
            if now - entry.asked_at >= settings.action_timeout_s:
                entry = replace(entry, status=EXPIRED)
            elif now >= entry.next_at:
                again.append(entry.action)
                entry = replace(
                    entry,
                    attempts=entry.attempts + 1,
                    next_at=now + backoff_s(entry.attempts, settings),
                )
        after.append(entry)
    return tuple(after), tuple(again)
