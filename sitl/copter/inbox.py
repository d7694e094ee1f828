"""Messages from a ground station, each brought to the part that answers it.

Owns routing (only what is addressed to this system or to all), the parameter protocol, the
file server and the three mission transfers. Packets to other systems are ignored without an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter import commands, modes
from sitl.copter.commands import Order
from sitl.copter.ftp import FileServer
from sitl.copter.telemetry import MAKERS, mission_current
from sitl.copter.transfer import ItemTransfer, Peer

if TYPE_CHECKING:
    from sitl.copter.vehicle import Copter

PARAMS_PER_S = 100.0
_UNSUPPORTED_TYPE = 3


class Inbox:
    """The receiving side of one copter."""

    def __init__(self, copter: Copter) -> None:
        c = self._c = copter
        self.transfers = {
            store.mission_type: ItemTransfer(store, c.send, c.say, current)
            for store, current in (
                (c.mission, lambda command: int(command == c.mission.nav_index)),
                (c.fence, lambda _command: 0),
                (c.rally, lambda _command: 0),
            )
        }
        self.files = FileServer(c.params, c.send)
        self._listing: list[str] = []
        self._list_credit = 0.0
        self._listed_s = c.now_s
        self._handlers: dict[int, Callable[[Any, Peer], None]] = {
            mav.MAVLINK_MSG_ID_HEARTBEAT: self._on_heartbeat,
            mav.MAVLINK_MSG_ID_COMMAND_LONG: self._on_command,
            mav.MAVLINK_MSG_ID_COMMAND_INT: self._on_command,
            mav.MAVLINK_MSG_ID_SET_MODE: self._on_set_mode,
            mav.MAVLINK_MSG_ID_PARAM_REQUEST_READ: self._on_param_read,
            mav.MAVLINK_MSG_ID_PARAM_REQUEST_LIST: self._on_param_list,
            mav.MAVLINK_MSG_ID_PARAM_SET: self._on_param_set,
            mav.MAVLINK_MSG_ID_FILE_TRANSFER_PROTOCOL: self._on_file,
            mav.MAVLINK_MSG_ID_TIMESYNC: self._on_timesync,
            mav.MAVLINK_MSG_ID_SETUP_SIGNING: self._on_setup_signing,
            mav.MAVLINK_MSG_ID_MISSION_COUNT: self._on_mission,
            mav.MAVLINK_MSG_ID_MISSION_ITEM: self._on_mission,
            mav.MAVLINK_MSG_ID_MISSION_ITEM_INT: self._on_mission,
            mav.MAVLINK_MSG_ID_MISSION_REQUEST: self._on_mission,
            mav.MAVLINK_MSG_ID_MISSION_REQUEST_INT: self._on_mission,
            mav.MAVLINK_MSG_ID_MISSION_REQUEST_LIST: self._on_mission,
            mav.MAVLINK_MSG_ID_MISSION_WRITE_PARTIAL_LIST: self._on_mission,
            mav.MAVLINK_MSG_ID_MISSION_CLEAR_ALL: self._on_mission,
            mav.MAVLINK_MSG_ID_MISSION_SET_CURRENT: self._on_set_current,
            mav.MAVLINK_MSG_ID_SET_POSITION_TARGET_GLOBAL_INT: self._on_position_target,
            mav.MAVLINK_MSG_ID_REQUEST_DATA_STREAM: self._on_data_stream,
        }

    def handle(self, message: Any) -> None:
        """One message."""
        handler = self._handlers.get(message.get_msgId())
        if handler is None:
            return
        system = getattr(message, "target_system", 0)
        component = getattr(message, "target_component", 0)
        if system not in (0, self._c.spec.sysid) or component not in (0, 1):
            return
        handler(message, (message.get_srcSystem(), message.get_srcComponent()))

    def tick(self, now_s: float) -> None:
        """Go on with a parameter list, and with what is read of a file."""
        self.files.tick(now_s)
        if not self._listing:
            self._listed_s = now_s
            return
        self._list_credit += (now_s - self._listed_s) * PARAMS_PER_S
        self._listed_s = now_s
        while self._listing and self._list_credit >= 1.0:
            self._list_credit -= 1.0
            self._send_param(self._listing.pop(0))

    def tell_param(self, name: str) -> None:
        """PARAM_VALUE unasked: the vehicle itself saved a parameter."""
        self._send_param(name, index=65535)

    def _on_heartbeat(self, _message: Any, peer: Peer) -> None:
        if peer[0] == self._c.params.integer("SYSID_MYGCS"):
            self._c.failsafe.gcs_heard(self._c.now_s)

    def _on_command(self, message: Any, peer: Peer) -> None:
        order: Order = commands.order_of(message)
        result = commands.execute(self._c, order)
        self._c.send(mav.MAVLink_command_ack_message(order.command, result, 0, 0, *peer))

    def _on_set_mode(self, message: Any, peer: Peer) -> None:
        ok = bool(message.base_mode & 1) and self._c.modes.set(message.custom_mode)
        result = commands.ACCEPTED if ok else commands.FAILED
        self._c.send(
            mav.MAVLink_command_ack_message(mav.MAVLINK_MSG_ID_SET_MODE, result, 0, 0, *peer)
        )

    def _on_param_read(self, message: Any, _peer: Peer) -> None:
        params = self._c.params
        if message.param_index >= 0:
            names = params.visible()
            if message.param_index < len(names):
                self._send_param(names[message.param_index])
        elif params.has(message.param_id):
            self._send_param(message.param_id)

    def _on_param_list(self, _message: Any, _peer: Peer) -> None:
        self._listing = self._c.params.visible()
        self._listed_s, self._list_credit = self._c.now_s, 0.0

    def _on_param_set(self, message: Any, _peer: Peer) -> None:
        if self._c.params.write(message.param_id, message.param_value):
            self._send_param(message.param_id, index=65535)

    def _send_param(self, name: str, index: int | None = None) -> None:
        params = self._c.params
        names = params.visible()
        place = names.index(name) if index is None and name in names else 65535
        self._c.send(
            mav.MAVLink_param_value_message(
                name.encode(), params[name], params.kind(name), len(names), place
            )
        )

    def _on_file(self, message: Any, peer: Peer) -> None:
        self.files.on_request(message, peer, self._c.now_s)

    def _on_timesync(self, message: Any, _peer: Peer) -> None:
        if message.tc1 == 0:
            self._c.send(mav.MAVLink_timesync_message(self._c.boot_ms * 1_000_000, message.ts1))

    def _on_setup_signing(self, message: Any, _peer: Peer) -> None:
        if self._c.armed:
            self._c.say(4, "ERROR: Won't setup signing when armed")
        else:
            self._c.signing.set_up(bytes(message.secret_key), message.initial_timestamp)

    def _on_mission(self, message: Any, peer: Peer) -> None:
        kind = getattr(message, "mission_type", 0)
        transfer = self.transfers.get(kind)
        if transfer is None:
            self._c.send(mav.MAVLink_mission_ack_message(*peer, _UNSUPPORTED_TYPE, kind))
            return
        now = self._c.now_s
        message_id = message.get_msgId()
        if message_id == mav.MAVLINK_MSG_ID_MISSION_COUNT:
            transfer.on_count(message, peer, now)
        elif message_id == mav.MAVLINK_MSG_ID_MISSION_ITEM_INT:
            transfer.on_item(message, peer, now)
        elif message_id == mav.MAVLINK_MSG_ID_MISSION_ITEM:
            transfer.on_item(_as_int(message), peer, now)
        elif message_id == mav.MAVLINK_MSG_ID_MISSION_REQUEST_LIST:
            transfer.on_request_list(peer)
        elif message_id == mav.MAVLINK_MSG_ID_MISSION_WRITE_PARTIAL_LIST:
            transfer.on_partial(message, peer, now)
        elif message_id == mav.MAVLINK_MSG_ID_MISSION_CLEAR_ALL:
            transfer.on_clear(peer)
        else:
            as_float = message_id == mav.MAVLINK_MSG_ID_MISSION_REQUEST
            transfer.on_request(message, peer, as_float=as_float)

    def _on_set_current(self, message: Any, _peer: Peer) -> None:
        if self._c.mission.set_current(message.seq):
            self._c.send(mission_current(self._c, message.seq))

    def _on_position_target(self, message: Any, _peer: Peer) -> None:
        c = self._c
        positions_ignored = message.type_mask & 0b111
        if c.mode_number != modes.GUIDED or positions_ignored:
            return
        relative = message.coordinate_frame in (3, 6, 10, 11)
        north, east = c.flight.frame.to_ne(message.lat_int * 1e-7, message.lon_int * 1e-7)
        c.modes.guided_to((north, east, message.alt + (c.home_alt_m if relative else 0.0)))

    def _on_data_stream(self, message: Any, _peer: Peer) -> None:
        rate = message.req_message_rate if message.start_stop else 0
        for message_id in MAKERS:
            if message_id not in (0, 49, 148, 242):
                self._c.streams.set(message_id, 1e6 / rate if rate else -1, self._c.now_s)


def _as_int(message: Any) -> Any:
    m = message
    return mav.MAVLink_mission_item_int_message(
        m.target_system, m.target_component, m.seq, m.frame, m.command, m.current,
        m.autocontinue, m.param1, m.param2, m.param3, m.param4, int(m.x * 1e7), int(m.y * 1e7),
        m.z, m.mission_type,
    )  # fmt: skip
