"""The stored mission and its execution, as ArduPilot's AP_Mission does it.

Owns the command list, the current navigation and do commands, jumps, and the state that
MISSION_CURRENT tells. How a command is flown is asked of a ``Flyer``. Ported rule by rule
from AP_Mission/AP_Mission.cpp, odd ones included: a do command after a waypoint starts when
the *next* navigation command starts, and a landed, disarmed mission stays "active".
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Protocol

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter import items as it
from sitl.copter.items import Item

CAPACITY = 650


class State(IntEnum):
    """AP_Mission's own state."""

    STOPPED = 0
    RUNNING = 1
    COMPLETE = 2


class Flyer(Protocol):
    """Who flies the commands."""

    def start_command(self, index: int, item: Item) -> bool:
        """Begin a command; False if it cannot be used."""

    def verify_command(self, index: int, item: Item) -> bool:
        """Whether the command is done."""

    def mission_complete(self) -> None:
        """No navigation command is left."""

    def mission_fixed(self) -> bool:
        """Whether the mission may not be cleared now (armed)."""


class Mission:
    """Commands 0..n-1 where 0 is always home; ``say`` takes severity and text."""

    mission_type = int(mav.MAV_MISSION_TYPE_MISSION)
    timeout_text = "Mission upload timeout"

    def __init__(
        self,
        flyer: Flyer,
        say: Callable[[int, str], None],
        home: Callable[[], Item],
        options: Callable[[], tuple[int, int]],
    ) -> None:
        self._flyer, self._say, self._home, self._options = flyer, say, home, options
        self.items: list[Item] = []
        self.ready = True
        self.state = State.STOPPED
        self.changes = 0
        self.in_landing = self.in_return_path = False
        self.force_resume = False
        self._nav = self._do = 0
        self._nav_item: Item | None = None
        self._do_item: Item | None = None
        self._nav_loaded = self._do_loaded = self._do_done = False
        self._jumps: dict[int, int] = {}
        self._seen: tuple[int, int, tuple[tuple[int, Item], ...]] = (0, 0, ())

    # --- storage, as the item protocol sees it ---

    def count(self) -> int:
        """Commands stored, home included."""
        return len(self.items)

    def capacity(self) -> int:
        """Room for commands; none until storage is up after a boot."""
        return CAPACITY if self.ready else 0

    def begin(self, count: int) -> None:
        """Truncate to ``count``: the head of the old mission stays."""
        if len(self.items) > count:
            del self.items[count:]
            self.changes += 1

    def put(self, seq: int, message: Any, last: int) -> int:
        """Overwrite or append one command."""
        item = it.mission_item(message)
        if isinstance(item, int):
            return item
        if item.command == it.JUMP and (item.p1 == 0 or last < item.p1 >= len(self.items)):
            return it.ERROR
        if seq > len(self.items):
            return it.ERROR
        self.items[seq : seq + 1] = [item]
        self.changes += 1
        return it.ACCEPTED

    def complete(self) -> int:
        """All items of an upload came."""
        self._say(6, "Flight plan received")
        return it.ACCEPTED

    def abandon(self) -> None:
        """What was written stays: an upload is not atomic."""

    def get(self, seq: int) -> Item | None:
        """A command for reading; 0 is home whatever was sent."""
        if seq == 0:
            return self._home()
        return self.items[seq] if seq < len(self.items) else None

    def clear(self) -> bool:
        """Remove all commands; False while running and armed."""
        if self.state == State.RUNNING and self._flyer.mission_fixed():
            return False
        self.begin(0)
        self._nav = self._do = 0
        self._nav_loaded = self._do_loaded = False
        self.state = State.STOPPED
        return True

    def home_set(self) -> None:
        """Home became known: it takes slot 0."""
        if not self.items:
            self.items.append(self._home())

    # --- execution ---

    @property
    def nav_index(self) -> int:
        """MISSION_CURRENT.seq."""
        return self._nav

    def start(self) -> None:
        """From the beginning."""
        self.state = State.RUNNING
        self.reset()
        if not self._advance_nav():
            self._complete()

    def stop(self) -> None:
        """Leave AUTO."""
        self.state = State.STOPPED

    def start_or_resume(self) -> None:
        """MIS_RESTART decides."""
        restart, _ = self._options()
        if restart and not self.force_resume:
            self.start()
        else:
            self.resume()
            self.force_resume = False

    def resume(self) -> None:
        """Go on with the command that was being flown."""
        if self.state == State.COMPLETE:
            self.start()
            return
        if self.state == State.STOPPED:
            self.state = State.RUNNING
            if self._nav == 0:
                self.start()
                return
        if self.get(self._nav) is None or self._nav == 0:
            self.start()
            return
        self._nav_item = self.items[self._nav]
        if self._do_loaded and self._do:
            self.set_current(self._do)
        elif self._nav_loaded:
            self.set_current(self._nav)

    def reset(self) -> None:
        """Back to the first command."""
        self._nav_loaded = self._do_loaded = self._do_done = False
        self.in_landing = self.in_return_path = False
        self._nav = self._do = 0
        self._jumps.clear()

    def update(self) -> None:
        """One turn of the mission, at 10 Hz or more."""
        if self.state != State.RUNNING or not self.items:
            return
        if not self._nav_loaded or self._nav == 0:
            if not self._advance_nav():
                self._complete()
                return
        elif self._nav_item and self._flyer.verify_command(self._nav, self._nav_item):
            self._nav_loaded = False
            if not self._advance_nav():
                self._complete()
                return
        if not self._do_loaded:
            self._advance_do()
        elif self._do_item and (
            self._do_item.command in (it.GRIPPER, it.SET_SERVO, it.CAM_TRIGG, it.JUMP_TAG)
            or self._flyer.verify_command(self._do, self._do_item)
        ):
            self._do_loaded = False

    def set_current(self, index: int) -> bool:
        """Jump to a command; False if there is none."""
        target = self.get(index)
        self.in_landing = target is not None and target.command == it.LAND_START
        self.in_return_path = target is not None and target.command == it.RETURN_PATH_START
        if index >= len(self.items) or len(self.items) == 1:
            return False
        self._do = 0
        self._do_loaded = self._do_done = self._nav_loaded = False
        if index == 0 or self.state == State.COMPLETE:
            self._jumps.clear()
            index = max(index, 1)
        if self.state != State.RUNNING:
            return self._load_stopped(index)
        if not self._advance_nav(index):
            self._complete()
            return False
        return True

    def next_nav(self, start: int) -> tuple[int, Item] | None:
        """The first navigation command at or after ``start``, jumps followed."""
        index = start
        while index < len(self.items):
            found = self._next(index, count_jumps=False)
            if found is None:
                return None
            if found[1].is_nav:
                return found
            index = max(index, found[0]) + 1
        return None

    def changed(self) -> bool:
        """Whether the next three commands changed under the one being flown."""
        changes, nav, seen = self._seen
        if changes == self.changes and nav == self._nav:
            return False
        ahead: list[tuple[int, Item]] = []
        found = self.next_nav(max(self._nav, 0))
        while found is not None and len(ahead) < 3:
            ahead.append(found)
            found = self.next_nav(found[0] + 1)
        self._seen = (self.changes, self._nav, tuple(ahead))
        return tuple(ahead) != seen and nav == self._nav

    def restart_current(self) -> bool:
        """Fly the current command anew after a change; False if it is gone."""
        if self.state != State.RUNNING or not 0 < self._nav < len(self.items):
            return False
        return self.set_current(self._nav)

    def takeoff_next(self, start: int) -> bool:
        """Whether a take-off comes next, delays skipped."""
        index = start
        for _ in range(16):
            found = self.next_nav(index)
            if found is None:
                return False
            if found[1].command == it.TAKEOFF:
                return True
            if found[1].command != it.DELAY:
                return False
            index = found[0] + 1
        return False

    def starts_with_takeoff(self) -> bool:
        """Whether entering AUTO would begin with a take-off."""
        restart, _ = self._options()
        return self.takeoff_next(1 if restart or self._nav == 0 else self._nav)

    def continues_after_land(self) -> bool:
        """MIS_OPTIONS bit 2 and a take-off after the landing."""
        _, options = self._options()
        return bool(options & 4) and self._nav != 0 and self.takeoff_next(self._nav + 1)

    def legs_after(self, start: int) -> list[tuple[int, Item]]:
        """Located commands from ``start`` to the next landing (AUTO_RTL's return path)."""
        legs: list[tuple[int, Item]] = []
        for index in range(start, len(self.items)):
            item = self.items[index]
            if item.located:
                legs.append((index, item))
            if item.command in (it.LAND, it.LAND_START):
                return legs
        return legs

    def _load_stopped(self, index: int) -> bool:
        while not self._nav_loaded:
            found = self._next(index, count_jumps=True)
            if found is None:
                self._nav = 0
                return False
            if found[1].is_nav:
                (self._nav, self._nav_item), self._nav_loaded = found, True
            elif not self._do_loaded:
                (self._do, self._do_item), self._do_loaded = found, True
            index = found[0] + 1
        self._do_done = not self._do_loaded
        self.state = State.STOPPED
        return True

    def _complete(self) -> None:
        self.state = State.COMPLETE
        self.in_landing = self.in_return_path = False
        self._flyer.mission_complete()

    def _start(self, index: int, item: Item) -> bool:
        if item.command in (it.LAND, it.LAND_START):
            self.in_landing = True
        elif item.command == it.RETURN_PATH_START:
            self.in_return_path = True
        elif item.command == it.TAKEOFF:
            self.in_landing = self.in_return_path = False
        self._say(6, f"Mission: {index} {it.LABELS[item.command]}")
        return self._flyer.start_command(index, item)

    def _advance_nav(self, start: int = 0) -> bool:
        if self.state != State.RUNNING or self._nav_loaded:
            return False
        self._do = 0
        self._do_loaded = self._do_done = False
        index = start if start > 0 else self._nav + 1
        for _ in range(255):
            found = self._next(index, count_jumps=True)
            if found is None:
                return False
            if found[1].is_nav:
                self._nav, self._nav_item = found
                if self._start(*found):
                    self._nav_loaded = True
            elif not self._do_loaded:
                (self._do, self._do_item), self._do_loaded = found, True
                self._start(*found)
            if self._nav_loaded:
                break
            index = found[0] + 1
        else:
            return False
        self._do_done = not self._do_loaded
        return True

    def _advance_do(self) -> None:
        if self.state != State.RUNNING or self._do_done:
            return
        found = self._next(self._do + 1, count_jumps=False)
        if found is None or found[1].is_nav:
            self._do_done = True
            return
        (self._do, self._do_item), self._do_loaded = found, True
        self._start(*found)

    def _next(self, start: int, *, count_jumps: bool) -> tuple[int, Item] | None:
        index, first_jump = start, -1
        for _ in range(64):
            if index >= len(self.items):
                return None
            item = self.get(index)
            if item is None:
                return None
            target = self._jump_target(item)
            if target is None:
                return index, item
            if not 0 < target < len(self.items) or (not count_jumps and first_jump == index):
                return None
            first_jump = index if first_jump < 0 else first_jump
            done = self._jumps.get(index, 0)
            if item.p2 < 0 or done < item.p2:
                if count_jumps:
                    self._jumps[index] = done + 1
                index = target
            else:
                index += 1
        return None

    def _jump_target(self, item: Item) -> int | None:
        if item.command == it.JUMP:
            return int(item.p1)
        if item.command != it.JUMP_TO_TAG:
            return None
        for index, other in enumerate(self.items):
            if other.command == it.JUMP_TAG and other.p1 == item.p1:
                return index
        return 0
