"""What one vehicle says of itself, reduced from its messages.

Owns the newest values and what they mean together: link, readiness and its reasons, phase. Must
not send, wait or remember a mission's history (`flight` does). Nonsense raises ProtocolError.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from geofence.frames import LatLon, geodesic_m
from vehicles.errors import ProtocolError
from vehicles.mavlink import failsafe_words, modes
from vehicles.mavlink.messages import (
    BatteryStatus,
    EkfStatusReport,
    EstimatorStatus,
    ExtendedSysState,
    GlobalPositionInt,
    GpsRawInt,
    Heartbeat,
    HomePosition,
    Message,
    MissionCurrent,
    StatusText,
    SysStatus,
    SystemTime,
)
from vehicles.mavlink.modes import Modes
from vehicles.mavlink.profiles import arducopter
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.port import FailsafeCause, LinkState

PREARM_BIT = 0x10000000
EKF_POSITION_ABSOLUTE = 0x10
_UNKNOWN_U16 = 0xFFFF
_TEXT_CHUNK = 50
_REFUSALS = ("PreArm: ", "Arm: ", "Preflight Fail: ", "Arming denied")
"""How ArduPilot, and how PX4 begins to say why it does not arm."""
_TEXTS_KEPT = 64
STILL_MPS = 0.3
PREARM_TEXT_LIFE_S = 40.0
REBOOT_MARGIN_MS = 2000


class Text(NamedTuple):
    """A STATUSTEXT, whole."""

    at_s: float
    severity: int
    text: str


@dataclass(slots=True)
class VehicleState:
    """The newest values. None: never told."""

    vehicle_id: str
    modes: Modes = arducopter.MODES
    ground: bool = False
    """It drives: off its place means having moved since it was armed."""
    counts_all: bool = False
    """Its MISSION_CURRENT counts every item: it has no home item that it leaves out."""
    received_s: float | None = None
    heartbeat_s: float | None = None
    heartbeats: int = 0
    mode: int | None = None
    armed: bool | None = None
    system_status: int = 0
    failsafe_told: bool = False
    """It was in a failsafe at some time since this session began, or said so."""
    autopilot: int | None = None
    vehicle_type: int | None = None
    prearm_ok: bool | None = None
    ekf_flags: int | None = None
    fix_type: int | None = None
    position: LatLon | None = None
    position_s: float | None = None
    alt_amsl_m: float | None = None
    alt_home_m: float | None = None
    heading_deg: float | None = None
    speed_mps: float | None = None
    moved: bool = False
    """Under way since it was armed."""
    still_since_s: float | None = None
    battery_pct: float | None = None
    landed_state: int = 0
    seq: int | None = None
    seq_s: float = 0.0
    mission_state: int = 0
    total: int | None = None
    """Items behind the first one."""
    home: LatLon | None = None
    home_amsl_m: float | None = None
    home_s: float | None = None
    boot_ms: int | None = None
    boots: int = 0
    """Reboots seen."""
    texts: deque[Text] = field(default_factory=lambda: deque(maxlen=_TEXTS_KEPT))
    prearm_texts: dict[str, float] = field(default_factory=dict)
    failsafes: dict[FailsafeCause, str] = field(default_factory=dict)
    """Those that stand by the vehicle's own words, with the words."""
    _chunks: dict[int, str] = field(default_factory=dict)

    def apply(self, message: Message, now_s: float) -> Text | None:
        """Take a message in; returns the whole text where a STATUSTEXT is complete.

        Raises ProtocolError where the message cannot be true.
        """
        self.received_s = now_s
        take = self._takes.get(type(message))
        return None if take is None else take(self, message, now_s)

    def reset_after_boot(self) -> None:
        """Forget what a reboot makes untrue."""
        self.prearm_ok = self.ekf_flags = self.home = self.home_amsl_m = self.home_s = None
        self.seq = self.total = self.position_s = None
        self.landed_state = 0
        self.prearm_texts.clear()
        self.failsafes.clear()

    @property
    def mode_name(self) -> str:
        """The mode in the autopilot's own word; empty where it is unknown."""
        return self.modes.name(self.mode)

    @property
    def airborne(self) -> bool:
        """Whether the vehicle says, or its height shows, that it is off the ground.

        Of what drives: whether it is on its way.
        """
        if self.ground:
            return self.moved
        if self.landed_state in modes.AIRBORNE:
            return True
        return self.landed_state == 0 and self.alt_home_m is not None and self.alt_home_m > 1.0

    def recent_texts(self, now_s: float, within_s: float, severity: int = 7) -> tuple[str, ...]:
        """Texts of the last seconds at or above a severity (smaller is graver), oldest first."""
        return tuple(
            t.text for t in self.texts if now_s - t.at_s <= within_s and t.severity <= severity
        )

    def _heartbeat(self, message: Heartbeat, now_s: float) -> None:
        self.heartbeat_s = now_s
        self.heartbeats += 1
        self.autopilot, self.vehicle_type = message.autopilot, message.type
        self.mode = message.custom_mode
        armed = bool(message.base_mode & modes.ARMED_BIT)
        if armed and self.armed is False:
            # a battery and a fence have no word for the end: a new flight is it
            self.failsafes.pop(FailsafeCause.BATTERY, None)
            self.failsafes.pop(FailsafeCause.FENCE, None)
        self.armed = armed
        self.moved = self.moved and self.armed
        self.system_status = message.system_status
        if self.armed and message.system_status in modes.FAILSAFE_STATES:
            self.failsafe_told = True

    def _global_position(self, message: GlobalPositionInt, now_s: float) -> None:
        self._position(message)
        self._motion(now_s)
        self.position_s = now_s

    def _position(self, message: GlobalPositionInt) -> None:
        self._booted(message.time_boot_ms)
        if message.lat == 0 and message.lon == 0:
            self.position = None
            return
        self.position = _latlon(self.vehicle_id, "GLOBAL_POSITION_INT", message.lat, message.lon)
        self.alt_amsl_m = message.alt / 1000.0
        self.alt_home_m = message.relative_alt / 1000.0
        self.speed_mps = math.hypot(message.vx, message.vy) / 100.0
        self.heading_deg = None if message.hdg == _UNKNOWN_U16 else message.hdg / 100.0

    def _motion(self, now_s: float) -> None:
        if (self.speed_mps or 0.0) > STILL_MPS:
            self.still_since_s = None
            self.moved = self.moved or self.armed is True
        elif self.still_since_s is None:
            self.still_since_s = now_s

    def _sys_status(self, message: SysStatus, _now_s: float) -> None:
        self.prearm_ok = all(
            bits & PREARM_BIT
            for bits in (
                message.onboard_control_sensors_present,
                message.onboard_control_sensors_enabled,
                message.onboard_control_sensors_health,
            )
        )
        if self.prearm_ok:
            self.prearm_texts.clear()
        self._battery(message.battery_remaining)

    def _mission_current(self, message: MissionCurrent, now_s: float) -> None:
        self.seq, self.seq_s = message.seq, now_s
        self.mission_state = message.mission_state
        told = message.total != _UNKNOWN_U16 and message.mission_state != 0
        self.total = message.total - self.counts_all if told else None

    def _extended(self, message: ExtendedSysState, _now_s: float) -> None:
        self.landed_state = message.landed_state

    def _system_time(self, message: SystemTime, _now_s: float) -> None:
        self._booted(message.time_boot_ms)

    def _estimator(self, message: EkfStatusReport | EstimatorStatus, _now_s: float) -> None:
        # the bit for an absolute position is the same in both
        self.ekf_flags = message.flags

    def _gps(self, message: GpsRawInt, _now_s: float) -> None:
        self.fix_type = message.fix_type

    def _battery_status(self, message: BatteryStatus, _now_s: float) -> None:
        self._battery(message.battery_remaining)

    def _battery(self, remaining_pct: int) -> None:
        if remaining_pct < 0:
            return
        if remaining_pct > 100:
            raise ProtocolError(self.vehicle_id, f"battery says {remaining_pct} % remaining")
        self.battery_pct = float(remaining_pct)

    def _home(self, message: HomePosition, now_s: float) -> None:
        self.home = _latlon(self.vehicle_id, "HOME_POSITION", message.latitude, message.longitude)
        self.home_amsl_m = message.altitude / 1000.0
        self.home_s = now_s

    def _booted(self, boot_ms: int) -> None:
        if self.boot_ms is not None and boot_ms + REBOOT_MARGIN_MS < self.boot_ms:
            self.boots += 1
        elif self.boot_ms is not None and boot_ms < self.boot_ms:
            return
        self.boot_ms = boot_ms

    def _text(self, message: StatusText, now_s: float) -> Text | None:
        text = message.text
        if message.id:
            text = (self._chunks.pop(message.id, "") if message.chunk_seq else "") + text
            if len(message.text) == _TEXT_CHUNK:
                if len(self._chunks) > 8:
                    self._chunks.clear()
                self._chunks[message.id] = text
                return None
        text = text.rstrip("\t")
        whole = Text(now_s, message.severity, text)
        self.texts.append(whole)
        if "Failsafe" in text:
            self.failsafe_told = True
        told = failsafe_words.read(text)
        self.failsafes.update(dict.fromkeys(told.begun, text))
        for cause in told.ended:
            self.failsafes.pop(cause, None)
        if text.startswith(_REFUSALS):
            if len(self.prearm_texts) > 32:
                self.prearm_texts.clear()
            self.prearm_texts[text] = now_s
        return whole

    _takes: ClassVar[Mapping[type[Any], Callable[[Any, Any, float], Text | None]]] = {
        GlobalPositionInt: _global_position,
        Heartbeat: _heartbeat,
        SysStatus: _sys_status,
        MissionCurrent: _mission_current,
        ExtendedSysState: _extended,
        SystemTime: _system_time,
        EkfStatusReport: _estimator,
        EstimatorStatus: _estimator,
        GpsRawInt: _gps,
        BatteryStatus: _battery_status,
        HomePosition: _home,
        StatusText: _text,
    }
    """What each message changes; of any other only the time counts."""


