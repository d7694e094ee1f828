"""Every parameter of a light copter: by its file, by its list, and what the audit takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sitl.copter import param_file
from sitl.copter.param_file import ParamFile
from tests.integration.mavlink_rig import light
from vehicles.mavlink.all_parameters import file_is_cheaper
from vehicles.mavlink.param_pack import as_float32
from vehicles.parameters import ParameterSet, ParameterWay


def listening(files: Any) -> list[int]:
    """The opcodes that the vehicle is asked for from now on."""
    asked: list[int] = []
    answer: Callable[..., None] = files.on_request

    def hear(message: Any, peer: tuple[int, int], now_s: float) -> None:
        asked.append(message.payload[3])
        answer(message, peer, now_s)

    files.on_request = hear
    return asked


def told(read: ParameterSet | str) -> dict[str, float]:
    assert isinstance(read, ParameterSet), read
    return {one.name: one.value for one in read.values}


async def test_the_file_and_the_list_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async with light() as (watched, copters, _):
        await watched["D-0"].ready()
        session: Any = watched["D-0"].session
        params = copters.copter("D-0").params
        by_file = await session.parameters()
        assert by_file.way is ParameterWay.FILE
        # a vehicle that has no such file refuses it
        monkeypatch.setattr(param_file, "NAME", "@PARAM/other")
        by_list = await session.parameters()
        assert by_list.way is ParameterWay.LIST
        assert told(by_file) == told(by_list)
        assert [(v.name, v.kind) for v in by_file.values] == [
            (v.name, v.kind) for v in by_list.values
        ]
        assert told(by_file) == {n: as_float32(params[n]) for n in params.visible()}
        assert (by_file.system, by_file.component) == (1, 1)


async def test_a_vehicle_that_knows_no_ftp_is_asked_once_a_boot() -> None:
    async with light() as (watched, copters, _):
        one = watched["D-0"]
        await one.ready()
        session: Any = one.session
        copter = copters.copter("D-0")
        asked: list[int] = []
        copter.inbox.files.on_request = lambda message, *_: asked.append(message.payload[3])
        for _ in range(2):
            assert (await session.parameters()).way is ParameterWay.LIST
        assert asked == [4] * 4
        copters.reboot("D-0")
        await one.until(lambda: session.state.boots == 1, "the reboot seen")
        await one.ready()
        assert (await session.parameters()).way is ParameterWay.FILE


async def test_a_broken_file_is_read_twice_and_then_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with light() as (watched, copters, _):
        await watched["D-0"].ready()
        session: Any = watched["D-0"].session
        asked = listening(copters.copter("D-0").inbox.files)
        monkeypatch.setattr(ParamFile, "_packed", lambda _self, _names: bytes(500))
        assert (await session.parameters()).way is ParameterWay.LIST
        assert asked.count(4) == 2


async def test_a_reboot_while_it_is_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with light() as (watched, _, _):
        await watched["D-0"].ready()
        session: Any = watched["D-0"].session
        packed = ParamFile._packed

        def boots_once(file: ParamFile, names: list[str]) -> bytes:
            monkeypatch.setattr(ParamFile, "_packed", packed)
            session.state.boots += 1
            session._boots += 1
            return packed(file, names)

        monkeypatch.setattr(ParamFile, "_packed", boots_once)
        read = await session.parameters()
        assert isinstance(read, str)
        assert "rebooted while it was read" in read


async def test_the_audit_takes_the_file_where_it_is_fewer_bytes_and_finds_the_same() -> None:
    async with light(onboard_fence=True) as (watched, copters, _):
        await watched["D-0"].until(
            lambda: watched["D-0"].session.telemetry.failsafes is not None,  # type: ignore[union-attr]
            "the baseline read",
        )
        session: Any = watched["D-0"].session
        upkeep = session.upkeep
        names = upkeep._names
        assert file_is_cheaper(len(names), upkeep._count)
        asked = listening(copters.copter("D-0").inbox.files)
        by_file = await upkeep.audit()
        assert asked == [4, 15, 1]
        upkeep._count = 0
        by_name = await upkeep._read(names)
        assert by_file == by_name
        # a copter of ArduPilot's size is read by name
        upkeep._count = 1377
        asked.clear()
        assert await upkeep.audit() == by_name
        assert asked == []


async def test_what_the_file_leaves_out_is_asked_for_by_name() -> None:
    async with light() as (watched, copters, _):
        await watched["D-0"].ready()
        session: Any = watched["D-0"].session
        copter = copters.copter("D-0")
        upkeep = session.upkeep
        upkeep._count = 20
        wanted = upkeep._names
        hidden = next(n for n in wanted if n.startswith("BATT_FS"))
        visible = copter.params.visible

        def without() -> list[str]:
            return [name for name in visible() if name != hidden]

        copter.params.visible = without
        held = await upkeep.audit()
        assert held[hidden] == copter.params[hidden]
        assert set(held) == set(wanted)
