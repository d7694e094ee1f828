"""The truth as a file: JSON lines, a header first, then samples as they happen.

Owns the file and which samples enter it: every event at once, and positions of one vehicle no
closer than a period. Must not judge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self

from sitl.scenario import Scenario
from sitl.world import TruthSample


class TruthLog:
    """A context manager to call with every sample; without a file it keeps nothing.

    Each line is handed to the system as it is written, so that a killed lab loses at most the
    line that it was writing.
    """

    def __init__(self, file: Path | None, header: Mapping[str, object], period_s: float) -> None:
        self._file = file
        self._header = header
        self._period_s = period_s
        self._sink: IO[str] | None = None
        self._last: dict[str, TruthSample] = {}

    def __enter__(self) -> Self:
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._sink = self._file.open("w", encoding="utf-8", buffering=1)
            self._sink.write(json.dumps({"header": self._header}) + "\n")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def __call__(self, sample: TruthSample) -> None:
        """Write a sample if it is an event, a change of state, or due."""
        if self._sink is None or not self._due(sample):
            return
        if not sample.event:
            self._last[sample.vehicle_id] = sample
        self._sink.write(json.dumps(line_of(sample), separators=(",", ":")) + "\n")

    def _due(self, sample: TruthSample) -> bool:
        last = self._last.get(sample.vehicle_id)
        if sample.event or last is None:
            return True
        if (sample.armed, sample.on_ground) != (last.armed, last.on_ground):
            return True
        return (sample.t - last.t).total_seconds() >= self._period_s - 1e-6


def header_of(scenario: Scenario) -> dict[str, object]:
    """What a judge must know of the world besides the samples."""
    no_way = scenario.no_way if scenario.complete else None
    return {
        "no_way": None if no_way is None else sorted(no_way),
        "ground_amsl_m": scenario.ground_amsl_m,
        "geoid_m": scenario.geoid_m,
        "hubs": [
            {
                "id": hub.hub_id,
                "lat_deg": hub.lat_deg,
                "lon_deg": hub.lon_deg,
                "radius_m": hub.radius_m,
            }
            for hub in scenario.hubs
        ],
        "vehicles": {spec.vehicle_id: "multirotor" for spec in scenario.copters}
        | {spec.vehicle_id: "robot" for spec in scenario.robots},
        "traits": {vehicle_id: dict(told) for vehicle_id, told in sorted(scenario.traits.items())},
    }


def line_of(sample: TruthSample) -> dict[str, object]:
    """A sample as JSON values; positions to a centimetre."""
    return {
        "vehicle_id": sample.vehicle_id,
        "t": sample.t.isoformat(timespec="milliseconds"),
        "lat_deg": round(sample.lat_deg, 7),
        "lon_deg": round(sample.lon_deg, 7),
        "alt_amsl_m": round(sample.alt_amsl_m, 2),
        "heading_deg": round(sample.heading_deg, 1),
        "armed": sample.armed,
        "on_ground": sample.on_ground,
        "event": sample.event,
        "detail": sample.detail,
    }
