"""What dispatch is asked and what it answers.

Owns plain data. Must not decide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.domain.model import Parcel, Priority, Site
from controller.domain.permits import Permit, names_held
from geofence.check import Surroundings
from geofence.conflict import Separation, Uncertainty
from geofence.corridors import Corridor
from geofence.zoneset import ZoneSet
from missions.energy import MultirotorModel, RobotModel
from missions.model import AirMission, Mission
from missions.plan_flown import FlightRules
from missions.roads import StreetGraph
from missions.validate_round import RoundRules
from vehicles.port import Capability, Telemetry


def _per_priority(normal: float, urgent: float, medical: float) -> Mapping[Priority, float]:
    return {Priority.NORMAL: normal, Priority.URGENT: urgent, Priority.MEDICAL: medical}


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """Rules and weights. Costs are in minutes of an ordinary parcel's waiting."""

    flight: FlightRules = field(default_factory=FlightRules)
    round: RoundRules = field(default_factory=RoundRules)
    multirotor: MultirotorModel = field(default_factory=MultirotorModel)
    robot: RobotModel = field(default_factory=RobotModel)
    permits: frozenset[str] = frozenset()
    max_telemetry_age_s: float = 15.0
    """Older than this is no knowledge."""
    at_base_m: float = 150.0
    """A drone farther than this from its base site is not at its base."""
    waiting: Mapping[Priority, float] = field(default_factory=lambda: _per_priority(1.0, 2.0, 5.0))
    """Cost of a minute until delivery."""
    lateness: Mapping[Priority, float] = field(
        default_factory=lambda: _per_priority(3.0, 8.0, 25.0)
    )
    """Cost of a minute after the due time."""
    energy_per_wh: float = 0.02
    drone_use: float = 6.0
    """Cost of taking a drone, which is kept for what only drones can do in time."""
    robot_use: float = 1.0
    detour_per_km: float = 0.5
    preparation_s: float = 60.0
    """From decision to start: planning, loading, read-back, arming."""
    max_early_s: float = 600.0
    """How long a robot may wait at a door for a window to open."""
    max_defer_s: float = 1200.0
    """How long after it is ready a parcel may be left waiting for a drone that is out, where a
    robot could go now: a drone may stay away for ever."""
    plan_hold_s: float = 300.0
    """How long a cached plan stands where zones have times."""
    separation: Separation = field(default_factory=Separation)
    """Between own flights outside of hubs."""
    hub_radius_m: float = 60.0
    """Within it of the same hub pads have slots, and flights are not kept apart otherwise."""
    unstarted: Uncertainty = field(default_factory=lambda: Uncertainty(5.0, 0.0, 2.0, 0.01))
    """Of a flight that has not started yet."""
    flying: Uncertainty = field(default_factory=lambda: Uncertainty(5.0, 0.0, 1.0, 0.01))
    max_wait_s: float = 300.0
    """How far ahead a free start is looked for."""
    level_cost_s: float = 30.0
    """Another level is flown where waiting would take longer."""
    corridors: tuple[Corridor, ...] = ()
    """Narrow ways that flights share by turns."""

    def __post_init__(self) -> None:
        for name in (
            "max_telemetry_age_s", "at_base_m", "plan_hold_s", "hub_radius_m", "max_wait_s",
        ):  # fmt: skip
            if not getattr(self, name) > 0.0:
                raise ValueError(f"dispatch.{name} must be a positive number")
        if len({corridor.name for corridor in self.corridors}) < len(self.corridors):
            raise ValueError("dispatch.corridors: two corridors have the same name")


@dataclass(frozen=True, slots=True)
class VehicleFacts:
    """One vehicle as it stands now."""

    vehicle_id: str
    capability: Capability
    telemetry: Telemetry
    base: Site
    integration: str = "utilized"
    """"utilized": it may be given work; anything else: it may not."""
    assigned: str = ""
    """What keeps it: its open assignment's id, or words; empty: nothing."""
    cruise_alt_home_m: float = 60.0


@dataclass(frozen=True, slots=True)
class ParcelFacts:
    """One parcel that waits, and where."""

    parcel: Parcel
    origin: Site
    landing: bool = False
    """It goes to a site where drones land."""


@dataclass(frozen=True, slots=True)
class ActiveFlight:
    """A flight that is assigned: under way, or about to start."""

    vehicle_id: str
    mission: AirMission
    assigned_at: datetime
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a decision rests on; parcels are those that wait for an assignment."""

    now: datetime
    zones: ZoneSet
    surroundings: Surroundings
    streets: StreetGraph | None
    vehicles: tuple[VehicleFacts, ...]
    parcels: tuple[ParcelFacts, ...]
    settings: DispatchSettings = field(default_factory=DispatchSettings)
    active: tuple[ActiveFlight, ...] = ()
    """Flights assigned and not over: new ones keep away from them."""
    held: bool = False
    """An operator has stopped dispatch: nothing is offered."""
    permits: tuple[Permit, ...] = ()
    """What operators have granted, beside the settings' own."""

    def held_permits(
        self, vehicle_id: str = "", parcel_ids: Collection[str] = (), *, for_s: float = 0.0
    ) -> frozenset[str]:
        """The permits of a vehicle with these parcels for so long from now.

        Of nobody in particular: those that everybody holds.
        """
        leave = self.now + timedelta(seconds=for_s)
        return self.settings.permits | names_held(self.permits, vehicle_id, parcel_ids, leave)


@dataclass(frozen=True, slots=True)
class Ineligible:
    """Why a vehicle does not carry a parcel. `permanent`: time alone does not change it."""

    vehicle_id: str
    code: str
    text: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A vehicle that could have carried the parcel, and what that would have cost."""

    vehicle_id: str
    cost: float
    arrive_at: datetime
    breakdown: Mapping[str, float]
    detour_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Offer:
    """One vehicle, one mission, checked and ready to be assigned."""

    vehicle_id: str
    parcel_ids: tuple[str, ...]
    mission: Mission
    cost: float
    arrive_at: Mapping[str, datetime]
    reserve_pct: float
    """Share of the usable energy left after the mission, in percent."""
    note: str = ""
    """What was changed to keep away from other flights."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Every vehicle's part in the decision about one parcel: exactly once each."""

    parcel_id: str
    at: datetime
    chosen: str
    """The vehicle; empty where the parcel waits or is refused."""
    sentence: str
    candidates: tuple[Candidate, ...]
    refusals: tuple[Ineligible, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and why."""

    offers: tuple[Offer, ...]
    explanations: Mapping[str, Explanation]
    unservable: Mapping[str, tuple[Ineligible, ...]]
    """Parcels that no vehicle of the fleet can ever carry, with every vehicle's reason."""
