"""The light copter as a ground station sees it, without sockets."""

import math
from dataclasses import replace

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter import Copter, CopterSpec
from sitl.copter.items import Item

SPEC = CopterSpec("d1", 7, 60.17, 24.94, 20.0, param_overrides={"AUTO_OPTIONS": 3})
GCS, OTHER = (255, 190), (77, 1)


class Link:
    """A ground station's end of one copter."""

    def __init__(self, spec=SPEC, boot_s=41.0):
        self.copter = Copter(spec, boot_s=boot_s, unix_at_zero_s=1_780_000_000.0)
        self.wire = mav.MAVLink(None, *GCS)
        self.wire.robust_parsing = True
        self.events = []

    def send(self, message, source=GCS):
        self.wire.srcSystem, self.wire.srcComponent = source
        self.copter.receive(message.pack(self.wire), self.copter.now_s)
        return self.heard()

    def wait(self, seconds):
        self.copter.advance(self.copter.now_s + seconds)
        return self.heard()

    def heard(self):
        self.events += [truth for truth in self.copter.take_truth() if truth.event]
        frames = self.copter.take_output()
        messages = [m for frame in frames for m in self.wire.parse_buffer(frame) or ()]
        return [m for m in messages if m.get_type() != "BAD_DATA"]

    def until(self, test, seconds=600.0, step=0.2):
        heard = []
        end = self.copter.now_s + seconds
        while not test():
            assert self.copter.now_s < end, texts(heard)[-10:]
            heard += self.wait(step)
        return heard

    def command(self, number, *params):
        filled = [*params, *[0.0] * (7 - len(params))]
        heard = self.send(mav.MAVLink_command_long_message(7, 1, number, 0, *filled))
        acks = of(heard, "COMMAND_ACK")
        assert len(acks) == 1
        return acks[0].result, heard

    def load(self, *items):
        self.copter.mission.items = [Item(16), *items]


def of(messages, kind):
    return [m for m in messages if m.get_type() == kind]


def texts(messages):
    return [m.text for m in of(messages, "STATUSTEXT")]


def up(boot_s=0.0, **changes):
    link = Link(replace(SPEC, **changes), boot_s=boot_s)
    link.wait(1.0)
    return link


def flying(*items, **changes):
    link = up(**changes)
    link.load(Item(22, z=20.0, frame=3), *items)
    assert link.command(176, 1, 3)[0] == 0
    assert link.command(400, 1)[0] == 0
    link.until(lambda: link.copter.flight.takeoff_done)
    return link


def count(n, kind=0):
    return mav.MAVLink_mission_count_message(7, 1, n, kind)


def item(seq, command=16, z=10.0, kind=0, p1=0.0, frame=3):
    return mav.MAVLink_mission_item_int_message(
        7, 1, seq, frame, command, 0, 1, p1, 0, 0, 0, 601_000_000, 249_000_000, z, kind
    )


def test_boot_comes_in_steps():
    link = Link()
    assert of(link.wait(0.5), "STATUSTEXT") == []
    assert of(link.send(count(3)), "MISSION_ACK")[0].type == 4
    link.command(511, 33, 1e6)
    link.wait(1.0)
    assert of(link.wait(3.0), "GLOBAL_POSITION_INT") == [], "asked for before it was up"
    assert not link.copter.gps_fixed
    link.wait(6.0)
    assert link.copter.gps_fixed
    assert not link.copter.home_set
    assert len(of(link.wait(10.0), "HOME_POSITION")) == 1
    link.command(176, 1, 3)
    heard = link.command(401)[1]
    assert texts(heard) == ["PreArm: Need Position Estimate"]
    result, heard = link.command(400, 1)
    assert result == 4
    assert texts(heard) == ["Arm: Need Position Estimate"]
    link.wait(21.0)
    assert link.copter.ready


