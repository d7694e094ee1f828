"""The MAVLink messages that are read.

Owns the message types and the table of what is read. How they decode comes from the dialect
(`layout`); a field that the dialect names otherwise stops the import. Must not know frames, links
or vehicles.

Fields stand in wire order. Character arrays are str up to the first NUL (not ASCII: replaced),
number arrays are tuples, and the payload of FILE_TRANSFER_PROTOCOL is bytes.
"""

from __future__ import annotations

from typing import TypeAlias

from vehicles.mavlink.layout import Layout, Record, ends_in_bytes, layout_of


class Heartbeat(Record, frozen=True):
    """HEARTBEAT (0)."""

    custom_mode: int
    type: int
    autopilot: int
    base_mode: int
    system_status: int
    mavlink_version: int


class SysStatus(Record, frozen=True):
    """SYS_STATUS (1)."""

    onboard_control_sensors_present: int
    onboard_control_sensors_enabled: int
    onboard_control_sensors_health: int
    load: int
    voltage_battery: int
    current_battery: int
    drop_rate_comm: int
    errors_comm: int
    errors_count1: int
    errors_count2: int
    errors_count3: int
    errors_count4: int
    battery_remaining: int
    onboard_control_sensors_present_extended: int
    onboard_control_sensors_enabled_extended: int
    onboard_control_sensors_health_extended: int


class SystemTime(Record, frozen=True):
    """SYSTEM_TIME (2)."""

    time_unix_usec: int
    time_boot_ms: int


class ParamValue(Record, frozen=True):
    """PARAM_VALUE (22)."""

    param_value: float
    param_count: int
    param_index: int
    param_id: str
    param_type: int


class GpsRawInt(Record, frozen=True):
    """GPS_RAW_INT (24)."""

    time_usec: int
    lat: int
    lon: int
    alt: int
    eph: int
    epv: int
    vel: int
    cog: int
    fix_type: int
    satellites_visible: int
    alt_ellipsoid: int
    h_acc: int
    v_acc: int
    vel_acc: int
    hdg_acc: int
    yaw: int


class GlobalPositionInt(Record, frozen=True):
    """GLOBAL_POSITION_INT (33)."""

    time_boot_ms: int
    lat: int
    lon: int
    alt: int
    relative_alt: int
    vx: int
    vy: int
    vz: int
    hdg: int


class MissionRequest(Record, frozen=True):
    """MISSION_REQUEST (40)."""

    seq: int
    target_system: int
    target_component: int
    mission_type: int


class MissionCurrent(Record, frozen=True):
    """MISSION_CURRENT (42)."""

    seq: int
    total: int
    mission_state: int
    mission_mode: int


class MissionCount(Record, frozen=True):
    """MISSION_COUNT (44)."""

    count: int
    target_system: int
    target_component: int
    mission_type: int


class MissionItemReached(Record, frozen=True):
    """MISSION_ITEM_REACHED (46)."""

    seq: int


class MissionAck(Record, frozen=True):
    """MISSION_ACK (47)."""

    target_system: int
    target_component: int
    type: int
    mission_type: int


class MissionRequestInt(Record, frozen=True):
    """MISSION_REQUEST_INT (51)."""

    seq: int
    target_system: int
    target_component: int
    mission_type: int


class MissionItemInt(Record, frozen=True):
    """MISSION_ITEM_INT (73)."""

    param1: float
    param2: float
    param3: float
    param4: float
    x: int
    y: int
    z: float
    seq: int
    command: int
    target_system: int
    target_component: int
    frame: int
    current: int
    autocontinue: int
    mission_type: int


class CommandAck(Record, frozen=True):
    """COMMAND_ACK (77)."""

    command: int
    result: int
    progress: int
    result_param2: int
    target_system: int
    target_component: int


class FileTransferProtocol(Record, frozen=True):
    """FILE_TRANSFER_PROTOCOL (110)."""

    target_network: int
    target_system: int
    target_component: int
    payload: bytes


