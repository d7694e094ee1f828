"""Cases put to the code and to the oracle, and what came of it.

Owns the run of one case, of a block of them, and the sum. What is put to the code is a `Subject`,
so that a broken one can be put there to see that the campaign finds it.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from geofence.bulk import crossings
from geofence.check import Surroundings, check
from geofence.diff import diff
from geofence.errors import ZoneError
from geofence.path import FlightPath, Verdict, Violation
from geofence.recheck import ActivePaths, recheck
from geofence.zones import Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.contingency import contingency_air
from tests.oracle import judge, kept, sweeps
from tests.oracle.cases import DRAWERS, Case, surroundings
from tests.oracle.judge import Track

Told = set[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged."""

    check: Callable[[FlightPath, ZoneSet, Surroundings], Verdict] = check
    crossings: Callable[[Any, ZoneSet], tuple[Any, Any]] = crossings
    recheck: Callable[..., dict[str, Any]] = recheck
    contingency_air: Callable[..., tuple[Any, Any]] = contingency_air


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong answer. `kind`: "false allowed" (the answer is yes and must be no), "missed" (the
    answer is no, and leaves out a zone that must be named), "false forbidden" (a zone is named that
    is out of reach by more than the stated tolerance)."""

    kind: str
    text: str


@dataclass(slots=True)
class Sum:
    """What cases came to; sums add up."""

    cases: Counter[str] = field(default_factory=Counter)
    pairs: int = 0
    forbidden: int = 0
    """Pairs of leg or disc and zone that must be told, and were."""
    clear: int = 0
    """Pairs that were not told, and are proved not to touch."""
    open: int = 0
    """Pairs that were not told, where the oracle's own bounds leave both open."""
    tolerated: int = 0
    """Pairs that were told though out of reach, within the stated tolerance."""
    undecided: int = 0
    """Pairs that were told where the oracle's own bounds leave both open."""
    excess_m: dict[str, tuple[float, float, str]] = field(default_factory=dict)
    """By family: the farthest out of reach that was told, the tolerance there, and the case."""
    share: dict[str, tuple[float, str]] = field(default_factory=dict)
    """By family: the largest share of the tolerance that was used, and the case."""
    faults: list[tuple[str, Fault]] = field(default_factory=list)

    def add(self, other: Sum) -> None:
        self.cases.update(other.cases)
        self.pairs += other.pairs
        self.forbidden += other.forbidden
        self.clear += other.clear
        self.open += other.open
        self.tolerated += other.tolerated
        self.undecided += other.undecided
        self.faults.extend(other.faults)
        for family, worst in other.excess_m.items():
            self.excess_m[family] = max(worst, self.excess_m.get(family, (0.0, 0.0, "")))
        for family, most in other.share.items():
            self.share[family] = max(most, self.share.get(family, (0.0, "")))

    def tell(self, touch: judge.Touch, family: str, name: str) -> None:
        if touch.excess_m is None:
            self.undecided += 1
            return
        self.tolerated += 1
        worst = (touch.excess_m, touch.tolerance_m, name)
        self.excess_m[family] = max(worst, self.excess_m.get(family, (0.0, 0.0, "")))
        most = (touch.excess_m / touch.tolerance_m, name)
        self.share[family] = max(most, self.share.get(family, (0.0, "")))


FAMILIES: dict[str, float] = {
    **{name: weight for name, (weight, _) in DRAWERS.items()}, **sweeps.WEIGHTS
}  # fmt: skip


def case_name(seed: int, family: str, number: int) -> str:
    return f"{seed}:{family}:{number}"


def draw_case(name: str) -> Case:
    """The case of a name."""
    return _draw(name)[0]


def _draw(name: str) -> tuple[Case, ZoneSet]:
    """Draws again where zones are none (crossing rings, upside down)."""
    family = name.split(":")[1]
    rng = random.Random(name)
    drawer = sweeps.DRAWERS[family] if family in sweeps.DRAWERS else DRAWERS[family][1]
    while True:
        case = drawer(rng)
        try:
            zones = ZoneSet(case.zones)
            ZoneSet(case.before or ())
        except ZoneError:
            continue
        return case, zones


def run_case(case: Case, subject: Subject, name: str = "", zones: ZoneSet | None = None) -> Sum:
    """Judge one case; `zones` is the set of its zones, where there is one."""
    found = Sum(cases=Counter({case.family: 1}))
    if case.family == "bulk":
        _run_bulk(case, subject, found, name)
    elif case.family == "fan":
        _run_fan(case, subject, found, name)
    elif case.before is not None:
        _run_recheck(case, subject, found, name)
    else:
        _run_check(case, subject, found, name, zones or ZoneSet(case.zones))
    return found


def _run_check(case: Case, subject: Subject, found: Sum, name: str, zones: ZoneSet) -> None:
    verdict = subject.check(case.path, zones, surroundings(case.ground))
    judged = _Judged(case, case.zones, found, name, allowed=verdict.allowed)
    judged.enforced(verdict.violations)
    judged.advised(verdict.advisories)
    if verdict.allowed != (not verdict.violations):
        found.faults.append((name, Fault("false allowed", "allowed and violations differ")))


