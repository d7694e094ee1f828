"""Many robots in one process, on the lab's clock.

Owns the robots' tasks, their truth samples and the faults that a test may set. Use as an async
context manager; leaving it says OFFLINE for every robot.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from sitl.background import Background
from sitl.robot import words
from sitl.robot.core import RobotCore
from sitl.robot.geo import RobotMap
from sitl.robot.radio import Radio
from sitl.robot.spec import RobotSpec
from sitl.world import LabClock, TruthSample

TICK_WALL_S = 0.1
TRUTH_EVERY_S = 5.0

OnTruth = Callable[[TruthSample], None]


class Robot:
    """One robot: body, radio and record. Faults are its methods."""

    def __init__(self, core: RobotCore, radio: Radio) -> None:
        self.core = core
        self.radio = radio
        self.state_said_s = core.t
        self.truth_told_s = float("-inf")
        self.truth_at = (core.x, core.y)

    @property
    def powered(self) -> bool:
        """Whether it has power."""
        return self.radio.power.is_set()

    def kill(self) -> None:
        """Power off, no goodbye: it stops, and the broker publishes its last will."""
        self.radio.power.clear()
        self.radio.cut()

    def restart(self) -> None:
        """Power on with an empty memory: the order is lost, the load is not."""
        self.core.forget()
        self.radio.reboot()
        self.radio.power.set()

    def cut_link(self) -> None:
        """The connection breaks once; the robot drives on and connects again."""
        self.radio.cut()

    def lose_incoming(self, topic: str, count: int) -> None:
        """Lose the next messages of topic order or instantActions, as QoS 0 may."""
        self.radio.to_lose[topic] = count

    def stray(self, x: float, y: float) -> None:
        """Leave the way to this point of the map, and go on from there."""
        self.core.stray(x, y)

    def set_mode(self, mode: str) -> None:
        """Turn the key: MANUAL and the like clear the order silently."""
        self.core.set_mode(mode)
        self.radio.wake()

    def set_e_stop(self, word: str = "MANUAL") -> None:
        """Press or (NONE) release the emergency stop."""
        self.core.set_e_stop(word)
        self.radio.wake()


class RobotFleet:
    """Robots that are driven and on the air while this is entered.

    `on_truth` is called in the event loop with every sample and event ("picked", "dropped",
    `detail` the parcel id); it must not block.
    """

    def __init__(
        self,
        specs: Sequence[RobotSpec],
        *,
        host: str,
        port: int,
        prefix: str = "uagv",
        prefix_v3: str = "vda5050",
        robot_map: RobotMap,
        clock: LabClock,
        on_truth: OnTruth | None = None,
        seed: int = 0,
    ) -> None:
        names = [s.vehicle_id for s in specs]
        addresses = [(s.manufacturer, s.serial) for s in specs]
        if len(set(names)) < len(names) or len(set(addresses)) < len(addresses):
            raise ValueError("two robots share a vehicle id or a manufacturer and serial")
        self._clock = clock
        self._map = robot_map
        self._on_truth = on_truth
        self._background = Background()
        rng = random.Random(seed)
        self.robots: dict[str, Robot] = {}
        for spec in specs:
            core = RobotCore(
                spec, robot_map, self._teller(spec.vehicle_id), clock.monotonic_s(), clock.at
            )
            radio = Radio(
                core,
                self._voice(spec),
                host=host,
                port=port,
                prefix=prefix_v3 if spec.three else prefix,
                rng=random.Random(rng.random()),
            )
            self.robots[spec.vehicle_id] = Robot(core, radio)

    def __getitem__(self, vehicle_id: str) -> Robot:
        return self.robots[vehicle_id]

    async def __aenter__(self) -> Self:
        """Start all robots; they are on the air soon after.

        A robot that fails by itself, which none should, cancels the body and raises on leaving.
        """
        await self._background.__aenter__()
        self._background.start(self._drive(), name="robots-drive")
        for name, robot in self.robots.items():
            self._background.start(robot.radio.run(), name=f"robot-{name}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Say OFFLINE and stop. Doing it twice is harmless."""
        await self._background.__aexit__(kind, error, trace)

    async def online(self) -> None:
        """Wait until every powered robot is on the air."""
        for robot in self.robots.values():
            if robot.powered:
                await robot.radio.online.wait()

    async def _drive(self) -> None:
        while True:
            await self._clock.sleep(TICK_WALL_S * self._clock.speedup)
            now_s = self._clock.monotonic_s()
            for robot in self.robots.values():
                self._tick(robot, now_s)

    def _tick(self, robot: Robot, now_s: float) -> None:
        core = robot.core
        if not robot.powered:
            core.t = now_s
            return
        core.advance(now_s)
        if core.changed or now_s - robot.state_said_s >= core.spec.state_interval_s:
            robot.state_said_s = now_s
            robot.radio.wake()
        moved = (core.x, core.y) != robot.truth_at
        if moved or now_s - robot.truth_told_s >= TRUTH_EVERY_S:
            self._truth(core.spec.vehicle_id, now_s, "", "")

    def _voice(self, spec: RobotSpec) -> Callable[[], words.Voice]:
        return lambda: words.Voice(spec, self._clock.now)

    def _teller(self, vehicle_id: str) -> Callable[[float, str, str], None]:
        return lambda at_s, word, parcel: self._truth(vehicle_id, at_s, word, parcel)

    def _truth(self, vehicle_id: str, at_s: float, word: str, parcel: str) -> None:
        robot = self.robots[vehicle_id]
        core = robot.core
        robot.truth_told_s, robot.truth_at = at_s, (core.x, core.y)
        if self._on_truth is None:
            return
        lat, lon = self._map.to_latlon(core.x, core.y)
        self._on_truth(
            TruthSample(
                vehicle_id,
                self._clock.at(at_s),
                lat,
                lon,
                self._map.alt0,
                self._map.azimuth_deg(core.theta),
                armed=core.driving or not core.idle,
                on_ground=True,
                event=word,
                detail=parcel,
            )
        )
