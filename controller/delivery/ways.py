"""The way of the mission that each vehicle is on, worked out once a mission.

Owns what is remembered of it. Must not judge where the vehicle is: `safety` does.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.delivery.describe import track_of
from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.model import AssignmentState
from controller.safety.battery import Flown
from geofence.frames import LatLon
from missions.model import Mission
from missions.plan_flown import FlownLeg


class Ways:
    """Tracks and flown legs by vehicle, for as long as its mission stays the same."""

    def __init__(self, ledger: Ledger, gate: Gate, processes: Mapping[str, VehicleProcess]) -> None:
        self._ledger = ledger
        self._gate = gate
        self._processes = processes
        self._tracks: dict[str, tuple[str, tuple[LatLon, ...]]] = {}
        self._legs: dict[str, tuple[str, tuple[FlownLeg, ...]]] = {}

    def started(self, vehicle_id: str) -> tuple[str, Mission] | None:
        """Content hash and mission that a vehicle is on; None before its start and after."""
        task = self._ledger.assignments.get(vehicle_id)
        if task is None or task.assignment.state is not AssignmentState.STARTED:
            return None
        return task.assignment.mission_hash, task.mission

    def track(self, vehicle_id: str) -> tuple[LatLon, ...]:
        """The whole way of the mission that the vehicle is on."""
        started = self.started(vehicle_id)
        if started is None:
            return ()
        known = self._tracks.get(vehicle_id)
        if known is None or known[0] != started[0]:
            known = self._tracks[vehicle_id] = (started[0], track_of(started[1]))
        return known[1]

    def legs(self, vehicle_id: str) -> tuple[str, tuple[FlownLeg, ...]] | None:
        """Content hash and legs of the air mission that a vehicle is on."""
        started, task = self.started(vehicle_id), self._ledger.assignments.get(vehicle_id)
        if started is None or task is None:
            return None
        known = self._legs.get(vehicle_id)
        if known is None or known[0] != started[0]:
            owner = self._processes[vehicle_id].owner
            legs = self._gate.legs_of(task, self._ledger.parcels, owner)
            known = self._legs[vehicle_id] = (started[0], legs)
        return known if known[1] else None

    def flown(self, vehicle_id: str) -> Flown | None:
        """The air mission that a vehicle is on, with what is aboard."""
        known = self.legs(vehicle_id)
        if known is None:
            return None
        weights = {
            parcel_id: self._ledger.parcels[parcel_id].parcel.weight_kg
            for parcel_id in self._ledger.aboard(vehicle_id)
        }
        return Flown(*known, weights)
