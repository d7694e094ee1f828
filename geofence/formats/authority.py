"""What ED-269 and ED-318 share: zone types, the words of an authority, layers.

Owns the meaning of the zone types and the checks of what is kept for writing (`Source.words`, in
the terms of ED-318 Schema_GeoZoneProperties and Schema_GeoZoneAuthority). Must not know how
either format is laid out.

PROHIBITED is no-fly. REQ_AUTHORIZATION, CONDITIONAL and USPACE are restricted: the permit is the
zone's identifier, and an operator grants it to a flight that has the authorisation, meets the
conditions, or is known to the U-space service. NO_RESTRICTION is advisory. All bind aircraft only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from geofence.errors import ZoneError
from geofence.formats.fields import Faults, canonical, is_number
from geofence.formats.files import numbered
from geofence.frames import Altitude, Datum
from geofence.schedule import Calendar, Schedule, seen_from
from geofence.zones import Area, Source, VehicleClass, Zone, ZoneKind, sun_places

KINDS: Mapping[str, ZoneKind] = {
    "PROHIBITED": ZoneKind.NO_FLY,
    "REQ_AUTHORIZATION": ZoneKind.RESTRICTED,
    "CONDITIONAL": ZoneKind.RESTRICTED,
    "USPACE": ZoneKind.RESTRICTED,
    "NO_RESTRICTION": ZoneKind.ADVISORY,
}

UNLIMITED = 99_999.0
"""An upper limit of this and over, in either unit, is none."""

FOOT_M = 0.3048

_DRONES = frozenset({VehicleClass.MULTIROTOR})
_REASONS = (
    "AIR_TRAFFIC", "SENSITIVE", "PRIVACY", "POPULATION", "NATURE", "NOISE", "EMERGENCY", "DAR",
    "OTHER", "FOREIGN_TERRITORY",
)  # fmt: skip
_ROLES = ("AUTHORIZATION", "NOTIFICATION", "INFORMATION")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_DURATION = re.compile(
    r"P(?=.)(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)", re.ASCII
)
MAX_SHORT = 200
MAX_LANG = 5


@dataclass(frozen=True, slots=True)
class Layer:
    """One volume of a feature."""

    area: Area
    floor: Altitude | None
    ceiling: Altitude | None


def read_limits(
    zone_id: str,
    where: str,
    values: tuple[Any, Any],
    references: tuple[Any, Any],
    faults: Faults,
    *,
    unit_m: float,
) -> tuple[Altitude | None, Altitude | None]:
    """Lower and upper limit as numbers or None, with their references, in a unit of `unit_m`."""
    given = {"lower": values[0], "upper": values[1]}
    metres = {
        name: _limit(zone_id, f"{where}.{name}", value, faults) for name, value in given.items()
    }
    found: list[Altitude | None] = []
    for (name, value), reference in zip(metres.items(), references, strict=True):
        found.append(None)
        if reference is not None and reference not in ("AGL", "AMSL", "WGS84"):
            faults.add(
                zone_id, f"{where}.{name}", f"reference {reference!r}: use AGL, AMSL or WGS84"
            )
        elif value is not None and reference is None:
            faults.add(zone_id, f"{where}.{name}", "no reference: give AGL, AMSL or WGS84")
        elif value is not None:
            found[-1] = Altitude(value * unit_m, Datum(reference))
    floor, ceiling = found
    if (
        floor is not None
        and ceiling is not None
        and floor.datum is ceiling.datum
        and floor.value_m > ceiling.value_m
    ):
        faults.add(zone_id, f"{where}.lower", "it is above the upper limit")
    return floor, ceiling


def _limit(zone_id: str, field: str, value: Any, faults: Faults) -> float | None:
    if value is None:
        return None
    if not is_number(value):
        faults.add(zone_id, field, f"{value!r} is not a number")
        return None
    if abs(value) >= UNLIMITED:
        if value < 0 or field.endswith("lower"):
            faults.add(zone_id, field, f"{value:g} is no height: leave it out where there is none")
        return None
    return float(value)


def check_identity(zone_id: str, identifier: Any, country: Any, faults: Faults) -> None:
    """An identifier of 1 to 7 characters and a country of 3."""
    if not isinstance(identifier, str) or not 0 < len(identifier.strip()) <= len(identifier) <= 7:
        faults.add(zone_id, "identifier", f"{identifier!r} is not a text of 1 to 7 characters")
    if not isinstance(country, str) or len(country) != 3:
        faults.add(zone_id, "country", f"{country!r} is not a country of three letters")


def check_words(zone_id: str, words: Mapping[str, Any], faults: Faults) -> None:
    """Everything of ED-318's properties that no rule reads."""
    for key in ("name", "otherReasonInfo", "message"):
        _texts(zone_id, key, words.get(key), faults)
    if words.get("variant") not in ("COMMON", "CUSTOMIZED"):
        faults.add(zone_id, "variant", f"{words.get('variant')!r} is not COMMON or CUSTOMIZED")
    if not isinstance(words.get("restrictionConditions", ""), str):
        faults.add(zone_id, "restrictionConditions", "not a text")
    region = words.get("region", 0)
    if not isinstance(region, int) or isinstance(region, bool):
        faults.add(zone_id, "region", f"{region!r} is not a whole number")
    if words.get("regulationExemption", "NO") not in ("YES", "NO"):
        faults.add(zone_id, "regulationExemption", "neither YES nor NO")
    reasons = words.get("reason", [])
    if not isinstance(reasons, list) or len(reasons) > 9:
        faults.add(zone_id, "reason", "not a list of at most 9 reasons")
    elif not all(isinstance(reason, str) and reason in _REASONS for reason in reasons):
        faults.add(zone_id, "reason", f"of {reasons!r} one is unknown: {', '.join(_REASONS)}")
    if not isinstance(words.get("extendedProperties", {}), Mapping):
        faults.add(zone_id, "extendedProperties", "not an object")
    _data_source(zone_id, words.get("dataSource"), faults)
    _authorities(zone_id, words.get("zoneAuthority"), faults)


