"""The errors of this package.

StoreError
+-- StaleStepError        the row is no longer in the state that the step starts from
+-- ConflictError         a constraint says no: a second open assignment, a parcel id twice
+-- UnfitError            a value that this database cannot hold: a text too long, a NUL in it
+-- FencedError           another controller has the vehicle's lease: send nothing more
+-- StoreClosedError      the store is shutting down
"""

from __future__ import annotations


class StoreError(Exception):
    """Anything that the store raises on purpose."""


class StaleStepError(StoreError):
    """The row is no longer in the state that the step starts from."""


class ConflictError(StoreError):
    """A constraint says no."""


class UnfitError(StoreError):
    """A value that this database cannot hold."""


class FencedError(StoreError):
    """Another controller has the vehicle's lease."""

    def __init__(self, vehicle_id: str, epoch: int) -> None:
        super().__init__(
            f"{vehicle_id}: epoch {epoch} is over, another controller has taken this vehicle: "
            "stop this controller"
        )
        self.vehicle_id = vehicle_id
        self.epoch = epoch


class StoreClosedError(StoreError):
    """The store is shutting down."""
