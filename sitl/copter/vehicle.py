"""One light copter: bytes and simulated time in, bytes and truth out. No I/O.

Owns the state that the parts share and the order in which a step is made; each part knows
its own rules. Time is simulated seconds since an epoch that the caller chooses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter import arming, modes, telemetry
from sitl.copter.autoflight import AutoFlight, Sub
from sitl.copter.battery import IDLE_CURRENT_A, Battery
from sitl.copter.drops import Gripper, Winch
from sitl.copter.failsafe import Failsafe
from sitl.copter.flight import Flight
from sitl.copter.frame import NorthEastFrame, deg_e7
from sitl.copter.homing import Homing
from sitl.copter.inbox import Inbox
from sitl.copter.items import WAYPOINT, Item, f32
from sitl.copter.kinematics import Body
from sitl.copter.mission import Mission
from sitl.copter.modes import Modes
from sitl.copter.params import Params
from sitl.copter.signing import LinkSigning
from sitl.copter.spec import CopterSpec
from sitl.copter.stores import FenceStore, RallyStore
from sitl.copter.telemetry import Streams

MAX_STEP_S = 0.1
HEARTBEAT_S = 1.0
MOVING_SAMPLE_S, PARKED_SAMPLE_S = 0.2, 5.0
PREARM_REPEAT_S = 30.0
ON_PAD_M = 5.0
_BOOT_TEXT = b"\n\nInit ArduCopter V4.6.2 (light)\n\nFree RAM: 131072\n"
# readiness of ArduCopter 4.6.2 after a cold boot, as parts of the time to pre-arm OK
_GPS_PART, _HOME_PART = 10.0 / 41.0, 20.0 / 41.0


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the copter truly is at ``t_s``; see ``sitl.world.TruthSample`` for the events."""

    t_s: float
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float
    heading_deg: float
    armed: bool
    on_ground: bool
    event: str = ""
    detail: str = ""


