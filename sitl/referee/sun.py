"""When the sun stands at a height over a place, by the referee's own reckoning.

Owns the position of the sun by the low-precision formulas of the Astronomical Almanac (section C,
good to 0.01 degrees from 1950 to 2050) and the search for the moment of a height between midnight
and noon. Must not know zones. Times are seconds since 1970 UTC.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

DAY_S = 86_400.0
_J2000_S = 946_728_000.0
"""2000-01-01 12:00 UTC; a minute of difference to terrestrial time moves the sun by nothing."""

_HORIZON_DEG = -0.833
"""Of the sun's centre when its upper limb is on the horizon: 34' of refraction and 16' of sun."""
_CIVIL_DEG = -6.0

EVENTS = {
    "BMCT": (_CIVIL_DEG, True), "SR": (_HORIZON_DEG, True),
    "SS": (_HORIZON_DEG, False), "EECT": (_CIVIL_DEG, False),
}  # fmt: skip
"""The height of each event, and whether it is in the morning."""


def height_deg(t_s: float, lon_deg: float, lat_deg: float) -> float:
    """Of the sun's centre above the horizon, without refraction."""
    days = (t_s - _J2000_S) / DAY_S
    mean = math.radians(280.460 + 0.985_647_4 * days)
    anomaly = math.radians(357.528 + 0.985_600_3 * days)
    apparent = mean + math.radians(1.915 * math.sin(anomaly) + 0.020 * math.sin(2.0 * anomaly))
    tilt = math.radians(23.439 - 0.000_000_4 * days)
    right = math.atan2(math.cos(tilt) * math.sin(apparent), math.cos(apparent))
    declination = math.asin(math.sin(tilt) * math.sin(apparent))
    sidereal = math.radians(280.460_618_37 + 360.985_647_366_29 * days + lon_deg)
    lat, hour = math.radians(lat_deg), sidereal - right
    return math.degrees(
        math.asin(
            math.sin(lat) * math.sin(declination)
            + math.cos(lat) * math.cos(declination) * math.cos(hour)
        )
    )


def event_s(event: str, day: date, lon_deg: float, lat_deg: float) -> float | None:
    """When one of EVENTS is, on the day of the mean sun there; None where it is not that day."""
    wanted_deg, morning = EVENTS[event]
    midnight_s = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() - lon_deg * 240.0
    # the true noon is within 17 minutes of the mean one: half a day and a half either way hold it
    noon_s = _highest(midnight_s + 0.45 * DAY_S, midnight_s + 0.55 * DAY_S, lon_deg, lat_deg)
    low_s, high_s = noon_s - 0.5 * DAY_S if morning else noon_s + 0.5 * DAY_S, noon_s
    if not (
        height_deg(low_s, lon_deg, lat_deg) < wanted_deg < height_deg(high_s, lon_deg, lat_deg)
    ):
        return None
    while abs(high_s - low_s) > 0.1:
        middle_s = (low_s + high_s) / 2.0
        if height_deg(middle_s, lon_deg, lat_deg) < wanted_deg:
            low_s = middle_s
        else:
            high_s = middle_s
    return high_s


def _highest(low_s: float, high_s: float, lon_deg: float, lat_deg: float) -> float:
    """When the sun is highest, by thirds."""
    while high_s - low_s > 1.0:
        third_s = (high_s - low_s) / 3.0
        left, right = low_s + third_s, high_s - third_s
        if height_deg(left, lon_deg, lat_deg) < height_deg(right, lon_deg, lat_deg):
            low_s = left
        else:
            high_s = right
    return (low_s + high_s) / 2.0
