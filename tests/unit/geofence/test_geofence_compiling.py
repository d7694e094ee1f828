"""What is compiled: when it is loaded, where it is kept, and what becomes of it if it is not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numba.core import config

from geofence import compiled
from geofence.check import FlightPath, check
from geofence.frames import LatLon
from geofence.path import Disc
from geofence.zones import CircleArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from tests.property.test_geofence_recheck import GROUND, NOON

SOURCE = """
from geofence.compiling import compiled

@compiled("float64(float64)")
def twice(number):
    return 2.0 * number
"""


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("kept", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "kept.py"
    path.write_text(SOURCE)
    return path


def test_commands_that_check_nothing_do_not_wait_for_the_compiler() -> None:
    program = "import sys, geofence.check, missions.inspect; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_was_compiled_is_kept_and_a_torn_file_is_made_anew(module: Path) -> None:
    assert load(module).twice(2.0) == 4.0
    kept = sorted((module.parent / "__pycache__").glob("*.nb?"))
    assert [path.suffix for path in kept] == [".nbc", ".nbi"]
    for path in kept:
        path.write_bytes(path.read_bytes()[:40])
        assert load(module).twice(3.0) == 6.0


def test_it_runs_where_nothing_can_be_kept(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what numba says where it may write nowhere
    monkeypatch.setattr(config, "CACHE_LOCATOR_CLASSES", "Nowhere")
    assert load(module).twice(2.0) == 4.0
    assert not list(module.parent.glob("__pycache__/*.nb?"))


def test_a_wrong_program_is_told(module: Path) -> None:
    module.write_text(SOURCE.replace("2.0 * number", "number.twice"))
    with pytest.raises(Exception, match="twice"):
        load(module)


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError):
        compiled.zones_near(np.zeros((6, 2), dtype=np.float32), np.zeros(6))


def test_more_pairs_than_there_was_room_for_are_all_found() -> None:
    here = LatLon(47.4, 7.0)
    discs = tuple(Disc(n, "drop", here, 10.0, 400.0, 480.0, NOON, NOON) for n in range(300))
    zones = ZoneSet([Zone("Z", "", ZoneKind.NO_FLY, CircleArea(here, 500.0))])
    verdict = check(FlightPath(VehicleClass.MULTIROTOR, (), discs), zones, GROUND)
    assert [v.index for v in verdict.violations] == list(range(300))
