"""Uploading a mission as users of pymavlink and DroneKit do; neither reads it back."""

from __future__ import annotations

import time
from typing import Any, Protocol

import dronekit
from pymavlink import mavutil, mavwp


class Uploader(Protocol):
    """A peer, connected."""

    def upload(self, items: tuple[Any, ...], limit_s: float) -> bool:
        """Whether it says that it is done."""

    def close(self) -> None:
        """Disconnect."""


class Mavwp:
    """pymavlink's MAVWPLoader and a loop over what the vehicle asks for, to its acknowledgement."""

    def __init__(self, where: str) -> None:
        self._link = mavutil.mavlink_connection(where, source_system=255, source_component=190)
        self._link.wait_heartbeat(timeout=30)

    def upload(self, items: tuple[Any, ...], limit_s: float) -> bool:
        loader = mavwp.MAVWPLoader(1, 1)
        for item in items:
            loader.add(item)
        end_s = time.monotonic() + limit_s
        self._link.waypoint_count_send(loader.count())
        while (left_s := end_s - time.monotonic()) > 0.0:
            message = self._link.recv_match(
                type=["MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_ACK"],
                blocking=True,
                timeout=left_s,
            )
            if message is None:
                break
            if message.get_type() == "MISSION_ACK":
                return bool(message.type == 0)
            self._link.mav.send(loader.wp(message.seq))
        return False

    def close(self) -> None:
        self._link.close()


class DroneKit:
    """`vehicle.commands`: clear, add, upload."""

    def __init__(self, where: str) -> None:
        self._vehicle = dronekit.connect(
            where, wait_ready=False, source_system=255, source_component=190
        )

    def upload(self, items: tuple[Any, ...], limit_s: float) -> bool:
        commands = self._vehicle.commands
        self._vehicle._wploader.clear()  # clear() keeps what it believes to be home
        for item in items:
            commands.add(item)
        try:
            commands.upload(timeout=limit_s)
        except (TimeoutError, dronekit.TimeoutError):
            return False
        return True

    def close(self) -> None:
        self._vehicle.close()
