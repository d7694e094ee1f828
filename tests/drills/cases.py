"""What one upload drill goes through, drawn from a seed; and what is found after it.

Owns the case, its drawing and the outcome. A step is one frame that leaves either side after the
controller was told to load: "at step 17" means when the seventeenth has been sent.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from geofence.frames import LatLon, offset
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from sitl.netfault import Faults

HOME = LatLon(60.1700, 24.9400)
HOME_AMSL_M = 10.0
LOSSES = (0.0, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30)
EVENTS = ("none", "writer", "reboot", "power", "controller")
WRITERS = ("whole", "abandoned", "partial", "clear")
WRITER_IDS = ((254, 190), (255, 190), (255, 1))
"""The second and third are a second controller of the same identity, and its neighbour."""
LAST_STEP = 130
"""Past the start's own frames on a good link; on a bad one there are more."""


@dataclass(frozen=True, slots=True)
class Case:
    """One drill. Losses are shares each way."""

    name: str
    loss: float
    up: Faults
    down: Faults
    stops: int
    old_stops: int
    event: str
    step: int
    writer: str = ""
    writer_id: tuple[int, int] = (254, 190)
    writer_stops: int = 0
    writer_stop_at: int = 0
    off_s: float = 0.0


def draw(seed: int, number: int, events: tuple[str, ...] = EVENTS) -> Case:
    """The case of a number: loss rates in turn, everything else by chance."""
    rng = random.Random(f"{seed}:{number}")
    loss = LOSSES[number % len(LOSSES)]
    event = events[number // len(LOSSES) % len(events)]

    def faults() -> Faults:
        return Faults(
            drop=loss,
            duplicate=rng.choice((0.0, rng.random() * 0.2)),
            corrupt=rng.choice((0.0, rng.random() * 0.02)),
            delay_s=rng.uniform(0.01, 0.25),
            jitter_s=rng.choice((0.0, rng.random() * 0.4)),
        )

    return Case(
        name=f"{seed}:{number}",
        loss=loss,
        up=faults(),
        down=faults(),
        stops=rng.randint(0, 8),
        old_stops=rng.randint(-1, 12),
        event=event,
        step=rng.randrange(LAST_STEP),
        writer=rng.choice(WRITERS) if event == "writer" else "",
        writer_id=rng.choice(WRITER_IDS),
        writer_stops=rng.randint(0, 8),
        writer_stop_at=rng.randint(0, 6),
        off_s=rng.uniform(0.5, 20.0),
    )


def mission(stops: int, *, alt_m: float = 30.0, parcel: str = "P-1", vehicle: str = "D-0",
            home: LatLon = HOME) -> AirMission:  # fmt: skip
    """A delivery with `stops` waypoints on the way out and as many back: 9 items and home, and
    two more for each stop."""
    kind = ItemKind
    drop = offset(home, 90.0, 60.0 + 30.0 * stops)
    way = [AirItem(kind.WAYPOINT, offset(home, 90.0, 30.0 * (n + 1)), alt_m) for n in range(stops)]
    items = (
        AirItem(kind.TAKEOFF, home, alt_m),
        *way,
        AirItem(kind.WAYPOINT, drop, alt_m),
        AirItem(kind.WAYPOINT, drop, 12.0),
        AirItem(kind.RELEASE, device=DropDevice.GRIPPER, parcel_id=parcel),
        AirItem(kind.RETURN_PATH),
        AirItem(kind.WAYPOINT, drop, alt_m),
        *reversed(way),
        AirItem(kind.LAND, home),
    )
    return AirMission("M-1", vehicle, home, HOME_AMSL_M, 30.0, items, "drill")


@dataclass(slots=True)
class Outcome:
    """What a case came to.

    `verified`: a load was proven by reading back; `loads` and `verified_s` say after how many and
    how long. `started`: the vehicle was seen to run a mission armed. `armed_other` and
    `started_other` say what it held then instead of the approved mission; empty is as it must be.
    """

    name: str
    loss: float
    event: str
    verified: bool = False
    loads: int = 0
    verified_s: float = 0.0
    started: bool = False
    refusals: list[str] = field(default_factory=list)
    armed_other: str = ""
    started_other: str = ""
    holds: str = ""
    fault: str = ""


def _share(part: int, whole: int) -> float:
    return round(part / whole, 5) if whole else 0.0


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """The figures of many cases."""
    by_loss: dict[str, dict[str, Any]] = {}
    for loss in sorted({o.loss for o in outcomes}):
        mine = [o for o in outcomes if o.loss == loss]
        times = sorted(o.verified_s for o in mine if o.verified)
        by_loss[f"{loss:.2f}"] = {
            "cases": len(mine),
            "verified": sum(o.verified for o in mine),
            "verified_share": _share(sum(o.verified for o in mine), len(mine)),
            "at_first_load": sum(o.verified and o.loads == 1 for o in mine),
            "most_loads": max((o.loads for o in mine), default=0),
            "median_s": round(times[len(times) // 2], 1) if times else None,
            "p99_s": round(times[int(len(times) * 0.99)], 1) if times else None,
            "started": sum(o.started for o in mine),
        }
    return {
        "cases": len(outcomes),
        "verified": sum(o.verified for o in outcomes),
        "started": sum(o.started for o in outcomes),
        "started_unapproved": sum(bool(o.started_other) for o in outcomes),
        "armed_unapproved": sum(bool(o.armed_other) for o in outcomes),
        "holds_at_the_end": dict(Counter(o.holds for o in outcomes)),
        "by_loss": by_loss,
        "by_event": {
            event: {
                "cases": sum(o.event == event for o in outcomes),
                "verified": sum(o.verified for o in outcomes if o.event == event),
                "started": sum(o.started for o in outcomes if o.event == event),
            }
            for event in sorted({o.event for o in outcomes})
        },
        "unverified": [
            {"case": o.name, "loss": o.loss, "event": o.event, "last": o.refusals[-1:]}
            for o in outcomes
            if not o.verified
        ][:20],
        "faults": [asdict(o) for o in outcomes if o.started_other or o.armed_other or o.fault][:20],
    }
