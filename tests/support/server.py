"""The real HTTP server over a desk in memory, in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self

from controller.api.app import create_app
from controller.api.context import Context
from controller.api.server import listen, random_ids, serving
from tests.support.clock import ManualClock
from tests.support.desk import FakeDesk

WAIT_S = 10.0


class DeskServer:
    """Serves while the `with` block runs; `call` runs a function on the desk in its loop."""

    def __init__(
        self,
        *,
        clock: Any = None,
        make: Callable[[Any], FakeDesk] = FakeDesk,
        streets_geojson: bytes | None = None,
        speedup: float = 1.0,
    ) -> None:
        self._clock = clock or ManualClock()
        self._make = make
        self._streets = streets_geojson
        self._speedup = speedup
        self._ready: Future[tuple[str, FakeDesk]] = Future()
        self._thread = threading.Thread(target=self._main, name="desk-server")
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self.url, self.desk = self._ready.result(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(WAIT_S)

    def call(self, act: Callable[[FakeDesk], Any]) -> Any:
        """The result of `act` on the desk, run where the desk lives."""
        done: Future[Any] = Future()

        def there() -> None:
            try:
                done.set_result(act(self.desk))
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(there)
        return done.result(WAIT_S)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        desk = self._make(self._clock)
        context = Context(
            desk, self._clock, random_ids, self._speedup, streets_geojson=self._streets
        )
        with listen("127.0.0.1", 0) as sock:
            async with serving(create_app(context), sock) as url:
                self._ready.set_result((url, desk))
                await self._stop.wait()
