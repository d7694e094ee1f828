"""Drones that DroneKit is connected to, as a VehicleAdapter.

Owns the pairing of a `dronekit.Vehicle` with its enrolment. Everything else is
`vehicles.mavlink`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vehicles.dronekit.link import DroneKitLink, Vehicle
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.port import Clock

__all__ = ["DroneKitDrone", "dronekit_fleet"]


@dataclass(frozen=True, slots=True)
class DroneKitDrone:
    """A connected `dronekit.Vehicle` and what it is enrolled as.

    The enrolment's `link` is not used. Connect with `source_system=255`, the station whose
    heartbeats ArduPilot's GCS failsafe counts (SYSID_MYGCS).
    """

    vehicle: Vehicle
    enrolment: MavlinkVehicle


def dronekit_fleet(
    drones: Sequence[DroneKitDrone], clock: Clock, settings: MavlinkSettings | None = None
) -> MavlinkFleet:
    """An adapter over DroneKit's connections. Raises ConfigurationError for an id used twice."""
    connected = {f"dronekit:{drone.enrolment.vehicle_id}": drone.vehicle for drone in drones}
    return MavlinkFleet(
        [replace(d.enrolment, link=f"dronekit:{d.enrolment.vehicle_id}") for d in drones],
        clock,
        settings,
        open_link=lambda name, post, _clock: DroneKitLink(name, connected[name], post),
    )
