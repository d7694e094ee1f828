"""Who flies, for broadcast Remote ID.

Owns the section. What it means on the air stands in `vehicles.mavlink.remote_id`, which also
judges the fields, so that both say the same.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from controller.config.kinds import Finite, Latitude, Longitude, Section
from geofence.frames import LatLon
from vehicles.errors import ConfigurationError
from vehicles.mavlink.remote_id import EuCategory, RemoteId


class RemoteIdConfig(Section):
    """The operator, told to every drone but those that say `remote_id = false`."""

    operator_id: str
    """Registration number; in the EU without the three secret characters after the dash."""
    operator_lat_deg: Latitude
    operator_lon_deg: Longitude
    operator_alt_wgs84_m: Finite | None = None
    eu_category: Literal["undeclared", "open", "specific", "certified"] = "undeclared"
    eu_class: Annotated[int, Field(ge=0, le=6)] | None = None
    """The C label of the drones; only with an eu_category."""
    description: str = ""

    @model_validator(mode="after")
    def _sendable(self) -> RemoteIdConfig:
        try:
            self.told()
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return self

    def told(self, serial: str = "") -> RemoteId:
        """What a drone is told; `serial` where its own transmitter does not tell its number."""
        return RemoteId(
            operator_id=self.operator_id,
            operator=LatLon(self.operator_lat_deg, self.operator_lon_deg),
            operator_alt_wgs84_m=self.operator_alt_wgs84_m,
            eu_category=EuCategory[self.eu_category.upper()],
            eu_class=self.eu_class,
            description=self.description,
            serial=serial,
        )
