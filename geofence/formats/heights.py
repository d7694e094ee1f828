"""Heights as airspace files write them in words: GND, 1500ft AGL, FL65, UNL.

Owns that grammar. Must not know features.

A flight level is a pressure height (ICAO Annex 2: hundreds of feet above 1013.25 hPa) and lies at
no fixed height above the sea. It is read as the widest that weather makes of it, from 950 to
1050 hPa (27 ft a hectopascal) and from a cold to a hot day (4 % a 10 degrees): the lower limit as
low, the upper limit as high as it can lie.
"""

from __future__ import annotations

import re

from geofence.frames import Altitude, Datum

FOOT_M = 0.3048

_LEVEL = re.compile(r"FL\s*(\d{1,3})", re.ASCII)
_HEIGHT = re.compile(
    r"(-?\d{1,6}(?:\.\d{1,6})?)\s*(FT|F|M|FEET|METERS|METRES)?\s*"
    r"(AGL|GND|SFC|AGND|ASFC|GROUND|SURFACE|AMSL|MSL|ALT|STD|WGS84)?",
    re.ASCII,
)
_GROUND = frozenset({"GND", "SFC", "GROUND", "SURFACE", "0"})
_NO_LIMIT = frozenset({"UNL", "UNLIM", "UNLIMITED"})
_ABOVE_GROUND = frozenset({"AGL", "GND", "SFC", "AGND", "ASFC", "GROUND", "SURFACE"})

_LOW = (0.85, -1_800.0)
_HIGH = (1.1, 1_100.0)


def parse_height(text: str, *, upper: bool) -> Altitude | None:
    """A limit; None is none: UNL for an upper one, the ground for a lower one.

    A number without unit is feet, without reference above mean sea level. Raises ValueError with
    the reason for what is not a height.
    """
    word = " ".join(text.upper().split())
    if word in _NO_LIMIT:
        if upper:
            return None
        raise ValueError(f"{text!r} is no lower limit")
    if word in _GROUND:
        return Altitude(0.0, Datum.AGL) if upper else None
    level = _LEVEL.fullmatch(word)
    if level is not None:
        factor, shift = _HIGH if upper else _LOW
        return Altitude((int(level[1]) * 100.0 * factor + shift) * FOOT_M, Datum.AMSL)
    found = _HEIGHT.fullmatch(word)
    if found is None or found[3] == "STD":
        raise ValueError(f"{text!r} is not a height as GND, 1500ft AGL, 450m MSL, FL65 or UNL")
    metres = float(found[1]) * (1.0 if (found[2] or "F").startswith("M") else FOOT_M)
    if found[3] in _ABOVE_GROUND:
        return Altitude(metres, Datum.AGL)
    return Altitude(metres, Datum.WGS84 if found[3] == "WGS84" else Datum.AMSL)
