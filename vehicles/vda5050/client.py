"""aiomqtt's client with four things mended. Owns them alone; the transport owns everything else.

* aiomqtt waits for each message to have left before it takes the next: at least one turn of the
  event loop each, and beside busy telemetry many milliseconds. `post` only hands it over.
* aiomqtt makes a task for each message that comes, which costs more than a state's whole way
  through the order engine. `arrived` gives all that wait.
* A message that is handed over as the socket is closed is an error in a callback of the event loop,
  which asyncio reports, beside the loss of the connection.
* A connection that breaks while nobody reads messages (while it subscribes, or as it ends) is an
  error in a future that nobody looks at, which asyncio reports when it is thrown away; and who
  subscribes waits for the answer until the time for it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import aiomqtt

AT_ONCE = 20
"""No more messages are given in one turn of the event loop: others have work too."""


class Line(aiomqtt.Client):
    """One connection. A fresh one per attempt.

    Of more than `incoming_limit` messages that wait the oldest goes, since a newer state makes an
    older one worthless, and `dropped` is called.
    """

    def __init__(
        self, host: str, port: int, *, incoming_limit: int, dropped: Callable[[], None], **more: Any
    ) -> None:
        super().__init__(host, port, **more)
        self._news = asyncio.Event()
        self._queue = _NewestWins(incoming_limit, self._news, dropped)

    async def __aenter__(self) -> Self:
        """Connect; raises aiomqtt.MqttError."""
        self._connected.add_done_callback(_look_at)
        self._disconnected.add_done_callback(_look_at)
        await super().__aenter__()
        # it may be another one now
        self._disconnected.add_done_callback(_look_at)
        self._disconnected.add_done_callback(self._lost)
        return self

    def _lost(self, _: asyncio.Future[None]) -> None:
        """Nobody waits any longer for what cannot come."""
        self._news.set()
        for answer in self._pending_subscribes.values():
            if not answer.done():
                answer.set_exception(aiomqtt.MqttError("connection lost while subscribing"))

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        """As aiomqtt's, but for a socket that was closed before the event loop came to it."""
        del userdata

        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # noqa: BLE001 - whatever it is, the line broke
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def register() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), write)

        self._loop.call_soon_threadsafe(register)

    def post(self, topic: str, payload: bytes) -> None:
        """Hand over a message of QoS 0 without waiting for it to have left.

        It leaves before whatever is published after it. Whoever posts must now and then await a
        `publish`, or messages pile up before a slow socket. Raises aiomqtt.MqttCodeError where
        there is no connection.
        """
        told = self._client.publish(topic, payload, qos=0)
        if told.rc != 0:
            raise aiomqtt.MqttCodeError(told.rc, "Could not publish message")

    async def arrived(self) -> list[aiomqtt.Message]:
        """What has come, at least one message; raises aiomqtt.MqttError where the line broke."""
        while self._queue.empty():
            if self._disconnected.done():
                raise aiomqtt.MqttError("disconnected") from self._disconnected.exception()
            self._news.clear()
            await self._news.wait()
        return [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), AT_ONCE))]


class _NewestWins(asyncio.Queue[aiomqtt.Message]):
    def __init__(self, limit: int, news: asyncio.Event, dropped: Callable[[], None]) -> None:
        super().__init__(limit)
        self._news = news
        self._dropped = dropped

    def put_nowait(self, item: aiomqtt.Message) -> None:
        if self.full():
            self.get_nowait()
            self._dropped()
        super().put_nowait(item)
        self._news.set()


def _look_at(future: asyncio.Future[None]) -> None:
    """What went wrong is told by whoever waits for the connection; here it only counts as seen."""
    if not future.cancelled():
        future.exception()
