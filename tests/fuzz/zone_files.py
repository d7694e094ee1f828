"""`python -m tests.fuzz.zone_files [--inputs 50000] [--seed 1] [--seconds N]`: broken zone files.

Takes whole files in every format, real ones and our own, breaks each in many ways (bytes, lines,
values, keys, order) and reads what comes of it. A reader may answer with zones or with a
ZoneFileError that names feature, field and reason, and with nothing else. Where it answers with
zones, all that the file holds must be in them: counted anew here, by what JSON, XML and lines say,
one zone an area, and every corner and circle in its place.

Prints one line of JSON with the counts; ends with status 1 where a reader was wrong.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from geofence.errors import ZoneError, ZoneFileError
from geofence.formats import ed269, ed318, geojson, read_any
from geofence.zones import CircleArea, Zone
from geofence.zoneset import ZoneSet
from tests.fuzz.samples import KML, OPENAIR, community, timed

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("WAYPOST_SHARED_DATA", ROOT.parent / "shared" / "data"))
NONSENSE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, -1e308, 10**400, 0.5, "", "x", "Ä\u0000", "99999", "NaN", [],
    {}, [[]], [[], []], {"type": "Point"}, "MON", "PROHIBITED", "25:00:00Z", "2026-02-30T00:00:00Z",
    180.0, -180.0, 90.0, 91.0, "24:00", ["ANY"], 7, 1e-320,
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A whole file, its format and profile."""

    name: str
    form: str
    data: bytes
    profile: str = "waypost"


def samples() -> list[Sample]:
    """Real files in small pieces, and our own."""
    found = [
        Sample("openair", "openair", OPENAIR.encode()),
        Sample("kml", "kml", KML.encode()),
        Sample("community", "geojson", community()),
        Sample("timed-ed318", "ed318", json.dumps(timed("ed318")).encode()),
        Sample("timed-ed269", "ed269", json.dumps(timed("ed269")).encode()),
    ]
    examples = sorted((DATA / "ed318" / "examples").glob("Example_*.json"))
    found.extend(Sample(path.stem, "ed318", path.read_bytes()) for path in examples)
    for path in sorted((DATA / "helsinki").glob("*.geojson")):
        document = json.loads(path.read_bytes())
        some = sorted(document["features"], key=lambda f: len(json.dumps(f)))
        for number, pair in enumerate((some[:2], some[2:4], some[5:6])):
            small = json.dumps({**document, "features": pair}).encode()
            found.append(Sample(f"{path.stem}-{number}", "geojson", small, "finland-2019"))
            zones = geojson.read_zones(small, profile="finland-2019")
            for form, writer in (("ed318", ed318.write_zones), ("ed269", ed269.write_zones)):
                written = writer(renamed(zones), country="FIN")
                found.append(
                    Sample(f"{path.stem}-{number}-{form}", form, json.dumps(written).encode())
                )
    return found


def renamed(zones: tuple[Zone, ...]) -> list[Zone]:
    """With identifiers of no more than seven characters."""

    return [replace(zone, zone_id=f"F{n:03}") for n, zone in enumerate(zones)]


# --- breaking ----------------------------------------------------------------------------------


