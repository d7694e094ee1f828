"""Snapshots and sentences: what an operator reads.

Owns how a record becomes a view. Pure; must say nothing that the records do not hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from controller.delivery.proof import stop_of
from controller.delivery.views import ParcelView, VehicleView
from controller.domain.model import Assignment, AssignmentState, Parcel, ParcelState, Site
from controller.domain.records import AssignmentRecord, LastKnown, ParcelRecord
from controller.domain.transitions import ABOARD
from controller.fleet.allowed import allowed
from geofence.frames import LatLon, LocalFrame, geodesic_m
from geofence.zones import VehicleClass
from missions.battery import Forecast
from missions.model import AirMission, ItemKind, Mission
from vehicles.port import Capability, LinkState, Phase, Telemetry

P = ParcelState
OWN_WORDS = {
    Phase.HOLDING: "is holding",
    Phase.FAILSAFE: "is in a failsafe",
    Phase.LANDING: "is landing",
    Phase.LANDED: "has landed",
    Phase.LOST: "is lost: silent for longer than it could fly or may be",
}
RESTING = frozenset(
    {Phase.UNKNOWN, Phase.OFFLINE, Phase.BOOTING, Phase.NOT_READY, Phase.READY, Phase.ARMED}
)
"""Phases in which a vehicle is not on its way, whatever its mission says."""
OVER = frozenset({P.RELEASED, P.DELIVERED, P.REFUSED, P.CANCELLED, P.RETURNED, P.STRANDED})


def track_of(mission: Mission) -> tuple[LatLon, ...]:
    """The whole way of a mission."""
    if isinstance(mission, AirMission):
        return _distinct([mission.home, *(i.position for i in mission.items)])
    points: list[LatLon | None] = []
    for number, node in enumerate(mission.nodes):
        if number:
            points.extend(mission.edges[number - 1].geometry)
        points.append(node.position)
    return _distinct(points)


def legs_of(mission: Mission) -> tuple[tuple[tuple[str, ...], tuple[LatLon, ...]], ...]:
    """The way cut at its stops: for each piece the parcels let go or picked at its end."""
    pieces: list[tuple[tuple[str, ...], tuple[LatLon, ...]]] = []
    if isinstance(mission, AirMission):
        points: list[LatLon | None] = [mission.home]
        for item in mission.items:
            points.append(item.position)
            if item.kind is ItemKind.RELEASE:
                pieces.append(((item.parcel_id,), _distinct(points)))
                points = [next(p for p in reversed(points) if p is not None)]
        return (*pieces, ((), _distinct(points)))
    line: list[LatLon | None] = []
    for number, node in enumerate(mission.nodes):
        if number:
            line.extend(mission.edges[number - 1].geometry)
        line.append(node.position)
        if node.actions:
            pieces.append((tuple(a.parcel_id for a in node.actions), _distinct(line)))
            line = [node.position]
    return (*pieces, ((), _distinct(line)))


def path_ahead(
    record: AssignmentRecord | None,
    parcels: Mapping[str, ParcelRecord],
    telemetry: Telemetry,
) -> tuple[LatLon, ...]:
    """The way that is left, from where the vehicle is."""
    if record is None:
        return ()
    pieces = legs_of(record.mission)
    if record.assignment.state is not AssignmentState.STARTED or telemetry.position is None:
        return track_of(record.mission)
    seen: dict[str, int] = {}
    current = 0
    for number, (at_end, _) in enumerate(pieces):
        for parcel_id in at_end:
            seen[parcel_id] = seen.get(parcel_id, 0) + 1
            if seen[parcel_id] <= _stops_done(record, parcels[parcel_id].state):
                current = number + 1
    current = min(current, len(pieces) - 1)
    if _comes_home(telemetry, record):
        current = len(pieces) - 1
    ahead = list(_rest_of(telemetry.position, pieces[current][1]))
    for _, points in pieces[current + 1 :]:
        ahead.extend(points[1:])
    return _distinct([telemetry.position, *ahead])


def _stops_done(record: AssignmentRecord, state: ParcelState) -> int:
    """How many stops of a parcel's lie behind: its pick, then its drop."""
    picked = 0 if isinstance(record.mission, AirMission) else 1
    if state in {P.RELEASED, P.DELIVERED}:
        return picked + 1
    return picked if state in ABOARD else 0


def _comes_home(telemetry: Telemetry, record: AssignmentRecord) -> bool:
    return isinstance(record.mission, AirMission) and telemetry.phase is Phase.RETURNING


