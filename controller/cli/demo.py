"""`waypost demo`: a scenario delivered by simulated vehicles, watched through the public API.

Owns the order of the run and its verdict. The lab is a second process; parcels go in and
everything is watched through HTTP, as a user's program would.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import typer

from controller.cli import lab, output, report, scenario, serve
from controller.cli.client import EXIT_FAILED, CliError
from controller.cli.progress import LivePanel, Picture, PlainLines, Progress, minutes
from controller.cli.running import RunController
from controller.observe import configure_logging

WALL_LIMIT_S = 300.0
"""A run that is not over by then says what is open, and fails."""
LOOK_PERIOD_S = 0.5
SPEEDUP = 20.0
SPEEDUP_ARDUPILOT = 10.0
"""Real ArduPilot under a higher speed-up reports failsafes that are the machine's, not its own."""
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the user asked for."""

    port: int = 8080
    speedup: float | None = None
    drones: int | None = None
    robots: int | None = None
    parcels: int | None = None
    ardupilot: Path | None = None
    out: Path = Path("out/demo")
    scenario: str = "helsinki"
    keep_open: bool = False
    as_json: bool = False

    @property
    def chosen_speedup(self) -> float:
        """The speed-up asked for, or the one that suits the vehicles."""
        if self.speedup is not None:
            return self.speedup
        return SPEEDUP_ARDUPILOT if self.ardupilot else SPEEDUP


@dataclass(slots=True)
class Delivered:
    """What a run came to."""

    picture: Picture
    explanations: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] = field(default_factory=dict)
    timed_out: bool = False


def demo(run_controller: RunController, options: DemoOptions) -> None:
    """Run it; the exit status is 0 only for a run without fault."""
    if not 0.1 <= options.chosen_speedup <= 100:
        raise CliError(
            f"--speedup {options.chosen_speedup}: must be from 0.1 to 100",
            status=2,
            next_step="20 is a good choice on two cores",
        )
    try:
        status = asyncio.run(_Demo(run_controller, options).run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        status = INTERRUPTED
    except ExceptionGroup as group:
        error = serve.first(group)
        if isinstance(error, CliError):
            raise error from group
        raise
    raise typer.Exit(status)


class _Demo:
    def __init__(self, run_controller: RunController, options: DemoOptions) -> None:
        self._run_controller = run_controller
        self._options = options
        self._out = options.out
        plain = options.as_json or not sys.stdout.isatty()
        self._progress: Progress = PlainLines() if plain else LivePanel(output.console())
        self._wall_start_s = time.monotonic()

    async def run(self) -> int:
        options = self._options
        source = lab.scenario_folder(options.scenario)
        self._out.mkdir(parents=True, exist_ok=True)
        for name in ("report.html", "report.json", "expect.json", "referee.json", "truth.jsonl"):
            (self._out / name).unlink(missing_ok=True)
        run = scenario.prepare(
            source,
            self._out.resolve() / "scenario",
            drones=options.drones,
            robots=options.robots,
            parcels=options.parcels,
            speedup=options.chosen_speedup,
            wall_epoch=time.time(),
            ports=scenario.free_ports(),
            console_port=options.port,
        )
        config = serve.load_config(run.config)
        configure_logging(form="console", level="warning")
        asked = asyncio.current_task()
        loop = asyncio.get_running_loop()
        if asked is not None:
            loop.add_signal_handler(signal.SIGTERM, asked.cancel)
        try:
            return await self._with_everything(run, config)
        finally:
            loop.remove_signal_handler(signal.SIGTERM)

    async def _with_everything(self, run: scenario.Run, config: Any) -> int:
        options = self._options
        truth = self._out / "truth.jsonl"
        async with AsyncExitStack() as stack:
            self._progress.note(
                f"Starting {run.drones} drones and {run.robots} robots, {len(run.parcels)} "
                f"parcels, at {run.speedup:g} times real time"
            )
            running = await stack.enter_async_context(
                lab.running_lab(self._lab_arguments(run, truth), self._out / "lab.log")
            )
            url = await stack.enter_async_context(
                self._run_controller(config, host="127.0.0.1", port=options.port)
            )
            self._progress.note(f"console: {url}")
            delivered = await self._deliver(run, url, running)
            if not options.keep_open:
                await stack.aclose()
            result = await self._judge(run, delivered, truth)
            if options.keep_open:
                self._progress.note(f"The console stays at {url} until Ctrl-C")
                await serve.stop_on_signals().wait()
        return result

    def _lab_arguments(self, run: scenario.Run, truth: Path) -> list[str]:
        arguments = [
            str(run.folder),
            "--mavlink",
            f"127.0.0.1:{run.ports.mavlink}",
            "--mqtt-port",
            str(run.ports.mqtt),
            "--start",
            run.start.astimezone(UTC).isoformat(),
            "--wall-epoch",
            repr(run.wall_epoch),
            "--speedup",
            repr(run.speedup),
            "--truth",
            str(truth),
        ]
        if self._options.ardupilot is not None:
            arguments += ["--ardupilot", str(self._options.ardupilot)]
        return arguments

    async def _deliver(self, run: scenario.Run, url: str, running: lab.Lab) -> Delivered:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30.0) as http:
            now = datetime.fromisoformat((await _get(http, "/healthz"))["now"])
            answer = await http.post(
                "/v1/parcels",
                json=scenario.bodies_at(run.parcels, now),
                headers={"Idempotency-Key": f"demo-{run.wall_epoch}-{os.getpid()}"},
            )
            if answer.is_error:
                told = answer.json()
                raise CliError(
                    f"the scenario's parcels were refused: {told.get('detail', answer.text)}",
                    status=EXIT_FAILED,
                    next_step="correct the scenario's parcels.json",
                )
            ids = {p["id"] for p in answer.json()}
            with self._progress:
                timed_out = not await self._watch(http, run, ids, running)
                delivered = Delivered(await self._look(http, run, ids), timed_out=timed_out)
            for parcel in delivered.picture.parcels:
                told = await http.get(f"/v1/parcels/{parcel['id']}/explain")
                if told.is_success:
                    delivered.explanations[parcel["id"]] = told.json()
            return delivered

    async def _watch(
        self, http: httpx.AsyncClient, run: scenario.Run, ids: set[str], running: lab.Lab
    ) -> bool:
        """Until everything is done; False where the wall limit came first."""
        try:
            async with asyncio.timeout(WALL_LIMIT_S):
                while True:
                    running.check()
                    picture = await self._look(http, run, ids)
                    self._progress.show(picture)
                    if picture.done:
                        return True
                    await asyncio.sleep(LOOK_PERIOD_S)
        except TimeoutError:
            return False

    async def _look(self, http: httpx.AsyncClient, run: scenario.Run, ids: set[str]) -> Picture:
        health = await _get(http, "/healthz")
        parcels = await _get(http, "/v1/parcels")
        vehicles = await _get(http, "/v1/vehicles")
        simulated = datetime.fromisoformat(health["now"]) - run.start
        return Picture(
            simulated_s=simulated.total_seconds(),
            wall_s=time.monotonic() - self._wall_start_s,
            parcels=[p for p in parcels if p["id"] in ids],
            vehicles=vehicles,
        )

    async def _judge(self, run: scenario.Run, delivered: Delivered, truth: Path) -> int:
        expect = self._out / "expect.json"
        expect.write_text(json.dumps(expectation(delivered.picture)), encoding="utf-8")
        delivered.verdict = await lab.judge(
            truth=truth,
            zones=run.zones,
            expect=expect,
            submitted=run.submitted,
            streets=run.streets,
            out=self._out / "referee.json",
        )
        faults = faults_of(delivered)
        facts = report.Facts(
            title=f"Waypost demo: {self._options.scenario}",
            picture=delivered.picture,
            explanations=delivered.explanations,
            verdict=delivered.verdict,
            faults=faults,
            speedup=run.speedup,
            vehicles_kind="ArduCopter" if self._options.ardupilot else "light copter",
        )
        page, summary = await asyncio.to_thread(
            report.write, self._out, facts, truth=truth, zones=run.zones, streets=run.streets
        )
        self._tell(summary, faults, page)
        return EXIT_FAILED if faults else 0

    def _tell(self, summary: Mapping[str, Any], faults: list[str], page: Path) -> None:
        if self._options.as_json:
            output.print_json(summary)
            return
        figures = summary["figures"]
        typer.echo(
            f"{figures['delivered']} of {figures['parcels']} parcels delivered "
            f"({figures['by_drone']} by drone, {figures['by_robot']} by robot), "
            f"{figures['refused']} refused with a reason, in "
            f"{minutes(figures['simulated_s'])} simulated, {minutes(figures['wall_s'])} real"
        )
        verdict = "found nothing" if summary["referee"].get("ok") else "has findings"
        typer.echo(f"The referee {verdict} in {summary['referee'].get('samples', 0)} positions")
        for fault in faults:
            typer.echo(f"  fault: {fault}", err=True)
        typer.echo(f"Report: {page}")


async def _get(http: httpx.AsyncClient, path: str) -> Any:
    response = await http.get(path)
    response.raise_for_status()
    return response.json()


def expectation(picture: Picture) -> dict[str, Any]:
    """What the controller says happened, for the referee to compare with the truth."""
    return {
        "parcels": [
            {
                "id": p["id"],
                "destination": {
                    "lat_deg": p["destination"]["lat_deg"],
                    "lon_deg": p["destination"]["lon_deg"],
                },
                "outcome": p["state"],
                "vehicle_id": p["vehicle_id"],
            }
            for p in picture.parcels
        ]
    }


def faults_of(delivered: Delivered) -> list[str]:
    """Everything for which the run is not a success, in words."""
    picture = delivered.picture
    faults = []
    if delivered.timed_out:
        faults.append(f"not over after {WALL_LIMIT_S:.0f} s of wall time")
    still = Counter(p["state"] for p in picture.open_parcels)
    for parcel in picture.open_parcels[:10]:
        why = "; ".join(parcel["reasons"][:2])
        faults.append(f"parcel {parcel['id']} is {parcel['state']}" + (f": {why}" if why else ""))
    if sum(still.values()) > 10:
        faults.append(f"{sum(still.values())} parcels are open: {dict(still)}")
    faults += [
        f"vehicle {v['id']} is not at rest: {v['phase']}, {v['sentence']}"
        for v in picture.busy_vehicles
    ]
    for parcel in picture.parcels:
        if parcel["state"] in {"returned", "stranded", "cancelled"}:
            faults.append(
                f"parcel {parcel['id']} was not delivered: {parcel['state']}: "
                f"{'; '.join(parcel['reasons'])}"
            )
        if parcel["state"] == "refused" and not any(parcel["reasons"]):
            faults.append(f"parcel {parcel['id']} was refused without a reason")
        elif parcel["state"] == "refused" and parcel["attempts"]:
            faults.append(f"parcel {parcel['id']} was given up: {'; '.join(parcel['reasons'][:1])}")
        if parcel["state"] == "delivered" and parcel["proof"] is None:
            faults.append(f"parcel {parcel['id']} is delivered without proof")
    if not delivered.verdict.get("ok"):
        findings = delivered.verdict.get("findings", [])
        faults.append(f"the referee found {len(findings)}: {_short(findings)}")
    return faults


def _short(findings: Any) -> str:
    told = [str(f.get("text", f)) for f in list(findings)[:5]]
    return "; ".join(told)