def test_arming_without_a_position_is_possible_in_a_mode_that_needs_none():
    link = Link()
    link.wait(30.0)
    status = of(link.command(512, 1)[1], "SYS_STATUS")[0]
    assert status.onboard_control_sensors_health & mav.MAV_SYS_STATUS_PREARM_CHECK
    assert not link.copter.ready
    assert link.command(400, 1)[0] == 0
    result, heard = link.command(176, 1, 4)
    assert result == 4
    assert texts(heard) == ["Mode change to GUIDED failed: requires position"]


def test_nothing_but_heartbeats_until_asked():
    link = up()
    assert {m.get_type() for m in link.wait(10.0)} == {"HEARTBEAT"}
    assert link.command(511, 33, 200_000)[0] == 0
    assert len(of(link.wait(10.0), "GLOBAL_POSITION_INT")) in range(49, 52)
    assert link.command(511, 33, -1)[0] == 0
    assert of(link.wait(10.0), "GLOBAL_POSITION_INT") == []
    for message_id in (0, 1, 2, 24, 30, 33, 42, 49, 74, 147, 148, 193, 242, 245):
        result, heard = link.command(512, message_id)
        assert result == 0
        assert message_id in [m.get_msgId() for m in heard]


def test_packets_for_others_and_garbage_are_ignored():
    link = up()
    stranger = mav.MAVLink_command_long_message(8, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0)
    assert link.send(stranger) == []
    link.copter.receive(b"\xfd\x09garbage\x00\xff" * 9, link.copter.now_s)
    assert link.heard() == []
    for _ in range(9):
        # a parser may take the next packets for the rest of the broken one
        link.send(mav.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3))
    assert link.command(400, 1)[0] == 0


def test_upload_asks_again_and_gives_up():
    link = up()
    assert [m.seq for m in of(link.send(count(3)), "MISSION_REQUEST")] == [0]
    assert of(link.send(count(2), OTHER), "MISSION_ACK")[0].type == 14
    listing = mav.MAVLink_mission_request_list_message(7, 1, 0)
    assert of(link.send(listing), "MISSION_ACK")[0].type == 14
    assert of(link.send(item(0), OTHER), "MISSION_ACK")[0].type == 14
    heard = link.wait(9.0)
    assert len(of(heard, "MISSION_REQUEST")) in (6, 7, 8)
    assert [(m.type, m.target_system) for m in of(heard, "MISSION_ACK")] == [(15, 255)]
    assert "Mission upload timeout" in texts(heard)


def test_clear_is_refused_in_flight():
    link = flying(Item(17, x=601_800_000, y=249_400_000, z=20.0, frame=3))
    clear = mav.MAVLink_mission_clear_all_message(7, 1, 0)
    assert of(link.send(clear), "MISSION_ACK")[0].type == 1
    assert link.copter.mission.count() == 3


def test_fence_upload_is_whole_or_nothing():
    link = up()
    fence = [item(seq, 5001, 0.0, kind=1, p1=3) for seq in range(3)]
    link.send(count(3, 1))
    for message in fence:
        heard = link.send(message)
    assert of(heard, "MISSION_ACK")[0].type == 0
    link.send(count(4, 1))
    link.send(item(0, 5004, 0.0, kind=1, p1=50))
    link.wait(9.0)
    assert [stored.command for stored in link.copter.fence.items] == [5001] * 3
    link.send(count(2, 1))
    link.send(item(0, 5001, 0.0, kind=1, p1=2))
    heard = link.send(item(1, 5001, 0.0, kind=1, p1=2))
    assert of(heard, "MISSION_ACK")[0].type == 1
    assert len(link.copter.fence.items) == 3


