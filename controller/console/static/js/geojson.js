// The state as GeoJSON for the map.
import { ENDED, LOW_PCT, ageOf, isIdle, isStale, percent, placeOf, vehicleStatus } from "./words.js";

export const collection = (features) => ({ type: "FeatureCollection", features });

const M_PER_DEG = 111320;

// A zone's circle stays analytic in the controller; the map draws it as a polygon of 72 sides.
function ring([lon, lat], radiusM) {
  const points = [];
  for (let i = 0; i <= 72; i++) {
    const angle = (i / 72) * 2 * Math.PI;
    const east = (radiusM * Math.sin(angle)) / (M_PER_DEG * Math.cos((lat * Math.PI) / 180));
    points.push([lon + east, lat + (radiusM * Math.cos(angle)) / M_PER_DEG]);
  }
  return points;
}

const limit = (value) => (value ? `${Math.round(value.value_m)} m ${value.datum}` : "");

function heightsOf(p) {
  const from = limit(p.floor);
  const to = limit(p.ceiling);
  return from || to ? `${from || "ground"} to ${to || "unlimited"}` : "";
}

export function zoneFeatures(zones) {
  return zones.features.map((f) => {
    const { kind, name, id } = f.properties;
    const properties = { kind, name: name || id, heights: heightsOf(f.properties) };
    const geometry =
      f.geometry.type === "Point"
        ? { type: "Polygon", coordinates: [ring(f.geometry.coordinates, f.properties.radius_m)] }
        : f.geometry;
    return { type: "Feature", properties, geometry };
  });
}

function topOf(geometry) {
  const rings = geometry.type === "MultiPolygon" ? geometry.coordinates[0] : geometry.coordinates;
  const points = rings[0];
  const lons = points.map((p) => p[0]);
  const lats = points.map((p) => p[1]);
  return [(Math.min(...lons) + Math.max(...lons)) / 2, (Math.min(...lats) + Math.max(...lats)) / 2];
}

export function zoneLabels(features) {
  return features
    .filter((f) => f.properties.kind !== "keep_in")
    .map((f) => ({ ...f, geometry: { type: "Point", coordinates: topOf(f.geometry) } }));
}

export function passageFeatures(passages) {
  return passages.flatMap((p) => {
    const had = p.holders.map((h) => h.vehicle).join(", ");
    const label = p.waiting.length ? `${had || "free"} ◂ ${p.waiting.join(", ")}` : had;
    return p.lines.map((line, index) => ({
      type: "Feature",
      properties: { id: p.id, waiting: Number(p.waiting.length > 0), label: index ? "" : label },
      geometry:
        line.length > 1 ? { type: "LineString", coordinates: line } : { type: "Point", coordinates: line[0] },
    }));
  });
}

export function siteFeatures(sites) {
  return [...sites.values()].map((s) => ({
    type: "Feature",
    properties: { kind: s.kind, name: s.kind === "hub" ? s.name || s.id : "" },
    geometry: { type: "Point", coordinates: [s.position.lon_deg, s.position.lat_deg] },
  }));
}

// Where a label at a waypoint meets none of the legs there: of eight sides the one farthest away.
const SIDES = [
  ["left", [0.9, 0], 0], ["bottom-left", [0.6, -0.5], 45], ["bottom", [0, -0.9], 90],
  ["bottom-right", [-0.6, -0.5], 135], ["right", [-0.9, 0], 180], ["top-right", [-0.6, 0.5], 225],
  ["top", [0, 0.9], 270], ["top-left", [0.6, 0.5], 315],
];

function sideFor([lon, lat], paths) {
  const same = (p) => Math.abs(p[0] - lon) < 1e-6 && Math.abs(p[1] - lat) < 1e-6;
  const courses = [];
  for (const { geometry } of paths) {
    const line = geometry.coordinates;
    for (const [end, next] of [[line[0], line[1]], [line.at(-1), line.at(-2)]]) {
      if (!same(end)) continue;
      const east = (next[0] - lon) * Math.cos((lat * Math.PI) / 180);
      courses.push((Math.atan2(next[1] - lat, east) * 180) / Math.PI);
    }
  }
  const apart = (a, b) => Math.abs(((a - b + 540) % 360) - 180);
  const free = ([, , at]) => Math.min(180, ...courses.map((c) => apart(c, at)));
  return SIDES.reduce((best, side) => (free(side) > free(best) + 1 ? side : best));
}

function waypoint(feature, paths) {
  const { numbers, alt_home_m: alt, words } = feature.properties;
  const height = alt === null ? "" : ` at ${Math.round(alt)} m`;
  const known = `${numbers.slice(0, 3).join(", ")}${numbers.length > 3 ? ", …" : ""}`;
  const [anchor, offset] = sideFor(feature.geometry.coordinates, paths);
  const label = `${known}${height}${words ? `, ${words}` : ""}`;
  return { ...feature, properties: { role: "waypoint", label, anchor, offset } };
}

// The nearest place round a point where a number covers no other; pixels.
function freePlace([x, y], taken) {
  const tries = [[x, y]];
  for (const radius of [26, 48, 70]) {
    for (let turn = 0; turn < 12; turn++) {
      const angle = (turn * Math.PI) / 6;
      tries.push([x + radius * Math.cos(angle), y + radius * Math.sin(angle)]);
    }
  }
  return tries.find((t) => taken.every((o) => Math.hypot(t[0] - o[0], t[1] - o[1]) >= 24)) || tries[0];
}

