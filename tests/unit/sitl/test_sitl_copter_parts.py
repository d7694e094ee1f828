"""The light copter's parts: frame, items, kinematics, parameters, battery."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter import items as it
from sitl.copter.battery import Battery
from sitl.copter.drops import Gripper, Winch
from sitl.copter.frame import NorthEastFrame
from sitl.copter.kinematics import Body, Leg, Limits, WaypointNav, along, corner_speed
from sitl.copter.params import Params
from sitl.copter.spec import CopterSpec

LIMITS = Limits(10.0, 2.5, 1.5, 2.5, 1.0, 1.0)
near = st.floats(-400, 400)
points = st.tuples(near, near, st.floats(0, 300))


@given(st.floats(-80, 80), st.floats(-180, 179.9), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))
def test_frame_is_its_own_inverse(lat, lon, dlat, dlon):
    frame = NorthEastFrame(lat, lon)
    back = frame.to_latlon(*frame.to_ne(lat + dlat, lon + dlon))
    assert back[0] == pytest.approx(lat + dlat, abs=1e-9)
    assert (back[1] - lon - dlon + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)


def test_frame_has_ardupilots_scale():
    north, east = NorthEastFrame(60.0, 25.0).to_ne(60.0001, 25.0001)
    assert north == pytest.approx(11.131884502, abs=1e-6)
    assert east == pytest.approx(11.131884502 * math.cos(math.radians(60.00005)), abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(points, points, st.floats(0, 10), st.sampled_from([0.05, 0.1]))
def test_leg_stays_on_its_line_within_its_limits_and_ends(start, end, exit_speed, dt):
    leg = Leg(start, end, LIMITS, exit_speed=exit_speed)
    top, _ = along(leg.direction, LIMITS) if leg.length_m else (0.0, 0.0)
    for _ in range(200_000):
        position, velocity = leg.advance(dt)
        assert math.hypot(*velocity[:2]) <= LIMITS.speed_xy + 1e-6
        assert -LIMITS.speed_down - 1e-6 <= velocity[2] <= LIMITS.speed_up + 1e-6
        assert math.hypot(*velocity) <= top + 1e-6
        detour = math.dist(start, position) + math.dist(position, end)
        assert detour == pytest.approx(leg.length_m, abs=1e-4)
        if leg.finished:
            break
    assert leg.finished
    assert position == end


def test_corner_speed_falls_with_the_turn():
    straight, quarter = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    half_right = (math.sqrt(0.5), math.sqrt(0.5), 0.0)
    assert math.isinf(corner_speed(straight, straight, 1.0, 5.0))
    assert corner_speed(straight, (-1.0, 0.0, 0.0), 1.0, 5.0) == 0.0
    assert corner_speed(straight, quarter, 1.0, 5.0) < corner_speed(straight, half_right, 1.0, 5.0)


def test_waypoint_nav_stops_before_it_turns_back():
    body = Body(0.0, 0.0, 50.0, 0.0)
    nav = WaypointNav(body, LIMITS)
    nav.fly_to((200.0, 0.0, 50.0))
    while body.vn < 8.0:
        nav.advance(0.1)
    turned_at = body.north_m
    nav.fly_to((0.0, 0.0, 50.0))
    furthest = 0.0
    while not nav.reached:
        nav.advance(0.1)
        furthest = max(furthest, body.north_m)
    assert turned_at + 5 < furthest < turned_at + 20
    assert body.at == pytest.approx((0.0, 0.0, 50.0))


def sent(command, p=(0, 0, 0, 0), x=0, y=0, z=0.0, frame=3):
    return mav.MAVLink_mission_item_int_message(1, 1, 1, frame, command, 0, 1, *p, x, y, z, 0)


f32s = st.floats(-300, 300, width=32)


@given(
    st.sampled_from(sorted(it.LABELS)),
    st.tuples(f32s, f32s, f32s, f32s),
    st.integers(-90 * 10**7, 90 * 10**7),
    st.integers(-180 * 10**7, 180 * 10**7),
    st.floats(-1000, 9000, width=32),
    st.sampled_from([0, 2, 3, 5, 6, 10, 11]),
)
def test_what_was_stored_is_stored_the_same_again(command, p, x, y, z, frame):
    first = it.mission_item(sent(command, p, x, y, z, frame))
    assert isinstance(first, it.Item)
    packed = [
        struct.unpack("<f", struct.pack("<f", v))[0]
        for v in (first.p1, first.p2, first.p3, first.p4)
    ]
    again = it.mission_item(sent(command, packed, first.x, first.y, first.z, first.frame))
    assert isinstance(again, it.Item)
    assert (again.command, again.frame, again.x, again.y) == (
        first.command, first.frame, first.x, first.y,
    )  # fmt: skip
    # centimetres are truncated from floats, as the autopilot does
    assert abs(again.z - first.z) < 0.0101
    assert again.p2 == first.p2


@pytest.mark.parametrize(
    ("ring", "fault"),
    [
        ([(5001, 3)] * 3, ""),
        ([(5001, 3)] * 2, "Invalid vertex count"),
        ([(5001, 2)] * 2, "Invalid vertex count"),
        ([(5001, 69)] * 69, ""),
        ([(5001, 70)] * 70, "Fence exceeds storage size"),
        ([(5004, 50.0)] * 42, ""),
        ([(5004, 50.0)] * 43, "Fence exceeds storage size"),
        ([(5003, 0.0)], "Non-positive circle radius"),
    ],
)
def test_fence_capacity(ring, fault):
    items = [it.fence_item(sent(command, (p1, 0, 0, 0), 10, 10)) for command, p1 in ring]
    assert it.fence_fault(items) == fault


def test_params_hide_what_is_switched_off():
    params = Params({})
    assert not params.has("GRIP_AUTOCLOSE")
    assert not params.write("GRIP_AUTOCLOSE", 5)
    assert params.write("GRIP_ENABLE", 1)
    assert params.write("GRIP_AUTOCLOSE", 5)
    assert params.write("FS_GCS_ENABLE", 4.6)
    assert params["FS_GCS_ENABLE"] == 5
    assert not params.write("FS_GCS_ENABLE", math.nan)
    assert not params.write("NO_SUCH", 1)
    assert params.write("MIS_TOTAL", 9)
    assert params["MIS_TOTAL"] == 0
    assert all(len(name) <= 16 for name in params.visible())


def test_unknown_override_is_named():
    with pytest.raises(KeyError, match="WPNAV_SPED"):
        Params({"WPNAV_SPED": 1})


def test_spec_refuses_what_mavlink_cannot_carry():
    with pytest.raises(ValueError, match="sysid"):
        CopterSpec("d", 256, 60, 25, 0)
    with pytest.raises(ValueError, match="drop_device"):
        CopterSpec("d", 1, 60, 25, 0, drop_device="catapult")


@given(st.lists(st.floats(0, 60), max_size=60))
def test_battery_only_empties(currents):
    pack = Battery(5000.0, 6)
    charge = pack.charge
    for current in currents:
        pack.draw(current, 5.0)
        assert pack.charge <= charge
        charge = pack.charge
        assert 0.0 <= pack.voltage_v <= 25.2001
        assert 0 <= pack.remaining_pct(5000.0) <= 100
    assert pack.remaining_pct(0.0) == -1


def test_a_counter_reset_does_not_charge_the_pack():
    pack = Battery(5000.0, 6)
    pack.draw(30.0, 300.0)
    pack.reset(100.0, 5000.0)
    assert pack.remaining_pct(5000.0) == 100
    assert pack.charge == pytest.approx(0.5)
    pack.swap()
    assert pack.charge == 1.0


def test_gripper_lets_one_parcel_go_once():
    said, gone = [], []
    params = Params(CopterSpec("d", 1, 60, 25, 0).params())
    gripper = Gripper(params, lambda _s, text: said.append(text), gone.append)
    gripper.tick(10.0)
    gripper.release()
    gripper.release()
    gripper.tick(10.4)
    assert gone == []
    gripper.tick(10.5)
    gripper.release()
    assert gone == ["gripper"]
    assert said == ["Gripper load releasing", "Gripper load released", "Gripper load released"]
    gripper.tick(15.6)
    gripper.tick(16.2)
    assert said[3:] == ["Gripper load grabbing", "Gripper load grabbed"]
    gripper.release()
    gripper.tick(20.0)
    assert gone == ["gripper"], "nothing was hung on it again"


def test_gripper_that_is_not_fitted_stays_silent():
    said, gone = [], []
    gripper = Gripper(Params({}), lambda _s, text: said.append(text), gone.append)
    gripper.release()
    gripper.tick(5.0)
    assert (said, gone) == ([], [])


@pytest.mark.parametrize(("height", "drops"), [(8.0, 1), (20.0, 0)])
def test_winch_hook_lets_go_only_near_the_ground(height, drops):
    gone = []
    params = Params(CopterSpec("d", 1, 60, 25, 0, drop_device="winch").params())
    winch = Winch(params, lambda _s, _t: None, gone.append)
    assert winch.act(1, 7.0, 1.0)
    assert not winch.act(9, 0.0, 0.0)
    for tenth in range(100):
        winch.tick(tenth / 10.0, height)
    assert winch.length_m == pytest.approx(7.0, abs=0.05)
    assert gone == ["winch"] * drops
