"""What every reader of zone files shares: decoding, ids of parts, and what is not understood.

Owns the rule that nothing is ignored: a feature with a fault refuses the whole file, or, where
the operator says so (`unknown="forbid"`), its area is forbidden to everybody at all heights and
times. Must not know any one format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

from geofence.errors import ZoneError, ZoneFileError
from geofence.formats.fields import Faults
from geofence.zones import Area, Zone, ZoneKind
from geofence.zoneset import ZoneSet

MAX_BYTES = 64 * 1024 * 1024
"""Largest file read."""

MAX_FEATURES = 200_000
"""Most features read."""

NOT_UNDERSTOOD = "not understood, taken as forbidden"
"""How the note of a zone begins that stands for a feature that was not understood."""

_MAX_NOTE = 2_000

Unknown = Literal["refuse", "forbid"]
"""What happens to a feature that cannot be understood."""


def decode_text(data: bytes | str, *, latin: bool = False) -> str:
    """The text of a file. Raises ZoneFileError.

    `latin`: what is not UTF-8 is read as Windows-1252, as old airspace files are.
    """
    if len(data) > MAX_BYTES:
        raise refused("size", f"{len(data)} bytes, more than {MAX_BYTES}: split it")
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if latin:
            return data.decode("cp1252", errors="replace")
        raise refused("encoding", f"not UTF-8: {error}") from error


def decode_json(data: bytes | str, *, strict: bool = False) -> Any:
    """The JSON of a file. Raises ZoneFileError, also where a key stands twice in an object.

    `strict`: NaN and Infinity, which JSON does not have, are refused here.
    """
    constant = _no_number if strict else float
    try:
        return json.loads(
            decode_text(data), object_pairs_hook=_unique_keys, parse_constant=constant
        )
    except RecursionError as error:
        raise refused("json", "nested too deeply") from error
    except ZoneFileError:
        raise
    except ValueError as error:
        raise refused("json", str(error)) from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} stands twice in one object")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def refused(field: str, reason: str) -> ZoneFileError:
    """A fault of the file as a whole."""
    return ZoneFileError((ZoneError("file", field, reason),))


def numbered(zone_id: str, areas: Sequence[Area]) -> list[tuple[str, Area]]:
    """Areas with their ids: `id`, or `id#1`, `id#2` ... where there are several."""
    if len(areas) == 1:
        return [(zone_id, areas[0])]
    return [(f"{zone_id}#{number}", area) for number, area in enumerate(areas, start=1)]


class Gathering:
    """The zones of a file as they are read, and what is wrong with the rest."""

    def __init__(self, unknown: Unknown) -> None:
        if unknown not in ("refuse", "forbid"):
            raise ValueError(f"unknown={unknown!r}: say 'refuse' or 'forbid'")
        self._forbid = unknown == "forbid"
        self._faults: list[ZoneError] = []
        self._zones: list[Zone] = []
        self._places: dict[str, int] = {}

    def fault(self, feature: str, field: str, reason: str) -> None:
        """A fault that no area can be forbidden for: the file is refused."""
        self._faults.append(ZoneError(feature, field, reason))

    def add(
        self,
        number: int,
        zone_id: str,
        zones: Iterable[Zone],
        areas: Sequence[Area],
        faults: Faults,
    ) -> None:
        """Feature `number` of the file: its zones, or its faults and the areas that it is about.

        Areas must be every area of the feature: none where one of them is not understood.
        """
        found = list(faults.found)
        if zone_id in self._places:
            found.append(
                ZoneError(
                    zone_id,
                    "id",
                    f"features {self._places[zone_id]} and {number} of the file share it: "
                    "rename one",
                )
            )
            zone_id = f"{zone_id}~{number}"
        self._places.setdefault(zone_id, number)
        if not found:
            self._zones.extend(zones)
        elif self._forbid and areas:
            self._zones.extend(_forbidden(zone_id, areas, found))
        else:
            self._faults.extend(found)

    def zones(self) -> tuple[Zone, ...]:
        """All of them. Raises ZoneFileError with every fault."""
        seen: set[str] = set()
        for zone in self._zones:
            if zone.zone_id in seen:
                self.fault(zone.zone_id, "id", "a part of a feature and another feature share it")
            seen.add(zone.zone_id)
        if self._faults:
            raise ZoneFileError(tuple(self._faults))
        try:
            ZoneSet(self._zones)
        except ZoneError as error:
            raise ZoneFileError((error,)) from error
        return tuple(self._zones)


def _forbidden(zone_id: str, areas: Sequence[Area], faults: Sequence[ZoneError]) -> list[Zone]:
    reasons = "; ".join(f"{fault.field}: {fault.reason}" for fault in faults)
    note = f"{NOT_UNDERSTOOD}: {reasons}"[:_MAX_NOTE]
    whole = Zone(zone_id, "", ZoneKind.NO_FLY, areas[0], note=note)
    return [
        replace(whole, zone_id=part_id, area=area) for part_id, area in numbered(zone_id, areas)
    ]
