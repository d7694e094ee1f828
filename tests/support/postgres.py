"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket file, ended after."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

START_S = 60.0
OWNER = "waypost"


def find_postgres() -> Path | None:
    """The folder of the server's programs; Debian keeps them off PATH, by version."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    return found[-1].parent if found else None


class PostgresServer:
    """Runs while the `with` block does; `database()` is a new, empty one."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # a socket's path is short: not under pytest's folders
        self._folder = Path(tempfile.mkdtemp(prefix="waypost-pg-"))
        self._user = _unprivileged()
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        data = self._folder / "data"
        try:
            self._run(
                *("initdb", "--pgdata", str(data), "--username", OWNER, "--auth", "trust"),
                *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
            )
            self._start(data)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            # at once: nothing of it is kept
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new database, which is gone afterwards: each is a thousand files."""
        name = f"w{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        try:
            yield f"postgresql+asyncpg://{OWNER}@/{name}?host={self._folder}"
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def sql(self, statement: str) -> str:
        """What the server answers, as text."""
        return self._run(
            *("psql", "-h", str(self._folder), "-U", OWNER, "-d", "postgres", "-qAtX"),
            *("-v", "ON_ERROR_STOP=1", "-c", statement),
        )

    def _start(self, data: Path) -> None:
        log = self._folder / "server.log"
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                [
                    *(str(self._programs / "postgres"), "-D", str(data), "-k", str(self._folder)),
                    *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=self._folder,
                **self._identity(),
            )
        end_s = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < end_s, f"no answer in {START_S} s: {log.read_text()}"
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return self.sql("SELECT 1").strip() == "1"
        except RuntimeError:
            return False

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            **self._identity(),
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.stdout

    def _identity(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to run as where the tests run as root, which the server refuses; else nobody else."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
