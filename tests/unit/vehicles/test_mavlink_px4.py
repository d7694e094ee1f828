"""PX4's own: mode words, items as they are kept, parameters by their bytes, failsafes."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from vehicles.mavlink import commands
from vehicles.mavlink.baseline import audit, repairs
from vehicles.mavlink.encoding import CAST, BytewiseEncoding
from vehicles.mavlink.items import differences
from vehicles.mavlink.messages import EstimatorStatus, MissionCurrent, ParamValue, StatusText
from vehicles.mavlink.parameters import ParameterWrite
from vehicles.mavlink.profiles import px4, px4_items, px4_rules
from vehicles.mavlink.profiles.profile import PROFILES
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.mavlink.state import VehicleState
from vehicles.port import Capability, FailsafeAction

HOME = LatLon(60.17, 24.94)
K = ItemKind
GRIPPER = AirItem(K.RELEASE, device=DropDevice.GRIPPER, parcel_id="P")
MIDDLE = (AirItem(K.WAYPOINT, HOME, 20.15), GRIPPER, AirItem(K.DELAY, delay_s=4.0))
VEHICLE = MavlinkVehicle(
    "d",
    "udpin:127.0.0.1:0",
    7,
    Capability(VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 300.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER),
    HOME,
    10.0,
    profile="px4",
)


def mission(*middle: AirItem, mission_id: str = "m") -> AirMission:
    ends = AirItem(K.TAKEOFF, HOME, 20.0), AirItem(K.LAND, HOME)
    return AirMission(mission_id, "d", HOME, 10.0, 20.0, (ends[0], *middle, ends[1]), "z")


@pytest.mark.parametrize(
    ("mode", "name", "words"),
    [
        (0x04040000, "AUTO.MISSION", (4.0, 4.0)),
        (0x03040000, "AUTO.LOITER", (4.0, 3.0)),
        (0x05040000, "AUTO.RTL", (4.0, 5.0)),
        (0x06040000, "AUTO.LAND", (4.0, 6.0)),
        (0x00030000, "POSCTL", (3.0, 0.0)),
    ],
)
def test_a_mode_is_set_by_main_and_sub_mode(mode: int, name: str, words: tuple[float, ...]) -> None:
    assert px4.MODES.name(mode) == name
    assert commands.set_mode(px4.MODES, mode).params == (1.0, *words)


def test_a_px4_is_told_from_an_ardupilot() -> None:
    assert PROFILES["px4"].stranger(12, 2) == ""
    assert PROFILES["px4"].stranger(3, 2) == "not a PX4 multicopter (autopilot 3, type 2)"


def test_the_list_begins_with_the_take_off_and_leaves_out_what_px4_refuses() -> None:
    plan = px4_items.translate(mission(*MIDDLE, AirItem(K.RETURN_PATH)))
    told = [(item.seq, item.command, item.frame) for item in plan.items]
    assert told == [
        (0, mav.MAV_CMD_NAV_TAKEOFF, 3),
        (1, mav.MAV_CMD_DO_SET_ROI_NONE, 2),
        (2, mav.MAV_CMD_NAV_WAYPOINT, 3),
        (3, mav.MAV_CMD_DO_GRIPPER, 2),
        (4, mav.MAV_CMD_NAV_DELAY, 2),
        (5, mav.MAV_CMD_NAV_LAND, 3),
    ]
    assert (plan.takeoff_seq, plan.land_seq, plan.return_path_seq) == (0, 5, None)
    assert [(r.seq, r.done_seq, r.parcel_id) for r in plan.releases] == [(3, 5, "P")]
    assert plan.mission_index == (0, 0, 1, 2, 3, 5)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (AirItem(K.RELEASE, device=DropDevice.WINCH, winch_m=5.0), "PX4 has no winch"),
        (AirItem(K.LAND, HOME), "not flown on after a landing"),
        (AirItem(K.WAYPOINT), "item 1 .waypoint. has no position"),
    ],
)
def test_what_px4_cannot_fly_is_named(item: AirItem, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        px4_items.translate(mission(item))


def test_what_px4_gives_back_is_the_same_and_a_touched_item_is_not() -> None:
    plan = px4_items.translate(mission(*MIDDLE))
    # in int mode frame 3 comes back as 6, and every height as a 32-bit float
    held = tuple(
        item._replace(
            frame=6 if item.frame == 3 else item.frame,
            z=struct.unpack("<f", struct.pack("<f", item.z))[0],
            current=int(item.seq == 0),
        )
        for item in plan.items
    )
    assert differences(plan, held) == ()
    for seq, fields in (
        (0, {"z": 20.01}),
        (2, {"x": held[2].x + 1}),
        (2, {"param2": 0.0}),
        (2, {"param4": 90.0}),
        (2, {"frame": 5}),
        (3, {"param2": 1.0}),
        (5, {"command": mav.MAV_CMD_NAV_RETURN_TO_LAUNCH}),
    ):
        touched = (*held[:seq], held[seq]._replace(**fields), *held[seq + 1 :])
        assert differences(plan, touched), (seq, fields)


def test_two_missions_over_the_same_ground_differ_in_their_mark() -> None:
    first = px4_items.translate(mission(*MIDDLE))
    second = px4_items.translate(mission(*MIDDLE, mission_id="n"))
    (found,) = differences(first, second.items)
    assert found.startswith("item 1: param3")


@given(st.integers(-(2**22), 2**30))
def test_an_integer_goes_and_comes_by_its_bytes(value: int) -> None:
    encoding = BytewiseEncoding(frozenset({"A"}))
    bits, kind = encoding.wire("A", float(value))
    assert struct.pack("<f", bits) == struct.pack("<i", value)
    assert encoding.value_of(ParamValue(bits, 1, 0, "A", kind)) == value


@given(st.floats(width=32, allow_nan=False))
def test_a_float_stands_as_it_is(value: float) -> None:
    for encoding in (CAST, BytewiseEncoding(frozenset())):
        told, kind = encoding.wire("A", value)
        assert encoding.value_of(ParamValue(told, 1, 0, "A", kind)) == value


def test_a_set_carries_the_type_and_is_judged_by_what_comes_back() -> None:
    write = ParameterWrite({"NAV_DLL_ACT": 2.0}, 7, 1, encoding=px4_rules.ENCODING)
    (sent,) = write.start(0.0)
    assert sent.param_type == mav.MAV_PARAM_TYPE_INT32
    assert struct.pack("<f", sent.param_value) == b"\2\0\0\0"
    write.receive(ParamValue(sent.param_value, 1, 0, "NAV_DLL_ACT", 6), 0.1)
    assert write.result == {"NAV_DLL_ACT": 2.0}


GOOD: dict[str, float | None] = {
    "NAV_DLL_ACT": 2, "NAV_RCL_ACT": 2, "COM_LOW_BAT_ACT": 3, "COM_DL_LOSS_T": 5, "RTL_TYPE": 0,
    "RTL_CONE_ANG": 0, "RTL_LAND_DELAY": 0, "RTL_RETURN_ALT": 60, "GF_ACTION": 2,
    "COM_DISARM_LAND": 2, "COM_DISARM_PRFLT": 10, "MPC_ACC_HOR": 3, "PD_GRIPPER_EN": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "repaired"),
    [
        ("NAV_DLL_ACT", 0, 2),
        ("RTL_TYPE", 2, 0),
        ("GF_ACTION", 4, 2),
        ("COM_LOW_BAT_ACT", 0, 3),
        ("COM_DISARM_LAND", -1, 2),
        ("RTL_LAND_DELAY", -1, 0),
    ],
)
def test_the_baseline_names_what_is_wrong_and_mends_it(
    name: str, value: float, repaired: float
) -> None:
    rules = px4_rules.requirements(VEHICLE)
    assert audit(rules, GOOD) == ()
    found = audit(rules, GOOD | {name: value})
    assert [finding.requirement.name for finding in found] == [name]
    assert repairs(found) == {name: repaired}


def test_every_integer_that_is_set_is_known_as_one() -> None:
    floats = {"RTL_LAND_DELAY", "RTL_RETURN_ALT", "COM_DISARM_LAND", "COM_DISARM_PRFLT"}
    names = {rule.name for rule in px4_rules.requirements(VEHICLE)}
    assert names - floats - {"MPC_ACC_HOR"} == px4_rules.ENCODING.integers


def test_its_failsafes_are_told_or_unknown() -> None:
    told = px4_rules.failsafes_of(GOOD)
    assert told is not None
    assert told.return_alt_home_m == 60
    assert told.lost_link is FailsafeAction.RETURN
    excepted = px4_rules.failsafes_of(GOOD | {"COM_DLL_EXCEPT": 1})
    assert excepted is not None
    assert excepted.lost_link is FailsafeAction.CONTINUE
    for name, value in (("RTL_TYPE", 2), ("NAV_DLL_ACT", 5), ("COM_LOW_BAT_ACT", None)):
        assert px4_rules.failsafes_of(GOOD | {name: value}) is None, name


def test_its_words_its_estimator_and_its_count_are_understood() -> None:
    state = VehicleState("d", px4.MODES, counts_all=True)
    state.apply(StatusText(2, "Preflight Fail: no heading\t", 0, 0), 1.0)
    state.apply(EstimatorStatus(0, *(0.0,) * 8, 16), 1.0)
    state.apply(MissionCurrent(0, 12, 2, 2), 1.0)
    assert list(state.prearm_texts) == ["Preflight Fail: no heading"]
    assert (state.ekf_flags, state.total) == (16, 11)
    state.apply(MissionCurrent(0, 65535, 1, 2), 1.0)
    assert state.total is None


def test_a_gripper_is_demanded_only_where_one_is_enrolled() -> None:
    bare = replace(VEHICLE, capability=replace(VEHICLE.capability, drop_device=None))
    names = [rule.name for rule in px4_rules.requirements(bare)]
    assert "PD_GRIPPER_EN" not in names
    assert len(names) + 1 == len(px4_rules.requirements(VEHICLE))
