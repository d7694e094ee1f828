"""Which configured reaction fits a vehicle whose mission the zones in force forbid.

Owns what speaks against a hold, a return, a landing and a divert, here and now, by the new zones.
Must not send anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.delivery.refuges import Refuge, Refuges
from controller.delivery.underway import Mission
from controller.safety.reaction import Chosen, Reaction, choose, stop_s
from geofence.check import Disc, FlightPath, check
from geofence.errors import GeofenceError
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.errors import MissionsError
from missions.model import AirMission
from vehicles.port import LinkState, Phase, Telemetry

LAST_RESORT = Reaction.HOLD
"""Where nothing configured fits: it goes no farther, and a person decides."""

LEAST_LANDING_M = 10.0


class Fitting:
    """The choice among `reactions`, the first that fits first."""

    def __init__(
        self,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        gate: Gate,
        reactions: Sequence[Reaction],
        refuges: Refuges,
    ) -> None:
        self._refuges = refuges
        self._ledger = ledger
        self._processes = processes
        self._gate = gate
        self._reactions = tuple(reactions)

    def choose(
        self, mission: Mission, first_s: float, zones: ZoneSet
    ) -> tuple[Chosen, Refuge | None]:
        """What to do, `first_s` seconds before the vehicle is at the first zone; takes a while.

        With a divert, where to.
        """
        found: list[Refuge] = []

        def against(reaction: Reaction) -> str:
            if reaction is not Reaction.DIVERT:
                return self._against(reaction, mission, first_s, zones)
            refuge = self._refuge(mission)
            if isinstance(refuge, Refuge):
                found.append(refuge)
                return ""
            return refuge

        chosen = choose(self._reactions, against, LAST_RESORT)
        return chosen, found[0] if chosen.reaction is Reaction.DIVERT else None

    def _refuge(self, mission: Mission) -> Refuge | str:
        if not isinstance(mission.record.mission, AirMission):
            return "a robot takes no other way"
        return self._refuges.rally(mission.vehicle_id)

    def left_behind(self, mission: Mission, zones: ZoneSet) -> bool:
        """Whether it is on its way home, and all of that way is clear."""
        telemetry = self._processes[mission.vehicle_id].owner.telemetry
        if telemetry.phase is not Phase.RETURNING or telemetry.link is not LinkState.ONLINE:
            return False
        return not self._against(Reaction.RETURN, mission, 0.0, zones)

    def _against(self, reaction: Reaction, mission: Mission, first_s: float, zones: ZoneSet) -> str:
        """Why a reaction does not fit; empty where it does."""
        telemetry = self._processes[mission.vehicle_id].owner.telemetry
        try:
            match reaction:
                case Reaction.HOLD:
                    return self._against_hold(mission, first_s)
                case Reaction.RETURN:
                    return self._against_path(self._way_home(mission, telemetry), zones)
                case Reaction.LAND:
                    return self._against_path(self._landing(mission, telemetry), zones)
                case Reaction.DIVERT:
                    refuge = self._refuge(mission)
                    return "" if isinstance(refuge, Refuge) else refuge
        except (GeofenceError, MissionsError, KeyError) as error:
            return f"it cannot be checked: {error}"

    def _against_hold(self, mission: Mission, first_s: float) -> str:
        speed_mps = self._processes[mission.vehicle_id].owner.capability.cruise_speed_mps
        if first_s <= 0.0:
            return "it may be in the zone already"
        if first_s < stop_s(speed_mps):
            return f"it does not stop in the {first_s:.0f} s that are left"
        return ""

    def _against_path(self, path: FlightPath | str, zones: ZoneSet) -> str:
        if isinstance(path, str):
            return path
        verdict = check(path, zones, self._gate.surroundings)
        return "" if verdict.allowed else verdict.violations[0].reason

    def _way_home(self, mission: Mission, telemetry: Telemetry) -> FlightPath | str:
        if not isinstance(mission.record.mission, AirMission):
            return "a robot has no way back that was checked"
        if telemetry.position is None or telemetry.alt_home_m is None:
            return "where it is is not known"
        owner = self._processes[mission.vehicle_id].owner
        path = self._gate.way_home(mission.record, self._ledger.parcels, owner)
        return "its mission carries no return path" if path is None else path

    def _landing(self, mission: Mission, telemetry: Telemetry) -> FlightPath | str:
        """Straight down from where it is."""
        if not isinstance(mission.record.mission, AirMission):
            return "a robot stands on the ground: it is held"
        if telemetry.position is None or telemetry.alt_amsl_m is None:
            return "where it is is not known"
        ground_m = self._gate.surroundings.ground_at(telemetry.position)
        if ground_m is None:
            return "the height of the ground below it is not known"
        capability = self._processes[mission.vehicle_id].owner.capability
        now = self._gate.now()
        high_m = max(telemetry.alt_amsl_m, ground_m)
        radius_m = max(LEAST_LANDING_M, self._gate.corridor_m(capability))
        column = Disc(0, "landing", telemetry.position, radius_m, ground_m, high_m, now, now)
        held = self._gate.permits(mission.record, leave=now)
        return FlightPath(VehicleClass.MULTIROTOR, (), (column,), held, capability.traits)
