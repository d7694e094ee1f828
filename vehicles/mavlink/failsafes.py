"""What an ArduCopter does by itself, read from its parameters and its rally list.

Owns the names that are read and what their values mean. Must not send anything, and must not
guess: a value that it does not know makes the whole unknown.

Sources: ArduCopter 4.6 (defines.h, FS_GCS_ENABLE and FS_EKF_ACTION; Copter.h, FailsafeAction;
Parameters.cpp), AP_Rally.cpp, AP_OAPathPlanner.cpp, GCS_MAVLink/MissionItemProtocol_Rally.cpp.
SmartRTL goes back on the way flown and falls back to RTL or Land, and is taken for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from geofence.frames import LatLon
from vehicles.mavlink.messages import MissionItemInt
from vehicles.port import FailsafeAction, Failsafes, RallyPlace

RALLY_TOTAL = "RALLY_TOTAL"
RALLY_RULES = ("RALLY_LIMIT_KM", "RALLY_INCL_HOME")
FENCE_SWITCHES = ("FENCE_ENABLE", "FENCE_AUTOENABLE")
NAMES = (
    "FS_GCS_ENABLE", "BATT_FS_LOW_ACT", "BATT_FS_CRT_ACT", "FS_EKF_ACTION", "FS_DR_ENABLE",
    "RTL_ALT", RALLY_TOTAL, *RALLY_RULES, "OA_TYPE", "OA_MARGIN_MAX", *FENCE_SWITCHES,
)  # fmt: skip

_A = FailsafeAction
_GCS = {
    0: _A.CONTINUE, 1: _A.RETURN, 2: _A.CONTINUE, 3: _A.RETURN, 4: _A.LAND, 5: _A.LAND,
    6: _A.RETURN_PATH, 7: _A.LAND,
}  # fmt: skip
_ACTION = {
    0: _A.CONTINUE, 1: _A.LAND, 2: _A.RETURN, 3: _A.RETURN, 4: _A.LAND, 5: _A.LAND,
    6: _A.RETURN_PATH, 7: _A.LAND,
}  # fmt: skip
_EKF = {0: _A.CONTINUE, 1: _A.LAND, 2: _A.CONTINUE, 3: _A.LAND}
_AVOIDING = frozenset({2, 3})
"""Dijkstra, alone or with BendyRuler: a return is planned round the fence."""
LEAST_AVOIDING_M = 11.0
"""OA_MARGIN_MAX with which that keeps a flight's corridor off the fence: its error of place, 7 m,
and 4 m, since ArduCopter 4.6.2 was flown up to 3.4 m nearer than the margin."""

_RALLY_POINT = 5100
_GLOBAL = frozenset({0, 5})
_ABOVE_HOME = frozenset({3, 6})


def _avoids(values: Mapping[str, float | None]) -> bool:
    """Whether it goes round its fence, far enough. The margin answers where avoidance is on."""
    kind, margin_m = values.get("OA_TYPE"), values.get("OA_MARGIN_MAX")
    on = kind is not None and round(kind) in _AVOIDING
    return on and margin_m is not None and margin_m >= LEAST_AVOIDING_M


def failsafes_of(
    values: Mapping[str, float | None], rally: Sequence[RallyPlace] = ()
) -> Failsafes | None:
    """The meaning of the values by name; None where one is missing or not known."""
    gcs = _of(_GCS, values.get("FS_GCS_ENABLE"))
    low = _of(_ACTION, values.get("BATT_FS_LOW_ACT"))
    critical = _of(_ACTION, values.get("BATT_FS_CRT_ACT"))
    estimator = _of(_EKF, values.get("FS_EKF_ACTION"))
    reckoning = _of(_ACTION, values.get("FS_DR_ENABLE"))
    rtl_alt_cm = values.get("RTL_ALT")
    if (
        gcs is None
        or low is None
        or critical is None
        or estimator is None
        or reckoning is None
        or rtl_alt_cm is None
    ):
        return None
    limit_km = values.get("RALLY_LIMIT_KM")
    home = values.get("RALLY_INCL_HOME")
    return Failsafes(
        lost_link=gcs,
        battery_low=low,
        battery_critical=critical,
        estimator=estimator,
        dead_reckoning=reckoning,
        return_alt_home_m=rtl_alt_cm / 100.0,
        rally=tuple(rally),
        rally_limit_m=1000.0 * max(0.0, limit_km or 0.0),
        rally_includes_home=home is None or home != 0,
        avoidance=_avoids(values),
    )


def fence_acts(values: Mapping[str, float | None]) -> bool:
    """Whether the fence that it holds may act in a flight, or may for all that is known."""
    return any(values.get(name) != 0 for name in FENCE_SWITCHES)


def rally_places(
    items: Sequence[MissionItemInt], home_amsl_m: float | None
) -> tuple[RallyPlace, ...] | str:
    """The places of a rally list, or why they cannot be told."""
    places: list[RallyPlace] = []
    for number, item in enumerate(items, 1):
        if item.command != _RALLY_POINT:
            return f"rally point {number} is command {item.command}, not {_RALLY_POINT}"
        position = LatLon(item.x / 1e7, item.y / 1e7)
        if item.frame in _ABOVE_HOME:
            places.append(RallyPlace(position, item.z))
        elif item.frame in _GLOBAL and home_amsl_m is not None:
            places.append(RallyPlace(position, item.z - home_amsl_m))
        else:
            return (
                f"rally point {number} has a height in frame {item.frame}, which is not known "
                "above home: write it relative to home, or clear the rally list"
            )
    return tuple(places)


def _of(meaning: Mapping[int, FailsafeAction], value: float | None) -> FailsafeAction | None:
    return None if value is None else meaning.get(round(value))
