// Words, marks and orders: what a state is called, which shape it has, what comes first.
// Status is always shape + word + colour; colour alone never tells anything.

export const PARCEL_STATES = {
  stranded: { mark: "▲", word: "Stranded", tone: "warning" },
  refused: { mark: "✕", word: "Refused", tone: "caution" },
  returning: { mark: "↩", word: "Coming back", tone: "caution" },
  in_transit: { mark: "▶", word: "In transit", tone: "active" },
  released: { mark: "▼", word: "Released", tone: "active" },
  preparing: { mark: "◑", word: "Preparing", tone: "plain" },
  assigned: { mark: "◔", word: "Assigned", tone: "plain" },
  submitted: { mark: "○", word: "Waiting", tone: "plain" },
  returned: { mark: "↩", word: "Returned", tone: "plain" },
  delivered: { mark: "✓", word: "Delivered", tone: "quiet" },
  cancelled: { mark: "⊘", word: "Cancelled", tone: "quiet" },
};

// What happened at a parcel's door, beside its states.
export const DOOR_WORDS = {
  door_at: "At the door",
  door_opened: "Told to hand over",
  door_shut: "Not handed over there",
  door_wrong_pin_1: "Wrong PIN",
  door_wrong_pin_2: "Wrong PIN, second",
  door_wrong_pin_3: "Wrong PIN, third",
  recalled: "Called back",
};

export function handoverWords(parcel) {
  if (parcel.handling === "pin") return "at the door, with PIN";
  return { door: "at the door, to the customer", locker: "into a locker" }[parcel.handover] || "contactless";
}

export const ENDED = new Set(["delivered", "refused", "returned", "cancelled", "stranded"]);

const PHASES = {
  unknown: { mark: "?", word: "Unknown", tone: "stale" },
  booting: { mark: "◌", word: "Starting up", tone: "plain" },
  not_ready: { mark: "◇", word: "Not ready", tone: "plain" },
  ready: { mark: "●", word: "Ready", tone: "quiet" },
  assigned: { mark: "◔", word: "Assigned", tone: "plain" },
  armed: { mark: "◉", word: "Armed", tone: "active" },
  en_route: { mark: "▶", word: "Under way", tone: "active" },
  at_stop: { mark: "▼", word: "At stop", tone: "active" },
  released: { mark: "▽", word: "Released", tone: "active" },
  returning: { mark: "↩", word: "Returning", tone: "active" },
  landing: { mark: "⤓", word: "Landing", tone: "active" },
  landed: { mark: "▁", word: "Landed", tone: "active" },
  holding: { mark: "❚❚", word: "Holding", tone: "caution" },
  failsafe: { mark: "▲", word: "Failsafe", tone: "warning" },
  offline: { mark: "○", word: "Offline", tone: "stale" },
  lost: { mark: "✕", word: "Lost", tone: "warning" },
};

export const SEVERITIES = {
  warning: { mark: "▲", word: "Warning", order: 0 },
  caution: { mark: "◆", word: "Caution", order: 1 },
  advisory: { mark: "●", word: "Advisory", order: 2 },
};

export const OUTCOMES = {
  sent: { mark: "…", word: "sent", tone: "plain" },
  done: { mark: "✓", word: "seen in its state", tone: "quiet" },
  given: { mark: "✓", word: "given: it starts once it is ready", tone: "quiet" },
  refused: { mark: "✕", word: "refused", tone: "caution" },
  uncertain: { mark: "?", word: "no proof", tone: "caution" },
  failed: { mark: "▲", word: "not sent", tone: "warning" },
};

export const STALE_S = 5;
export const LOW_PCT = 25;

// Age grows while nothing is heard: `received_at` against the controller's present. Of a vehicle
// that has not been heard since a restart, the age of what was known of it before.
export function ageOf(vehicle, nowMs) {
  const at = vehicle.received_at || vehicle.last_known?.at;
  return at ? Math.max(0, (nowMs - Date.parse(at)) / 1000) : null;
}

// Where it is, or was before a restart: such a vehicle is stale by its link.
export function placeOf(vehicle) {
  return vehicle.position || vehicle.last_known?.position || null;
}

export function isStale(vehicle) {
  return vehicle.link !== "online";
}

export function vehicleStatus(vehicle) {
  if (vehicle.link === "unknown") {
    const word = vehicle.last_known ? "Not heard since restart" : "Never heard";
    return { mark: "○", word, tone: "stale" };
  }
  if (vehicle.link === "offline") return { mark: "○", word: "No link", tone: "stale" };
  if (vehicle.awaits_launch && vehicle.link === "online") {
    return { mark: "◈", word: "Awaits launch", tone: "caution" };
  }
  const named = vehicle.phase === "ready" && vehicle.assignment_id ? "assigned" : vehicle.phase;
  const phase = PHASES[named] || PHASES.unknown;
  if (vehicle.link === "stale") return { ...phase, word: `${phase.word} (late)`, tone: "stale" };
  return phase;
}

// What may be demanded now: the controller's word, or else by arm state. Unknown counts as airborne.
export function mayDemand(vehicle, verb) {
  if (vehicle.link === "unknown") return false;
  if (Array.isArray(vehicle.commands)) return vehicle.commands.includes(verb);
  const atRest = vehicle.kind === "drone" ? vehicle.armed === false : isIdle(vehicle);
  return !(atRest && vehicle.link === "online");
}

export const isIdle = (vehicle) =>
  !vehicle.assignment_id && ["ready", "not_ready", "booting"].includes(vehicle.phase);

export function duration(seconds) {
  const whole = Math.abs(Math.round(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function timeOfDay(value) {
  return new Date(value).toISOString().slice(11, 19);
}

export const percent = (value) => (value === null ? "—" : `${Math.round(value)} %`);
export const figure = (value, unit, digits = 0) =>
  value === null || value === undefined ? "—" : `${value.toFixed(digits)} ${unit}`;

export function place(destination) {
  return (
    destination.address ||
    destination.site ||
    `${destination.lat_deg.toFixed(5)}, ${destination.lon_deg.toFixed(5)}`
  );
}

export function timeLeft(parcel, nowMs) {
  const due = Date.parse(parcel.due_at);
  const ready = Date.parse(parcel.ready_at);
  if (ENDED.has(parcel.state)) {
    const end = parcel.times[parcel.state];
    if (parcel.state !== "delivered" || !end) return { text: "", share: 0, late: false };
    const slack = (due - Date.parse(end)) / 1000;
    return {
      text: slack >= 0 ? `${timeOfDay(end)}, in time` : `${timeOfDay(end)}, ${duration(slack)} late`,
      share: 0,
      late: slack < 0,
    };
  }
  const left = (due - nowMs) / 1000;
  const share = Math.min(1, Math.max(0, left / Math.max(1, (due - ready) / 1000)));
  return { text: left >= 0 ? `${duration(left)} left` : `${duration(left)} late`, share, late: left < 0 };
}

// Reasons of the form "vehicle: why", with vehicles of one and the same reason told together.
export function groupedReasons(reasons) {
  const byText = new Map();
  for (const reason of reasons) {
    const cut = reason.indexOf(": ");
    const text = cut < 0 ? reason : reason.slice(cut + 2);
    const named = byText.get(text) || [];
    if (cut >= 0) named.push(reason.slice(0, cut));
    byText.set(text, named);
  }
  return [...byText].map(([text, named]) => {
    if (!named.length) return text;
    const who =
      named.length <= 3 ? named.join(", ") : `${named[0]} to ${named[named.length - 1]} (${named.length})`;
    return `${who}: ${text}`;
  });
}