class BatteryStatus(Record, frozen=True):
    """BATTERY_STATUS (147)."""

    current_consumed: int
    energy_consumed: int
    temperature: int
    voltages: tuple[int, ...]
    current_battery: int
    id: int
    battery_function: int
    type: int
    battery_remaining: int
    time_remaining: int
    charge_state: int
    voltages_ext: tuple[int, ...]
    mode: int
    fault_bitmask: int


class EkfStatusReport(Record, frozen=True):
    """EKF_STATUS_REPORT (193)."""

    velocity_variance: float
    pos_horiz_variance: float
    pos_vert_variance: float
    compass_variance: float
    terrain_alt_variance: float
    flags: int
    airspeed_variance: float


class EstimatorStatus(Record, frozen=True):
    """ESTIMATOR_STATUS (230)."""

    time_usec: int
    vel_ratio: float
    pos_horiz_ratio: float
    pos_vert_ratio: float
    mag_ratio: float
    hagl_ratio: float
    tas_ratio: float
    pos_horiz_accuracy: float
    pos_vert_accuracy: float
    flags: int


class HomePosition(Record, frozen=True):
    """HOME_POSITION (242)."""

    latitude: int
    longitude: int
    altitude: int
    x: float
    y: float
    z: float
    q: tuple[float, ...]
    approach_x: float
    approach_y: float
    approach_z: float
    time_usec: int


class ExtendedSysState(Record, frozen=True):
    """EXTENDED_SYS_STATE (245)."""

    vtol_state: int
    landed_state: int


class StatusText(Record, frozen=True):
    """STATUSTEXT (253)."""

    severity: int
    text: str
    id: int
    chunk_seq: int


Message: TypeAlias = (
    Heartbeat
    | SysStatus
    | SystemTime
    | ParamValue
    | GpsRawInt
    | GlobalPositionInt
    | MissionRequest
    | MissionCurrent
    | MissionCount
    | MissionItemReached
    | MissionAck
    | MissionRequestInt
    | MissionItemInt
    | CommandAck
    | FileTransferProtocol
    | BatteryStatus
    | EkfStatusReport
    | EstimatorStatus
    | HomePosition
    | ExtendedSysState
    | StatusText
)

_TYPES: dict[str, type[Record]] = {
    "HEARTBEAT": Heartbeat,
    "SYS_STATUS": SysStatus,
    "SYSTEM_TIME": SystemTime,
    "PARAM_VALUE": ParamValue,
    "GPS_RAW_INT": GpsRawInt,
    "GLOBAL_POSITION_INT": GlobalPositionInt,
    "MISSION_REQUEST": MissionRequest,
    "MISSION_CURRENT": MissionCurrent,
    "MISSION_COUNT": MissionCount,
    "MISSION_ITEM_REACHED": MissionItemReached,
    "MISSION_ACK": MissionAck,
    "MISSION_REQUEST_INT": MissionRequestInt,
    "MISSION_ITEM_INT": MissionItemInt,
    "COMMAND_ACK": CommandAck,
    "FILE_TRANSFER_PROTOCOL": FileTransferProtocol,
    "BATTERY_STATUS": BatteryStatus,
    "EKF_STATUS_REPORT": EkfStatusReport,
    "ESTIMATOR_STATUS": EstimatorStatus,
    "HOME_POSITION": HomePosition,
    "EXTENDED_SYS_STATE": ExtendedSysState,
    "STATUSTEXT": StatusText,
}


def _layout(name: str, kind: type[Record]) -> tuple[int, Layout]:
    number, layout = layout_of(name, kind)
    return number, ends_in_bytes(layout) if kind is FileTransferProtocol else layout


LAYOUTS: dict[int, Layout] = dict(_layout(name, kind) for name, kind in _TYPES.items())
"""By message id: everything that is decoded; any other id is skipped unread."""
