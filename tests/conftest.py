"""What every test may count on: named programs, shared data, and a strict event loop."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.postgres import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = Path(os.environ.get("WAYPOST_SHARED_DATA", ROOT.parent / "shared" / "data"))
REQUIRE_ALL = os.environ.get("WAYPOST_REQUIRE_ALL") == "1"


def find_mosquitto() -> str | None:
    """Debian puts it where only root looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def find_ardupilot() -> Path | None:
    from sitl.ardupilot import find_ardupilot as find

    return find(None)


def find_postgres() -> Path | None:
    """The server's programs, with the driver that the store speaks to it by."""
    from tests.support.postgres import find_postgres as find

    return find() if importlib.util.find_spec("asyncpg") else None


def find_interop() -> str | None:
    """Node, with what tests/interop/package-lock.json names beside it."""
    from tests.interop.node import find_node as find

    return find()


WITH_OTHERS = {"contract", "drills", "e2e", "integration", "interop", "sitl"}
"""Folders whose tests run beside sockets or processes; timeout 60 s instead of 20."""

IN_TURN = {"drills", "e2e", "integration", "interop"}
"""Folders whose tests start many processes: with several workers (pytest -n) those of one folder
run in one worker, one after the other, so that no two of them want the machine at once."""

NEEDS = {
    "broker": (find_mosquitto, "mosquitto is not installed"),
    "postgres": (find_postgres, "the PostgreSQL server or asyncpg is not installed"),
    "browser": (find_chromium, "Chromium is not installed"),
    "interop": (find_interop, "Node, or what `npm ci` in tests/interop installs, is not there"),
}


def pytest_sessionstart() -> None:
    """Compile once, before there are workers, what else the first test would wait for."""
    from geofence.sieve import make_ready

    make_ready()


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Any:
    """Time that a busy machine takes from a test is not counted in it."""
    from tests.support.steady import FACTORIES

    return FACTORIES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that wait for other programs and sockets: a busy machine makes them many times longer.

    The first test of a PostgreSQL server waits for its start.
    """
    for item in items:
        group = _group(item)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
        if item.get_closest_marker("timeout") is not None:
            continue
        if item.get_closest_marker("postgres"):
            item.add_marker(pytest.mark.timeout(120))
        elif item.get_closest_marker("browser") or item.path.parent.name in WITH_OTHERS:
            item.add_marker(pytest.mark.timeout(60))


def _group(item: pytest.Item) -> str:
    """Which tests of several workers stay together; empty: whoever is free takes it."""
    if item.path.parent.name in IN_TURN:
        return item.path.parent.name
    # a module's browser is started once
    return item.path.stem if item.get_closest_marker("browser") else ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a program that is not here; where all are required, fail instead."""
    for marker, (find, reason) in NEEDS.items():
        if item.get_closest_marker(marker) and find() is None:
            if REQUIRE_ALL and (marker != "interop" or os.environ.get("WAYPOST_INTEROP") == "1"):
                pytest.fail(f"{reason}, and WAYPOST_REQUIRE_ALL=1 asks for it")
            pytest.skip(reason)
    if item.get_closest_marker("ardupilot") and find_ardupilot() is None:
        pytest.skip("arducopter is not found: set WAYPOST_ARDUPILOT_BIN to its folder")
    if item.get_closest_marker("streets") and not (SHARED_DATA / "helsinki").is_dir():
        pytest.skip(f"no shared test data at {SHARED_DATA}: set WAYPOST_SHARED_DATA")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with official schemas and real zones; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no shared test data at {SHARED_DATA}: set WAYPOST_SHARED_DATA")
    return SHARED_DATA


@pytest.fixture(scope="session")
def mosquitto() -> str:
    """The broker program."""
    found = find_mosquitto()
    if found is None:
        pytest.skip("mosquitto is not installed")
    return found


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser program."""
    found = find_chromium()
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started for the first test that asks for it."""
    from tests.support.postgres import PostgresServer

    programs = find_postgres()
    if programs is None:
        pytest.skip("the PostgreSQL server or asyncpg is not installed")
    with PostgresServer(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'w.db'}"
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with postgres_server.database() as url:
        yield url