def _texts(zone_id: str, field: str, value: Any, faults: Faults) -> None:
    if value is None:
        return
    if not isinstance(value, list):
        faults.add(zone_id, field, 'not a list of {"text", "lang"}')
        return
    for item in value:
        _text(zone_id, field, item, faults)


def _text(zone_id: str, field: str, item: Any, faults: Faults) -> None:
    if not isinstance(item, Mapping):
        faults.add(zone_id, field, 'not an object {"text", "lang"}')
        return
    text, lang = item.get("text", ""), item.get("lang")
    if not isinstance(text, str) or len(text) > MAX_SHORT:
        faults.add(zone_id, field, f"a text is not one of at most {MAX_SHORT} characters")
    if not isinstance(lang, str) or len(lang) > MAX_LANG:
        faults.add(zone_id, field, f"{lang!r} is not a language as en-GB")


def _data_source(zone_id: str, value: Any, faults: Faults) -> None:
    if value is None:
        return
    if not isinstance(value, Mapping):
        faults.add(zone_id, "dataSource", "not an object")
        return
    for key in ("creationDate", "updateDateTime"):
        if not isinstance(value.get(key, ""), str):
            faults.add(zone_id, f"dataSource.{key}", "not a date")
    if "originator" in value:
        _text(zone_id, "dataSource.originator", value["originator"], faults)


def _authorities(zone_id: str, value: Any, faults: Faults) -> None:
    if not isinstance(value, list) or not value:
        faults.add(zone_id, "zoneAuthority", "not a list of at least one authority")
        return
    for number, item in enumerate(value):
        where = f"zoneAuthority[{number}]"
        if not isinstance(item, Mapping):
            faults.add(zone_id, where, "not an object")
            continue
        for key in ("name", "service", "contactName"):
            _texts(zone_id, f"{where}.{key}", item.get(key), faults)
        if item.get("purpose") not in _ROLES:
            faults.add(
                zone_id, f"{where}.purpose", f"{item.get('purpose')!r}: use {', '.join(_ROLES)}"
            )
        _matches(zone_id, f"{where}.siteURL", item.get("siteURL"), _URI, faults)
        _matches(zone_id, f"{where}.email", item.get("email"), re.compile(r".*@.*"), faults)
        _matches(zone_id, f"{where}.intervalBefore", item.get("intervalBefore"), _DURATION, faults)
        phone = item.get("phone", "")
        if not isinstance(phone, str) or len(phone) > MAX_SHORT:
            faults.add(zone_id, f"{where}.phone", f"not a text of at most {MAX_SHORT} characters")


def _matches(
    zone_id: str, field: str, value: Any, pattern: re.Pattern[str], faults: Faults
) -> None:
    if value is not None and (not isinstance(value, str) or not pattern.fullmatch(value)):
        faults.add(zone_id, field, f"{value!r} is not one")


def plain(texts: Any) -> str:
    """The English text of several, or the first."""
    found = [t for t in texts or () if t.get("text")]
    english = [t for t in found if t.get("lang", "").startswith("en")]
    return str((english or found or [{"text": ""}])[0]["text"])


