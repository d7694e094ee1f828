"""The demo's report: one self-contained HTML page, and the same as JSON.

Owns the page's content and look. Its tracks come from the lab's truth, never from telemetry.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from controller.cli.output import STATE_MARKS
from controller.cli.progress import Picture, minutes
from controller.cli.report_map import Track, colour_of, draw_map, read_tracks, zone_legend


@dataclass(frozen=True, slots=True)
class Facts:
    """What the report tells."""

    title: str
    picture: Picture
    explanations: Mapping[str, Any]
    verdict: Mapping[str, Any]
    faults: Sequence[str]
    speedup: float
    vehicles_kind: str


def figures_of(facts: Facts, tracks: Mapping[str, Track]) -> dict[str, Any]:
    """The summary's numbers."""
    picture = facts.picture
    kinds = {v["id"]: v["kind"] for v in picture.vehicles}
    delivered = [p for p in picture.parcels if p["state"] == "delivered"]
    by_kind = Counter(kinds.get(p["vehicle_id"], "") for p in delivered)
    waits = sorted(_seconds(p["ready_at"], p["times"]["delivered"]) for p in delivered)
    in_time = sum(_seconds(p["times"]["delivered"], p["due_at"]) >= 0 for p in delivered)
    lengths: Counter[str] = Counter()
    for vehicle_id, track in tracks.items():
        lengths[kinds.get(vehicle_id, "")] += round(track.length_m)
    return {
        "parcels": len(picture.parcels),
        "delivered": len(delivered),
        "refused": sum(p["state"] == "refused" for p in picture.parcels),
        "by_drone": by_kind["drone"],
        "by_robot": by_kind["robot"],
        "in_time": in_time,
        "median_s_from_ready_to_delivered": waits[len(waits) // 2] if waits else None,
        "flown_km": round(lengths["drone"] / 1000, 1),
        "driven_km": round(lengths["robot"] / 1000, 1),
        "simulated_s": round(picture.simulated_s),
        "wall_s": round(picture.wall_s, 1),
        "speedup": facts.speedup,
        "vehicles": len(picture.vehicles),
        "drone_program": facts.vehicles_kind,
    }


def write(
    out: Path, facts: Facts, *, truth: Path, zones: Path, streets: Path | None
) -> tuple[Path, dict[str, Any]]:
    """Write report.html and report.json into `out`; the page's path and the summary."""
    tracks = read_tracks(truth)
    figures = figures_of(facts, tracks)
    summary = {
        "ok": not facts.faults,
        "faults": list(facts.faults),
        "figures": figures,
        "referee": {k: v for k, v in facts.verdict.items() if k not in {"tracks", "releases"}},
        "parcels": list(facts.picture.parcels),
        "explanations": dict(facts.explanations),
    }
    text = json.dumps(summary, indent=1, ensure_ascii=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    kinds = {v["id"]: v["kind"] for v in facts.picture.vehicles}
    map_svg = draw_map(
        tracks,
        kinds,
        zones=_features(zones),
        streets=_features(streets) if streets else [],
        parcels=facts.picture.parcels,
        bases=[v["base"] for v in facts.picture.vehicles],
    )
    page = out / "report.html"
    page.write_text(_page(facts, figures, tracks, kinds, map_svg), encoding="utf-8")
    return page, summary


def _features(file: Path) -> list[dict[str, Any]]:
    collection = json.loads(file.read_text(encoding="utf-8"))
    return list(collection["features"])


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _page(
    facts: Facts,
    figures: Mapping[str, Any],
    tracks: Mapping[str, Track],
    kinds: Mapping[str, str],
    map_svg: str,
) -> str:
    ok = not facts.faults
    verdict = (
        '<p class="verdict good"><b>✓ Passed.</b> Every parcel was delivered or refused with a '
        "reason, and the referee found nothing.</p>"
        if ok
        else '<p class="verdict bad"><b>▲ Not passed.</b></p><ul>'
        + "".join(f"<li>{escape(f)}</li>" for f in facts.faults)
        + "</ul>"
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(facts.title)}</title><style>{_STYLE}</style></head><body>
<header><h1>{escape(facts.title)}</h1>{verdict}</header>
<section class="figures">{"".join(_figures(figures))}</section>
<section><h2>Tracks really flown and driven</h2>
<p class="note">Drawn from the simulator's truth, not from telemetry. Zones are authored for
simulation, not for flight; one may bind drones or robots alone, some heights or some hours: point
at it to read which.</p>
<div class="map">{map_svg}{_legend(tracks, kinds)}</div></section>
<section><h2>Referee</h2>{_referee(facts.verdict)}</section>
<section><h2>Parcels</h2>{_parcels(facts)}</section>
<footer>Street map © OpenStreetMap contributors, ODbL.</footer>
</body></html>
"""


def _figures(figures: Mapping[str, Any]) -> Iterable[str]:
    median = figures["median_s_from_ready_to_delivered"]
    for name, value in (
        ("delivered", f"{figures['delivered']} of {figures['parcels']}"),
        ("by drone", figures["by_drone"]),
        ("by robot", figures["by_robot"]),
        ("refused with a reason", figures["refused"]),
        ("in time", figures["in_time"]),
        ("ready to delivered, median", minutes(median) if median is not None else "—"),
        ("flown", f"{figures['flown_km']} km"),
        ("driven", f"{figures['driven_km']} km"),
        ("simulated time", minutes(figures["simulated_s"])),
        ("wall time", minutes(figures["wall_s"])),
        ("speed-up", f"{figures['speedup']:g} times"),
        ("is what flew, simulated", figures["drone_program"]),
    ):
        yield f"<div><b>{escape(str(value))}</b><span>{escape(name)}</span></div>"


def _legend(tracks: Mapping[str, Track], kinds: Mapping[str, str]) -> str:
    items = []
    for vehicle_id in sorted(kinds):
        track = tracks.get(vehicle_id)
        length = f"{track.length_m / 1000:.1f} km" if track else "did not move"
        dash = ' stroke-dasharray="5 3"' if kinds[vehicle_id] == "robot" else ""
        items.append(
            f'<li><svg width="26" height="8" aria-hidden="true"><line x1="1" y1="4" x2="25" y2="4" '
            f'stroke="{colour_of(vehicle_id, kinds)}" stroke-width="3"{dash}/></svg> '
            f"{escape(vehicle_id)} <small>{length}</small></li>"
        )
    zones = f'<ul class="legend">{"".join(zone_legend())}</ul>'
    return f'{zones}<ul class="legend">{"".join(items)}</ul>'


def _referee(verdict: Mapping[str, Any]) -> str:
    samples = verdict.get("samples", 0)
    findings = list(verdict.get("findings", []))
    if verdict.get("ok"):
        return (
            f"<p>✓ Judged {samples} true positions with geometry of its own: no forbidden "
            "position, no parcel twice, none lost.</p>"
        )
    rows = "".join(f"<li>{escape(str(f.get('text', f)))}</li>" for f in findings)
    return f"<p>▲ {len(findings)} findings in {samples} true positions:</p><ul>{rows}</ul>"


def _parcels(facts: Facts) -> str:
    figures = ("kg", "Ready", "Left", "Delivered", "Due", "Off by")
    head = "".join(
        f'<th scope="col"{" class=n" if name in figures else ""}>{name}</th>'
        for name in ("Parcel", "State", "Vehicle", "To", *figures, "Why")
    )
    rows = "".join(_parcel_row(p, facts.explanations.get(p["id"])) for p in facts.picture.parcels)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _parcel_row(parcel: Mapping[str, Any], explanation: Mapping[str, Any] | None) -> str:
    times = parcel["times"]
    late = "delivered" in times and datetime.fromisoformat(
        times["delivered"]
    ) > datetime.fromisoformat(parcel["due_at"])
    to = parcel["destination"]
    where = to["address"] or to["site"] or f"{to['lat_deg']:.5f}, {to['lon_deg']:.5f}"
    proof = parcel["proof"]
    why = reason_of(parcel, explanation)
    mark = STATE_MARKS.get(parcel["state"], "?")
    cells = (
        f'<th scope="row">{escape(parcel["id"])}</th>',
        f'<td class="s-{parcel["state"]}">{mark} {escape(parcel["state"].replace("_", " "))}</td>',
        f'<td class="w">{escape(parcel["vehicle_id"] or "—")}</td>',
        f"<td>{escape(where)}</td>",
        f'<td class="n">{parcel["weight_kg"]:g}</td>',
        f'<td class="n">{_clock(parcel["ready_at"])}</td>',
        f'<td class="n">{_clock(times.get("in_transit"))}</td>',
        f'<td class="n">{_clock(times.get("delivered"))}{" late" if late else ""}</td>',
        f'<td class="n">{_clock(parcel["due_at"])}</td>',
        f'<td class="n">{proof["distance_m"]:.1f} m</td>' if proof else '<td class="n">—</td>',
        f"<td>{escape(why)}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>"


def reason_of(parcel: Mapping[str, Any], explanation: Mapping[str, Any] | None) -> str:
    """Why a parcel came to its end; vehicles with one and the same reason are named together."""
    if parcel["state"] != "refused":
        sentence = str(explanation.get("sentence", "")) if explanation else ""
        return "; ".join(parcel["reasons"]) or sentence
    by_text: dict[str, list[str]] = {}
    for reason in parcel["reasons"]:
        vehicle, mark, text = str(reason).partition(": ")
        by_text.setdefault(text if mark else vehicle, []).extend([vehicle] if mark else [])
    return "; ".join(
        f"{named(vehicles)}: {text}" if vehicles else text for text, vehicles in by_text.items()
    )


def named(vehicles: Sequence[str]) -> str:
    """Vehicle ids in short: up to three by name, more by the first, the last and their number."""
    if len(vehicles) <= 3:
        return ", ".join(vehicles)
    return f"{vehicles[0]} to {vehicles[-1]} ({len(vehicles)})"


def _clock(iso: str | None) -> str:
    return datetime.fromisoformat(iso).strftime("%H:%M:%S") if iso else "—"


_STYLE = """
:root{--ink:#1d2125;--soft:#5b646d;--paper:#f4f5f6;--card:#fff;--line:#d5d9dd;--blue:#0b5cad;
--bad:#a4161a}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#a5adb5;--paper:#16191c;
--card:#1f2428;--line:#3a4148;--blue:#7cb8f5;--bad:#ff8b85}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1240px;padding:24px;background:var(--paper);
color:var(--ink);font:15px/1.45 system-ui,sans-serif}h1{font-size:26px;margin:0 0 8px}
h2{font-size:18px;margin:28px 0 8px}.note,footer,small{color:var(--soft)}.note{margin:0 0 8px}
.verdict{padding:10px 14px;background:var(--card);border:1px solid var(--line);
border-left:6px solid var(--blue);margin:8px 0}.verdict.bad{border-left-color:var(--bad)}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(180px,1fr));gap:8px;
margin-top:16px}.figures div{background:var(--card);border:1px solid var(--line);padding:10px 12px}
.figures b{display:block;font-size:20px;font-variant-numeric:tabular-nums}
.figures span{color:var(--soft);font-size:13px}
.map{background:#eceeef;border:1px solid var(--line)}.map>svg{display:block;width:100%;height:auto}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:8px 12px;margin:0;
color:#1d2125;background:#fff;font-size:13px}.legend svg{vertical-align:-2px}
.legend small{color:#5b646d}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px;
background:var(--card)}th,td{padding:5px 8px;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top}thead th{white-space:nowrap;color:var(--soft)}tbody th{white-space:nowrap}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.w,.s-delivered{white-space:nowrap}footer{margin-top:28px;font-size:13px}
"""