class Copter:
    """A copter on its pad at ``now_s``; ready to arm ``boot_s`` simulated seconds later.

    ``unix_at_zero_s`` is the simulated UTC (Unix seconds) at time 0.
    """

    def __init__(
        self, spec: CopterSpec, *, now_s: float = 0.0, unix_at_zero_s: float = 0.0,
        boot_s: float = 41.0,
    ) -> None:  # fmt: skip
        self.spec = spec
        self.boot_s = boot_s
        self.now_s = now_s
        self._unix_at_zero_s = unix_at_zero_s
        self._truths: list[Truth] = []
        self._sampled_s, self._sampled_armed = -math.inf, False
        self._out: list[bytes] = []
        self._pad = NorthEastFrame(spec.home_lat_deg, spec.home_lon_deg)
        self.params = Params(spec.params())
        used = spec.battery_mah * (1.0 - spec.battery_start_pct / 100.0)
        self.battery = Battery(spec.battery_mah, spec.battery_cells, used, used)
        body = Body(0.0, 0.0, spec.home_alt_amsl_m, spec.heading_deg)
        self.fence = FenceStore(self.say, lambda n: self.params.count("FENCE_TOTAL", n))
        self.rally = RallyStore(lambda n: self.params.count("RALLY_TOTAL", n))
        self._kept: list[Item] = []
        self.signing = LinkSigning(spec.signing_key)
        self.alive = True
        self._pad_since_s = now_s
        self._power_up(body)

    def _power_up(self, body: Body) -> None:
        spec = self.spec
        self.booted_s = self.now_s
        self._mav = mav.MAVLink(None, srcSystem=spec.sysid, srcComponent=1)
        self._mav.robust_parsing = True
        self.signing.power_up(self._mav)
        self.armed = self.auto_armed = False
        self.armed_at_s = -math.inf
        self.landed = True
        self.home_set = self.origin_known = False
        self.ready = self.prearm_ok = self._used_gps = False
        self.origin_alt_m = body.alt_m
        self.home = (spec.home_lat_deg, spec.home_lon_deg, body.alt_m)
        self.flight = Flight(self, self._pad, body)
        self.flight.ground_alt_m = spec.home_alt_amsl_m
        self.auto = AutoFlight(self)
        self.modes = Modes(self)
        self.failsafe = Failsafe(self)
        self.homing = Homing(self)
        self.mission = Mission(self, self.say, self._home_item, self._mission_options)
        self.mission.items = self._kept
        self.mission.ready = self.boot_s <= 0.0
        self.gripper = Gripper(self.params, self.say, lambda what: self._event("released", what))
        self.winch = Winch(self.params, self.say, lambda what: self._event("released", what))
        self.streams = Streams()
        self.inbox = Inbox(self)
        # no two copters beat in step
        self._next_heartbeat_s = self.now_s + HEARTBEAT_S * (spec.sysid * 0.618 % 1.0)
        self._next_prearm_s = self.now_s + PREARM_REPEAT_S
        self._ground_since_s = self.now_s
        self._reboot_due = False
        self._requests: list[int] = []
        self._reached: int | None = None
        self._out.append(_BOOT_TEXT)

    # --- what the shell calls ---

    def receive(self, data: bytes, now_s: float) -> None:
        """Bytes from the link; broken ones are ignored as a parser ignores them."""
        if not self.alive:
            return
        self.advance(now_s)
        for message in self._mav.parse_buffer(data) or ():
            if message.get_type() != "BAD_DATA":
                self.inbox.handle(message)
        self._answer_requests()

    def advance(self, now_s: float) -> None:
        """Let simulated time run up to ``now_s``."""
        while self.now_s < now_s:
            self._step(min(now_s - self.now_s, MAX_STEP_S))

    def take_output(self) -> list[bytes]:
        """Frames to send, oldest first."""
        out, self._out = self._out, []
        return out if self.alive else []

    def take_truth(self) -> list[Truth]:
        """The track and the events since the last call: five samples a second in the air."""
        truths, self._truths = self._truths, []
        return truths

    def reboot(self) -> None:
        """The autopilot restarts: mission, fence, rally and parameters stay; in the air it falls.

        A dead copter (``kill``) comes back.
        """
        self._kept = self.mission.items
        self.alive = True
        airborne = not self.flight.on_ground
        body = self.flight.body
        self._power_up(body)
        if airborne:
            self.flight.on_ground = self.landed = False

    def kill(self) -> None:
        """Power is gone: it says nothing more and, in the air, falls."""
        self.alive = self.armed = False

    # --- what the parts call ---

    @property
    def mode_number(self) -> int:
        """The mode entered (3 for AUTO_RTL)."""
        return self.modes.number

    @property
    def boot_ms(self) -> int:
        """Milliseconds since boot."""
        return round((self.now_s - self.booted_s) * 1000)

    @property
    def unix_s(self) -> float:
        """Simulated UTC as Unix seconds."""
        return self._unix_at_zero_s + self.now_s

    @property
    def gps_fixed(self) -> bool:
        """Whether GPS has a 3-D fix."""
        return self.now_s - self.booted_s >= self.boot_s * _GPS_PART

    @property
    def position_ok(self) -> bool:
        """Whether the estimator has an absolute position."""
        return self.now_s - self.booted_s >= self.boot_s

    @property
    def home_alt_m(self) -> float:
        """Home's altitude AMSL."""
        return self.home[2]

    @property
    def can_move(self) -> bool:
        """Armed, started and off the ground (not ``is_disarmed_or_landed``)."""
        return self.armed and self.auto_armed and not self.landed

    @property
    def taking_off(self) -> bool:
        """Whether a take-off is under way."""
        in_auto = self.mode_number == modes.AUTO and self.auto.sub == Sub.TAKEOFF
        return self.armed and not self.landed and in_auto and not self.flight.takeoff_done

    def position(self) -> tuple[float, float]:
        """WGS84 degrees."""
        body = self.flight.body
        return self.flight.frame.to_latlon(body.north_m, body.east_m)

    def send(self, message: Any) -> None:
        """Queue a message."""
        self._out.append(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256

    def say(self, severity: int, text: str) -> None:
        """STATUSTEXT, in pieces of 50 characters."""
        raw = text.encode()
        if not hasattr(self, "_mav"):
            return
        if len(raw) <= 50:
            self.send(mav.MAVLink_statustext_message(severity, raw))
            return
        for chunk, start in enumerate(range(0, len(raw), 50)):
            piece = raw[start : start + 50]
            self.send(
                mav.MAVLink_statustext_message(severity, piece, self.boot_ms % 65535 + 1, chunk)
            )

    def heartbeat(self) -> None:
        """A HEARTBEAT out of turn, on a mode change."""
        self.send(telemetry.heartbeat(self))

    def request(self, message_id: int) -> None:
        """Send one message after the acknowledgement."""
        self._requests.append(message_id)

    def item_reached(self, index: int) -> None:
        """MISSION_ITEM_REACHED at the end of the step; of two in one step the last is told."""
        self._reached = index

    def report_pre_arm(self) -> None:
        """PreArm texts."""
        for failure in arming.pre_arm_failures(self):
            self.say(2, f"PreArm: {failure}")

    def arm(self, *, force: bool = False) -> bool:
        """Arm, with checks unless forced."""
        if not force:
            failures = arming.pre_arm_failures(self)
            for failure in failures:
                self.say(2, f"Arm: {failure}")
            refusal = "" if failures else arming.arm_refusal(self)
            if refusal:
                self.say(2, f"Arm: {refusal}")
            if failures or refusal:
                return False
        self.say(6, "Arming motors")
        self.armed, self.auto_armed, self.armed_at_s = True, False, self.now_s
        if self.home_set and self.position_ok:
            self._set_home()
        if self._on_pad():
            # whoever sends a copter off its own pad has hung the next parcel on it
            self.gripper.holding, self.winch.holding = self.spec.parcels, True
        self._ground_since_s = self.now_s
        return True

    def disarm(self) -> None:
        """Disarm; the mission goes back to its beginning."""
        if not self.armed:
            return
        self.say(6, "Disarming motors")
        self.armed = self.auto_armed = False
        self.landed = True
        self.mission.reset()
        self._pad_since_s = self.now_s
        if not self.flight.on_ground:
            self.landed = False

    def touched_down(self) -> None:
        """The land detector has triggered."""
        self.landed = True
        self._event("landed", self.modes.name)

    def reboot_after_ack(self) -> None:
        """Reboot at the next step."""
        self._reboot_due = True

    def seconds_until(self, hour: float, minute: float, second: float) -> float:
        """Seconds to a time of day UTC; a field of -1 is open (``AP_RTC::get_time_utc``)."""
        now = self.unix_s % 86400.0
        target = (
            (hour if hour >= 0 else now // 3600) * 3600
            + (minute if minute >= 0 else now // 60 % 60) * 60
            + (second if second >= 0 else now % 60)
        )
        return (target - now) % 86400.0

    # --- Flyer, for the mission ---

    def start_command(self, index: int, item: Item) -> bool:
        """Begin a mission command."""
        return self.auto.start_command(index, item)

    def verify_command(self, index: int, item: Item) -> bool:
        """Whether a mission command is done."""
        return self.auto.verify_command(index, item)

    def mission_complete(self) -> None:
        """No command is left: hold in the air, disarm on the ground."""
        if self.landed:
            self.disarm()
        else:
            self.auto.sub = Sub.LOITER

    def mission_fixed(self) -> bool:
        """Whether the mission may not be cleared."""
        return self.armed

    # --- one step ---

    def _step(self, dt_s: float) -> None:
        self.now_s += dt_s
        if self.alive:
            self._live(dt_s)
        else:
            self._fall(dt_s)
        interval_s = PARKED_SAMPLE_S if self.flight.on_ground else MOVING_SAMPLE_S
        due = self.now_s - self._sampled_s >= interval_s - 1e-6
        if due or self.armed != self._sampled_armed:
            self._sampled_s, self._sampled_armed = self.now_s, self.armed
            self._truths.append(self._truth())

    def _live(self, dt_s: float) -> None:
        if self._reboot_due:
            self.reboot()
        if not self.armed:
            self.auto_armed = False
        self._boot()
        self._move(dt_s)
        self._work()
        self._talk()

    def _move(self, dt_s: float) -> None:
        flight = self.flight
        flying = not flight.on_ground
        if flying and (not self.armed or self.battery.charge <= 0.0):
            self._fall(dt_s)
        else:
            self.modes.run(dt_s)
            placing = self.mode_number == modes.AUTO and self.auto.sub == Sub.PLACE
            if self.armed and not placing:
                flight.detect_landing(dt_s)
        current = IDLE_CURRENT_A
        if self.armed and not self.landed:
            current = self.spec.hover_current_a * (1.0 + 0.12 * max(flight.body.vu, -1.0))
        self.battery.draw(current, dt_s)

    def _fall(self, dt_s: float) -> None:
        if not self.flight.on_ground and self.flight.fall(dt_s):
            self.armed = self.auto_armed = False
            self.landed = True
            self._event("crashed", "no thrust" if self.alive else "no power")

    def _work(self) -> None:
        for transfer in self.inbox.transfers.values():
            if transfer.receiving:
                transfer.tick(self.now_s)
        self.fence.update()
        self.gripper.tick(self.now_s)
        self.winch.tick(self.now_s, self.flight.height_m)
        self.failsafe.tick()
        if not self.armed:
            self._pad_technician()
        elif not self.landed or self._spinning():
            self._ground_since_s = self.now_s
        elif 0 < self.params["DISARM_DELAY"] <= self.now_s - self._ground_since_s:
            self.disarm()

    def _spinning(self) -> bool:
        in_auto = self.mode_number == modes.AUTO and self.auto.sub == Sub.TAKEOFF
        guided = self.mode_number == modes.GUIDED and not self.flight.takeoff_done
        return self.auto_armed and (in_auto or guided)

    def _boot(self) -> None:
        up_s = self.now_s - self.booted_s
        if self.gps_fixed:
            self.signing.gps_time(self.unix_s)
        if not self.mission.ready:
            self.mission.ready = up_s >= min(1.0, self.boot_s)
            if self.mission.ready:
                # intervals asked for before this moment are acknowledged and forgotten
                self.streams = Streams()
                self.say(6, "ArduPilot Ready")
        if not self.home_set and up_s >= self.boot_s * _HOME_PART and self.flight.on_ground:
            self.origin_known = self.home_set = True
            self._set_home()
            self.mission.home_set()
            self.say(6, "EKF3 IMU0 origin set")
            self.say(6, f"Field Elevation Set: {self.home_alt_m:.0f}m")
        if self.position_ok and not self._used_gps:
            self._used_gps = True
            self.say(6, "EKF3 IMU0 is using GPS")
        # in a mode that needs no position the checks pass long before there is one
        self.prearm_ok = self.mission.ready and (self.armed or not arming.pre_arm_failures(self))
        self.ready = self.position_ok and self.prearm_ok

    def _talk(self) -> None:
        now = self.now_s
        if now >= self._next_heartbeat_s:
            self._next_heartbeat_s = max(self._next_heartbeat_s + HEARTBEAT_S, now)
            self.heartbeat()
        for message_id in self.streams.due(now):
            self._send_one(message_id)
        if self._reached is not None:
            self.send(mav.MAVLink_mission_item_reached_message(self._reached))
            self._reached = None
        if self.params.integer("MIS_TOTAL") != self.mission.count():
            self.params.count("MIS_TOTAL", self.mission.count())
            self.inbox.tell_param("MIS_TOTAL")
        self.inbox.tick(now)
        if now >= self._next_prearm_s:
            self._next_prearm_s = now + PREARM_REPEAT_S
            if not self.armed:
                self.report_pre_arm()

    def _send_one(self, message_id: int) -> None:
        message = telemetry.MAKERS[message_id](self)
        if message is not None:
            self.send(message)

    def _answer_requests(self) -> None:
        requests, self._requests = self._requests, []
        for message_id in requests:
            self._send_one(message_id)

    def _pad_technician(self) -> None:
        weak = self.battery.charge * 100.0 < self.spec.swap_below_pct
        if not (weak and self.flight.on_ground and self._on_pad()):
            self._pad_since_s = self.now_s
        elif self.now_s - self._pad_since_s >= self.spec.swap_after_s:
            self.battery.swap()
            self.failsafe.pack_changed()
            self._event("swapped", "pack")

    def _on_pad(self) -> bool:
        body = self.flight.body
        return self.flight.on_ground and math.hypot(body.north_m, body.east_m) <= ON_PAD_M

    def _set_home(self) -> None:
        lat, lon = self.position()
        self.home = (lat, lon, self.flight.body.alt_m)
        self._send_one(mav.MAVLINK_MSG_ID_HOME_POSITION)
        self._send_one(mav.MAVLINK_MSG_ID_GPS_GLOBAL_ORIGIN)

    def _home_item(self) -> Item:
        lat, lon, alt = self.home if self.home_set else (0.0, 0.0, 0.0)
        return Item(WAYPOINT, x=deg_e7(lat), y=deg_e7(lon), z=f32(int(alt * 100.0) * f32(0.01)))

    def _mission_options(self) -> tuple[int, int]:
        return self.params.integer("MIS_RESTART"), self.params.integer("MIS_OPTIONS")

    def _event(self, event: str, detail: str) -> None:
        self._truths.append(self._truth(event, detail))

    def _truth(self, event: str = "", detail: str = "") -> Truth:
        lat, lon = self.position()
        body = self.flight.body
        return Truth(
            self.now_s, lat, lon, body.alt_m, body.heading_deg, self.armed,
            self.flight.on_ground, event, detail,
        )  # fmt: skip
