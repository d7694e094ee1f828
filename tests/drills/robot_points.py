"""`python -m tests.drills.robot_points POINT before|after serve ...`: a controller that dies.

Every step of the protocol between the controller, its store and a robot, as a place where the
process may die by SIGKILL: what it keeps, what it publishes, and what it hears. `before` is before
the step is made or taken in, `after` is right after it and before anything else is.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiomqtt

from controller.domain.model import AssignmentState, ParcelState
from controller.domain.records import CommandKind, CommandState
from controller.store.changes import Changes
from controller.store.database import Store
from vehicles.vda5050.client import Line
from vehicles.vda5050.fleet import Vda5050Fleet
from vehicles.vda5050.orders import ORDER_PREFIX

KEEP, SEND, HEAR = "keep", "send", "hear"
Words = dict[str, Any]
ENDED = frozenset({"FINISHED", "FAILED"})


@dataclass(frozen=True, slots=True)
class Point:
    """A step. `story`: what the robot and its operator do, so that it comes to it."""

    name: str
    way: str
    matches: Callable[[Any], bool]
    story: str = "plain"
    at: int = 1
    """The how-manieth match it is."""


def _kept_command(kind: CommandKind, state: CommandState) -> Callable[[Changes], bool]:
    return lambda kept: any(c.kind is kind and c.state is state for c in kept.commands)


def _kept_parcel(state: ParcelState) -> Callable[[Changes], bool]:
    return lambda kept: any(step.after.state is state for step in kept.parcels)


def _kept_task(state: AssignmentState) -> Callable[[Changes], bool]:
    return lambda kept: any(s.after.assignment.state is state for s in kept.assignments)


def _order(words: Words, *, update: bool) -> bool:
    return words["topic"] == "order" and (words["orderUpdateId"] > 0) is update


def _asked(action: str) -> Callable[[Words], bool]:
    return lambda words: (
        words["topic"] == "instantActions"
        and any(a["actionType"] == action for a in words["actions"])
    )


def _shown(words: Words) -> bool:
    return words["topic"] == "state" and str(words["orderId"]).startswith(ORDER_PREFIX)


def _action(kind: str, status: str, count: int = 1) -> Callable[[Words], bool]:
    def matches(words: Words) -> bool:
        told = words.get("actionStates", ())
        same = [a for a in told if a["actionType"] == kind and a["actionStatus"] == status]
        return words["topic"] == "state" and len(same) >= count

    return matches


def _running(kind: str, after: int) -> Callable[[Words], bool]:
    done = _action(kind, "FINISHED", after)
    runs = _action(kind, "RUNNING")
    return lambda words: runs(words) and (not after or done(words))


def _over(words: Words) -> bool:
    return (
        _shown(words)
        and not words["nodeStates"]
        and words["lastNodeSequenceId"] > 0
        and all(a["actionStatus"] in ENDED for a in words["actionStates"])
    )


def _plain() -> list[Point]:
    sent, done = CommandState.SENT, CommandState.DONE
    points = [
        Point("submission kept", KEEP, lambda kept: kept.key is not None),
        Point("state asked for", SEND, _asked("stateRequest")),
        Point("factsheet asked for", SEND, _asked("factsheetRequest")),
        Point("connection heard", HEAR, lambda words: words["topic"] == "connection"),
        Point("assignment kept", KEEP, _kept_task(AssignmentState.OPEN)),
        Point("load stored", KEEP, _kept_command(CommandKind.LOAD, sent)),
        Point("load kept", KEEP, _kept_command(CommandKind.LOAD, done)),
        Point("order stored", KEEP, _kept_command(CommandKind.START, sent)),
        Point("order published", SEND, lambda words: _order(words, update=False)),
        Point("order resent", SEND, lambda w: _order(w, update=False), "lost order", at=2),
        Point("order acknowledged", HEAR, _shown),
        Point("start kept", KEEP, _kept_task(AssignmentState.STARTED)),
        Point("first state on the way", HEAR, lambda w: _shown(w) and w["driving"]),
        Point("lease kept", KEEP, lambda kept: any(p.body for p in kept.passages)),
        Point("base released", SEND, lambda words: _order(words, update=True)),
        Point("base released again", SEND, lambda w: _order(w, update=True), "lost update", at=2),
        Point("update stitched", HEAR, lambda w: _shown(w) and w["orderUpdateId"] > 0),
        Point("second update published", SEND, lambda words: _order(words, update=True), at=2),
        Point("order finished", HEAR, _over),
        Point("end kept", KEEP, _kept_task(AssignmentState.DONE)),
    ]
    for number in (1, 2):
        points += [
            Point(f"pick {number} under way", HEAR, _running("pick", number - 1)),
            Point(f"pick {number} told", HEAR, _action("pick", "FINISHED", number)),
            Point(f"pick {number} kept", KEEP, _kept_parcel(ParcelState.IN_TRANSIT), at=number),
            Point(f"drop {number} under way", HEAR, _running("drop", number - 1)),
            Point(f"drop {number} told", HEAR, _action("drop", "FINISHED", number)),
            Point(f"drop {number} kept", KEEP, _kept_parcel(ParcelState.RELEASED), at=number),
            Point(f"delivery {number} kept", KEEP, _kept_parcel(ParcelState.DELIVERED), at=number),
        ]
    return points


def _demands() -> list[Point]:
    points: list[Point] = []
    for story, kind, action in (
        ("pause", CommandKind.HOLD, "startPause"),
        ("resume", CommandKind.RESUME, "stopPause"),
        ("cancel", CommandKind.LAND, "cancelOrder"),
    ):
        points += [
            Point(f"{story} stored", KEEP, _kept_command(kind, CommandState.SENT), story),
            Point(f"{story} sent", SEND, _asked(action), story),
            Point(f"{story} reflected", HEAR, _action(action, "FINISHED"), story),
            Point(f"{story} kept", KEEP, _kept_command(kind, CommandState.DONE), story),
        ]
    points += [
        Point("cancel resent", SEND, _asked("cancelOrder"), "lost cancel", at=2),
        Point("cancel under way", HEAR, _action("cancelOrder", "RUNNING"), "cancel at a stop"),
        Point("cancelled round kept", KEEP, _kept_task(AssignmentState.FAILED), "cancel"),
    ]
    return points


POINTS: dict[str, Point] = {p.name: p for p in (*_plain(), *_demands())}


class Death:
    """Counts what matches, and dies."""

    def __init__(self, point: Point, *, after: bool) -> None:
        self._point, self._after = point, after
        self._left = point.at

    def met(self, way: str, thing: Any) -> bool:
        """Whether it is to die after this; dies here where it is to die before it."""
        if way != self._point.way or not self._point.matches(thing):
            return False
        self._left -= 1
        if self._left:
            return False
        if not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        return True


def mortal(death: Death) -> None:
    """Have this process die there."""
    keep, received = Store.keep, Vda5050Fleet.received
    publish, post = aiomqtt.Client.publish, Line.post

    def now(met: bool) -> None:
        if met:
            os.kill(os.getpid(), signal.SIGKILL)

    async def keeps(
        self: Store, changes: Changes, on_kept: Any = None, *, ahead: bool = False
    ) -> tuple[int, ...]:
        met = death.met(KEEP, changes)
        kept = await keep(self, changes, None if met else on_kept, ahead=ahead)
        now(met)
        return kept

    def hears(self: Vda5050Fleet, topic: str, payload: bytes) -> None:
        met = death.met(HEAR, {**json.loads(payload), "topic": topic.rsplit("/", 1)[1]})
        received(self, topic, payload)
        now(met)

    async def publishes(self: Any, topic: str, payload: Any = None, **more: Any) -> None:
        met = death.met(SEND, {**json.loads(payload), "topic": topic.rsplit("/", 1)[1]})
        await publish(self, topic, payload, **more)
        now(met)

    def posts(self: Line, topic: str, payload: bytes) -> None:
        met = death.met(SEND, {**json.loads(payload), "topic": topic.rsplit("/", 1)[1]})
        post(self, topic, payload)
        now(met)

    Store.keep = keeps  # type: ignore[method-assign]
    Vda5050Fleet.received = hears  # type: ignore[method-assign]
    aiomqtt.Client.publish = publishes  # type: ignore[method-assign]
    Line.post = posts  # type: ignore[method-assign]


def main() -> None:
    """The program: the real controller, but for its death."""
    from controller.__main__ import main as controller

    name, when = sys.argv[1:3]
    sys.argv = ["waypost", *sys.argv[3:]]
    mortal(Death(POINTS[name], after=when == "after"))
    controller()


if __name__ == "__main__":
    main()