def _rest_of(position: LatLon, points: Sequence[LatLon]) -> tuple[LatLon, ...]:
    """What is left of a line from its place nearest to `position`."""
    if len(points) < 2:
        return tuple(points)
    frame = LocalFrame(position)
    best, best_m2 = 0, float("inf")
    for number, (a, b) in enumerate(pairwise(frame.xy(p) for p in points)):
        dx, dy = b[0] - a[0], b[1] - a[1]
        length2 = dx * dx + dy * dy
        t = 0.0 if length2 == 0.0 else max(0.0, min(1.0, -(a[0] * dx + a[1] * dy) / length2))
        away_m2 = (a[0] + t * dx) ** 2 + (a[1] + t * dy) ** 2
        if away_m2 < best_m2:
            best, best_m2 = number, away_m2
    return tuple(points[best + 1 :])


def _distinct(points: Sequence[LatLon | None]) -> tuple[LatLon, ...]:
    kept: list[LatLon] = []
    for point in points:
        if point is not None and (not kept or kept[-1] != point):
            kept.append(point)
    return tuple(kept)


def eta_of(
    parcel_id: str,
    record: AssignmentRecord | None,
    state: ParcelState,
    *,
    now: datetime,
    telemetry: Telemetry | None,
    speed_mps: float,
) -> datetime | None:
    """When the parcel is expected: the plan shifted by the real start, never in the past.

    Past the planned time, what the way that is left takes at cruise speed.
    """
    if record is None or state in OVER or parcel_id not in record.arrive_at:
        return None
    if state is P.RETURNING:
        return None
    planned = record.arrive_at[parcel_id]
    started_at = record.started_at
    if started_at is not None and record.mission.duration_s > 0.0:
        planned = max(planned, started_at)
    if planned > now:
        return planned
    stop = stop_of(record.mission, parcel_id)
    if stop is None or telemetry is None or telemetry.position is None or speed_mps <= 0.0:
        return now
    return now + timedelta(seconds=geodesic_m(telemetry.position, stop) / speed_mps)


def parcel_view(record: ParcelRecord, eta: datetime | None) -> ParcelView:
    """A parcel's snapshot."""
    return ParcelView(
        parcel=record.parcel,
        state=record.state,
        custodian=record.custodian,
        vehicle_id=record.vehicle_id,
        assignment_id=record.assignment_id,
        eta=eta,
        times=record.times,
        reasons=record.reasons,
        proof=record.proof,
        attempts=record.attempts,
    )


def vehicle_view(
    *,
    telemetry: Telemetry,
    capability: Capability,
    age_s: float,
    base: Site,
    record: AssignmentRecord | None,
    aboard: tuple[str, ...],
    parcels: Mapping[str, ParcelRecord],
    alarms: int,
    awaits_launch: bool = False,
    forecast: Forecast | None = None,
    before: LastKnown | None = None,
    now: datetime | None = None,
    charges: bool = False,
    kept: str = "",
) -> VehicleView:
    """A vehicle's snapshot; `before` is what was known of it before a restart."""
    was = before if telemetry.received_at is None else None
    was_age_s = None if was is None or now is None else max(0.0, (now - was.at).total_seconds())
    task = record.assignment if record is not None else None
    open_ids = tuple(p for p in task.parcel_ids if parcels[p].state not in OVER) if task else ()
    return VehicleView(
        vehicle_id=telemetry.vehicle_id,
        kind="robot" if capability.vehicle_class is VehicleClass.ROBOT else "drone",
        capability=capability,
        telemetry=telemetry,
        age_s=age_s,
        base=base,
        assignment_id=task.assignment_id if task else "",
        parcel_ids=open_ids or aboard,
        sentence=_launch_words(telemetry, task)
        if awaits_launch and task is not None
        else sentence(telemetry, record, parcels, aboard, age_s, was_age_s=was_age_s),
        path=path_ahead(record, parcels, telemetry),
        alarms=alarms,
        commands=allowed(telemetry),
        mission_id=record.mission.mission_id if record is not None else "",
        awaits_launch=awaits_launch,
        battery_at_landing_pct=None if forecast is None else forecast.at_landing_pct,
        battery_if_returned_pct=None if forecast is None else forecast.if_returned_pct,
        last_known=was,
        last_known_age_s=was_age_s,
        charges=charges,
        kept=kept,
    )


