"""AUTO: how each mission command is flown (ArduCopter/mode_auto.cpp).

Owns the sub-mode of AUTO and the start and completion rule of every command. The mission
list itself is ``mission.Mission``; moving is ``flight.Flight``.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sitl.copter import items as it
from sitl.copter.drops import Grip
from sitl.copter.frame import Vec3
from sitl.copter.items import Item
from sitl.copter.mission import State

if TYPE_CHECKING:
    from sitl.copter.vehicle import Copter


class Sub(Enum):
    """Sub-modes of AUTO."""

    LOITER = "loiter"
    TAKEOFF = "takeoff"
    WP = "wp"
    LAND = "land"
    RTL = "rtl"
    PLACE = "place"


class Place(Enum):
    """Steps of NAV_PAYLOAD_PLACE."""

    FLY = "fly"
    DESCENT = "descent"
    RELEASING = "releasing"
    ASCENT = "ascent"
    DONE = "done"


class AutoFlight:
    """AUTO for one copter."""

    def __init__(self, copter: Copter) -> None:
        self.sub = Sub.LOITER
        self.waiting = False
        self._c = copter
        self._descending = False
        self._timer_s: float | None = None
        self._wait_s = 0.0
        self._delay_until_s = 0.0
        self._condition_until_s = 0.0
        self._place = Place.FLY
        self._place_top_m = 0.0
        self._place_max_m = 0.0

    def enter(self) -> bool:
        """Switch to AUTO; False with a text where ArduPilot refuses."""
        c = self._c
        if c.mission.count() <= 1 and c.armed:
            return False
        if c.armed and c.landed and not c.mission.starts_with_takeoff():
            c.say(2, "Auto: Missing Takeoff Cmd")
            return False
        self.sub = Sub.LOITER
        self.waiting = True
        c.flight.renew()
        c.mission.changed()
        return True

    def leave(self) -> None:
        """Switch to another mode."""
        if self._c.mission.state == State.RUNNING:
            self._c.mission.stop()

    @property
    def paused(self) -> bool:
        """DO_PAUSE_CONTINUE."""
        return self._c.flight.nav.paused

    @property
    def landing(self) -> bool:
        """Whether AUTO is in a landing."""
        return self.sub == Sub.LAND or (self.sub == Sub.RTL and self._c.flight.returning.landing)

    def pause(self) -> bool:
        """Stop on the track: only between waypoints."""
        nav = self._c.flight.nav
        if self.sub != Sub.WP or nav.reached:
            return False
        nav.paused = True
        return True

    def run(self, dt_s: float) -> None:
        """One step."""
        c = self._c
        if self.waiting:
            if c.origin_known:
                c.mission.start_or_resume()
                self.waiting = False
                c.mission.changed()
        else:
            if c.mission.changed() and c.mission.state == State.RUNNING and self.sub == Sub.WP:
                done = c.mission.restart_current()
                c.say(2, "Auto mission changed, restarted command" if done
                      else "Auto mission changed but failed to restart command")  # fmt: skip
            c.mission.update()
        self._move(dt_s)

    def _move(self, dt_s: float) -> None:
        flight = self._c.flight
        if self.sub == Sub.TAKEOFF:
            if self._c.params.integer("AUTO_OPTIONS") & 2 and self._c.armed:
                self._c.auto_armed = True
            flight.take_off(dt_s)
        elif self.sub == Sub.LAND:
            flight.descend(dt_s)
        elif self.sub == Sub.RTL:
            flight.returning.run(dt_s, disarm=False)
        elif self.sub == Sub.PLACE:
            self._run_place(dt_s)
        else:
            flight.follow(dt_s)

    # --- commands ---

    def start_command(self, index: int, item: Item) -> bool:
        """Begin a command."""
        starters = {
            it.TAKEOFF: self._start_takeoff, it.WAYPOINT: self._start_waypoint,
            it.SPLINE: self._start_waypoint, it.LOITER_TIME: self._start_waypoint,
            it.LOITER_UNLIM: self._start_waypoint, it.LAND: self._start_land,
            it.RTL: self._start_rtl, it.DELAY: self._start_delay,
            it.PAYLOAD_PLACE: self._start_place, it.CHANGE_SPEED: self._start_speed,
            it.CONDITION_DELAY: self._start_condition, it.GRIPPER: self._start_gripper,
            it.WINCH: self._start_winch,
        }  # fmt: skip
        starter = starters.get(item.command)
        if starter is not None:
            starter(index, item)
        return True

    def verify_command(self, index: int, item: Item) -> bool:
        """Whether a command is done; tells it by MISSION_ITEM_REACHED."""
        if self._c.mode_number != 3:
            return False
        done = self._is_done(index, item)
        if done:
            self._c.item_reached(index)
        return done

    def _is_done(self, index: int, item: Item) -> bool:
        c = self._c
        command = item.command
        if command == it.TAKEOFF:
            return c.flight.takeoff_done
        if command in (it.WAYPOINT, it.SPLINE, it.LOITER_TIME):
            return self._waited_at_waypoint(index)
        if command == it.LAND:
            return self._land_done()
        if command == it.RTL:
            return c.flight.returning.landing and c.landed
        if command == it.PAYLOAD_PLACE:
            return self._place == Place.DONE
        if command == it.DELAY:
            return c.now_s > self._delay_until_s
        if command == it.CONDITION_DELAY:
            return c.now_s > self._condition_until_s
        if command == it.CONDITION_DISTANCE:
            return c.flight.distance_to_destination() < item.p1
        return command != it.LOITER_UNLIM

    def _waited_at_waypoint(self, index: int) -> bool:
        c = self._c
        if not c.flight.nav.reached:
            return False
        if self._timer_s is None:
            self._timer_s = c.now_s
        if int(c.now_s - self._timer_s) < self._wait_s:
            return False
        c.say(6, f"Reached command #{index}")
        return True

    def _land_done(self) -> bool:
        c = self._c
        if not self._descending:
            if c.flight.nav.reached:
                self.sub, self._descending = Sub.LAND, True
            return False
        if not c.landed or not c.flight.idle:
            return False
        if c.armed and not c.mission.continues_after_land():
            c.disarm()
            return False
        return True

    def _start_takeoff(self, _index: int, item: Item) -> None:
        flight = self._c.flight
        floor = flight.body.alt_m + (1.0 if self._c.landed else 0.0)
        flight.begin_takeoff(max(flight.altitude_of(item), floor))
        self.sub = Sub.TAKEOFF

    def _start_waypoint(self, index: int, item: Item) -> None:
        flight = self._c.flight
        destination = flight.nav.destination
        default = destination if flight.nav.reached and destination else flight.body.at
        target = self._place_of(item, default)
        then = None
        following = self._c.mission.next_nav(index + 1)
        waits = item.command in (it.WAYPOINT, it.SPLINE) and item.p1 > 0
        passing = item.command in (it.WAYPOINT, it.SPLINE) and not waits
        if passing and following and following[1].command in (
            it.WAYPOINT, it.SPLINE, it.LOITER_UNLIM, it.LOITER_TIME, it.PAYLOAD_PLACE,
        ):  # fmt: skip
            then = self._place_of(following[1], target)
        flight.nav.fly_to(target, then)
        self._timer_s, self._wait_s = None, item.p1
        self.sub = Sub.WP

    def _start_land(self, _index: int, item: Item) -> None:
        self._descending = not item.located
        self.sub = Sub.LAND if self._descending else Sub.WP
        if item.located:
            self._c.flight.fly_level_to(item)

    def _start_rtl(self, _index: int, _item: Item) -> None:
        self._c.flight.returning.begin()
        self.sub = Sub.RTL

    def _start_delay(self, _index: int, item: Item) -> None:
        c = self._c
        wait_s = item.p1 if item.p1 > 0 else c.seconds_until(item.p2, item.p3, item.p4)
        self._delay_until_s = c.now_s + wait_s
        c.say(6, f"Delaying {int(wait_s)} sec")

    def _start_condition(self, _index: int, item: Item) -> None:
        self._condition_until_s = self._c.now_s + item.p1

    def _start_speed(self, _index: int, item: Item) -> None:
        self._c.flight.change_speed(int(item.p1), item.p2)

    def _start_gripper(self, _index: int, item: Item) -> None:
        c = self._c
        if item.p2 == 0:
            c.gripper.release()
            c.say(6, "Gripper Released")
        elif item.p2 == 1:
            c.gripper.grab()
            c.say(6, "Gripper Grabbed")

    def _start_winch(self, _index: int, item: Item) -> None:
        self._c.winch.act(int(item.p2), item.p3, item.p4)

    def _start_place(self, _index: int, item: Item) -> None:
        flight = self._c.flight
        self._place_max_m = item.p1
        self._place = Place.FLY
        if item.located:
            flight.fly_level_to(item)
        else:
            self._begin_descent()
        self.sub = Sub.PLACE

    def _begin_descent(self) -> None:
        self._place = Place.DESCENT
        self._place_top_m = self._c.flight.body.alt_m

    def _run_place(self, dt_s: float) -> None:
        c, flight = self._c, self._c.flight
        body = flight.body
        if self._place == Place.FLY:
            flight.follow(dt_s)
            if flight.nav.reached:
                self._begin_descent()
        elif self._place == Place.DESCENT:
            flight.sink(dt_s, c.params["PLDP_SPEED_DN"] or c.params["LAND_SPEED"] / 100.0)
            if 0.0 < self._place_max_m < self._place_top_m - body.alt_m:
                c.say(4, "PayloadPlace: Reached maximum descent")
                self._climb_away()
            elif flight.on_ground:
                c.say(6, "PayloadPlace: payload release thrust threshold: 0.900000")
                if c.gripper.valid:
                    c.say(6, "PayloadPlace: Releasing the gripper")
                    c.gripper.release()
                self._place = Place.RELEASING
        elif self._place == Place.RELEASING:
            if not c.gripper.valid or c.gripper.state == Grip.RELEASED:
                self._climb_away()
        elif self._place == Place.ASCENT:
            flight.follow(dt_s)
            if flight.nav.reached:
                self._place = Place.DONE

    def _climb_away(self) -> None:
        flight = self._c.flight
        flight.renew()
        flight.on_ground = False
        flight.nav.fly_to((flight.body.north_m, flight.body.east_m, self._place_top_m))
        self._place = Place.ASCENT

    def _place_of(self, item: Item, default: Vec3) -> Vec3:
        """A command's place; what it leaves out comes from ``default``."""
        flight = self._c.flight
        if item.located:
            north, east = flight.frame.to_ne(item.x * 1e-7, item.y * 1e-7)
        else:
            north, east = default[0], default[1]
        alt = flight.altitude_of(item) if item.z != 0 else default[2]
        return north, east, alt