def break_bytes(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut out, put in, or said twice."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, end = rng.randrange(len(body) + 1), 0
        end = min(len(body), at + rng.choice((1, 1, 2, 8, 64)))
        match rng.randrange(5):
            case 0 if at < len(body):
                body[at] = rng.randrange(256)
            case 1:
                del body[at:end]
            case 2:
                body[at:at] = bytes(
                    rng.choice(b' ,:{}[]"0189-.eE<>/\\AZ\n\xc3\xff') for _ in range(2)
                )
            case 3:
                body[at:at] = body[at:end]
            case _:
                del body[at:]
        if not body:
            break
    return bytes(body)


def break_lines(data: bytes, rng: random.Random) -> bytes:
    """Lines left out, said twice, moved, or one word of them changed."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                words = lines[at].split(b" ")
                words[rng.randrange(len(words))] = rng.choice(
                    (b"", b"0", b"-1", b"x", b"99999", b"UNL", b"FL65", b"N", b"361", b"1e9")
                )
                lines[at] = b" ".join(words)
        if not lines:
            return b""
    return b"\n".join(lines)


def break_tags(data: bytes, rng: random.Random) -> bytes:
    """An element, everywhere or once, under another name."""
    names = (
        b"Folder", b"Document", b"Placemark", b"MultiGeometry", b"Polygon", b"TimeSpan", b"Data",
        b"outerBoundaryIs", b"innerBoundaryIs", b"LinearRing", b"coordinates", b"value", b"Update",
        b"ExtendedData", b"extrude", b"Wrapper",
    )  # fmt: skip
    old, new = rng.choice(names), rng.choice(names)
    begin, end = data.replace(b"<" + old, b"<" + new, rng.choice((1, -1))), b"</" + old
    return begin.replace(end, b"</" + new, rng.choice((1, -1)))


def break_json(data: bytes, rng: random.Random) -> bytes:
    """Values replaced, left out, said twice, moved to another place, or given another key."""
    document = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holders = [(holder, key) for holder, key in members(document)]
        if not holders:
            break
        holder, key = rng.choice(holders)
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case 2:
                there, other = rng.choice(holders)
                holder[key] = copy.deepcopy(there[other])
            case 3 if isinstance(holder, dict):
                holder[rng.choice(("x", "type", "radius", "layer", "identifier"))] = holder.pop(key)
            case 4 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                holder[key] = holder[key] * rng.choice((-1, 0, 2, 10, 1_000_000))
            case _:
                holder[key] = copy.deepcopy(rng.choice(NONSENSE))
    return json.dumps(document).encode()


def members(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a JSON value: what holds it, and its key or number there."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield node, key
        if isinstance(value, dict | list):
            yield from members(value)


BREAKERS: dict[str, tuple[Callable[[bytes, random.Random], bytes], ...]] = {
    "geojson": (break_bytes, break_json, break_json, break_json),
    "ed269": (break_bytes, break_json, break_json, break_json),
    "ed318": (break_bytes, break_json, break_json, break_json),
    "openair": (break_bytes, break_lines, break_lines),
    "kml": (break_bytes, break_lines, break_tags),
}


# --- counting anew -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """What a file holds by itself: areas, and the places in them; None: not counted."""

    areas: int
    places: frozenset[tuple[float, float]] | None


def held_by(data: bytes, form: str) -> Held:
    """Counted without the readers."""
    if form == "openair":
        return _held_by_lines(data)
    if form == "kml":
        root = ET.fromstring(data)
        names = [element.tag.rpartition("}")[2] for element in root.iter()]
        return Held(names.count("Polygon"), None)
    document = json.loads(data.decode("utf-8-sig"))
    features = document.get("features", document.get("UASZoneList"))
    areas, places = 0, set()
    for feature in features:
        for geometry in geometries(feature["geometry"]):
            areas += len(geometry["coordinates"]) if geometry["type"] == "MultiPolygon" else 1
            places |= set(positions(geometry.get("coordinates", geometry.get("center"))))
    return Held(areas, frozenset(places))


def _held_by_lines(data: bytes) -> Held:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    areas: list[int] = []
    drawn = False
    for line in text.splitlines():
        record = (line.split() or [""])[0].upper()
        if record == "AC":
            areas.append(0)
            drawn = False
        drawn = drawn or record in {"TO", "TC"}
        if record == "DC" and areas and not drawn:
            areas[-1] += 1
    return Held(sum(max(1, circles) for circles in areas), None)


def geometries(value: Any) -> Iterator[dict[str, Any]]:
    """Of ED-269 volumes, GeometryCollections and plain ones."""
    if isinstance(value, list):
        for volume in value:
            yield volume["horizontalProjection"]
    elif value["type"] == "GeometryCollection":
        yield from value["geometries"]
    else:
        yield value


def positions(value: Any) -> Iterator[tuple[float, float]]:
    """Every longitude and latitude of nested lists."""
    if value and isinstance(value[0], int | float):
        yield float(value[0]), float(value[1])
        return
    for item in value:
        yield from positions(item)


def places_of(zones: tuple[Zone, ...]) -> frozenset[tuple[float, float]]:
    """Every corner and centre."""
    found: set[tuple[float, float]] = set()
    for zone in zones:
        if isinstance(zone.area, CircleArea):
            found.add((zone.area.center.lon_deg, zone.area.center.lat_deg))
        else:
            rings = (zone.area.shell, *zone.area.holes)
            found |= {(p.lon_deg, p.lat_deg) for ring in rings for p in ring}
    return frozenset(found)


# --- the run -----------------------------------------------------------------------------------


def judge(sample: Sample, data: bytes, *, form: str, unknown: Any) -> str:
    """`refused`, `read`, or what is wrong."""
    try:
        zones = read_any(data, form=form, profile=sample.profile, unknown=unknown)
    except ZoneFileError as error:
        told = all(e.feature and e.field and e.reason for e in error.errors)
        return "refused" if error.errors and told else "a refusal that names nothing"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    try:
        ZoneSet(zones)
    except ZoneError as error:
        return f"zones that no set takes: {error}"
    if form == "auto":
        return "read"
    held = held_by(data, form)
    if len(zones) != held.areas:
        return f"{held.areas} areas in the file, {len(zones)} zones"
    if held.places is not None and held.places != places_of(zones):
        return "a place of the file is in no zone, or one of a zone not in the file"
    return "read"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3_600.0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    every = samples()
    unread = [s.name for s in every if judge(s, s.data, form=s.form, unknown="refuse") != "read"]
    if unread:
        sys.stderr.write(f"samples that are not read as they are: {', '.join(unread)}\n")
        return 1
    forms = {form: [s for s in every if s.form == form] for form in BREAKERS}
    counts: dict[str, Counter[str]] = {}
    wrong: list[str] = []
    begun = time.monotonic()
    done = 0
    while done < given.inputs and time.monotonic() - begun < given.seconds:
        sample = rng.choice(forms[rng.choice(tuple(forms))])
        data = rng.choice(BREAKERS[sample.form])(sample.data, rng)
        done += 1
        tally = counts.setdefault(sample.form, Counter())
        ways = [(sample.form, "refuse"), (sample.form, "forbid")]
        if done % 4 == 0:
            ways.append(("auto", "refuse"))
        for form, unknown in ways:
            answer = judge(sample, data, form=form, unknown=unknown)
            if answer not in {"refused", "read"}:
                wrong.append(f"{sample.name} {form} {unknown}: {answer}: {data[:3000]!r}")
                answer = "wrong"
            tally[f"{unknown}-{answer}" if form != "auto" else f"auto-{answer}"] += 1
            if answer == "read" and unknown == "refuse" and form != "auto":
                # there is nothing to forbid in a file that is understood
                break
    report = {
        "inputs": done,
        "samples": len(every),
        "seed": given.seed,
        "wrong": len(wrong),
        "seconds": round(time.monotonic() - begun, 1),
        "by_format": {form: dict(sorted(tally.items())) for form, tally in sorted(counts.items())},
    }
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stderr.writelines(f"{text}\n" for text in wrong[:20])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
