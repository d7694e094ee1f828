"""Whether every parcel went where it was said to have gone, once.

Owns the rules on parcels. A robot's drop names its parcel; a drone's release does not, so it is
matched to the expected deliveries of that drone by place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitl.referee.earth import distance_m
from sitl.referee.findings import Finding, iso
from sitl.referee.reading import RefereeError, listing, load_json, mapping, number, text
from sitl.referee.truth import Happening

DRONE_TOLERANCE_M = 15.0
ROBOT_TOLERANCE_M = 30.0
ENDS = frozenset({"delivered", "refused", "returned", "cancelled"})
"""The outcomes after which a parcel is not lost."""
IN_DOUBT = "stranded"
"""Told to be with its vehicle or gone, which a person is to find out: a release fits it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the controller says became of a parcel."""

    parcel_id: str
    lon_deg: float
    lat_deg: float
    outcome: str
    vehicle_id: str


@dataclass(frozen=True, slots=True)
class Release:
    """A parcel that left a vehicle, matched to what was expected where it could be."""

    happening: Happening
    parcel_id: str
    distance_m: float | None

    def as_json(self) -> dict[str, object]:
        """As the report has it."""
        return {
            "vehicle_id": self.happening.vehicle_id,
            "parcel_id": self.parcel_id,
            "t": iso(self.happening.t_s),
            "lon_deg": round(self.happening.lon_deg, 7),
            "lat_deg": round(self.happening.lat_deg, 7),
            "distance_m": None if self.distance_m is None else round(self.distance_m, 2),
        }


def read_expected(path: Path) -> tuple[tuple[Expected, ...], Mapping[str, frozenset[str]]]:
    """What is expected of each parcel, and the permits of vehicles.

    {"parcels": [{"id", "destination": {"lat_deg", "lon_deg"}, "outcome", "vehicle_id"}],
    "permits": {"drone-01": ["port"]}}; permits may be left out. Raises RefereeError.
    """
    body = mapping(path.name, "file", load_json(path))
    expected = []
    for index, item in enumerate(listing(path.name, "parcels", body.get("parcels"))):
        parcel = mapping(path.name, f"parcels[{index}]", item)
        where = f"{path.name} parcels[{index}]"
        place = mapping(where, "destination", parcel.get("destination"))
        expected.append(
            Expected(
                text(where, "id", parcel.get("id")),
                number(where, "destination.lon_deg", place.get("lon_deg")),
                number(where, "destination.lat_deg", place.get("lat_deg")),
                text(where, "outcome", parcel.get("outcome")),
                str(parcel.get("vehicle_id") or ""),
            )
        )
    twice = [name for name, n in Counter(e.parcel_id for e in expected).items() if n > 1]
    if twice:
        raise RefereeError(path.name, "parcels", f"told twice: {', '.join(twice)}")
    permits = {
        vehicle_id: frozenset(listing(path.name, "permits", held))
        for vehicle_id, held in mapping(path.name, "permits", body.get("permits") or {}).items()
    }
    return tuple(expected), permits


def read_submitted(path: Path) -> frozenset[str]:
    """The ids of the parcels that went in: a list of objects with an id each."""
    rows: list[Any] = listing(path.name, "file", load_json(path))
    return frozenset(
        text(path.name, f"[{index}].id", mapping(path.name, f"[{index}]", row).get("id"))
        for index, row in enumerate(rows)
    )


def judge_parcels(
    happenings: Sequence[Happening],
    classes: Mapping[str, str],
    expected: Sequence[Expected],
    submitted: frozenset[str] | None,
    no_way: frozenset[str] | None = None,
) -> tuple[list[Finding], list[Release]]:
    """Every parcel lost, told falsely, let go twice, elsewhere or without reason."""
    found = list(_ends(expected, submitted))
    if no_way is not None:
        found += _refusals(expected, no_way)
    by_id = {e.parcel_id: e for e in expected}
    drops = [h for h in happenings if h.event in {"dropped", "released"}]
    drone_drops = [h for h in drops if classes[h.vehicle_id] == "multirotor"]
    robot_drops = [h for h in drops if classes[h.vehicle_id] == "robot"]
    releases = _match(drone_drops, [e for e in expected if classes.get(e.vehicle_id) != "robot"])
    releases += [_named(drop, by_id) for drop in robot_drops]
    releases.sort(key=lambda r: r.happening.t_s)
    for release in releases:
        problem = _wrong(release, by_id, classes)
        if problem is not None:
            found.append(problem)
    found += _counts(expected, releases)
    found += _not_aboard(happenings, robot_drops)
    return found, releases


def _ends(expected: Sequence[Expected], submitted: frozenset[str] | None) -> list[Finding]:
    found = [
        Finding(
            "lost",
            f"{e.parcel_id} ended {e.outcome}: neither delivered, refused nor returned",
            e.vehicle_id,
            e.parcel_id,
        )
        for e in expected
        if e.outcome not in ENDS
    ]
    if submitted is not None:
        told = {e.parcel_id for e in expected}
        found += [
            Finding("lost", f"{name} was submitted and is not accounted for", parcel_id=name)
            for name in sorted(submitted - told)
        ]
    return found


def _refusals(expected: Sequence[Expected], no_way: frozenset[str]) -> list[Finding]:
    return [
        Finding(
            "refused_wrongly",
            f"{e.parcel_id} is told refused, though the scenario leaves it a way",
            parcel_id=e.parcel_id,
        )
        for e in expected
        if e.outcome == "refused" and e.parcel_id not in no_way
    ]


def _match(drops: Sequence[Happening], expected: Sequence[Expected]) -> list[Release]:
    """Each release with the nearest delivery that its drone is said to have made.

    One to one as far as deliveries go, then with parcels in doubt at whose destination it lies;
    what is left over and lies at a destination is a second release there.
    """
    pairs = sorted(
        (
            expected[j].outcome == IN_DOUBT,
            distance_m((drop.lon_deg, drop.lat_deg), (expected[j].lon_deg, expected[j].lat_deg)),
            i,
            j,
        )
        for i, drop in enumerate(drops)
        for j in range(len(expected))
        if expected[j].outcome in {"delivered", IN_DOUBT}
        and expected[j].vehicle_id == drop.vehicle_id
    )
    matched: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for in_doubt, length_m, i, j in pairs:
        if i in matched or j in taken or (in_doubt and length_m > DRONE_TOLERANCE_M):
            continue
        matched[i] = (j, length_m)
        taken.add(j)
    for _, length_m, i, j in pairs:
        if i not in matched and length_m <= DRONE_TOLERANCE_M:
            matched[i] = (j, length_m)
    return [
        Release(drop, expected[matched[i][0]].parcel_id, matched[i][1])
        if i in matched
        else Release(drop, "", None)
        for i, drop in enumerate(drops)
    ]


def _named(drop: Happening, by_id: Mapping[str, Expected]) -> Release:
    expected = by_id.get(drop.detail)
    if expected is None:
        return Release(drop, drop.detail, None)
    length_m = distance_m((drop.lon_deg, drop.lat_deg), (expected.lon_deg, expected.lat_deg))
    return Release(drop, drop.detail, length_m)


def _wrong(
    release: Release, by_id: Mapping[str, Expected], classes: Mapping[str, str]
) -> Finding | None:
    drop = release.happening
    expected = by_id.get(release.parcel_id)
    rule, reason = "", ""
    if expected is None:
        rule = "unexpected_release"
        reason = f"{drop.vehicle_id} let {release.parcel_id or 'a parcel'} go that nobody expected"
    elif expected.outcome not in {"delivered", IN_DOUBT}:
        rule = "unexpected_release"
        reason = f"{release.parcel_id} is told {expected.outcome}, yet {drop.vehicle_id} let it go"
    elif expected.vehicle_id != drop.vehicle_id:
        rule = "wrong_vehicle"
        reason = (
            f"{release.parcel_id} is told delivered by {expected.vehicle_id or 'nobody'}, yet "
            f"{drop.vehicle_id} let it go"
        )
    else:
        robot = classes[drop.vehicle_id] == "robot"
        most_m = ROBOT_TOLERANCE_M if robot else DRONE_TOLERANCE_M
        if release.distance_m is not None and release.distance_m > most_m:
            rule = "wrong_place"
            reason = (
                f"{drop.vehicle_id} let {release.parcel_id} go {release.distance_m:.1f} m from its "
                f"destination, more than {most_m:g} m"
            )
    if not rule:
        return None
    return Finding(
        rule,
        reason,
        drop.vehicle_id,
        release.parcel_id,
        t_s=drop.t_s,
        lon_deg=drop.lon_deg,
        lat_deg=drop.lat_deg,
    )


def _counts(expected: Sequence[Expected], releases: Sequence[Release]) -> list[Finding]:
    seen = Counter(release.parcel_id for release in releases if release.parcel_id)
    found = [
        Finding(
            "not_delivered",
            f"{e.parcel_id} is told delivered by {e.vehicle_id or 'nobody'}, yet nothing let it go",
            e.vehicle_id,
            e.parcel_id,
        )
        for e in expected
        if e.outcome == "delivered" and seen[e.parcel_id] == 0
    ]
    found += [
        Finding("released_twice", f"{name} was let go {count} times", parcel_id=name)
        for name, count in sorted(seen.items())
        if count > 1
    ]
    return found


def _not_aboard(happenings: Sequence[Happening], drops: Sequence[Happening]) -> list[Finding]:
    picked = Counter((h.vehicle_id, h.detail) for h in happenings if h.event == "picked")
    return [
        Finding(
            "not_aboard",
            f"{drop.vehicle_id} let {drop.detail or 'a parcel'} go that it had never picked up",
            drop.vehicle_id,
            drop.detail,
            t_s=drop.t_s,
        )
        for drop in drops
        if picked[(drop.vehicle_id, drop.detail)] == 0
    ]
