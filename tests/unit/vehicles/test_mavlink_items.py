"""Missions to items and back, by ArduPilot's storage rules."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from vehicles.mavlink.items import canonical, differences, translate
from vehicles.mavlink.messages import MissionItemInt

HOME = LatLon(60.17, 24.94)
DROP = LatLon(60.1712345, 24.9512345)


def mission(device: DropDevice = DropDevice.GRIPPER, alt_m: float = 40.3) -> AirMission:
    place = device is DropDevice.PAYLOAD_PLACE
    return AirMission(
        "m", "d1", HOME, 10.0, alt_m,
        (
            AirItem(ItemKind.TAKEOFF, HOME, alt_m),
            AirItem(ItemKind.SPEED, speed_mps=9.7),
            AirItem(ItemKind.WAYPOINT, DROP, alt_m),
            AirItem(ItemKind.WAYPOINT, DROP, 12.0),
            AirItem(
                ItemKind.RELEASE, DROP if place else None, 12.0 if place else 0.0,
                device=device, parcel_id="p1", winch_m=5.0,
            ),
            AirItem(ItemKind.DELAY, delay_s=5.0),
            AirItem(ItemKind.RETURN_PATH),
            AirItem(ItemKind.WAYPOINT, DROP, alt_m),
            AirItem(ItemKind.WAYPOINT, HOME, alt_m),
            AirItem(ItemKind.LAND, HOME),
        ),
        "zones",
    )  # fmt: skip


def f32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def stored(item: MissionItemInt) -> MissionItemInt:
    """What ArduPilot 4.6 gives back (AP_Mission.cpp), written down independently."""
    placed = item.command in {16, 21, 22, 94, 188}
    alt_cm = int(f32(f32(item.z) * 100.0))
    p = [f32(v) for v in (item.param1, item.param2, item.param3, item.param4)]
    if item.command in {16, 22}:
        p = [float(int(p[0])), 0.0, 0.0, 0.0]
    elif item.command == 21:
        p = [float(int(p[0])), 0.0, 0.0, 1.0]
    elif item.command == 94:
        p = [f32(int(f32(p[0] * 100.0)) * f32(0.01)), 0.0, 0.0, 0.0]
    elif item.command == 188:
        p = [0.0, 0.0, 0.0, 0.0]
    return item._replace(
        param1=p[0], param2=p[1], param3=p[2], param4=p[3],
        x=item.x if placed else 0, y=item.y if placed else 0,
        z=f32(alt_cm * f32(0.01)) if placed else 0.0,
        frame=(3 if item.frame in {3, 6} else 0) if placed else 0,
    )  # fmt: skip


@pytest.mark.parametrize("device", list(DropDevice))
@settings(deadline=None)
@given(alt_m=st.floats(2.0, 500.0))
def test_what_ardupilot_stores_compares_equal(device: DropDevice, alt_m: float) -> None:
    plan = translate(mission(device, alt_m))
    assert differences(plan, tuple(stored(i) for i in plan.items)) == ()


@settings(deadline=None)
@given(st.data())
def test_any_changed_item_is_named(data: st.DataObject) -> None:
    plan = translate(mission())
    held = [stored(i) for i in plan.items]
    seq = data.draw(st.integers(1, plan.count - 1))
    change = data.draw(st.sampled_from(["command", "x", "z"]))
    item = held[seq]
    if change == "command":
        held[seq] = item._replace(command=17)
    elif item.command in {16, 21, 22}:
        held[seq] = item._replace(**{change: getattr(item, change) + 1})
    else:
        held[seq] = item._replace(command=82)
    (difference,) = differences(plan, tuple(held))
    assert difference.startswith(f"item {seq}:")


def test_a_mixture_of_two_missions_is_told_apart() -> None:
    plan, other = translate(mission(alt_m=40.0)), translate(mission(alt_m=30.0))
    hybrid = tuple(stored(i) for i in (*plan.items[:6], *other.items[6:]))
    found = differences(plan, hybrid)
    assert [f.split(":")[0] for f in found] == ["item 10", "item 11"]
    assert "altitude_cm 3000 instead of 4000" in found[0]


def test_two_parcels_for_one_address_are_two_missions() -> None:
    plan = translate(mission())
    items = tuple(replace(i, parcel_id="p2") if i.parcel_id else i for i in mission().items)
    held = translate(replace(mission(), items=items)).items
    assert differences(plan, tuple(map(stored, plan.items))) == ()
    assert [d.split(":")[0] for d in differences(plan, held)] == ["item 2", "item 3"]


def test_a_short_list_is_a_difference() -> None:
    plan = translate(mission())
    assert "holds 3 items, not 13" in differences(plan, plan.items[:3])[0]


def test_home_belongs_to_the_vehicle() -> None:
    plan = translate(mission())
    moved = (plan.items[0]._replace(x=1, y=1), *map(stored, plan.items[1:]))
    assert differences(plan, moved) == ()


def test_sequence_numbers_and_what_they_mean() -> None:
    plan = translate(mission())
    assert [i.command for i in plan.items] == [
        16,
        22,
        600,
        600,
        178,
        16,
        16,
        211,
        93,
        188,
        16,
        16,
        21,
    ]
    assert plan.mission_index == (-1, 0, 0, 0, *range(1, 10))
    (release,) = plan.releases
    assert (release.parcel_id, release.seq, release.done_seq) == ("p1", 7, 10)
    assert (plan.return_path_seq, plan.land_seq) == (9, 12)


def test_a_winch_winds_in_after_its_wait() -> None:
    plan = translate(mission(DropDevice.WINCH))
    winches = [(i.seq, i.param3) for i in plan.items if i.command == 42600]
    assert winches == [(7, 5.0), (9, -5.0)]
    assert plan.items[8].command == 93
    assert plan.releases[0].done_seq == 11
    assert plan.mission_index[9] == 5


def test_a_delay_has_no_clock_time() -> None:
    item = translate(mission()).items[8]
    assert (item.param1, item.param2, item.param3, item.param4) == (5.0, -1.0, -1.0, -1.0)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (AirItem(ItemKind.WAYPOINT), "item 1 \\(waypoint\\) has no position"),
        (AirItem(ItemKind.RELEASE), "item 1 \\(release\\) names no drop device"),
    ],
)
def test_an_item_that_cannot_be_flown_is_named(item: AirItem, words: str) -> None:
    items = (AirItem(ItemKind.TAKEOFF, HOME, 20.0), item, AirItem(ItemKind.LAND, HOME))
    with pytest.raises(ValueError, match=words):
        translate(AirMission("m", "d1", HOME, 10.0, 20.0, items, "z"))


def test_a_mission_without_landing_is_refused() -> None:
    items = (AirItem(ItemKind.TAKEOFF, HOME, 20.0),)
    with pytest.raises(ValueError, match="ends with LAND"):
        translate(AirMission("m", "d1", HOME, 10.0, 20.0, items, "z"))


def test_frames_of_the_same_kind_compare_equal() -> None:
    item = translate(mission()).items[5]
    assert canonical(item) == canonical(item._replace(frame=6))
    assert canonical(item) != canonical(item._replace(frame=0))
