"""The whole judgement: from files to a report.

Owns the order of the rules and the report's form. Must not write files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sitl.referee.airspace import judge_zones
from sitl.referee.custody import Release, judge_parcels, read_expected, read_submitted
from sitl.referee.earth import ecef
from sitl.referee.findings import Finding, iso
from sitl.referee.lanes import judge_lanes, read_stretches
from sitl.referee.separation import Approach, judge_separation
from sitl.referee.truth import Track, Truth, read_truth
from sitl.referee.zones import read_zones

MOST_UNSEEN_S = 60.0
_POINT_EVERY_M = 8.0
_HOLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Report:
    """What the referee says."""

    findings: tuple[Finding, ...]
    truth: Truth
    zones: int
    releases: tuple[Release, ...]
    nearest: Approach | None
    stretches: int = 0
    """Narrow streets and crossings that were judged."""

    @property
    def ok(self) -> bool:
        """Whether nothing forbidden happened."""
        return not self.findings

    def as_json(self) -> dict[str, object]:
        """The report as it is written."""
        return {
            "ok": self.ok,
            "findings": [finding.as_json() for finding in self.findings],
            "samples": self.truth.samples,
            "zones": self.zones,
            "stretches": self.stretches,
            "releases": [release.as_json() for release in self.releases],
            "nearest_approach": self.nearest.as_json() if self.nearest else None,
            "cut_off": self.truth.cut_off,
            "tracks": {name: _told(track) for name, track in self.truth.tracks.items()},
        }


def judge(
    truth_file: Path,
    zones_file: Path,
    expect_file: Path,
    parcels_file: Path | None = None,
    *,
    streets_file: Path | None = None,
) -> Report:
    """Judge what the lab saw against zones and against what the controller says it did.

    `parcels_file` lists what was submitted: a parcel that the expectations leave out is lost.
    `streets_file` tells where robots may only be by turns; without it that is not judged.
    Raises RefereeError where a file cannot be read.
    """
    truth = read_truth(truth_file)
    zones = read_zones(zones_file, ground_amsl_m=truth.ground_amsl_m, geoid_m=truth.geoid_m)
    expected, permits = read_expected(expect_file)
    submitted = read_submitted(parcels_file) if parcels_file is not None else None
    tracks = tuple(truth.tracks.values())
    classes = {track.vehicle_id: track.vehicle_class for track in tracks}
    found = judge_zones(tracks, zones, permits)
    apart, nearest = judge_separation(tracks, truth.hubs)
    stretches = read_stretches(streets_file) if streets_file is not None else ()
    lanes = judge_lanes(tracks, truth.hubs, stretches)
    parcels, releases = judge_parcels(truth.happenings, classes, expected, submitted, truth.no_way)
    findings = (*_crashes(truth), *found, *apart, *lanes, *parcels, *_unseen(tracks))
    return Report(findings, truth, len(zones), tuple(releases), nearest, len(stretches))


def _crashes(truth: Truth) -> list[Finding]:
    return [
        Finding(
            "crash",
            f"{h.vehicle_id} crashed: {h.detail or 'no reason told'}",
            h.vehicle_id,
            t_s=h.t_s,
            lon_deg=h.lon_deg,
            lat_deg=h.lat_deg,
        )
        for h in truth.happenings
        if h.event == "crashed"
    ]


def _unseen(tracks: tuple[Track, ...]) -> list[Finding]:
    """Vehicles that the lab never saw, and flights with a hole too long to be judged across."""
    found = []
    for track in tracks:
        if len(track) == 0:
            found.append(
                Finding("unseen", f"{track.vehicle_id} has no track", vehicle_id=track.vehicle_id)
            )
            continue
        holes = np.diff(track.t_s)
        found += [
            Finding(
                "unseen",
                f"{track.vehicle_id} flew unseen for {float(holes[row]):.0f} s",
                track.vehicle_id,
                t_s=float(track.t_s[row]),
                until_s=float(track.t_s[row + 1]),
            )
            for row in np.flatnonzero((holes > MOST_UNSEEN_S) & track.airborne[:-1]).tolist()
        ]
    return found


def _told(track: Track) -> dict[str, object]:
    told: dict[str, object] = {"class": track.vehicle_class, "samples": len(track)}
    if len(track) == 0:
        return told | {"points": []}
    holes = np.diff(track.t_s)
    return told | {
        "first": iso(float(track.t_s[0])),
        "last": iso(float(track.t_s[-1])),
        "airborne_s": round(float(holes[track.airborne[:-1]].sum()), 1),
        "holes": int((holes > _HOLE_S).sum()),
        "longest_hole_s": round(float(holes.max()), 2) if len(holes) else 0.0,
        "highest_amsl_m": round(float(track.alt_amsl_m.max()), 1),
        "points": [
            [round(lon, 6), round(lat, 6)] for lon, lat in track.lonlat[_kept(track)].tolist()
        ],
    }


def _kept(track: Track) -> npt.NDArray[np.int64]:
    """The samples that draw the track: one for every few metres, and both ends."""
    steps_m = np.linalg.norm(np.diff(ecef(track.lonlat), axis=0), axis=-1)
    counted = np.floor(np.concatenate(([0.0], np.cumsum(steps_m))) / _POINT_EVERY_M)
    keep = np.concatenate(([True], np.diff(counted) > 0.0))
    keep[-1] = True
    return np.flatnonzero(keep)
