"""Who is in the air, and whether one more flight keeps away from them.

Owns the admission of a planned flight: now, on another level, or later. Must not plan routes.

A flight that would have to wait is not offered now: it is asked again at the next decision, when
those that bar it are better known. Around hubs, where all levels are crossed, pads have slots
instead; no two flights conflict that are both within `hub_radius_m` of the same hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from controller.dispatch.feasibility import No
from controller.dispatch.model import ActiveFlight, VehicleFacts, World
from geofence.conflict import Admitted, Hub, Track, TrackIndex, Uncertainty, admit, conflicts_with
from geofence.corridors import Corridor, passages
from geofence.slots import Need, Slot, SlotBook, Taken
from missions.flown_track import track_of
from missions.model import AirMission
from missions.plan_flown import FlownLeg, flown_legs
from vehicles.port import Phase

HELD = frozenset({Phase.HOLDING, Phase.FAILSAFE, Phase.LOST})
"""Phases in which a drone does not follow its plan: it is expected to stay where it is."""

HELD_FOR_S = 600.0

WAIT_STEP_S = 5.0

LEVELS_M = (15.0, -15.0, 30.0, -30.0)
"""Other levels that are tried, from a vehicle's own."""

Replan = Callable[[float], AirMission | None]
"""The same flight with another cruise height above home, checked; None: there is none."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """It may start now with this mission; `words` say what was changed for it, if anything."""

    mission: AirMission
    words: str = ""


class Airspace:
    """All flights under way, and those admitted since."""

    def __init__(self, world: World) -> None:
        self._world = world
        settings = world.settings
        drones = {v.vehicle_id: v for v in world.vehicles if v.capability.flies}
        bases = {drone.base.site_id: drone.base.position for drone in drones.values()}
        hubs = [Hub(position, settings.hub_radius_m) for position in bases.values()]
        tracks: list[Track] = []
        self._slots = SlotBook(
            capacity={_place(c): c.capacity for c in settings.corridors},
            headway_s={_place(c): c.headway_s for c in settings.corridors},
        )
        for flight in world.active:
            drone = drones.get(flight.vehicle_id)
            legs = self._legs(flight.mission)
            tracks.append(self._under_way(flight, drone, legs))
            self._hold(self._needs(flight.mission, legs, tracks[-1]), tracks[-1])
        flying = {flight.vehicle_id for flight in world.active}
        for vehicle_id, drone in drones.items():
            still = None if vehicle_id in flying else self._still(drone)
            if still is not None:
                tracks.append(still)
                self._hold(self._passing(still), still)
        self._index = TrackIndex(tracks, settings.separation, hubs)

    def _legs(self, mission: AirMission) -> tuple[FlownLeg, ...]:
        settings = self._world.settings
        return flown_legs(
            mission,
            loads={},
            speed_mps=settings.flight.max_speed_mps,
            model=settings.multirotor,
            rules=settings.flight,
        )

    def _under_way(
        self, flight: ActiveFlight, drone: VehicleFacts | None, legs: tuple[FlownLeg, ...]
    ) -> Track:
        """As planned, shifted to where it says it is; where it holds, it stays."""
        world, settings = self._world, self._world.settings
        still = None if drone is None else self._still(drone)
        if still is not None:
            return still
        if flight.started_at is None:
            ready_at = flight.assigned_at + timedelta(seconds=settings.preparation_s)
            depart_at, unsure = max(ready_at, world.now), settings.unstarted
        else:
            depart_at, unsure = flight.started_at, settings.flying
            elapsed_s = (world.now - depart_at).total_seconds()
            if elapsed_s > legs[-1].end_s:
                # late: it is taken to be about to land as long as nothing says it has
                depart_at = world.now - timedelta(seconds=legs[-1].begin_s)
        return track_of(flight.vehicle_id, flight.mission, legs, depart_at=depart_at,
                        uncertainty=unsure)  # fmt: skip

    def _still(self, drone: VehicleFacts) -> Track | None:
        """A drone that stays in the air where it is."""
        told = drone.telemetry
        if told.phase not in HELD or told.armed is False:
            return None
        if told.position is None or told.alt_amsl_m is None:
            return None
        here = (told.position.lon_deg, told.position.lat_deg)
        now_s = self._world.now.timestamp()
        return Track(
            drone.vehicle_id,
            np.array([here, here]),
            np.full(2, told.alt_amsl_m),
            np.array([now_s, now_s + HELD_FOR_S]),
            Uncertainty(radius_m=self._world.settings.flight.nav_error_m),
        )

    def clear(self, drone: VehicleFacts, mission: AirMission, replan: Replan) -> Cleared | No:
        """Let this flight start after its preparation, or say whom it waits for."""
        settings = self._world.settings
        asked = self._track(drone, mission)
        barred = self._shut(drone, mission, asked)
        if barred is not None:
            return self._over_or_under(drone, mission, replan, barred)
        near = conflicts_with(asked, self._index)
        if not near:
            self._take(mission, asked)
            return Cleared(mission)
        delays = [WAIT_STEP_S * n for n in range(int(settings.max_wait_s / WAIT_STEP_S) + 1)]
        answer = admit(asked, self._index, {}, delays)
        missions: dict[float, AirMission] = {}
        if not isinstance(answer, Admitted) or answer.delay_s > settings.level_cost_s:
            missions = dict(self._elsewhere(mission, replan))
            levels = {level: self._track(drone, other) for level, other in missions.items()}
            answer = admit(asked, self._index, levels, delays, level_cost_s=settings.level_cost_s)
        first = near[0]
        what = (
            f"it would come within {first.horizontal_m:.0f} m and {first.vertical_m:.0f} m in "
            f"height of {first.other} at {_clock(first.begin_s)}"
        )
        if not isinstance(answer, Admitted):
            return No("airspace", f"{what}; it waits until the way is free", permanent=False)
        if answer.delay_s > 0.0:
            return No("airspace", f"{what}; it waits {answer.delay_s:.0f} s", permanent=False)
        chosen = mission if answer.level is None else missions[answer.level]
        if chosen is not mission:
            barred = self._shut(drone, chosen, self._track(drone, chosen))
            if barred is not None:
                return barred
        self._take(chosen, self._track(drone, chosen))
        return Cleared(chosen, f"flown at {chosen.cruise_alt_home_m:g} m: at "
                       f"{mission.cruise_alt_home_m:g} m {what}")  # fmt: skip

    def _shut(self, drone: VehicleFacts, mission: AirMission, track: Track) -> No | None:
        """What pad or corridor is closed to it now; None: nothing."""
        needs = self._needs(mission, self._legs(mission), track)
        return self._wrong_way(track) or self._barred(drone, needs, float(track.t_s[0]))

    def _over_or_under(
        self, drone: VehicleFacts, mission: AirMission, replan: Replan, barred: No
    ) -> Cleared | No:
        """The first level on which it is out of the corridor that bars it, and of everyone's way.

        A corridor that reaches over all levels bars it on each, and so does a pad.
        """
        if barred.code != "corridor" or not self._passed_by(drone, mission):
            return barred
        for _, other in self._elsewhere(mission, replan):
            track = self._track(drone, other)
            if self._shut(drone, other, track) is None and not conflicts_with(track, self._index):
                self._take(other, track)
                words = f"flown at {other.cruise_alt_home_m:g} m: at "
                return Cleared(other, f"{words}{mission.cruise_alt_home_m:g} m {barred.text}")
        return barred

    def _passed_by(self, drone: VehicleFacts, mission: AirMission) -> bool:
        """Whether any level is over or under one of the corridors that the flight passes."""
        rules, home_m = self._world.settings.flight, mission.home_amsl_m
        track = self._track(drone, mission)
        return any(
            home_m + rules.min_cruise_alt_home_m < corridor.low_amsl_m
            or corridor.high_amsl_m < home_m + rules.max_cruise_alt_home_m
            for corridor in self._world.settings.corridors
            if passages(track, corridor)
        )

    def _elsewhere(self, mission: AirMission, replan: Replan) -> Iterable[tuple[float, AirMission]]:
        rules = self._world.settings.flight
        for step_m in LEVELS_M:
            level = mission.cruise_alt_home_m + step_m
            if rules.min_cruise_alt_home_m <= level <= rules.max_cruise_alt_home_m:
                found = replan(level)
                if found is not None:
                    yield level, found

    def _track(self, drone: VehicleFacts, mission: AirMission) -> Track:
        settings = self._world.settings
        return track_of(
            drone.vehicle_id,
            mission,
            self._legs(mission),
            depart_at=self._world.now + timedelta(seconds=settings.preparation_s),
            uncertainty=settings.unstarted,
        )

    def _take(self, mission: AirMission, track: Track) -> None:
        self._index = self._index.with_track(track)
        self._hold(self._needs(mission, self._legs(mission), track), track)

    def _hold(self, needs: list[Need], track: Track) -> None:
        """Whoever is admitted or in the air is there, room or no room."""
        start_s = float(track.t_s[0])
        for need in needs:
            begin = start_s + need.after_s
            slot = Slot(begin, begin + need.lasts_s, track.track_id, need.way)
            self._slots = self._slots.hold(need.place, slot)

    def _barred(self, drone: VehicleFacts, needs: list[Need], start_s: float) -> No | None:
        """What pad or corridor it has to wait for, and how long; None: nothing."""
        taken = self._slots.bar(needs, start_s, drone.vehicle_id)
        if taken is None:
            return None
        who = ", ".join(taken.holders)
        if not taken.place.startswith(_CORRIDOR):
            return No("airspace", f"its pad is taken by another flight: {who}", permanent=False)
        latest_s = start_s + self._world.settings.max_wait_s
        free = self._slots.earliest(needs, start_s, drone.vehicle_id, latest_s)
        name = taken.place.removeprefix(_CORRIDOR)
        why = {
            "full": f"{who} is in it",
            "opposite": f"{who} comes the other way",
            "headway": f"{who} is too near before or behind",
        }[taken.cause]
        if isinstance(free, Taken):
            minutes = self._world.settings.max_wait_s / 60.0
            text = f"it waits for corridor {name}: {why}, for more than {minutes:g} min"
        else:
            text = f"it waits for corridor {name} until {_clock(free)}: {why}"
        return No("corridor", text, permanent=False)

    def _wrong_way(self, track: Track) -> No | None:
        for corridor in self._world.settings.corridors:
            if corridor.one_way and any(p.way < 0 for p in passages(track, corridor)):
                text = f"corridor {corridor.name} is one-way and it would fly through it backwards"
                return No("corridor", text, permanent=False)
        return None

    def _needs(self, mission: AirMission, legs: tuple[FlownLeg, ...], track: Track) -> list[Need]:
        """The pad during take-off and landing, and corridors while it is in them."""
        pad = f"{mission.home.lat_deg:.6f}, {mission.home.lon_deg:.6f}"
        pads = [
            Need(pad, leg.begin_s, leg.end_s - leg.begin_s)
            for leg in (legs[0], legs[-1])
            if leg.end_s > leg.begin_s
        ]
        return pads + self._passing(track)

    def _passing(self, track: Track) -> list[Need]:
        start_s = float(track.t_s[0])
        return [
            Need(
                _place(corridor),
                passage.enter_s - start_s,
                passage.leave_s - passage.enter_s,
                passage.way,
            )
            for corridor in self._world.settings.corridors
            for passage in passages(track, corridor)
        ]


_CORRIDOR = "corridor "


def _place(corridor: Corridor) -> str:
    return f"{_CORRIDOR}{corridor.name}"


def _clock(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%H:%M:%S} UTC"
