"""`python -m tests.drills.flights [--count N] [--copters M] [--vehicle light|ardupilot] [--json]`.

M copters fly N planned deliveries at once beside the controller's fleet, each past a zone of its
own; at a random moment of each flight the operator calls it home, its radio falls silent for
longer than its GCS timeout, or its battery is low; every fourth is left alone. The referee judges
every true position. Ends with status 1 on any fault: a position in a zone, two copters too near, a
crash, a flight that never ended, a release told that was none or one that was not told.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from geofence.formats.geojson import write_zones
from geofence.zoneset import ZoneSet
from sitl.ardupilot import ArduPilotFleet
from sitl.copter.fleet import CopterFleet
from sitl.referee.airspace import judge_zones
from sitl.referee.separation import judge_separation
from sitl.referee.truth import read_truth
from sitl.referee.zones import read_zones
from sitl.truth import TruthLog
from sitl.world import TruthSample
from tests.drills.lanes import FLAT, Lane, Sortie, lane, sortie, spec, vehicle
from tests.integration.mavlink_rig import BOOT_S, PACE, PATIENT, UDP, Watched, serving, wall_clocks
from tests.support.steady import SteadyLoop, steady_clocks
from vehicles.mavlink.command import Command
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.link import Link, make_link
from vehicles.mavlink.parameters import ParameterWrite
from vehicles.mavlink.post import Post
from vehicles.mavlink.session import MavlinkSession
from vehicles.mavlink.settings import MavlinkSettings
from vehicles.mavlink.wire import Frame
from vehicles.port import Clock, EventKind, Verb

OVER = {EventKind.COMPLETED, EventKind.ABORTED, EventKind.MISSION_LOST}
LIGHT_SPEEDUP = 25.0
REAL_SHARE, MOST_REAL_SPEEDUP = 40.0, 6.0
"""Ten real copters at four times the pace of the wall take most of a core."""
READY_S, FLIGHT_S = 400.0, 900.0
"""Simulated seconds that a copter may take to be ready, and to be down again."""
LEAST_HZ = 1.0
"""True positions come five times a second; with fewer than this a flight was not judged."""
REBOOT = Command(246, (1.0,))
PERIOD_S = 0.2


class Radio:
    """The controller's radio, which can be silent for one sysid at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s: dict[int, float] = {}

    def mute(self, system: int, for_s: float) -> None:
        """Both ways."""
        self._until_s[system] = self._clock.monotonic_s() + for_s

    def silent(self, system: int) -> bool:
        """Now."""
        return self._clock.monotonic_s() < self._until_s.get(system, -1.0)

    def open_link(self, name: str, post: Post, clock: Clock) -> Link:
        """For MavlinkFleet."""

        def receive(link: str, frame: Frame) -> None:
            if not self.silent(frame.system):
                post.receive(link, frame)

        link = make_link(name, replace(post, receive=receive), clock)
        send = link.send

        def sent(system: int, data: bytes) -> bool:
            return self.silent(system) or send(system, data)

        link.send = sent  # type: ignore[method-assign]
        return link


@dataclass(slots=True)
class Flown:
    """One flight and what came of it."""

    name: str
    kind: str
    vehicle_id: str
    end: str = ""
    detail: str = ""
    told_released: int = 0
    unsure: int = 0
    truly_released: int = 0
    failsafe: str = ""
    faults: list[str] = field(default_factory=list)


