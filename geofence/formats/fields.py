"""Fields of a zone, read from decoded JSON; every fault is collected, none raised.

Owns altitudes, schedules and texts. Must not know geometry.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from geofence.errors import ZoneError
from geofence.frames import Altitude, Datum
from geofence.schedule import ALWAYS, WHOLE_WEEK, Calendar, Schedule, Window, joined
from geofence.sun import SunEvent
from geofence.zones import Source

_DAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?:\.\d{6})?")
_ZONE_DATUMS = (Datum.AMSL, Datum.AGL, Datum.WGS84)
_MAX_TEXT = 10_000
_MAX_WINDOWS = 1_000

MAX_PERIODS = 1_000
"""Most periods of one zone."""


class Faults:
    """What is wrong with a file, in the order found."""

    def __init__(self) -> None:
        self.found: list[ZoneError] = []

    def add(self, feature: str, field: str, reason: str) -> None:
        """Note one fault."""
        self.found.append(ZoneError(feature, field or "''", reason))


def is_number(value: Any) -> bool:
    """Whether it is a finite JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def read_text(zone_id: str, field: str, value: Any, faults: Faults) -> str | None:
    """A text or None."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        faults.add(zone_id, field, f"not a text of at most {_MAX_TEXT} characters")
        return None
    return value


def _unknown(
    zone_id: str, where: str, value: Mapping[str, Any], known: str, faults: Faults
) -> None:
    for key in sorted(set(value) - set(known.split())):
        faults.add(zone_id, f"{where}.{key}", f"unknown key: use {known.replace(' ', ', ')}")


def read_altitude(zone_id: str, field: str, value: Any, faults: Faults) -> Altitude | None:
    """{"value_m": metres, "datum": "AMSL" | "AGL" | "WGS84"}, or None: unlimited."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        faults.add(zone_id, field, 'not an object {"value_m", "datum"} or null')
        return None
    _unknown(zone_id, field, value, "value_m datum", faults)
    metres, datum = value.get("value_m"), value.get("datum")
    good = True
    if not is_number(metres):
        faults.add(zone_id, f"{field}.value_m", f"{metres!r} is not a number of metres")
        good = False
    if datum == Datum.HOME:
        faults.add(
            zone_id, f"{field}.datum", "a zone has no home: give it above AMSL, AGL or WGS84"
        )
        good = False
    elif not isinstance(datum, str) or datum not in list(_ZONE_DATUMS):
        known = ", ".join(_ZONE_DATUMS)
        faults.add(zone_id, f"{field}.datum", f"{datum!r} is unknown: use one of {known}")
        good = False
    if not good or metres is None or not isinstance(datum, str):
        return None
    return Altitude(float(metres), Datum(datum))


def read_schedule(zone_id: str, value: Any, faults: Faults) -> Schedule | Calendar:
    """{"timezone", "windows": [{"days", "start", "end"}], "valid_from", "valid_to"}, or None.

    Or {"periods": [several of these]}. The places of daylight events are not set.
    """
    if value is None:
        return ALWAYS
    if not isinstance(value, Mapping):
        faults.add(zone_id, "schedule", "not an object or null")
        return ALWAYS
    if "periods" not in value:
        return _period(zone_id, "schedule", value, faults)
    _unknown(zone_id, "schedule", value, "periods", faults)
    periods = value["periods"]
    if not isinstance(periods, list) or not 0 < len(periods) <= MAX_PERIODS:
        faults.add(zone_id, "schedule.periods", f"not a list of 1 to {MAX_PERIODS} periods")
        return ALWAYS
    found: list[Schedule] = []
    for number, item in enumerate(periods):
        where = f"schedule.periods[{number}]"
        if isinstance(item, Mapping):
            found.append(_period(zone_id, where, item, faults))
        else:
            faults.add(zone_id, where, "not an object")
    return joined(found)


def _period(zone_id: str, where: str, value: Mapping[str, Any], faults: Faults) -> Schedule:
    _unknown(zone_id, where, value, "timezone windows valid_from valid_to", faults)
    timezone = value.get("timezone", "UTC")
    if not _is_timezone(timezone):
        faults.add(zone_id, f"{where}.timezone", f"{timezone!r} is not an IANA time zone")
        timezone = "UTC"
    begin = read_moment(zone_id, f"{where}.valid_from", value.get("valid_from"), faults)
    end = read_moment(zone_id, f"{where}.valid_to", value.get("valid_to"), faults)
    if begin is not None and end is not None and end <= begin:
        faults.add(zone_id, f"{where}.valid_to", "not after valid_from: the zone never applies")
    windows = _windows(zone_id, f"{where}.windows", value.get("windows"), faults)
    return Schedule(windows, timezone, begin, end)