def _run_recheck(case: Case, subject: Subject, found: Sum, name: str) -> None:
    changes = diff(ZoneSet(case.before or ()), ZoneSet(case.zones))
    told = subject.recheck(
        changes,
        ActivePaths({"M": case.path}),
        surroundings(case.ground),
        now=case.path.legs[0].enter,
    )
    answer = told.get("M")
    old = {zone.zone_id: zone for zone in case.before or ()}
    fresh = tuple(zone for zone in case.zones if old.get(zone.zone_id) != zone)
    judged = _Judged(case, fresh, found, name, allowed=answer is None)
    judged.enforced(answer.violations if answer else ())


class _Judged:
    """The pairs of one case and what was told of them."""

    def __init__(
        self, case: Case, zones: Iterable[Zone], found: Sum, name: str, *, allowed: bool
    ) -> None:
        self._case, self._zones, self._found, self._name = case, tuple(zones), found, name
        self._allowed = allowed
        owners = (*case.path.legs, *case.path.discs)
        self._tracks = [Track(owner, case.path, case.origin) for owner in owners]

    def enforced(self, told: Iterable[Violation]) -> None:
        case, path = self._case, self._case.path
        zones = {zone.zone_id: zone for zone in self._zones}
        slow = {(v.index, v.zone_id) for v in told if v.max_speed_mps is not None}
        kept_out = {v.index for v in told if v.kind is ZoneKind.KEEP_IN}
        entered = {
            (v.index, v.zone_id)
            for v in told
            if v.max_speed_mps is None and v.kind is not ZoneKind.KEEP_IN
        }
        for index, zone_id in slow | entered:
            if zone_id not in zones:
                self._fault("false forbidden", f"{index} {zone_id} is not a zone asked about")
        for track in self._tracks:
            groups = kept.demanded(path, track, case.zones)
            if groups:
                self._pair(
                    (track.owner.index in kept_out),
                    lambda t=track, g=groups: kept.certain(t, g, case.ground),
                    lambda stated, t=track, g=groups: kept.possible(
                        t, g, case.ground, stated=stated
                    ),
                    f"{track.owner.index} against keep-ins",
                )
            elif track.owner.index in kept_out:
                self._fault("false forbidden", f"{track.owner.index}: nothing is to be kept")
            for zone in self._zones:
                if zone.kind is not ZoneKind.ADVISORY:
                    self._zone(track, zone, entered, enforced=True)
                self._speed(track, zone, slow)

    def advised(self, told: Iterable[Violation]) -> None:
        pairs = {(v.index, v.zone_id) for v in told}
        for track in self._tracks:
            for zone in self._zones:
                if zone.kind is ZoneKind.ADVISORY:
                    self._zone(track, zone, pairs, enforced=False)

    def _zone(self, track: Track, zone: Zone, told: Told, *, enforced: bool) -> None:
        key = (track.owner.index, zone.zone_id)
        if not judge.forbids(zone, self._case.path):
            if key in told:
                self._fault("false forbidden", f"{key}: the zone does not speak to this path")
            return
        ground = self._case.ground
        self._pair(
            key in told,
            lambda: judge.certain(track, zone, ground),
            lambda stated: judge.possible(track, zone, ground, stated=stated),
            f"{key[0]} against {key[1]}",
            enforced=enforced,
        )

    def _speed(self, track: Track, zone: Zone, told: Told) -> None:
        limit, owner = zone.max_speed_mps, track.owner
        key, path, ground = (owner.index, zone.zone_id), self._case.path, self._case.ground
        asked = limit is not None and owner in path.legs and judge.binds(zone, path)
        if not asked or (
            zone.kind in {ZoneKind.NO_FLY, ZoneKind.RESTRICTED} and judge.forbids(zone, path)
        ):
            if key in told:
                self._fault("false forbidden", f"{key}: no speed limit here")
            return
        over = judge.speed_excess(owner, limit)
        fast, slow = over > judge.SPEED_TOLERANCE_MPS, over <= 0.0
        self._pair(
            key in told,
            lambda: fast and judge.certain(track, zone, ground),
            lambda stated: None if slow else judge.possible(track, zone, ground, stated=stated),
            f"{key[0]} too fast for {key[1]}",
        )

    def _pair(
        self,
        told: bool,
        certain: Callable[[], bool],
        possible: Callable[[bool], judge.Touch | None],
        what: str,
        *,
        enforced: bool = True,
    ) -> None:
        self._found.pairs += 1
        if not told:
            if possible(False) is None:
                self._found.clear += 1
            elif certain():
                kind = "false allowed" if self._allowed and enforced else "missed"
                self._fault(kind, f"{what}: it touches, and was not told")
            else:
                self._found.open += 1
        elif certain():
            self._found.forbidden += 1
        else:
            touch = possible(True)
            if touch is None:
                self._fault("false forbidden", f"{what}: told, and out of reach")
            else:
                self._found.tell(touch, self._case.family, self._name)

    def _fault(self, kind: str, text: str) -> None:
        self._found.faults.append((self._name, Fault(kind, text)))


