"""Rounds on the street graph as ArduRover drives them.

Owns the translation of a ground mission. Must not send. Sources: Rover/mode_auto.cpp (do_nav_wp,
do_nav_delay), AP_Mission.cpp; storage is ArduPilot's (`items.canonical`).

A round starts loaded: the parcel is put in, and the lock closed, where the rover stands. One lock
holds one parcel, so a round has one drop. A hand-over with PIN is not for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon, geodesic_m
from missions.model import (
    AirItem,
    AirMission,
    DropDevice,
    GroundMission,
    ItemKind,
    Mission,
    RouteNode,
    StopAction,
)
from vehicles.mavlink.items import Plan, Release
from vehicles.mavlink.messages import MissionItemInt

DROP_S = 5.0
"""The lock has this long to open before it drives on."""
_ARRIVED_S = 1.0
_SAME_PLACE_M = 3.0
"""A waypoint nearer than WP_RADIUS is reached before it has moved."""
_GROUND_SPEED = 1.0
_NO_HOUR = -1.0


_NOWHERE = GroundMission("", "", (), (), "")


@dataclass(frozen=True, slots=True)
class DrivenMission(AirMission):
    """A ground mission in the items that the session watches; `ground` is what was approved."""

    ground: GroundMission = _NOWHERE

    @property
    def content_hash(self) -> str:
        """The ground mission's own."""
        return self.ground.content_hash


def accept(mission: Mission) -> DrivenMission | None:
    """A ground mission as items on the ground; None for what a rover cannot drive at all.

    `home` is where the round ends. Raises ValueError naming the node or parcel that is not for
    a rover.
    """
    if not isinstance(mission, GroundMission):
        return None
    if len(mission.nodes) < 2 or len(mission.edges) != len(mission.nodes) - 1:
        raise ValueError("a round has at least two nodes, and an edge between each two")
    if len(mission.parcel_ids) > 1:
        raise ValueError("a rover's lock holds one parcel: plan one drop a round")
    found: list[AirItem] = []
    speed_mps = 0.0
    last = mission.nodes[0].position
    _stop(mission.nodes[0], 0)
    for number, (edge, node) in enumerate(zip(mission.edges, mission.nodes[1:], strict=True), 1):
        if edge.max_speed_mps != speed_mps:
            speed_mps = edge.max_speed_mps
            found.append(AirItem(ItemKind.SPEED, speed_mps=speed_mps))
        line = (*edge.geometry[1:-1], node.position)
        for point in line:
            if geodesic_m(last, point) > _SAME_PLACE_M or point is node.position:
                found.append(AirItem(ItemKind.WAYPOINT, point))
                last = point
        found += _stop(node, number)
    found.append(AirItem(ItemKind.DELAY, delay_s=_ARRIVED_S))
    end = mission.nodes[-1].position
    return DrivenMission(
        mission.mission_id, mission.vehicle_id, end, 0.0, 0.0, tuple(found),
        mission.zones_version, mission.duration_s, mission.energy_wh, mission,
    )  # fmt: skip


def _stop(node: RouteNode, number: int) -> list[AirItem]:
    found: list[AirItem] = []
    for action in node.actions:
        if action.handover_pin_sha256:
            raise ValueError(f"parcel {action.parcel_id}: a rover asks for no PIN")
        if action.kind is StopAction.PICK:
            if number:
                raise ValueError(
                    f"node {node.node_id}: a rover is loaded at the start of its round only"
                )
            continue
        if not number:
            raise ValueError(f"node {node.node_id}: nothing is dropped where the round starts")
        found += [
            AirItem(ItemKind.RELEASE, device=DropDevice.GRIPPER, parcel_id=action.parcel_id),
            AirItem(ItemKind.DELAY, delay_s=DROP_S),
        ]
    return found


def translate(mission: AirMission) -> Plan:
    """A driven mission -> plan. Raises ValueError where it is none.

    The mark of the mission stands before the first waypoint: AUTO passes it, disarmed or not, and
    then waits at that waypoint, which it cannot reach disarmed.
    """
    if not isinstance(mission, DrivenMission):
        raise ValueError("a rover drives ground missions")  # noqa: TRY004 - a reason, not a fault
    start = mission.ground.nodes[0].position
    raw: list[tuple[int, MissionItemInt]] = [(-1, _item(mav.MAV_CMD_NAV_WAYPOINT, start))]
    digits = mission.content_hash
    words = (float(int(digits[0:4], 16)), float(int(digits[4:8], 16)))
    raw += [(-1, _item(mav.MAV_CMD_JUMP_TAG, param1=word)) for word in words]
    releases: list[tuple[int, AirItem]] = []
    for index, item in enumerate(mission.items):
        if item.kind is ItemKind.RELEASE:
            releases.append((len(raw), item))
        raw.append((index, _translate(index, item)))
    numbered = tuple(item._replace(seq=seq) for seq, (_, item) in enumerate(raw))
    first = next(i.seq for i in numbered[1:] if i.command == mav.MAV_CMD_NAV_WAYPOINT)
    return Plan(
        items=numbered,
        mission_index=tuple(index for index, _ in raw),
        # the wait behind a drop belongs to it
        releases=tuple(
            Release(item.parcel_id, seq, DropDevice.GRIPPER, seq + 2) for seq, item in releases
        ),
        return_path_seq=None,
        land_seq=len(numbered) - 1,
        takeoff_seq=first,
    )


def _translate(index: int, item: AirItem) -> MissionItemInt:
    match item.kind:
        case ItemKind.WAYPOINT if item.position is not None:
            return _item(mav.MAV_CMD_NAV_WAYPOINT, item.position)
        case ItemKind.SPEED:
            return _item(mav.MAV_CMD_DO_CHANGE_SPEED, param1=_GROUND_SPEED, param2=item.speed_mps)
        case ItemKind.DELAY:
            return _item(
                mav.MAV_CMD_NAV_DELAY,
                param1=item.delay_s,
                param2=_NO_HOUR,
                param3=_NO_HOUR,
                param4=_NO_HOUR,
            )
        case ItemKind.RELEASE:
            action = float(mav.GRIPPER_ACTION_RELEASE)
            return _item(mav.MAV_CMD_DO_GRIPPER, param1=1.0, param2=action)
        case _:
            raise ValueError(f"item {index} ({item.kind.value}) is not driven")


def _item(command: int, at: LatLon | None = None, **fields: Any) -> MissionItemInt:
    relative = mav.MAV_FRAME_GLOBAL_RELATIVE_ALT
    blank = MissionItemInt(0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0, command, 0, 0, relative, 0, 1, 0)
    if at is not None:
        fields |= {"x": round(at.lat_deg * 1e7), "y": round(at.lon_deg * 1e7)}
    return blank._replace(**fields)
