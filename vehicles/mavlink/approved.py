"""What a vehicle was proven to hold when its mission was loaded, as one hash.

Owns the record and its comparison. Must not read a vehicle. Mission, fence, rally list, home and
parameters count: a start reads all of them again and refuses where one is another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from missions.model import AirMission
from vehicles.mavlink.parameters import same_value
from vehicles.port import RallyPlace

_COUNTS = frozenset({"RALLY_TOTAL", "FENCE_TOTAL", "MIS_TOTAL"})
"""The vehicle's own counts: what they count is compared itself."""


@dataclass(frozen=True, slots=True)
class Approved:
    """Read from one vehicle at one moment. `fence`: hash of the list, "" where it cannot act."""

    mission: str
    home: str
    rally: tuple[RallyPlace, ...]
    fence: str
    parameters: Mapping[str, float | None]

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the whole first, then of its parts."""
        rally = [(_place(r.position.lat_deg, r.position.lon_deg), r.alt_home_m) for r in self.rally]
        parts = {
            "mission": self.mission,
            "fence": self.fence,
            "rally": _sha256(rally),
            "home": self.home,
            "parameters": _sha256(sorted(_told(self.parameters).items())),
        }
        return {"approved": _sha256(parts), **parts}

    def differences(self, now: Approved) -> tuple[str, ...]:
        """What is no longer as approved, named; empty where all is."""
        found = []
        if now.mission != self.mission:
            found.append("another mission")
        if now.home != self.home:
            found.append(f"home {now.home} instead of {self.home}")
        if now.fence != self.fence:
            found.append("another fence")
        if now.rally != self.rally:
            found.append(f"another rally list ({len(now.rally)} points, not {len(self.rally)})")
        for name, value in self.parameters.items():
            held = now.parameters.get(name)
            if name not in _COUNTS and not _same(value, held):
                found.append(f"{name} {_figure(held)} instead of {_figure(value)}")
        return tuple(found)


def home_of(mission: AirMission) -> str:
    """A mission's home at the resolution that vehicles store."""
    return (
        f"{_place(mission.home.lat_deg, mission.home.lon_deg)} {round(mission.home_amsl_m * 100)}"
    )


def _place(lat_deg: float, lon_deg: float) -> str:
    return f"{round(lat_deg * 1e7)} {round(lon_deg * 1e7)}"


def _told(values: Mapping[str, float | None]) -> dict[str, str]:
    return {name: _figure(value) for name, value in values.items() if name not in _COUNTS}


def _same(left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return left is right
    return same_value(left, right)


def _figure(value: float | None) -> str:
    return "no answer" if value is None else f"{value:.5g}"


def _sha256(body: object) -> str:
    return hashlib.sha256(json.dumps(body, separators=(",", ":")).encode()).hexdigest()
