"""The version of a set of zones: a digest of all that they say.

Owns the canonical content of a zone. What it is must not change: versions are kept and compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from geofence.frames import Altitude, Array
from geofence.kernel import Ints
from geofence.schedule import ALWAYS, Schedule, periods_of
from geofence.zones import Area, CircleArea, Zone

_HOLES = ("\0circle", "\0id", "\0name", "\0note")
"""What a form leaves open, in the order of its keys."""

_MAX_FORMS = 10_000


def version_of(zones: Sequence[Zone], edges: Array, start: Ints, count: Ints) -> str:
    """16 hexadecimal digits of the SHA-256 over zones by id: content as JSON, then their edges."""
    digest = hashlib.sha256()
    data = np.ascontiguousarray(edges, dtype="<f8").reshape(-1).data.cast("B")
    first, last = (start * 32).tolist(), ((start + count) * 32).tolist()
    forms: dict[Hashable, list[str]] = {}
    for number in sorted(range(len(zones)), key=lambda i: zones[i].zone_id):
        digest.update(_text(zones[number], forms).encode())
        digest.update(data[first[number] : last[number]])
    return digest.hexdigest()[:16]


def _text(zone: Zone, forms: dict[Hashable, list[str]]) -> str:
    """The content as JSON; zones that differ in nothing but id, name, note and place share a form.

    A form is the JSON of the content with its holes cut out.
    """
    schedule = zone.schedule
    if zone.source is not None or (
        schedule is not ALWAYS and any(period.places for period in periods_of(schedule))
    ):
        return json.dumps(_content(zone), sort_keys=True)
    # numbers as they are written: 0, 0.0 and -0.0 are equal
    key = (
        zone.kind, _written(zone.floor), _written(zone.ceiling), schedule, zone.classes,
        zone.permit, zone.surfaces, repr(zone.min_mass_kg), repr(zone.electric_exempt),
        repr(zone.max_speed_mps),
    )  # fmt: skip
    form = forms.get(key)
    if form is None:
        if len(forms) >= _MAX_FORMS:
            forms.clear()
        form = forms[key] = _form(zone)
    if len(form) != len(_HOLES) + 1:
        return json.dumps(_content(zone), sort_keys=True)
    area = zone.area
    circle = json.dumps(_circle_content(area)) if isinstance(area, CircleArea) else "null"
    quoted = json.encoder.encode_basestring_ascii
    return (
        f"{form[0]}{circle}{form[1]}{quoted(zone.zone_id)}{form[2]}{quoted(zone.name)}"
        f"{form[3]}{quoted(zone.note)}{form[4]}"
    )


def _written(limit: Altitude | None) -> tuple[str, str] | None:
    return None if limit is None else (repr(limit.value_m), limit.datum)


def _form(zone: Zone) -> list[str]:
    holes = dict(zip(("circle", "id", "name", "note"), _HOLES, strict=True))
    text = json.dumps({**_content(zone), **holes}, sort_keys=True)
    parts: list[str] = []
    for hole in _HOLES:
        before, found, text = text.partition(json.dumps(hole))
        # whoever has such a name in a rule is written out
        if not found or json.dumps(hole) in text:
            return []
        parts.append(before)
    return [*parts, text]


def _content(zone: Zone) -> dict[str, Any]:
    return {
        "id": zone.zone_id,
        "name": zone.name,
        "kind": str(zone.kind),
        "circle": _circle_content(zone.area),
        "floor": _limit_content(zone.floor),
        "ceiling": _limit_content(zone.ceiling),
        "schedule": [_period_content(period) for period in periods_of(zone.schedule)],
        "classes": sorted(zone.classes),
        "permit": zone.permit,
        "note": zone.note,
        "source": None if zone.source is None else asdict(zone.source),
        **_rules_content(zone),
    }


def _period_content(period: Schedule) -> dict[str, Any]:
    return {
        "windows": sorted((sorted(w.days), str(w.start), str(w.end)) for w in period.windows),
        "timezone": period.timezone,
        "valid": [
            None if at is None else at.timestamp() for at in (period.valid_from, period.valid_to)
        ],
        "places": [[p.lat_deg, p.lon_deg] for p in period.places],
    }


def _rules_content(zone: Zone) -> dict[str, Any]:
    """Finer rules, where there are any: a zone without them keeps the version that it had."""
    rules = {
        "surfaces": sorted(zone.surfaces),
        "min_mass_kg": zone.min_mass_kg,
        "electric_exempt": zone.electric_exempt,
        "max_speed_mps": zone.max_speed_mps,
    }
    return {name: value for name, value in rules.items() if value not in ([], None, False)}


def _limit_content(limit: Altitude | None) -> tuple[float, str] | None:
    return None if limit is None else (limit.value_m, str(limit.datum))


def _circle_content(area: Area) -> list[float] | None:
    """A circle; a polygon is told by its edges."""
    if isinstance(area, CircleArea):
        return [area.center.lat_deg, area.center.lon_deg, area.radius_m]
    return None