def _launch_words(telemetry: Telemetry, task: Assignment) -> str:
    names = _names(task.parcel_ids)
    return f"{telemetry.vehicle_id} holds the mission for {names} and waits for you to launch it"


def place_name(parcel: Parcel) -> str:
    """Where a parcel goes, in words."""
    to = parcel.destination
    if to.address or to.site_id:
        return to.address or to.site_id
    return f"{to.position.lat_deg:.5f}, {to.position.lon_deg:.5f}"


def sentence(
    telemetry: Telemetry,
    record: AssignmentRecord | None,
    parcels: Mapping[str, ParcelRecord],
    aboard: tuple[str, ...],
    age_s: float,
    *,
    was_age_s: float | None = None,
) -> str:
    """What a vehicle does, as one would say it."""
    name = telemetry.vehicle_id
    if telemetry.received_at is None:
        was = "" if was_age_s is None else f" since the restart, last {was_age_s:.0f} s ago"
        return f"{name} has not been heard yet{was}"
    battery = "" if telemetry.battery_pct is None else f", {telemetry.battery_pct:.0f} % battery"
    old = ""
    if telemetry.link is not LinkState.ONLINE:
        old = f" ({telemetry.link}, data is {age_s:.0f} s old)"
    return f"{name} {_doing(telemetry, record, parcels, aboard)}{battery}{old}"


def _doing(
    telemetry: Telemetry,
    record: AssignmentRecord | None,
    parcels: Mapping[str, ParcelRecord],
    aboard: tuple[str, ...],
) -> str:
    """The vehicle's own state first: what the ledger adds may not speak against it."""
    load = f" with {_names(aboard)} aboard" if aboard else ""
    if telemetry.armed is False:
        return _at_rest(telemetry, record, aboard)
    if telemetry.phase in OWN_WORDS:
        return OWN_WORDS[telemetry.phase] + load
    if record is None:
        return _idle(telemetry, aboard)
    names = _names(record.assignment.parcel_ids)
    state = record.assignment.state
    if telemetry.phase in RESTING:
        # armed, or of unknown arm state, and not yet on its way
        return f"is {_words(telemetry)} with the mission for {names}"
    first = _next_parcel(record, parcels)
    if first is None or telemetry.phase is Phase.RETURNING:
        return "returning to base" + load
    if state is not AssignmentState.STARTED:
        return f"is under way; its start for {names} is not confirmed yet"
    parcel = parcels[first]
    if parcel.state not in ABOARD:
        return f"on its way to pick up {first}"
    if telemetry.phase is Phase.AT_STOP:
        return f"handing over {first} at {place_name(parcel.parcel)}"
    return f"en route to {place_name(parcel.parcel)}"


def _at_rest(telemetry: Telemetry, record: AssignmentRecord | None, aboard: tuple[str, ...]) -> str:
    """Of a vehicle that says that it is disarmed: whatever is planned, it is not under way."""
    if record is None:
        return _idle(telemetry, aboard)
    names = _names(record.assignment.parcel_ids)
    state = record.assignment.state
    why = f": {'; '.join(telemetry.not_ready)}" if telemetry.not_ready else ""
    if state is AssignmentState.OPEN:
        return f"is being loaded with the mission for {names}"
    if state is AssignmentState.LOADED:
        if telemetry.phase is Phase.READY:
            return f"holds the mission for {names} and is about to start"
        return f"holds the mission for {names} and is not ready{why}"
    return f"is at rest; what became of its mission for {names} is being read"


def _idle(telemetry: Telemetry, aboard: tuple[str, ...]) -> str:
    if aboard:
        return f"waits for a person: {_names(aboard)} aboard"
    if telemetry.phase is Phase.READY:
        return "charges" if telemetry.charging else "waits for work"
    if telemetry.not_ready:
        return f"is not ready: {'; '.join(telemetry.not_ready)}"
    return f"is {_words(telemetry)}"


def _words(telemetry: Telemetry) -> str:
    return telemetry.phase.value.replace("_", " ")


def _next_parcel(record: AssignmentRecord, parcels: Mapping[str, ParcelRecord]) -> str | None:
    for parcel_id in record.assignment.parcel_ids:
        if parcels[parcel_id].state not in OVER | {P.RETURNING}:
            return parcel_id
    return None


def _names(parcel_ids: Sequence[str]) -> str:
    if len(parcel_ids) <= 2:
        return " and ".join(parcel_ids)
    return f"{parcel_ids[0]} and {len(parcel_ids) - 1} more"