def _is_timezone(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        ZoneInfo(value)
    except (OSError, ValueError, LookupError):
        return False
    return True


def read_moment(
    zone_id: str,
    field: str,
    value: Any,
    faults: Faults,
    *,
    timezone: str | None = None,
    late: bool = False,
) -> datetime | None:
    """An ISO 8601 time with its offset from UTC, or None.

    Without an offset it is in `timezone`; where that is None too, it is a fault. A local time that
    a clock change skips or doubles is the earlier one, or with `late` the later.
    """
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        faults.add(zone_id, field, f"{value!r} is not an ISO 8601 time")
        return None
    if moment.tzinfo is not None:
        return moment
    if timezone is None:
        faults.add(zone_id, field, f"{value!r} has no offset from UTC: add Z or +hh:mm")
        return None
    local = moment.replace(tzinfo=ZoneInfo(timezone))
    try:
        readings = [local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    except OverflowError:
        faults.add(zone_id, field, f"{value!r} is no time that can be reckoned with")
        return None
    return max(readings) if late else min(readings)


def check_timezone(timezone: str | None) -> None:
    """Raises ValueError for a name that is no IANA time zone; None is none."""
    if timezone is not None and not _is_timezone(timezone):
        raise ValueError(
            f"{timezone!r} is not an IANA time zone: name one as Europe/Helsinki with --timezone"
        )


def _windows(zone_id: str, at: str, value: Any, faults: Faults) -> tuple[Window, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not value or len(value) > _MAX_WINDOWS:
        faults.add(
            zone_id,
            at,
            f"not a list of 1 to {_MAX_WINDOWS} windows: leave it out for all times",
        )
        return ()
    windows: list[Window] = []
    for number, item in enumerate(value):
        where = f"{at}[{number}]"
        if not isinstance(item, Mapping):
            faults.add(zone_id, where, 'not an object {"days", "start", "end"}')
            continue
        _unknown(zone_id, where, item, "days start end", faults)
        windows.append(
            Window(
                _days(zone_id, f"{where}.days", item.get("days"), faults),
                _side(zone_id, f"{where}.start", item.get("start"), faults),
                _side(zone_id, f"{where}.end", item.get("end"), faults),
            )
        )
    return tuple(windows)


def _days(zone_id: str, field: str, value: Any, faults: Faults) -> frozenset[int]:
    if value is None:
        return WHOLE_WEEK
    if not isinstance(value, list) or not value:
        faults.add(zone_id, field, f"not a list of {', '.join(_DAYS)}: leave it out for every day")
        return WHOLE_WEEK
    for day in value:
        if not isinstance(day, str) or day not in _DAYS:
            faults.add(zone_id, field, f"{day!r} is unknown: use {', '.join(_DAYS)}")
    return frozenset(_DAYS[day] for day in value if isinstance(day, str) and day in _DAYS)


def _side(zone_id: str, field: str, value: Any, faults: Faults) -> time | SunEvent:
    if isinstance(value, str) and value in list(SunEvent):
        return SunEvent(value)
    return _clock(zone_id, field, value, faults)


def _clock(zone_id: str, field: str, value: Any, faults: Faults) -> time:
    """HH:MM, HH:MM:SS; 24:00 is the midnight at the end of the day."""
    if value in {"24:00", "24:00:00"} if isinstance(value, str) else False:
        return time(0)
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        faults.add(
            zone_id,
            field,
            f"{value!r} is not a time of day as 08:00, nor one of {', '.join(SunEvent)}",
        )
        return time(0)
    return time.fromisoformat(value)


def read_source(zone_id: str, value: Any, faults: Faults) -> Source | None:
    """{"form", "identifier", "country", "type", "words": {...}}, or None."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        faults.add(zone_id, "source", "not an object or null")
        return None
    _unknown(zone_id, "source", value, "form identifier country type words", faults)
    before = len(faults.found)
    texts = {
        key: read_text(zone_id, f"source.{key}", value.get(key), faults) or ""
        for key in ("form", "identifier", "country", "type")
    }
    words = value.get("words", {})
    if not isinstance(words, Mapping):
        faults.add(zone_id, "source.words", "not an object")
    if len(faults.found) > before:
        return None
    try:
        return Source(**texts, words=canonical(words))
    except ValueError as error:
        faults.add(zone_id, "source.words", str(error))
        return None


def canonical(words: Mapping[str, Any]) -> str:
    """The one text of a JSON object. Raises ValueError for a number that is none."""
    return json.dumps(
        words, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )
