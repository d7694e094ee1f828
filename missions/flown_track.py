"""A flight as a line in space and time, for the question who comes near to whom.

Owns the translation from flown legs to a track. Must not judge.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from geofence.conflict import Track, Uncertainty
from missions.errors import RequestError
from missions.model import AirMission
from missions.plan_flown import FlownLeg


def track_of(
    track_id: str,
    mission: AirMission,
    legs: tuple[FlownLeg, ...],
    *,
    depart_at: datetime,
    uncertainty: Uncertainty,
) -> Track:
    """The whole flight from take-off to landing; times in POSIX seconds, heights AMSL."""
    if not legs:
        raise RequestError("items", f"mission {mission.mission_id} flies nowhere")
    legs = tuple(leg for leg in legs if not leg.joined_only)
    points = [legs[0].start, *(leg.end for leg in legs)]
    heights = [legs[0].start_alt_home_m, *(leg.end_alt_home_m for leg in legs)]
    seconds = [legs[0].begin_s, *(leg.end_s for leg in legs)]
    return Track(
        track_id,
        np.array([(point.lon_deg, point.lat_deg) for point in points]),
        np.array(heights) + mission.home_amsl_m,
        np.array(seconds) + depart_at.timestamp(),
        uncertainty,
    )