def test_parameters_by_name_index_and_list():
    link = up()
    listed = of(
        [*link.send(mav.MAVLink_param_request_list_message(7, 1)), *link.wait(3.0)], "PARAM_VALUE"
    )
    assert len(listed) == listed[0].param_count
    assert [m.param_index for m in listed] == list(range(len(listed)))
    values = {m.param_id: m.param_value for m in listed}
    assert (values["FS_GCS_ENABLE"], values["RTL_ALT"], values["SYSID_MYGCS"]) == (0, 1500, 255)
    heard = link.send(mav.MAVLink_param_set_message(7, 1, b"RTL_ALT", 3000.4, 6))
    assert [(m.param_id, m.param_value) for m in of(heard, "PARAM_VALUE")] == [("RTL_ALT", 3000)]
    assert link.send(mav.MAVLink_param_set_message(7, 1, b"NO_SUCH", 1, 9)) == []
    heard = link.send(mav.MAVLink_param_request_read_message(7, 1, b"RTL_ALT", -1))
    assert of(heard, "PARAM_VALUE")[0].param_value == 3000


def test_armed_and_idle_it_disarms_by_itself():
    link = up(param_overrides={"AUTO_OPTIONS": 1})
    link.load(Item(22, z=20.0, frame=3))
    link.command(176, 1, 3)
    assert link.command(400, 1)[0] == 0
    link.wait(9.0)
    assert link.copter.armed
    assert link.copter.landed
    assert "Disarming motors" in texts(link.wait(2.0))


def test_takeoff_has_to_come_first_when_armed_on_the_ground():
    link = up()
    link.load(Item(16, x=601_700_000, y=249_400_000, z=9.0, frame=3))
    assert link.command(400, 1)[0] == 0
    result, heard = link.command(300)
    assert result == 4
    assert texts(heard)[0] == "Auto: Missing Takeoff Cmd"


def test_mission_end_in_the_air_holds_and_says_complete():
    link = flying()
    link.until(lambda: link.copter.mission.state == 2)
    _, heard = link.command(512, 42)
    assert of(heard, "MISSION_CURRENT")[0].mission_state == mav.MISSION_STATE_COMPLETE
    height = link.copter.flight.height_m
    link.wait(20.0)
    assert link.copter.flight.height_m == pytest.approx(height, abs=0.5)


def test_jump_repeats_and_goes_on():
    legs = [Item(16, x=601_701_000 + 500 * n, y=249_400_000, z=20.0, frame=3) for n in range(2)]
    link = flying(*legs, Item(177, p1=2, p2=2), Item(20))
    heard = link.until(lambda: link.copter.mission.nav_index == 5)
    assert [m.seq for m in of(heard, "MISSION_ITEM_REACHED")][-6:] == [2, 3] * 3


def test_edit_in_flight_restarts_the_leg():
    link = flying(*[Item(16, x=601_750_000, y=249_400_000, z=20.0, frame=3)] * 3)
    link.until(lambda: link.copter.flight.body.speed_mps > 5.0)
    link.send(count(5))
    assert "Auto mission changed, restarted command" not in texts(link.wait(0.5))
    link.send(item(0))
    link.send(item(1, 22, 20.0))
    link.send(item(2, z=30.0))
    assert "Auto mission changed, restarted command" in texts(link.wait(0.5))


@pytest.mark.parametrize(
    ("enable", "mode"),
    [(1, 6), (2, 6), (3, 6), (5, 9), (7, 17)],
    ids=["RTL", "RTL2", "SRTL", "LAND", "BRAKE"],
)
def test_ground_station_lost(enable, mode):
    leg = Item(16, x=601_900_000, y=249_400_000, z=20.0, frame=3)
    link = flying(leg, param_overrides={"AUTO_OPTIONS": 3, "FS_GCS_ENABLE": enable})
    beat = mav.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3)
    link.send(beat)
    for _ in range(3):
        link.wait(2.0)
        link.send(beat, (254, 190))
    assert link.copter.modes.shown == mode
    assert link.copter.failsafe.gcs
    assert "GCS Failsafe Cleared" in texts([*link.send(beat), *link.wait(0.2)])
    assert link.copter.modes.shown == mode