class Drill:
    """All flights of a run."""

    def __init__(
        self, seed: int, count: int, copters: int, real: bool, on_flown: Callable[[], None]
    ) -> None:
        self.lanes = [lane(seed, n) for n in range(copters)]
        self.zones = ZoneSet(each.zone for each in self.lanes)
        self.flown: list[Flown] = []
        self._seed, self._count, self._real = seed, count, real
        self._on_flown = on_flown
        self._truth: dict[str, list[TruthSample]] = {each.vehicle_id: [] for each in self.lanes}
        self._positions: Counter[str] = Counter()

    async def run(self, folder: Path) -> tuple[list[str], int]:
        """Fly them all; what the referee found, in how many positions and events."""
        truth_file, zones_file = folder / "truth.jsonl", folder / "zones.geojson"
        zones_file.write_text(json.dumps(write_zones(self.zones.zones)), "utf-8")
        header = {
            "ground_amsl_m": FLAT.ground_amsl_m,
            "geoid_m": FLAT.geoid_m,
            "hubs": [],
            "vehicles": {each.vehicle_id: "multirotor" for each in self.lanes},
        }
        with TruthLog(truth_file, header, PERIOD_S) as log:

            def on_truth(sample: TruthSample) -> None:
                log(sample)
                self._positions[sample.vehicle_id] += 1
                if sample.event:
                    self._truth[sample.vehicle_id].append(sample)

            async with self._world(on_truth) as (watched, radio), asyncio.TaskGroup() as group:
                for each in self.lanes:
                    group.create_task(self._lane(each, watched[each.vehicle_id], radio))
        return judged(truth_file, zones_file)

    @contextlib.asynccontextmanager
    async def _world(
        self, on_truth: Callable[[TruthSample], None]
    ) -> AsyncIterator[tuple[dict[str, Watched], Radio]]:
        pace = max(1.0, min(MOST_REAL_SPEEDUP, REAL_SHARE / len(self.lanes)))
        if self._real:
            clock, lab = wall_clocks(pace)
        else:
            clock, lab = steady_clocks(LIGHT_SPEEDUP, pace=PACE)
        # at the pace of the wall a copter is judged as it is in use
        settings = MavlinkSettings() if self._real and pace == 1.0 else PATIENT
        radio = Radio(clock)
        kind: Any = ArduPilotFleet if self._real else CopterFleet
        vehicles = [vehicle(each, UDP) for each in self.lanes]
        async with (
            MavlinkFleet(vehicles, clock, settings, open_link=radio.open_link) as fleet,
            kind(
                [spec(each) for each in self.lanes], controller=fleet.udp_address(UDP),
                clock=lab, on_truth=on_truth, boot_s=BOOT_S,
            ),
            serving(fleet, clock, 0.0) as watched,
        ):  # fmt: skip
            yield watched, radio

    async def _lane(self, lane_: Lane, one: Watched, radio: Radio) -> None:
        """A copter's flights, one after the other."""
        for turn in range(self._count):
            number = turn * len(self.lanes) + lane_.number
            if number >= self._count:
                break
            planned = sortie(self._seed, lane_, turn, self.zones, one.clock.now())
            flown = Flown(planned.name, planned.kind, lane_.vehicle_id)
            self.flown.append(flown)
            try:
                await self._fly(flown, planned, one, radio)
            except TimeoutError as error:
                flown.faults.append(f"{error}")
            self._on_flown()
            if flown.faults:
                return

    async def _fly(self, flown: Flown, planned: Sortie, one: Watched, radio: Radio) -> None:
        session = one.session
        assert isinstance(session, MavlinkSession)
        truth = self._truth[flown.vehicle_id]
        seen, released = len(one.seen), _released(truth)
        if not await _begun(flown, planned, one, session):
            return
        began_s, positions = one.clock.monotonic_s(), self._positions[flown.vehicle_id]

        def events() -> list[Any]:
            return one.seen[seen:]

        def over() -> bool:
            return any(e.kind in OVER for e in events())

        await one.clock.sleep(planned.at * planned.mission.duration_s * 0.9)
        if not over():
            await self._happen(planned, session, radio)
        await until(one, over, FLIGHT_S, "down again")
        end = next(e for e in events() if e.kind in OVER)
        flown.end, flown.detail = end.kind.value, end.detail
        flown.told_released = sum(e.kind is EventKind.RELEASED for e in events())
        flown.unsure = sum(e.kind is EventKind.RELEASE_UNSURE for e in events())
        flown.failsafe = "; ".join(e.detail for e in events() if e.kind is EventKind.FAILSAFE)
        flown.truly_released = _released(truth) - released
        self._judge(flown)
        positions = self._positions[flown.vehicle_id] - positions
        if positions < LEAST_HZ * (one.clock.monotonic_s() - began_s):
            flown.faults.append(f"the truth is only {positions} positions: nobody judged the rest")
        if flown.kind == "battery":
            # its failsafe lasts until it has booted anew
            await session.driver.run(
                ParameterWrite({"BATT_LOW_MAH": 0.0}, session.vehicle.sysid, 1)
            )
            await session.driver.command(REBOOT)
            await one.clock.sleep(10.0)

    async def _happen(self, planned: Sortie, session: MavlinkSession, radio: Radio) -> None:
        match planned.kind:
            case "return":
                # refused where it is already on its last way down
                await session.execute(Verb.RETURN)
            case "link":
                radio.mute(session.vehicle.sysid, planned.silent_s)
            case "battery":
                low = {"BATT_LOW_MAH": 1e6}
                await session.driver.run(ParameterWrite(low, session.vehicle.sysid, 1))

    def _judge(self, flown: Flown) -> None:
        told, true = flown.told_released, flown.truly_released
        if told > 1 or true > 1:
            flown.faults.append(f"released {true} times, told {told} times")
        if told > true:
            flown.faults.append("a release was told that was none")
        if true > told and not flown.unsure:
            flown.faults.append("a release was not told, nor a doubt of it")
        if flown.kind == "none" and (flown.end != "completed" or true != 1):
            flown.faults.append(f"undisturbed and yet {flown.end}: {flown.detail}")


