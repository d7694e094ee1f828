"""A robot's own map against the one that orders are made on."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.vehicles.vda5050_rounds import state
from vehicles.vda5050.models import RobotMap, State
from vehicles.vda5050.retrying import map_fault


def having(*maps: tuple[str, str, str]) -> State:
    told = tuple(RobotMap(map_id=i, map_version=v, map_status=s) for i, v, s in maps)
    return state(maps=told)


@pytest.mark.parametrize(
    ("maps", "says"),
    [
        ((), ""),
        ((("site", "2", "ENABLED"),), ""),
        ((("site", "1", "DISABLED"), ("site", "2", "ENABLED")), ""),
        ((("site", "1", "ENABLED"), ("site", "2", "DISABLED")), "version '1' of map 'site'"),
        ((("site", "2", "DISABLED"),), "has not enabled it"),
        ((("other", "2", "ENABLED"),), "has no map 'site'"),
    ],
)
def test_another_version_is_told(maps: tuple[tuple[str, str, str], ...], says: str) -> None:
    fault = map_fault(having(*maps), "site", "2")
    assert (says in fault) if says else not fault
    assert not map_fault(having(*maps), "site", "")


def test_maps_are_read_from_the_wire() -> None:
    told = having(("site", "2", "ENABLED"))
    assert msgspec.json.decode(msgspec.json.encode(told), type=State).maps == told.maps
