// What an operator may do. Every act is shown from sent to its end, with the reason.
import { ApiError, at, post } from "./api.js";

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