async def _begun(flown: Flown, planned: Sortie, one: Watched, session: MavlinkSession) -> bool:
    """Load and start as dispatch does: what is not ready yet is asked again when it is."""
    deadline_s = one.clock.monotonic_s() + READY_S
    step, result = session.load, None
    while result is None or one.clock.monotonic_s() < deadline_s:
        await until(one, lambda: session.telemetry.startable, READY_S, "ready")
        for step in (session.load, session.start):
            result = await step(planned.mission)
            if not result.done:
                break
        else:
            return True
        if "not ready" not in result.reason:
            break
    flown.faults.append(f"{step.__name__}: {result.reason}")
    return False


async def until(one: Watched, holds: Callable[[], bool], limit_s: float, what: str) -> None:
    """Raises TimeoutError saying what never came."""
    deadline_s = one.clock.monotonic_s() + limit_s
    while not holds():
        if one.clock.monotonic_s() > deadline_s:
            told = one.session.telemetry
            raise TimeoutError(f"never {what}: {told.mode} {told.phase.value} {told.not_ready}")
        await one.clock.sleep(0.25)


def _released(truth: list[TruthSample]) -> int:
    return sum(sample.event == "released" for sample in truth)


def judged(truth_file: Path, zones_file: Path) -> tuple[list[str], int]:
    """What the referee found in the truth, and how many samples it has."""
    truth = read_truth(truth_file)
    zones = read_zones(zones_file, ground_amsl_m=truth.ground_amsl_m, geoid_m=truth.geoid_m)
    tracks = tuple(truth.tracks.values())
    apart, _ = judge_separation(tracks, truth.hubs)
    found = [finding.text for finding in (*judge_zones(tracks, zones, {}), *apart)]
    found += [
        f"{h.vehicle_id} crashed: {h.detail}" for h in truth.happenings if h.event == "crashed"
    ]
    found += [f"{track.vehicle_id} was never seen" for track in tracks if len(track) == 0]
    return found, truth.samples


def run(
    *, seed: int, count: int, copters: int, real: bool, on_flown: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """The drill and its figures."""
    began_s, cpu_s = time.monotonic(), time.process_time()
    drill = Drill(seed, count, copters, real, on_flown)
    factory = None if real else SteadyLoop
    with (
        tempfile.TemporaryDirectory(prefix="waypost-drill-") as folder,
        asyncio.Runner(loop_factory=factory, debug=False) as runner,
    ):
        found, samples = runner.run(drill.run(Path(folder)))
    wall_s = time.monotonic() - began_s
    flights = drill.flown
    return {
        "drill": "flights",
        "vehicle": "ardupilot" if real else "light",
        "seed": seed,
        "copters": copters,
        "flights": len(flights),
        "asked": count,
        "by_kind": dict(Counter(f.kind for f in flights)),
        "ends": dict(Counter(f"{f.kind}: {f.end or 'none'}" for f in flights)),
        "failsafes": sum(bool(f.failsafe) for f in flights),
        "released": sum(f.truly_released for f in flights),
        "positions_judged": samples,
        "referee": found,
        "faults": [
            {"flight": f.name, "kind": f.kind, "end": f.end, "detail": f.detail, "faults": f.faults}
            for f in flights
            if f.faults
        ],
        "seconds": round(wall_s, 1),
        "own_cpu_share": round((time.process_time() - cpu_s) / wall_s, 3),
    }


def passed(figures: dict[str, Any]) -> bool:
    """Every flight was flown, and nothing was found."""
    whole = figures["flights"] == figures["asked"]
    return whole and not figures["referee"] and not figures["faults"]


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.flights", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--copters", type=int, default=0, help="at once; 20 light, 50 real")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vehicle", choices=("light", "ardupilot"), default="light")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    asked = parser.parse_args()
    real = asked.vehicle == "ardupilot"
    copters = min(asked.copters or (50 if real else 20), asked.count)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=asked.json) as bar:
        task = bar.add_task("flights", total=asked.count)
        figures = run(
            seed=asked.seed, count=asked.count, copters=copters, real=real,
            on_flown=lambda: bar.advance(task),
        )  # fmt: skip
    if asked.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name}: {value}")
    return 0 if passed(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
