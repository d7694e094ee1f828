"""The demo's pure parts: the run's scenario, its verdict, its report."""

from __future__ import annotations

import io
import json
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from controller.cli import lab, report, scenario
from controller.cli.client import CliError
from controller.cli.demo import Delivered, expectation, faults_of
from controller.cli.progress import Picture, at_rest, minutes, render
from controller.cli.report_map import read_tracks, zone_words
from controller.config import load

NOW = datetime(2026, 6, 10, 7, 0, tzinfo=UTC)


def prepared(folder: Path, **changes: Any) -> scenario.Run:
    wanted: dict[str, Any] = {"drones": 3, "robots": 2, "parcels": 6, "speedup": 20.0} | changes
    return scenario.prepare(
        lab.scenario_folder("helsinki"),
        folder / "scenario",
        wall_epoch=1_800_000_000.5,
        ports=scenario.Ports(14777, 18888),
        console_port=0,
        **wanted,
    )


def test_the_runs_configuration_is_one_that_the_controller_reads(tmp_path: Path) -> None:
    run = prepared(tmp_path)
    config = load(run.config)
    assert len(config.drones) == 3
    assert len(config.robots) == 2
    assert {d.link for d in config.drones} == {"udpin:127.0.0.1:14777"}
    assert len({d.base for d in config.drones}) == 2
    assert config.mqtt.port == 18888
    assert config.clock.wall_epoch == 1_800_000_000.5
    world = tomllib.loads((run.folder / "lab.toml").read_text())
    assert {c["id"] for c in world["copters"]} == {d.id for d in config.drones}
    assert {r["id"] for r in world["robots"]} == {r.id for r in config.robots}
    assert len(json.loads(run.submitted.read_text())) == len(run.parcels) == 6


def test_without_vehicles_it_says_what_to_leave(tmp_path: Path) -> None:
    with pytest.raises(CliError) as refused:
        prepared(tmp_path, drones=0, robots=0)
    assert "--drones" in refused.value.next_step


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(CliError) as refused:
        lab.scenario_folder("atlantis")
    assert "helsinki" in refused.value.next_step


scalars = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
)
keys = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
tables = st.recursive(
    st.dictionaries(keys, scalars | st.lists(scalars, max_size=3), max_size=4),
    lambda inner: st.dictionaries(
        keys, inner | st.lists(inner.filter(bool), min_size=1, max_size=3), max_size=3
    ),
    max_leaves=12,
)


@given(tables)
def test_toml_comes_back_as_it_was(document: dict[str, Any]) -> None:
    assert tomllib.loads(scenario.to_toml(document)) == document


def parcel(state: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "P-1",
        "state": state,
        "vehicle_id": "D-1",
        "reasons": [],
        "attempts": 0,
        "destination": {"lat_deg": 60.17, "lon_deg": 24.94, "address": "Quay <1>", "site": ""},
        "weight_kg": 1.0,
        "ready_at": NOW.isoformat(),
        "due_at": (NOW + timedelta(minutes=30)).isoformat(),
        "times": {"delivered": (NOW + timedelta(minutes=5)).isoformat()},
        "proof": {"distance_m": 1.5, "evidence": ["winch"]},
        **changes,
    }


def vehicle(**changes: Any) -> dict[str, Any]:
    base = {
        "id": "hub",
        "name": "Hub",
        "position": {"lat_deg": 60.171, "lon_deg": 24.945},
    }
    at_home = {"assignment_id": "", "phase": "ready", "armed": False, "sentence": "Waits"}
    return {"id": "D-1", "kind": "drone", "base": base, **at_home, **changes}


def delivered(parcels: list[Any], vehicles: list[Any] | None = None) -> Delivered:
    picture = Picture(600.0, 30.0, parcels, [vehicle()] if vehicles is None else vehicles)
    return Delivered(picture, verdict={"ok": True, "samples": 9, "findings": []})


def test_a_clean_run_has_no_fault() -> None:
    assert faults_of(delivered([parcel("delivered")])) == []
    assert faults_of(delivered([parcel("refused", reasons=["D-1: 38 kg is over it"])])) == []


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (parcel("in_transit"), "is in_transit"),
        (parcel("stranded", reasons=["battery"]), "was not delivered"),
        (parcel("returned"), "was not delivered"),
        (parcel("refused"), "without a reason"),
        (parcel("refused", reasons=["5 attempts failed"], attempts=5), "was given up"),
        (parcel("delivered", proof=None), "without proof"),
    ],
)
def test_a_run_that_is_not_clean_says_why(bad: dict[str, Any], words: str) -> None:
    faults = faults_of(delivered([bad]))
    assert any(words in f for f in faults), faults


def test_findings_time_and_vehicles_out_are_faults() -> None:
    run = delivered([parcel("delivered")], [vehicle(phase="returning")])
    run.verdict = {"ok": False, "findings": [{"rule": "zone", "text": "D-1 was in heliport"}]}
    run.timed_out = True
    told = " ".join(faults_of(run))
    for words in ("not over after", "not at rest", "D-1 was in heliport"):
        assert words in told


def test_unknown_arm_state_is_not_at_rest() -> None:
    assert at_rest(vehicle()) is True
    assert at_rest(vehicle(armed=None)) is False
    assert at_rest(vehicle(kind="robot", armed=None)) is True
    assert at_rest(vehicle(assignment_id="a-1")) is False


