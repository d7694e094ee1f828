"""When the sun rises, sets, and passes six degrees below the horizon.

Owns the call of the astronomy library, `astral` (the NOAA solar equations, good to about a minute
up to 72 degrees of latitude); nothing else imports it. Must not know zones or schedules.

The events are those of EUROCAE ED-318 (daylightEventType), defined as ICAO does: SR and SS with
the upper limb on the horizon (centre at -0.833 degrees, refraction in it), BMCT and EECT with the
centre 6 degrees below it, at sea level.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum

from astral import Observer
from astral.sun import dawn, dusk, sunrise, sunset

from geofence.frames import LatLon

SUN_SLACK = timedelta(minutes=2)
"""How far a computed event may be from the published table."""


class SunEvent(StrEnum):
    """A daylight event."""

    BMCT = "BMCT"
    """Beginning of morning civil twilight."""
    SR = "SR"
    """Sunrise."""
    SS = "SS"
    """Sunset."""
    EECT = "EECT"
    """End of evening civil twilight."""


def sun_moment(event: SunEvent, day: date, place: LatLon) -> datetime | None:
    """The event, in UTC, of the mean solar day `day` at the place; None where it does not happen.

    The solar day runs from midnight to midnight of local mean time (longitude / 15 hours from
    UTC), so a sunset belongs to the day of the noon before it at any longitude.
    """
    observer = Observer(place.lat_deg, place.lon_deg, 0.0)
    local = timezone(mean_time(place))
    try:
        match event:
            case SunEvent.BMCT:
                found = dawn(observer, day, 6.0, local)
            case SunEvent.SR:
                found = sunrise(observer, day, local)
            case SunEvent.SS:
                found = sunset(observer, day, local)
            case SunEvent.EECT:
                found = dusk(observer, day, 6.0, local)
    except ValueError:
        return None
    return found.astimezone(UTC)


def mean_time(place: LatLon) -> timedelta:
    """How far local mean time is ahead of UTC: four minutes a degree, whole minutes."""
    return timedelta(minutes=round(place.lon_deg * 4.0))


def solar_midnight(day: date, place: LatLon) -> datetime:
    """When the mean solar day begins at the place, in UTC."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return begin - mean_time(place)
