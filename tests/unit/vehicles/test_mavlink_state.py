"""Readiness, link, reboot and nonsense, from messages alone."""

from __future__ import annotations

import pytest

from geofence.frames import LatLon, offset
from geofence.zones import VehicleClass
from missions.model import DropDevice
from vehicles.errors import ConfigurationError, ProtocolError
from vehicles.mavlink.messages import (
    BatteryStatus,
    EkfStatusReport,
    GlobalPositionInt,
    Heartbeat,
    HomePosition,
    StatusText,
    SysStatus,
    SystemTime,
)
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.state import PREARM_BIT, VehicleState, link_state, not_ready
from vehicles.port import Capability, LinkState

HOME = LatLon(60.17, 24.94)
SETTINGS = MavlinkSettings()
DRONE = Capability(
    VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 300.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER
)


def enrolled(**changes: object) -> MavlinkVehicle:
    fields = {
        "vehicle_id": "d", "link": "udpin:127.0.0.1:0", "sysid": 1, "capability": DRONE,
        "home": HOME, "home_amsl_m": 10.0,
    }  # fmt: skip
    return MavlinkVehicle(**(fields | changes))


def home(where: LatLon = HOME, amsl_m: float = 10.0) -> HomePosition:
    lat, lon = round(where.lat_deg * 1e7), round(where.lon_deg * 1e7)
    return HomePosition(lat, lon, round(amsl_m * 1000), 0, 0, 0, (1, 0, 0, 0), 0, 0, 0, 0)


def position(where: LatLon = HOME, boot_ms: int = 90_000) -> GlobalPositionInt:
    lat, lon = round(where.lat_deg * 1e7), round(where.lon_deg * 1e7)
    return GlobalPositionInt(boot_ms, lat, lon, 10_000, 0, 0, 0, 0, 0)


def sys_status(prearm: bool = True, battery: int = 90) -> SysStatus:
    healthy = PREARM_BIT if prearm else 0
    return SysStatus(
        PREARM_BIT, PREARM_BIT, healthy, 0, 25000, 100, 0, 0, 0, 0, 0, 0, battery, 0, 0, 0
    )


HEARTBEAT = Heartbeat(0, 2, 3, 0x51, 3, 3)
EKF = EkfStatusReport(0, 0, 0, 0, 0, 0x33F, 0)


def ready_state() -> VehicleState:
    state = VehicleState("d")
    for message in (HEARTBEAT, sys_status(), EKF, home(), position()):
        state.apply(message, 1.0)
    return state


def test_a_vehicle_that_shows_everything_is_ready() -> None:
    assert not_ready(ready_state(), enrolled(), SETTINGS, 2.0) == ()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (sys_status(prearm=False), "pre-arm checks have not passed yet"),
        (EkfStatusReport(0, 0, 0, 0, 0, 0x2, 0), "no absolute position estimate"),
        (home(offset(HOME, 0.0, 12.0)), "home is 12.0 m from the enrolled pad"),
        (home(amsl_m=30.0), r"home is \+20.0 m in height"),
        (position(offset(HOME, 90.0, 50.0)), "it stands 50 m from its pad"),
    ],
)
def test_whatever_is_missing_is_said(message: object, words: str) -> None:
    state = ready_state()
    state.apply(message, 1.5)
    (reason,) = not_ready(state, enrolled(), SETTINGS, 2.0)
    assert __import__("re").search(words, reason)


def test_the_vehicles_own_words_are_the_reason_and_grow_old() -> None:
    state = ready_state()
    state.apply(sys_status(prearm=False), 1.5)
    state.apply(StatusText(2, "PreArm: GPS 1: Bad fix", 0, 0), 1.6)
    assert not_ready(state, enrolled(), SETTINGS, 2.0) == ("PreArm: GPS 1: Bad fix",)
    assert not_ready(state, enrolled(), SETTINGS, 60.0) == ("pre-arm checks have not passed yet",)


def test_a_long_text_comes_whole() -> None:
    state = VehicleState("d")
    assert state.apply(StatusText(2, "PreArm: " + "x" * 42, 7, 0), 1.0) is None
    whole = state.apply(StatusText(2, "tail", 7, 1), 1.0)
    assert whole is not None
    assert whole.text == "PreArm: " + "x" * 42 + "tail"


def test_the_link_grows_stale_and_is_lost_by_age() -> None:
    state = VehicleState("d")
    assert link_state(state, 0.0, SETTINGS) is LinkState.UNKNOWN
    state.apply(HEARTBEAT, 10.0)
    assert link_state(state, 11.0, SETTINGS) is LinkState.ONLINE
    assert link_state(state, 14.0, SETTINGS) is LinkState.STALE
    assert link_state(state, 20.0, SETTINGS) is LinkState.OFFLINE


def test_boot_time_going_backwards_is_a_reboot_and_reordering_is_not() -> None:
    state = ready_state()
    state.apply(SystemTime(0, 89_500), 1.0)
    assert state.boots == 0
    state.apply(SystemTime(0, 800), 1.0)
    assert state.boots == 1
    state.apply(SystemTime(0, 1500), 1.0)
    assert state.boots == 1


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (GlobalPositionInt(1, 950_000_000, 0, 0, 0, 0, 0, 0, 0), "latitude 95.0"),
        (HomePosition(1, 1_900_000_000, 0, 0, 0, 0, (), 0, 0, 0, 0), "longitude 190.0"),
        (BatteryStatus(0, 0, 0, (), 0, 0, 0, 0, 120, 0, 0, (), 0, 0), "120 % remaining"),
    ],
)
def test_nonsense_is_a_protocol_error_that_names_it(message: object, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        VehicleState("d").apply(message, 1.0)


def test_no_position_is_no_position() -> None:
    state = ready_state()
    state.apply(GlobalPositionInt(90_001, 0, 0, 0, 0, 0, 0, 0, 0), 1.0)
    assert state.position is None
    assert "position is not known yet" in not_ready(state, enrolled(), SETTINGS, 2.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sysid": 255}, "sysid 255"),
        ({"gcs_timeout_s": 0.5}, "gcs_timeout_s 0.5"),
        ({"cruise_alt_home_m": 1.0}, "cruise_alt_home_m 1.0"),
    ],
)
def test_an_enrolment_that_cannot_be_names_its_field(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        enrolled(**changes)