def test_the_referee_is_told_what_the_controller_claims() -> None:
    told = expectation(delivered([parcel("delivered")]).picture)
    assert told["parcels"] == [
        {
            "id": "P-1",
            "destination": {"lat_deg": 60.17, "lon_deg": 24.94},
            "outcome": "delivered",
            "vehicle_id": "D-1",
        }
    ]


def truth_file(folder: Path) -> Path:
    lines = [json.dumps({"header": {"hubs": []}})]
    for step in range(40):
        sample = {
            "vehicle_id": "D-1",
            "t": (NOW + timedelta(seconds=step)).isoformat(),
            "lat_deg": 60.171 - step * 25e-6,
            "lon_deg": 24.945,
            "event": "released" if step == 39 else "",
            "detail": "winch",
        }
        lines.append(json.dumps(sample))
    file = folder / "truth.jsonl"
    file.write_text("\n".join(lines) + '\n{"vehicle_id": "D-1", "lat_de')
    return file


def test_tracks_are_read_from_the_truth_even_when_it_was_cut_off(tmp_path: Path) -> None:
    track = read_tracks(truth_file(tmp_path))["D-1"]
    assert len(track.points) == 40
    assert track.length_m == pytest.approx(39 * 25e-6 * 111_320, rel=1e-3)
    assert [r[2] for r in track.releases] == ["winch"]


def test_the_report_draws_tracks_over_zones_and_names_every_parcel(tmp_path: Path) -> None:
    run = delivered([parcel("delivered"), parcel("refused", id="P-2", reasons=["D-1: too heavy"])])
    facts = report.Facts(
        title="Demo",
        picture=run.picture,
        explanations={"P-1": {"sentence": "D-1 takes it"}},
        verdict=run.verdict,
        faults=[],
        speedup=20.0,
        vehicles_kind="light copter",
    )
    zones = lab.scenario_folder("helsinki") / "zones.geojson"
    page, summary = report.write(
        tmp_path, facts, truth=truth_file(tmp_path), zones=zones, streets=None
    )
    text = page.read_text(encoding="utf-8")
    for words in ("P-1", "P-2", "too heavy", "D-1 takes it", "Quay &lt;1&gt;", "url(#hatch-no)"):
        assert words in text
    assert "Olympic Stadium in event hours: no-fly, ground to 150 m AGL, for drones" in text
    assert "<script" not in text
    assert summary["figures"]["delivered"] == 1
    assert summary["figures"]["median_s_from_ready_to_delivered"] == 300.0
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is True
    failing, _ = report.write(
        tmp_path,
        replace(facts, faults=["parcel P-9 is lost"]),
        truth=truth_file(tmp_path),
        zones=zones,
        streets=None,
    )
    assert "parcel P-9 is lost" in failing.read_text(encoding="utf-8")


def test_equal_reasons_of_many_vehicles_are_told_once() -> None:
    reasons = [f"D-{n}: 38 kg is over its payload" for n in range(1, 6)] + ["R-1: no street"]
    told = report.reason_of({"state": "refused", "reasons": reasons}, None)
    assert told == "D-1 to D-5 (5): 38 kg is over its payload; R-1: no street"


def test_durations_are_told_as_clocks() -> None:
    assert minutes(3_725.9) == "1:02:05"


def shown(vehicles: list[Any], rows: int) -> str:
    picture = Picture(65.0, 4.0, [parcel("in_transit"), parcel("delivered")], vehicles)
    console = Console(width=78, file=io.StringIO(), color_system=None)
    with console.capture() as told:
        console.print(render(picture, rows=rows))
    return told.get()


def test_the_panel_tells_counts_and_what_each_vehicle_does() -> None:
    flying = vehicle(
        phase="en_route",
        armed=True,
        battery_pct=71.6,
        parcel_ids=["P-1"],
        sentence=f"D-1 en route to Quay 1{', the long way' * 9}, 72 % battery",
    )
    told = shown([flying], rows=9)
    assert "1 of 2 parcels done" in told
    assert "0:01:05 simulated" in told
    row = next(line for line in told.splitlines() if "D-1" in line)
    assert " ".join(row.split()).startswith("D-1 en route 72 % P-1 en route to Quay 1,")
    assert row.rstrip().endswith("…")
    assert len(told.splitlines()) == 6


def test_a_low_terminal_shows_who_works_before_who_rests() -> None:
    resting = [
        vehicle(id=f"R-{n}", battery_pct=None, parcel_ids=[], sentence=f"R-{n} waits for work")
        for n in range(9)
    ]
    out = vehicle(
        id="W-1", phase="holding", armed=True, battery_pct=50.0, parcel_ids=[], sentence="W-1 holds"
    )
    told = shown([*resting, out], rows=4)
    assert [word for word in ("W-1", "R-0", "R-1", "R-2") if word in told] == ["W-1", "R-0", "R-1"]
    assert "7 more" in told
    assert len(shown([*resting, out], rows=10).splitlines()) == 4 + 1 + 10


def test_a_zones_title_says_whom_and_when_it_binds() -> None:
    told = {
        "name": "Yard",
        "kind": "no_fly",
        "floor": {"value_m": 90, "datum": "AMSL"},
        "ceiling": None,
        "classes": ["multirotor", "robot"],
        "schedule": {"windows": []},
    }
    words = zone_words(told)
    assert words == (
        "Yard: no-fly, 90 m AMSL to unlimited, for drones, for robots, at its hours only"
    )
    assert zone_words({"name": "Area", "kind": "keep_in"}) == "Area: keep-in"