def build_zones(
    source: Source,
    words: Mapping[str, Any],
    layers: Sequence[Layer],
    schedule: Schedule | Calendar,
) -> list[Zone]:
    """The zones of one feature that has no fault: one a layer, ids `identifier#1`, ..."""
    kind = KINDS[source.type]
    named = numbered(source.identifier, [layer.area for layer in layers])
    return [
        Zone(
            zone_id,
            plain(words.get("name")),
            kind,
            layer.area,
            layer.floor,
            layer.ceiling,
            seen_from(schedule, sun_places(layer.area)),
            _DRONES,
            source.identifier if kind is ZoneKind.RESTRICTED else None,
            _note(words),
            source=source,
        )
        for (zone_id, _), layer in zip(named, layers, strict=True)
    ]


def _note(words: Mapping[str, Any]) -> str:
    return str(words.get("restrictionConditions") or plain(words.get("message")))


@dataclass(frozen=True, slots=True)
class Told:
    """A feature to be written: its layers, and what they have in common."""

    identifier: str
    country: str
    type: str
    words: dict[str, Any]
    schedule: Schedule | Calendar
    layers: tuple[Layer, ...]


def features_of(zones: Iterable[Zone], country: str, faults: Faults) -> list[Told]:
    """Zones as the features that they are written as; layers of one feature come together again.

    A zone that the formats cannot say (keep-in, for robots alone, with a rule of ours) is a fault.
    """
    groups: dict[tuple[str, str], list[Zone]] = {}
    for zone in zones:
        source = zone.source
        whole = source is not None and source.identifier
        key = (source.country, source.identifier) if source and whole else ("", zone.zone_id)
        groups.setdefault(key, []).append(zone)
    found: list[Told] = []
    for group in groups.values():
        try:
            found.append(_told(group, country))
        except ZoneError as error:
            faults.found.append(error)
    return found


def _told(group: Sequence[Zone], country: str) -> Told:
    first = group[0]
    for zone in group:
        _check_sayable(zone)
        if _shared(zone) != _shared(first):
            raise ZoneError(
                zone.zone_id, "id", f"it is a layer of {first.zone_id} with other rules than it"
            )
    source = first.source or Source("")
    words: dict[str, Any] = json.loads(source.words)
    if first.name != plain(words.get("name")):
        words["name"] = [{"text": first.name, "lang": "und"}]
    if first.note != _note(words):
        words["restrictionConditions"] = first.note
    words.setdefault("variant", "COMMON")
    if not words.get("zoneAuthority"):
        words["zoneAuthority"] = [{"purpose": purpose(first.kind)}]
    return Told(
        source.identifier or first.zone_id,
        source.country or country,
        source.type if KINDS.get(source.type) is first.kind else _type(first),
        words,
        first.schedule,
        tuple(Layer(zone.area, zone.floor, zone.ceiling) for zone in group),
    )


def purpose(kind: ZoneKind) -> str:
    """What an authority that names no purpose is for."""
    return "AUTHORIZATION" if kind is ZoneKind.RESTRICTED else "INFORMATION"


def _shared(zone: Zone) -> tuple[Any, ...]:
    schedule = seen_from(zone.schedule, ())
    return zone.name, zone.kind, zone.permit, zone.note, zone.source, schedule


def _type(zone: Zone) -> str:
    if zone.kind is ZoneKind.RESTRICTED and zone.permit is not None:
        return "REQ_AUTHORIZATION"
    return "NO_RESTRICTION" if zone.kind is ZoneKind.ADVISORY else "PROHIBITED"


_SAID = frozenset(
    {
        "zone_id", "name", "kind", "area", "floor", "ceiling", "schedule", "classes", "permit",
        "note", "source",
    }
)  # fmt: skip


def _check_sayable(zone: Zone) -> None:
    if zone.kind is ZoneKind.KEEP_IN:
        raise ZoneError(zone.zone_id, "kind", "this format has no keep-in zones")
    if zone.classes and VehicleClass.MULTIROTOR not in zone.classes:
        raise ZoneError(zone.zone_id, "classes", "this format has zones for aircraft only")
    bare = Zone(zone.zone_id, zone.name, zone.kind, zone.area)
    for item in fields(zone):
        if item.name not in _SAID and getattr(zone, item.name) != getattr(bare, item.name):
            raise ZoneError(zone.zone_id, item.name, "this format has no such rule")


def source_of(
    form: str, told: Mapping[str, Any], zone_type: str, words: Mapping[str, Any]
) -> Source:
    """The Source of a feature without fault."""
    return Source(form, told["identifier"], told["country"], zone_type, canonical(words))
