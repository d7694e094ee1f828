"""The robot's MQTT client.

Owns one robot's connection: last will, ONLINE and OFFLINE, what arrives and what is said. A
fresh client per attempt. Must not know what an order is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable

import aiomqtt

from sitl.robot import words, words3
from sitl.robot.core import RobotCore
from sitl.robot.rules import Message
from sitl.robot.spec import RobotSpec

MAX_WAITING = 1000
TOPICS = ("order", "instantActions")
TOPICS_3 = (*TOPICS, "zoneSet", "responses")
RETRY_S = 0.1
"""Wall seconds between attempts; doubled up to 5 s, with jitter."""


class Radio:
    """One robot on the air while `run` runs and `power` is set."""

    def __init__(
        self,
        core: RobotCore,
        voice: Callable[[], words.Voice],
        *,
        host: str,
        port: int,
        prefix: str,
        rng: random.Random,
    ) -> None:
        self.core = core
        self.power = asyncio.Event()
        self.power.set()
        self._new_voice = voice
        self._voice = voice()
        self._host = host
        self._port = port
        self._rng = rng
        spec: RobotSpec = core.spec
        self._words = words3 if spec.three else words
        self._topics = TOPICS_3 if spec.three else TOPICS
        version = "v3" if spec.three else "v2"
        self._base = f"{prefix}/{version}/{spec.manufacturer}/{spec.serial}"
        self._identifier = f"robot-{spec.manufacturer}-{spec.serial}"
        self._news = asyncio.Event()
        self._client: aiomqtt.Client | None = None
        self.online = asyncio.Event()
        self.to_lose: dict[str, int] = {}

    def wake(self) -> None:
        """Something is to be said."""
        self._news.set()

    def cut(self) -> None:
        """Break the connection without goodbye: the broker publishes the last will."""
        client, self._client = self._client, None
        if client is None:
            return
        # aiomqtt has no way to leave without DISCONNECT; its paho client has the socket
        wire = client._client.socket()  # noqa: SLF001
        if isinstance(wire, socket.socket):
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    def reboot(self) -> None:
        """Counts start again."""
        self._voice = self._new_voice()

    async def run(self) -> None:
        """Keep the robot on the air until cancelled; says OFFLINE then."""
        pause_s = RETRY_S
        while True:
            await self.power.wait()
            try:
                await self._session()
            except* (aiomqtt.MqttError, OSError):
                pass
            _keep_cancelled()
            if self.online.is_set():
                pause_s = RETRY_S
            self._client = None
            self.online.clear()
            await asyncio.sleep(pause_s * (0.5 + self._rng.random()))
            pause_s = min(5.0, pause_s * 2.0)

    async def _session(self) -> None:
        will = self._voice.say("connection", self._words.connection("CONNECTIONBROKEN"))
        topic = f"{self._base}/connection"
        client = aiomqtt.Client(
            self._host,
            self._port,
            identifier=self._identifier,
            clean_session=True,
            keepalive=15,
            will=aiomqtt.Will(topic, will, qos=1, retain=True),
            max_queued_incoming_messages=MAX_WAITING,
        )
        async with client:
            self._client = client
            for name in self._topics:
                await client.subscribe(f"{self._base}/{name}", qos=0)
            try:
                # a cancellation may come between ONLINE and its acknowledgement: say OFFLINE then
                await self._say(client, "connection", self._words.connection("ONLINE"))
                _keep_cancelled()
                self.core.changed = True
                self._news.set()
                self.online.set()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._speak(client), name="robot-speak")
                    await self._listen(client)
            except asyncio.CancelledError:
                with contextlib.suppress(aiomqtt.MqttError):
                    await self._say(client, "connection", self._words.connection("OFFLINE"))
                raise

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            if not self.power.is_set() or not isinstance(payload, bytes | bytearray):
                continue
            topic = message.topic.value.rsplit("/", 1)[1]
            if self.to_lose.get(topic, 0) > 0:
                self.to_lose[topic] -= 1
                continue
            self.core.receive(topic, bytes(payload))
            if self.core.changed or self.core.factsheet_wanted:
                self._news.set()

    async def _speak(self, client: aiomqtt.Client) -> None:
        while True:
            _keep_cancelled()
            await self._news.wait()
            self._news.clear()
            if not self.power.is_set():
                continue
            if self.core.factsheet_wanted:
                self.core.factsheet_wanted = False
                await self._say(client, "factsheet", self._words.factsheet(self.core.spec))
            self.core.changed = False
            await self._say(client, "state", self._words.state(self.core))

    async def _say(self, client: aiomqtt.Client, topic: str, body: Message) -> None:
        qos = 1 if topic == "connection" else 0
        await client.publish(
            f"{self._base}/{topic}",
            self._voice.say(topic, body),
            qos=qos,
            retain=topic in {"connection", "factsheet"},
        )


def _keep_cancelled() -> None:
    """Raise where the task was cancelled and aiomqtt answered with a result or error instead."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