def test_low_battery_goes_home_and_the_technician_swaps_the_pack():
    leg = Item(16, x=601_900_000, y=249_400_000, z=20.0, frame=3)
    params = {"AUTO_OPTIONS": 3, "BATT_LOW_MAH": 15000, "BATT_FS_LOW_ACT": 2}
    link = flying(leg, param_overrides=params, battery_mah=16000.0, swap_below_pct=95.0)
    heard = link.until(lambda: link.copter.mode_number == 6)
    assert any(text.startswith("Battery 1 is low ") for text in texts(heard))
    link.until(lambda: not link.copter.armed)
    assert link.command(400, 1)[0] == 4
    link.wait(25.0)
    assert [event.event for event in link.events] == ["landed", "swapped"]
    assert link.copter.battery.charge > 0.99
    assert link.command(400, 1)[0] == 4, "RTL is not armable"
    link.command(176, 1, 3)
    assert link.command(400, 1)[0] == 0


def test_return_goes_to_the_nearest_rally_point_within_reach():
    leg = Item(16, x=601_715_000, y=249_400_000, z=20.0, frame=3)
    link = flying(leg, Item(17, x=601_715_000, y=249_400_000, z=20.0, frame=3))
    link.copter.rally.items = [Item(5100, x=601_718_000, y=249_400_000, z=10.0, frame=3)]
    link.until(lambda: link.copter.mission.nav_index == 3)
    link.command(20)
    link.until(lambda: not link.copter.armed)
    assert link.copter.position()[0] == pytest.approx(60.1718, abs=2e-5)


@pytest.mark.parametrize("fault", ["kill", "reboot"])
def test_without_power_in_the_air_it_crashes(fault):
    link = flying(Item(17, x=601_715_000, y=249_400_000, z=20.0, frame=3))
    getattr(link.copter, fault)()
    heard = link.wait(10.0)
    assert [event.event for event in link.events] == ["crashed"]
    assert link.copter.flight.on_ground
    assert (heard == []) == (fault == "kill")


def test_reboot_keeps_mission_and_parameters_and_forgets_intervals():
    link = up(boot_s=4.0)
    link.wait(10.0)
    link.load(Item(22, z=5.0, frame=3))
    link.send(mav.MAVLink_param_set_message(7, 1, b"RTL_ALT", 4000, 6))
    link.command(511, 33, 1e5)
    result, _ = link.command(246, 1)
    assert result == 0
    heard = link.wait(8.0)
    assert "ArduPilot Ready" in texts(heard)
    assert of(heard, "GLOBAL_POSITION_INT") == []
    assert link.copter.mission.count() == 2
    assert link.copter.params["RTL_ALT"] == 4000
    assert link.copter.boot_ms < 8000


def test_guided_takeoff_and_divert():
    link = up()
    assert link.command(22, 0, 0, 0, 0, 0, 0, 15)[0] == 4
    link.command(176, 1, 4)
    link.command(400, 1)
    assert link.command(22, 0, 0, 0, 0, 0, 0, 15)[0] == 0
    link.until(lambda: link.copter.flight.takeoff_done)
    divert = mav.MAVLink_command_int_message(
        7, 1, 3, 192, 0, 0, -1, 0, 0, math.nan, 601_710_000, 249_410_000, 20.0
    )
    assert of(link.send(divert), "COMMAND_ACK")[0].result == 0
    link.until(lambda: link.copter.flight.nav.reached)
    assert link.copter.position() == pytest.approx((60.171, 24.941), abs=1e-6)
    link.command(21)
    link.until(lambda: not link.copter.armed)
    assert link.copter.flight.height_m == 0


def test_second_flight_holds_and_releases_again():
    drop = [Item(16, x=601_701_000, y=249_400_000, z=20.0, frame=3), Item(211, p1=1, p2=0),
            Item(93, p1=2.0), Item(20)]  # fmt: skip
    link = flying(*drop)
    link.until(lambda: not link.copter.armed)
    link.wait(5.0)
    assert link.command(400, 1)[0] == 0
    assert link.command(300)[0] == 0
    link.until(lambda: not link.copter.armed)
    assert [event.event for event in link.events] == ["released", "landed"] * 2
