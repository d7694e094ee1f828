"""aiomqtt's client with two things mended. Owns them alone; the transport owns everything else.

* aiomqtt waits for each message to have left before it takes the next: at least one turn of the
  event loop each, and beside busy telemetry many milliseconds. `post` only hands it over.
* A connection that breaks while nobody reads messages (while it subscribes, or as it ends) is an
  error in a future that nobody looks at, which asyncio reports when it is thrown away.
"""

from __future__ import annotations

import asyncio
from typing import Self

import aiomqtt


class Line(aiomqtt.Client):
    """One connection. A fresh one per attempt."""

    async def __aenter__(self) -> Self:
        """Connect; raises aiomqtt.MqttError."""
        self._connected.add_done_callback(_look_at)
        self._disconnected.add_done_callback(_look_at)
        await super().__aenter__()
        self._disconnected.add_done_callback(_look_at)  # it may be another one now
        return self

    def post(self, topic: str, payload: bytes) -> None:
        """Hand over a message of QoS 0 without waiting for it to have left.

        It leaves before whatever is published after it. Whoever posts must now and then await a
        `publish`, or messages pile up before a slow socket. Raises aiomqtt.MqttCodeError where
        there is no connection.
        """
        told = self._client.publish(topic, payload, qos=0)
        if told.rc != 0:
            raise aiomqtt.MqttCodeError(told.rc, "Could not publish message")


def _look_at(future: asyncio.Future[None]) -> None:
    """What went wrong is told by whoever waits for the connection; here it only counts as seen."""
    if not future.cancelled():
        future.exception()