def _latlon(vehicle_id: str, message: str, lat_1e7: int, lon_1e7: int) -> LatLon:
    lat, lon = lat_1e7 / 1e7, lon_1e7 / 1e7
    if abs(lat) > 90.0 or abs(lon) > 180.0:
        raise ProtocolError(vehicle_id, f"{message} says latitude {lat}, longitude {lon}")
    return LatLon(lat, lon)


def link_state(state: VehicleState, now_s: float, settings: MavlinkSettings) -> LinkState:
    """How far the vehicle's word can be trusted, by the age of its last frame."""
    if state.received_s is None or state.heartbeat_s is None:
        return LinkState.UNKNOWN
    age_s = now_s - state.received_s
    if age_s >= settings.offline_after_s:
        return LinkState.OFFLINE
    return LinkState.STALE if age_s >= settings.stale_after_s else LinkState.ONLINE


def home_fault(state: VehicleState, vehicle: MavlinkVehicle, settings: MavlinkSettings) -> str:
    """Why the vehicle's home is not its pad; empty where it is."""
    if state.home is None or state.home_amsl_m is None:
        return "home position is not known yet"
    off_m = geodesic_m(state.home, vehicle.home)
    if off_m > settings.home_tolerance_m:
        return (
            f"home is {off_m:.1f} m from the enrolled pad (allowed {settings.home_tolerance_m:g}): "
            "put the vehicle on its pad, or correct the enrolment"
        )
    high_m = state.home_amsl_m - vehicle.home_amsl_m
    if abs(high_m) > settings.home_tolerance_vertical_m:
        return (
            f"home is {high_m:+.1f} m in height from the enrolled pad (allowed "
            f"{settings.home_tolerance_vertical_m:g}): correct the enrolment's home_amsl_m"
        )
    return ""


def not_ready(
    state: VehicleState, vehicle: MavlinkVehicle, settings: MavlinkSettings, now_s: float
) -> tuple[str, ...]:
    """Reasons that the vehicle itself gives for not starting; empty where it is ready.

    The parameter baseline is judged elsewhere.
    """
    reasons: list[str] = []
    if not state.prearm_ok:
        said = [t for t, at in state.prearm_texts.items() if now_s - at <= PREARM_TEXT_LIFE_S]
        reasons += said or ["pre-arm checks have not passed yet"]
    if state.ekf_flags is None or not state.ekf_flags & EKF_POSITION_ABSOLUTE:
        reasons.append("no absolute position estimate yet (EKF)")
    fault = home_fault(state, vehicle, settings)
    if fault:
        reasons.append(fault)
    if state.position is None:
        reasons.append("position is not known yet")
    else:
        # home is set again only at arming: a vehicle that landed elsewhere still tells the old one
        off_m = geodesic_m(state.position, vehicle.home)
        if off_m > settings.home_tolerance_m:
            reasons.append(
                f"it stands {off_m:.0f} m from its pad (allowed {settings.home_tolerance_m:g}): "
                "bring it back"
            )
    return tuple(reasons)
