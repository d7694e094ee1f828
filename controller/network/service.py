"""Which vehicle may take on parcels at which site.

Owns the rule alone. Must not know parcels or vehicles' states.
"""

from __future__ import annotations

from controller.domain.model import Site
from geofence.zones import VehicleClass


def pick_up_bar(
    vehicle_class: VehicleClass, base: Site, origin: Site, *, loaded_at_base: bool = False
) -> str:
    """Why a vehicle of this class may not pick up at `origin`; empty where it may.

    A drone is loaded by hand at its own pad, so it serves its base alone, and so does a robot that
    is `loaded_at_base`. Another robot drives to any site on its streets.
    """
    tied = loaded_at_base or vehicle_class is VehicleClass.MULTIROTOR
    if tied and base.site_id != origin.site_id:
        return f"it picks up only at its base {base.site_id}, not at {origin.site_id}"
    return ""