def _run_bulk(case: Case, subject: Subject, found: Sum, name: str) -> None:
    lines = sweeps.lines_of(case)
    legs, zones = subject.crossings(np.array(lines), ZoneSet(case.zones))
    told = set(zip(np.asarray(legs).tolist(), np.asarray(zones).tolist(), strict=True))
    for leg, line in enumerate(lines):
        for number, zone in enumerate(case.zones):
            found.pairs += 1
            certain, possible = sweeps.shares_a_point(line, zone)
            if certain and (leg, number) not in told:
                fault = Fault("false allowed", f"leg {leg} and {zone.zone_id} share a point")
                found.faults.append((name, fault))
            elif not possible and (leg, number) in told:
                fault = Fault("false forbidden", f"leg {leg} and {zone.zone_id} are apart")
                found.faults.append((name, fault))
            elif (leg, number) in told:
                found.forbidden += certain
                found.undecided += not certain
            else:
                found.clear += not possible
                found.open += possible


def _run_fan(case: Case, subject: Subject, found: Sum, name: str) -> None:
    path = sweeps.fan_of(case, subject.contingency_air)
    for zone in case.zones:
        found.pairs += 1
        allowed = subject.check(path, ZoneSet([zone]), surroundings(case.ground)).allowed
        certain, possible = sweeps.on_a_way_back(case, zone)
        if certain and allowed:
            fault = Fault("false allowed", f"{zone.zone_id} is on a way back or down: {certain}")
            found.faults.append((name, fault))
        elif not possible and not allowed:
            fault = Fault("false forbidden", f"{zone.zone_id} is on no way back or down")
            found.faults.append((name, fault))
        elif not allowed:
            found.forbidden += bool(certain)
            found.undecided += not certain
        else:
            found.clear += not possible
            found.open += possible


def run_block(
    seed: int, family: str, numbers: Iterable[int], subject: Subject | None = None
) -> Sum:
    """Judge the cases of one family with these numbers."""
    total = Sum()
    for number in numbers:
        name = case_name(seed, family, number)
        case, zones = _draw(name)
        total.add(run_case(case, subject or Subject(), name, zones))
    return total


def shares(cases: int) -> dict[str, int]:
    """How many cases of each family, `cases` at least in all."""
    whole = sum(FAMILIES.values())
    return {family: math.ceil(cases * weight / whole) for family, weight in FAMILIES.items()}


def smaller(case: Case, kind: str, subject: Subject) -> Case:
    """The least case that is reached by leaving out and simplifying, with a fault of this kind."""

    def fails(one: Case) -> bool:
        try:
            ZoneSet(one.zones)
            faults = run_case(one, subject).faults
        except (ValueError, AssertionError, ArithmeticError):
            return False
        return any(fault.kind == kind for _, fault in faults)

    again = True
    while again:
        again = False
        for one in _simpler(case):
            if fails(one):
                case, again = one, True
                break
    return case


def _simpler(case: Case) -> Iterable[Case]:
    for n in range(len(case.zones)):
        if len(case.zones) > 1:
            yield replace(case, zones=case.zones[:n] + case.zones[n + 1 :])
    path = case.path
    for n in range(len(path.discs)):
        yield replace(case, path=replace(path, discs=path.discs[:n] + path.discs[n + 1 :]))
    for n in range(len(path.legs)):
        if len(path.legs) > 1 or path.discs:
            yield replace(case, path=replace(path, legs=path.legs[:n] + path.legs[n + 1 :]))
    for n, zone in enumerate(case.zones):
        for one in _simpler_zones(zone):
            if one != zone:
                yield replace(case, zones=(*case.zones[:n], one, *case.zones[n + 1 :]))
    for n, leg in enumerate(path.legs):
        for change in ({"corridor_m": 0.0}, {"end_amsl_m": leg.start_amsl_m}, {"leave": leg.enter}):
            one = replace(leg, **change)
            if one != leg:
                legs = (*path.legs[:n], one, *path.legs[n + 1 :])
                yield replace(case, path=replace(path, legs=legs))


def _simpler_zones(zone: Zone) -> Iterable[Zone]:
    plain = Zone("Z", "", zone.kind, zone.area)
    for name in (
        "floor", "ceiling", "schedule", "classes", "permit", "surfaces", "min_mass_kg",
        "electric_exempt", "max_speed_mps",
    ):  # fmt: skip
        yield replace(zone, **{name: getattr(plain, name)})
    if hasattr(zone.area, "shell"):
        shell, area_holes = zone.area.shell, zone.area.holes
        for n in range(len(area_holes)):
            rest = area_holes[:n] + area_holes[n + 1 :]
            yield replace(zone, area=replace(zone.area, holes=rest))
        for n in range(len(shell)):
            if len(shell) > 3:
                yield replace(zone, area=replace(zone.area, shell=shell[:n] + shell[n + 1 :]))