// A number for each violation; `chart` tells pixels, so that no two cover each other.
function numbersOf(violations, chart) {
  const taken = [];
  return violations.flatMap((f) => {
    const line = f.geometry.type === "Point" ? [f.geometry.coordinates] : f.geometry.coordinates;
    const [a, b] = [line[0], line.at(-1)];
    const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const from = chart.project(middle);
    const place = freePlace([from.x, from.y], taken);
    taken.push(place);
    const { lng, lat } = chart.unproject(place);
    const { number, depth_m: depth, max_speed_mps: limit, contingency } = f.properties;
    const properties = {
      role: "number",
      number: String(number),
      depth: limit === null ? `${Math.round(depth)} m` : "",
      own: contingency ? 0 : 1,
    };
    const made = [{ type: "Feature", properties, geometry: { type: "Point", coordinates: [lng, lat] } }];
    if (place[0] !== from.x || place[1] !== from.y) {
      const geometry = { type: "LineString", coordinates: [middle, [lng, lat]] };
      made.push({ type: "Feature", properties: { role: "leader" }, geometry });
    }
    return made;
  });
}

export function previewFeatures(data, chart) {
  if (!data) return [];
  const of = (role) => data.features.filter((f) => f.properties.role === role);
  const paths = of("path");
  const rest = data.features.filter((f) => f.properties.role !== "waypoint");
  return [...rest, ...of("waypoint").map((f) => waypoint(f, paths)), ...numbersOf(of("violation"), chart)];
}

function boxOf(features) {
  const points = [];
  const walk = (c) => (typeof c[0] === "number" ? points.push(c) : c.forEach(walk));
  for (const f of features) walk(f.geometry.coordinates);
  const lons = points.map((p) => p[0]);
  const lats = points.map((p) => p[1]);
  return [[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]];
}

export function previewBounds(data) {
  const shown = data.features.filter((f) => ["corridor", "spare", "violation"].includes(f.properties.role));
  return shown.length ? boxOf(shown) : null;
}

const TONES = { warning: "warning", caution: "caution" };

export function vehicleFeatures(state, now) {
  const chosen = state.selected?.kind === "vehicle" ? state.selected.id : "";
  const features = [];
  for (const v of state.vehicles.values()) {
    const spot = placeOf(v);
    if (!spot) continue;
    const tone = isStale(v)
      ? "stale"
      : TONES[vehicleStatus(v).tone] || (isIdle(v) ? "idle" : "active");
    const look = v.id === chosen ? "chosen" : tone;
    const age = ageOf(v, now);
    const low = v.battery_pct !== null && v.battery_pct < LOW_PCT;
    const battery = low || v.id === chosen ? ` ${percent(v.battery_pct)}` : "";
    const idle = tone === "idle" && v.id !== chosen;
    features.push({
      type: "Feature",
      properties: {
        id: v.id,
        icon: `${v.kind}-${look}`,
        heading: v.heading_deg ?? v.last_known?.heading_deg ?? 0,
        label: tone === "stale" ? `${v.id} ○ ${Math.round(age)} s old` : idle ? "" : `${v.id}${battery}`,
        rank: v.id === chosen ? 0 : tone === "warning" ? 1 : tone === "active" ? 2 : 3,
        faded: tone === "stale" ? 1 : 0,
      },
      geometry: { type: "Point", coordinates: [spot.lon_deg, spot.lat_deg] },
    });
  }
  return features;
}

export function trailFeatures(state) {
  const features = [];
  for (const [id, points] of state.trails) {
    const v = state.vehicles.get(id);
    if (points.length < 2 || !v || isIdle(v)) continue;
    const coordinates = points.map((p) => [p[0], p[1]]);
    features.push({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } });
  }
  return features;
}

export function routeFeatures(state) {
  const chosen = state.selected;
  const features = [];
  for (const v of state.vehicles.values()) {
    if (!v.path_lonlat.length || !v.position) continue;
    const carries = chosen?.kind === "parcel" && v.parcel_ids.includes(chosen.id);
    const is = (chosen?.kind === "vehicle" && chosen.id === v.id) || carries;
    const coordinates = [[v.position.lon_deg, v.position.lat_deg], ...v.path_lonlat];
    features.push({
      type: "Feature",
      properties: { chosen: is ? 1 : 0 },
      geometry: { type: "LineString", coordinates },
    });
  }
  return features;
}

export function dropFeatures(state) {
  const chosen = state.selected;
  const vehicle = chosen?.kind === "vehicle" ? state.vehicles.get(chosen.id) : null;
  const features = [];
  for (const p of state.parcels.values()) {
    const is =
      (chosen?.kind === "parcel" && chosen.id === p.id) || vehicle?.parcel_ids.includes(p.id) || false;
    if (ENDED.has(p.state) && !is) continue;
    features.push({
      type: "Feature",
      properties: { id: p.id, chosen: is ? 1 : 0, label: is ? p.id : "" },
      geometry: {
        type: "Point",
        coordinates: [p.destination.lon_deg, p.destination.lat_deg],
      },
    });
  }
  return features;
}
