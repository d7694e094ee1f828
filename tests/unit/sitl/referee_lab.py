"""A truth, zones and expectations made by hand, for the referee to judge."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sitl.referee import Report, judge

START = datetime(2026, 6, 10, 7, 0, tzinfo=UTC)
LAT, LON = 60.17, 24.94
M_LAT, M_LON = 1 / 111_400.0, 1 / 55_600.0
HUB = (0.0, 0.0)


def at(east_m: float, north_m: float) -> tuple[float, float]:
    return LON + east_m * M_LON, LAT + north_m * M_LAT


def square(
    zone_id: str, west: float, south: float, east: float, north: float, **more: object
) -> dict[str, object]:
    ring = [at(west, south), at(east, south), at(east, north), at(west, north), at(west, south)]
    properties: dict[str, object] = {
        "name": zone_id,
        "kind": "no_fly",
        "classes": ["multirotor"],
        "floor": None,
        "ceiling": None,
    }
    return {
        "type": "Feature",
        "id": zone_id,
        "properties": properties | more,
        "geometry": {"type": "Polygon", "coordinates": [[list(p) for p in ring]]},
    }


AREA = square(
    "area", -3000, -3000, 3000, 3000, kind="keep_in", ceiling={"value_m": 120, "datum": "AGL"}
)
PALACE = square("palace", 400, 200, 600, 400, ceiling={"value_m": 300, "datum": "AMSL"})


@dataclass
class Lab:
    """A truth made by hand, an expectation, and zones."""

    folder: Path
    zones: list[dict[str, object]] = field(default_factory=lambda: [AREA, PALACE])
    lines: list[dict[str, object]] = field(default_factory=list)
    parcels: list[dict[str, object]] = field(default_factory=list)
    permits: dict[str, list[str]] = field(default_factory=dict)
    submitted: list[str] | None = None
    no_way: list[str] | None = None
    traits: dict[str, dict[str, object]] = field(default_factory=dict)
    vehicles: dict[str, str] = field(
        default_factory=lambda: {"drone-1": "multirotor", "drone-2": "multirotor", "bot": "robot"}
    )

    def sample(
        self,
        vehicle: str,
        t: float,
        east: float,
        north: float,
        alt: float = 15.0,
        *,
        event: str = "",
        detail: str = "",
    ) -> None:
        lon, lat = at(east, north)
        self.lines.append(
            {
                "vehicle_id": vehicle,
                "t": (START + timedelta(seconds=t)).isoformat(),
                "lat_deg": lat,
                "lon_deg": lon,
                "alt_amsl_m": alt,
                "heading_deg": 0.0,
                "armed": alt > 15.0,
                "on_ground": alt <= 15.0,
                "event": event,
                "detail": detail,
            }
        )

    def move(
        self,
        vehicle: str,
        start: tuple[float, float, float],
        end: tuple[float, float, float],
        t0: float,
        t1: float,
        step: float = 0.5,
    ) -> None:
        count = max(1, round((t1 - t0) / step))
        for i in range(count + 1):
            share = i / count
            east, north, alt = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            self.sample(vehicle, t0 + share * (t1 - t0), east, north, alt)

    def fly(
        self, vehicle: str, goal: tuple[float, float], alt: float = 70.0, t: float = 0.0
    ) -> None:
        """Up, over, down to 20 m, release, and the same way back."""
        home = (0.0, 0.0) if vehicle == "drone-1" else (9.0, 0.0)
        self.move(vehicle, (*home, 15.0), (*home, alt), t, t + 20)
        self.move(vehicle, (*home, alt), (*goal, alt), t + 20, t + 100)
        self.move(vehicle, (*goal, alt), (*goal, 20.0), t + 100, t + 115)
        self.sample(vehicle, t + 115, *goal, 20.0, event="released", detail="winch")
        self.move(vehicle, (*goal, 20.0), (*goal, alt), t + 115, t + 130)
        self.move(vehicle, (*goal, alt), (*home, alt), t + 130, t + 210)
        self.move(vehicle, (*home, alt), (*home, 15.0), t + 210, t + 230)
        self.sample(vehicle, t + 230, *home, 15.0, event="landed")

    def drive(self, goal: tuple[float, float], parcel: str, t: float = 0.0) -> None:
        self.sample("bot", t, 0, 0, event="picked", detail=parcel)
        self.move("bot", (0, 0, 15.0), (*goal, 15.0), t, t + 300)
        self.sample("bot", t + 300, *goal, event="dropped", detail=parcel)

    def expect(
        self, parcel: str, goal: tuple[float, float], vehicle: str, outcome: str = "delivered"
    ) -> None:
        lon, lat = at(*goal)
        self.parcels.append(
            {
                "id": parcel,
                "destination": {"lat_deg": lat, "lon_deg": lon},
                "outcome": outcome,
                "vehicle_id": vehicle,
            }
        )

    def write(self) -> tuple[Path, Path, Path, Path | None]:
        lon, lat = at(*HUB)
        header = {
            "ground_amsl_m": 15.0,
            "geoid_m": 18.0,
            "hubs": [{"id": "hub", "lat_deg": lat, "lon_deg": lon, "radius_m": 60.0}],
            "vehicles": self.vehicles,
            "no_way": self.no_way,
            "traits": self.traits,
        }
        seen = {line["vehicle_id"] for line in self.lines}
        for vehicle in self.vehicles:
            if vehicle not in seen:
                self.sample(vehicle, 0, 40, -40)
        truth, zones, expect = (self.folder / n for n in ("truth.jsonl", "zones", "expect"))
        rows = [{"header": header}, *self.lines]
        truth.write_text("".join(json.dumps(row) + "\n" for row in rows))
        zones.write_text(json.dumps({"type": "FeatureCollection", "features": self.zones}))
        expect.write_text(json.dumps({"parcels": self.parcels, "permits": self.permits}))
        submitted = None
        if self.submitted is not None:
            submitted = self.folder / "parcels.json"
            submitted.write_text(json.dumps([{"id": name} for name in self.submitted]))
        return truth, zones, expect, submitted

    def judge(self) -> Report:
        return judge(*self.write())

    def rules(self) -> list[str]:
        return [finding.rule for finding in self.judge().findings]
