// The one state of the console and the one reducer that changes it. Live and past events take
// the same way. Must not fetch or draw.

const TRAIL_S = 150;
const TRAIL_POINTS = 240;
const ACTS = 8;

export const initial = {
  link: "connecting",
  heardAt: 0,
  clock: null,
  parcels: new Map(),
  vehicles: new Map(),
  sites: new Map(),
  alarms: [],
  held: null,
  passages: [],
  zonesVersion: "",
  trails: new Map(),
  selected: null,
  acts: [],
  preview: null,
  focus: null,
  frozenNotice: "",
};

const byId = (list) => new Map(list.map((item) => [item.id, item]));

function clockOf(data, heardAt) {
  return { now: Date.parse(data.now), at: heardAt, speedup: data.speedup };
}

function trailed(trails, vehicle) {
  if (!vehicle.position || !vehicle.received_at) return trails;
  const t = Date.parse(vehicle.received_at) / 1000;
  const here = [vehicle.position.lon_deg, vehicle.position.lat_deg, t];
  const old = trails.get(vehicle.id) || [];
  const last = old[old.length - 1];
  if (last && last[2] >= t) return trails;
  const kept = old.filter((p) => t - p[2] <= TRAIL_S).slice(-TRAIL_POINTS);
  return new Map(trails).set(vehicle.id, [...kept, here]);
}

export function reduce(state, event) {
  const { type, data, heardAt } = event;
  switch (type) {
    case "snapshot":
      return {
        ...state,
        link: "live",
        heardAt,
        clock: clockOf(data, heardAt),
        parcels: byId(data.parcels),
        vehicles: byId(data.vehicles),
        sites: byId(data.sites),
        alarms: data.alarms,
        held: data.held,
        zonesVersion: data.zones_version,
        trails: data.vehicles.reduce(trailed, state.trails),
      };
    case "clock":
      return { ...state, link: "live", heardAt, clock: clockOf(data, heardAt) };
    case "parcel":
      return { ...state, heardAt, parcels: new Map(state.parcels).set(data.id, data) };
    case "vehicle":
      return {
        ...state,
        heardAt,
        vehicles: new Map(state.vehicles).set(data.id, data),
        trails: trailed(state.trails, data),
      };
    case "alarms":
      return { ...state, heardAt, alarms: data };
    case "held":
      return { ...state, heardAt, held: data };
    case "zones":
      return { ...state, heardAt, zonesVersion: data.version };
    case "passages":
      return { ...state, passages: data };
    case "link":
      return { ...state, link: data };
    case "select":
      return { ...state, selected: data, preview: data ? null : state.preview };
    case "preview":
      return { ...state, preview: data, focus: null };
    case "focus":
      return { ...state, focus: data };
    case "act":
      return {
        ...state,
        acts: [data, ...state.acts.filter((a) => a.id !== data.id)].slice(0, ACTS),
      };
    default:
      return state;
  }
}

// Events come faster than anyone can read: they are reduced at once and shown at most 8 times a
// second.
const SHOW_MS = 120;

export function makeStore() {
  let state = initial;
  let planned = false;
  const listeners = new Set();
  return {
    get: () => state,
    send(event) {
      state = reduce(state, event);
      if (planned) return;
      planned = true;
      setTimeout(() => {
        planned = false;
        for (const listener of listeners) listener(state);
      }, ["select", "act", "preview", "focus"].includes(event.type) ? 0 : SHOW_MS);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

// The controller's present, in milliseconds since 1970, extrapolated from the last word of it.
export function simulatedNow(state, nowMs = performance.now()) {
  const c = state.clock;
  return c ? c.now + (nowMs - c.at) * c.speedup : Date.now();
}
