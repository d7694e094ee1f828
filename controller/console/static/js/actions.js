// What an operator may do. Every act is shown from sent to its end, with the reason.
import { ApiError, at, get, post, postFile } from "./api.js";

let number = 0;

async function act(store, text, target, run) {
  const id = ++number;
  const tell = (state, reason = "") =>
    store.send({ type: "act", data: { id, text, target, state, reason, at: Date.now() } });
  tell("sent");
  try {
    const { outcome, reason } = await run();
    tell(outcome, reason);
  } catch (error) {
    const next = error instanceof ApiError && error.next ? `; ${error.next}` : "";
    tell("failed", `${error.message}${next}`);
  }
}

const VERBS = { hold: "Hold", resume: "Resume", return: "Return", land: "Land" };

export function commandVehicle(store, id, verb) {
  return act(store, `${VERBS[verb]} ${id}`, id, () =>
    post(at("v1", "vehicles", id, "commands"), { verb, reason: "from the console" }),
  );
}

export function chargeVehicle(store, id, on) {
  return act(store, on ? `Charge ${id}` : `End charging of ${id}`, id, () =>
    post(at("v1", "vehicles", id, "charge"), { on, reason: "from the console" }),
  );
}

export function retryAction(store, id, again) {
  return act(store, again ? `Try again: ${id}` : `Go on without it: ${id}`, id, () =>
    post(at("v1", "vehicles", id, "retry"), { again, reason: "from the console" }),
  );
}

export function divertVehicle(store, id, place) {
  return act(store, `Divert ${id} to ${place.name}`, id, () =>
    post(at("v1", "vehicles", id, "divert"), {
      lat_deg: place.position.lat_deg,
      lon_deg: place.position.lon_deg,
      alt_home_m: place.alt_home_m,
      reason: "from the console",
    }),
  );
}

export function takeBack(store, id, reason) {
  return act(store, `Take back the passages of ${id}`, id, () =>
    post(at("v1", "vehicles", id, "passages", "take-back"), { reason }),
  );
}

export function commandFleet(store, verb) {
  return act(store, `${VERBS[verb]} all`, "", async () => {
    const told = await post("/v1/fleet/commands", { verb, reason: "from the console" });
    const not = told.filter((a) => a.outcome !== "done");
    const reason = not.map((a) => `${a.vehicle_id}: ${a.reason || a.outcome}`).join("; ");
    return { outcome: not.length ? "uncertain" : "done", reason };
  });
}

export function resumeDispatch(store) {
  return act(store, "Resume dispatch", "", async () => {
    await post("/v1/fleet/resume", { reason: "from the console" });
    return { outcome: "done", reason: "held vehicles stay held until each is resumed" };
  });
}

export function cancelParcel(store, id) {
  return act(store, `Cancel ${id}`, id, () =>
    post(at("v1", "parcels", id, "cancel"), { reason: "from the console" }),
  );
}

// The PIN goes to the controller and into no word of what was done.
export function triggerParcel(store, id, pin) {
  return act(store, `Open for ${id}`, id, () =>
    post(at("v1", "parcels", id, "trigger"), pin ? { pin } : {}),
  );
}

export function resendParcel(store, id) {
  return act(store, `Send ${id} again`, id, () =>
    post(at("v1", "parcels", id, "resend"), { reason: "from the console" }),
  );
}

const FOUND = { aboard: "Found aboard", delivered: "Found delivered" };

export function settleParcel(store, id, found) {
  return act(store, `${FOUND[found]}: ${id}`, id, () =>
    post(at("v1", "parcels", id, "settle"), { found, reason: "seen by a person, told at the console" }),
  );
}

export function acknowledge(store, alarm) {
  return act(store, `Acknowledge: ${alarm.cause}`, alarm.vehicle_id, async () => {
    await post(at("v1", "alarms", alarm.id, "ack"));
    return { outcome: "done", reason: "" };
  });
}

export function launchMission(store, planned) {
  const { id, vehicle_id: vehicle, content_hash: hash } = planned;
  return act(store, `Launch ${vehicle}`, vehicle, async () => {
    const { outcome, reason } = await post(at("v1", "missions", id, "launch"), { content_hash: hash });
    // done is the launch given, not the start seen
    return { outcome: outcome === "done" ? "given" : outcome, reason };
  });
}

// Asks for the preview of `of`: { kind: "mission", id } or { kind: "file", name, text }.
export async function loadPreview(store, of) {
  const still = () => store.get().preview?.of === of;
  try {
    const data =
      of.kind === "mission"
        ? await get(at("v1", "missions", of.id, "preview"))
        : await postFile(`/v1/missions/check?name=${encodeURIComponent(of.name)}`, of.text);
    if (still()) store.send({ type: "preview", data: { of, data, error: "" } });
  } catch (error) {
    const next = error instanceof ApiError && error.next ? `; ${error.next}` : "";
    if (still()) store.send({ type: "preview", data: { of, data: null, error: `${error.message}${next}` } });
  }
}

export function openPreview(store, of) {
  store.send({ type: "preview", data: { of, data: null, error: "" } });
  return loadPreview(store, of);
}

export const previewMission = (store, id) => openPreview(store, { kind: "mission", id });

const MAX_FILE = 1_000_000;

export async function previewFile(store, file) {
  const of = { kind: "file", name: file.name.slice(-80), text: "" };
  if (file.size > MAX_FILE) {
    store.send({ type: "preview", data: { of, data: null, error: "the file is larger than 1 MB: it is no mission" } });
    return;
  }
  await openPreview(store, { ...of, text: await file.text() });
}

export const closePreview = (store) => store.send({ type: "preview", data: null });
