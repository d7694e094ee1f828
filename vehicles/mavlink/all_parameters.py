"""Every parameter of a vehicle, the cheapest way that it has, and when that way is worth it.

Owns the choice between the packed file (MAVLink FTP) and the list, and what one vehicle was found
not to serve since it booted. Must not judge a value.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.ftp import MAX_DATA
from vehicles.mavlink.ftp_read import Fetched, FtpRead
from vehicles.mavlink.messages import ParamValue
from vehicles.mavlink.param_pack import ParamPack, ParamPackError, decode
from vehicles.mavlink.parameter_list import ParameterList
from vehicles.parameters import ParameterKind, ParameterSet, ParameterValue, ParameterWay
from vehicles.port import LinkState

if TYPE_CHECKING:
    from vehicles.mavlink.session import MavlinkSession

FILE = "@PARAM/param.pck"
BY_NAME_BYTES = 69
"""A PARAM_REQUEST_READ of 32 bytes and its PARAM_VALUE of 37, MAVLink 2 unsigned."""
PACKED_BYTES = 12
"""Of one parameter in the file, as ArduPilot itself estimates it; 10.96 were measured."""
_BLOCK_BYTES = 266
_AROUND_BYTES = 190
"""Opening, burst request, end and closing, with their answers."""
_READINGS = 2
_CHANGED = "the vehicle rebooted while it was read: read it again"

_KINDS = {
    mav.MAV_PARAM_TYPE_UINT8: ParameterKind.UINT8,
    mav.MAV_PARAM_TYPE_INT8: ParameterKind.INT8,
    mav.MAV_PARAM_TYPE_UINT16: ParameterKind.UINT16,
    mav.MAV_PARAM_TYPE_INT16: ParameterKind.INT16,
    mav.MAV_PARAM_TYPE_UINT32: ParameterKind.UINT32,
    mav.MAV_PARAM_TYPE_INT32: ParameterKind.INT32,
    mav.MAV_PARAM_TYPE_REAL32: ParameterKind.REAL32,
}


def file_bytes(parameters: int) -> int:
    """What reading the file of so many parameters puts on the air, both ways."""
    blocks = -(-(6 + PACKED_BYTES * parameters) // MAX_DATA)
    return _AROUND_BYTES + blocks * _BLOCK_BYTES


def file_is_cheaper(names: int, parameters: int) -> bool:
    """Whether the whole file is fewer bytes than `names` of a vehicle's `parameters` by name.

    An ArduCopter of 1,377 parameters is read by name up to 272 of them. 0 parameters: not known,
    and then by name.
    """
    return parameters > 0 and names * BY_NAME_BYTES > file_bytes(parameters)


class AllParameters:
    """One session's reader; two readings of one vehicle wait for each other."""

    def __init__(self, session: MavlinkSession) -> None:
        self._session = session
        self._turn = asyncio.Lock()
        self._fileless = ""
        seed = round(session.clock.monotonic_s() * 1000.0)
        self._number, self._sequence = seed % 255, seed % 60_000

    def forget(self) -> None:
        """After a reboot: another firmware may have come up."""
        self._fileless = ""

    async def read(self) -> ParameterSet | str:
        """All of them, or why not. Only while the vehicle is disarmed.

        ArduPilot sends its streams four times more slowly while it sends parameters or a file
        (GCS_Common.cpp, get_reschedule_interval_ms): in flight the position would come late.
        """
        session = self._session
        if session.link is not LinkState.ONLINE:
            return f"the link is {session.link.value}"
        if session.state.armed is not False:
            return "the vehicle is not disarmed: reading everything would slow its telemetry"
        boots = session.state.boots
        pack = await self.pack()
        if isinstance(pack, ParamPack):
            way = ParameterWay.FILE
            values = tuple(ParameterValue(p.name, _KINDS[p.kind], p.value) for p in pack.params)
        else:
            way = ParameterWay.LIST
            driver = session.driver
            listed = await driver.run(
                ParameterList(driver.system, driver.component, resend_s=driver.answer_s)
            )
            if listed.values is None:
                return listed.reason
            values = tuple(self._value(value) for value in listed.values.values())
        if session.state.boots != boots:
            return _CHANGED
        address = (session.driver.system, session.driver.component)
        return ParameterSet(session.vehicle_id, session.clock.now(), way, values, *address)

    async def pack(self) -> ParamPack | str:
        """The packed file, or why there is none. A vehicle that has no FTP is asked once a boot."""
        session = self._session
        if not session.profile.packs:
            return "its autopilot packs no parameters"
        async with self._turn:
            why = ""
            # a feature switched on while it is read shifts the file: the second time it is whole
            for _ in range(_READINGS):
                if self._fileless:
                    return self._fileless
                boots = session.state.boots
                fetched = await self._fetch()
                if session.state.boots != boots:
                    return _CHANGED
                if fetched.data is None:
                    self._fileless = fetched.reason if fetched.unheard else ""
                    return fetched.reason
                try:
                    return decode(fetched.data)
                except ParamPackError as error:
                    why = f"{FILE}: {error}"
            return why

    async def _fetch(self) -> Fetched:
        driver = self._session.driver
        self._number = self._number % 255 + 1
        reading = FtpRead(
            FILE,
            driver.system,
            driver.component,
            self._number,
            self._sequence,
            resend_s=driver.answer_s,
        )
        fetched = await driver.run(reading)
        self._number, self._sequence = reading.number, reading.sequence
        return fetched

    def _value(self, message: ParamValue) -> ParameterValue:
        kind = _KINDS.get(message.param_type, ParameterKind.REAL32)
        value = self._session.profile.encoding.value_of(message)
        whole = kind is not ParameterKind.REAL32 and value.is_integer()
        return ParameterValue(message.param_id, kind, int(value) if whole else value)
