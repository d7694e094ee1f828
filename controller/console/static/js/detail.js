// The right panel: what is selected, why it is so, and what can be done about it.
import { useEffect, useState } from "preact/hooks";
import {
  cancelParcel, chargeVehicle, closePreview, commandVehicle, previewMission, retryAction,
  settleParcel,
} from "./actions.js";
import { Acts } from "./acts.js";
import { at, get } from "./api.js";
import { Confirm, OneClick, PressHold, Status } from "./controls.js";
import { DivertChoice } from "./divert.js";
import { Door } from "./door.js";
import { html } from "./html.js";
import { Preview } from "./preview.js";
import {
  ageOf,
  DOOR_WORDS,
  ENDED,
  figure,
  groupedReasons,
  handoverWords,
  isIdle,
  isStale,
  mayDemand,
  PARCEL_STATES,
  percent,
  place,
  timeLeft,
  timeOfDay,
  vehicleStatus,
} from "./words.js";

function Facts({ rows }) {
  return html`<dl class="facts">
    ${rows
      .filter(([, value]) => value !== "" && value !== null && value !== undefined)
      .map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

const link = (select, kind, id) =>
  html`<button type="button" class="plainlink" onClick=${() => select(kind, id)}>${id}</button>`;

function Battery({ value }) {
  if (value === null) return html`<span>—</span>`;
  const low = value < 25 ? "low" : "";
  return html`<span class=${`battery ${low}`}
    ><span class="cell" aria-hidden="true"><i style=${`width:${value}%`}></i></span>
    ${percent(value)}${low && " low"}</span
  >`;
}

function forecast(vehicle) {
  const { battery_at_landing_pct: landing, battery_if_returned_pct: returned } = vehicle;
  if (landing === null || landing === undefined) return [];
  return [["At landing", `${percent(landing)}; ${percent(returned)} if it returned now`]];
}

const RESTING = {
  drone: "It is disarmed, on the ground: there is nothing to hold, return or land.",
  robot: "It is at rest: there is nothing to hold, return or stop.",
};

function Commands({ store, vehicle }) {
  const { id, phase, kind } = vehicle;
  const no = (verb) => !mayDemand(vehicle, verb);
  // said only where its own, fresh word is that it is at rest
  const known = vehicle.link === "online" && (kind === "drone" ? vehicle.armed === false : isIdle(vehicle));
  const rest = known && ["hold", "return", "land"].every(no);
  const carrying = vehicle.parcel_ids.length ? `, carrying ${vehicle.parcel_ids.join(", ")},` : "";
  const holding = phase === "holding";
  return html`<div class="commands" role="group" aria-label=${`Commands for ${id}`}>
    ${holding
      ? html`<${OneClick} label="Resume" hint="goes on" disabled=${no("resume")} onDone=${() => commandVehicle(store, id, "resume")} />`
      : html`<${OneClick} label="Hold" hint=${no("hold") ? "nothing to hold" : "one click"} disabled=${no("hold")} onDone=${() => commandVehicle(store, id, "hold")} />`}
    <${Confirm}
      label="Return"
      hint=${no("return") ? "not away" : ""}
      disabled=${no("return")}
      question=${`${id}${carrying} breaks off and returns to ${vehicle.base.name || vehicle.base.id}; battery ${percent(vehicle.battery_pct)}.`}
      onDone=${() => commandVehicle(store, id, "return")}
    />
    <${PressHold}
      label=${kind === "drone" ? "Land here" : "Stop here"}
      tone="grave"
      hint=${no("land") ? "not under way" : ""}
      disabled=${no("land")}
      onDone=${() => commandVehicle(store, id, "land")}
    />
    ${rest && html`<p class="note resting">${RESTING[kind]}</p>`}
  </div>`;
}

function ChargeButton({ store, vehicle }) {
  const { id, kept, charges } = vehicle;
  if (!charges || !(kept || isIdle(vehicle))) return null;
  return html`<div class="commands one">
    ${kept
      ? html`<${OneClick} label="End charging" hint=${kept} onDone=${() => chargeVehicle(store, id, false)} />`
      : html`<${OneClick} label="Charge" hint="no work meanwhile" onDone=${() => chargeVehicle(store, id, true)} />`}
  </div>`;
}

function FailedAction({ store, vehicle }) {
  const { id, failed_action: failed } = vehicle;
  if (!failed) return null;
  return html`<div class="commands" role="group" aria-label=${`What failed on ${id}`}>
    <p class="note">${failed}</p>
    <${OneClick} label="Try again" hint="once" onDone=${() => retryAction(store, id, true)} />
    <${Confirm}
      label="Go on without it"
      question=${`${id} goes on: what was to be handed over stays aboard.`}
      onDone=${() => retryAction(store, id, false)}
    />
  </div>`;
}

function PreviewButton({ store, vehicle }) {
  if (!vehicle?.mission_id) return null;
  return html`<div class="commands one">
    <${OneClick}
      label=${vehicle.awaits_launch ? "See the mission and launch it" : "See the mission on the map"}
      hint="path, corridor, ways home, zones"
      onDone=${() => previewMission(store, vehicle.mission_id)}
    />
  </div>`;
}

function VehicleDetail({ store, state, now, select, vehicle }) {
  const age = ageOf(vehicle, now);
  const seen = age === null ? "never heard" : `${Math.round(age)} s ago`;
  const armed = vehicle.armed === null ? "unknown: counts as under way" : vehicle.armed ? "yes" : "no";
  const drone = vehicle.kind === "drone";
  return html`<header>
      <h2><span class=${`shape ${vehicle.kind}`} aria-hidden="true"></span>${vehicle.id}</h2>
      <${Status} of=${vehicleStatus(vehicle)} />
    </header>
    <p class="sentence">${vehicle.sentence}</p>
    ${vehicle.broken && html`<p class="old">○ Off its broker: ${vehicle.broken}.</p>`}
    ${isStale(vehicle) && html`<p class="old">○ Last known state, ${seen}. It may be elsewhere now.</p>`}
    <${PreviewButton} store=${store} vehicle=${vehicle} />
    <${Commands} store=${store} vehicle=${vehicle} />
    <${FailedAction} store=${store} vehicle=${vehicle} />
    <${ChargeButton} store=${store} vehicle=${vehicle} />
    <${DivertChoice} store=${store} vehicle=${vehicle} />
    <${Facts}
      rows=${[
        ["Battery", html`<${Battery} value=${vehicle.battery_pct} />`],
        ["Charging", vehicle.charging == null ? "" : vehicle.charging ? "yes" : "no"],
        ...forecast(vehicle),
        ["Carries", vehicle.parcel_ids.length ? vehicle.parcel_ids.map((id) => html`${link(select, "parcel", id)} `) : "nothing"],
        ["Step", vehicle.item_count ? `${vehicle.item} of ${vehicle.item_count}` : ""],
        ["Speed", figure(vehicle.speed_mps, "m/s", 1)],
        ["Height", drone ? `${figure(vehicle.alt_home_m, "m")} above home` : ""],
        ["Heading", vehicle.heading_deg === null ? "—" : `${Math.round(vehicle.heading_deg)}°`],
        ["Armed", drone ? armed : ""],
        ["Mode", vehicle.mode],
        ["Heard", seen],
        ["Base", vehicle.base.name || vehicle.base.id],
        ["Can carry", `${vehicle.capability.max_payload_kg} kg, ${vehicle.capability.parcel_slots} parcel${vehicle.capability.parcel_slots > 1 ? "s" : ""}`],
        ["Mission", vehicle.mission_hash ? html`<code>${vehicle.mission_hash.slice(0, 12)}</code>` : ""],
      ]}
    />
    ${vehicle.not_ready.length > 0 &&
    html`<section><h3>Why it cannot start</h3><ul class="reasons">${vehicle.not_ready.map((r) => html`<li>${r}</li>`)}</ul></section>`}
    <${Acts} state=${state} target=${vehicle.id} />`;
}

function Explain({ parcel, select }) {
  const [told, setTold] = useState(null);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    let current = true;
    setFailed("");
    get(at("v1", "parcels", parcel.id, "explain"))
      .then((body) => current && setTold(body))
      .catch((error) => current && (setTold(null), setFailed(error.message)));
    return () => (current = false);
  }, [parcel.id, parcel.state, parcel.attempts]);
  return html`<section class="explain">
    <h3>Why this vehicle</h3>
    ${failed && html`<p class="empty">${failed}</p>`}
    ${told && html`<p>${told.sentence}</p>`}
    ${told &&
    html`<ul>
      ${(told.candidates || []).map(
        (c) => html`<li key=${c.vehicle_id}>
          ${link(select, "vehicle", c.vehicle_id)}
          <span class="verdict">${c.vehicle_id === told.chosen ? "✓ chosen" : "could"}</span>
          <span class="why">cost ${c.cost.toFixed(0)}, there at ${timeOfDay(c.arrive_at)}</span>
        </li>`,
      )}
      ${(told.refusals || []).map(
        (r) => html`<li key=${`${r.vehicle_id}-${r.code}`}>
          ${link(select, "vehicle", r.vehicle_id)}
          <span class="verdict">${r.permanent ? "✕ never" : "○ not now"}</span>
          <span class="why">${r.text}</span>
        </li>`,
      )}
    </ul>`}
  </section>`;
}

function ParcelDetail({ store, state, now, select, parcel }) {
  const left = timeLeft(parcel, now);
  const told = PARCEL_STATES[parcel.state];
  const times = Object.entries(parcel.times).sort((a, b) => Date.parse(a[1]) - Date.parse(b[1]));
  const eta = parcel.eta && !ENDED.has(parcel.state) ? timeOfDay(parcel.eta) : "";
  const assigned = state.vehicles.get(parcel.vehicle_id);
  const carrier = assigned?.parcel_ids.includes(parcel.id) && !ENDED.has(parcel.state) ? assigned : null;
  const size = parcel.size_m.map((s) => Math.round(s * 100)).join(" × ");
  return html`<header>
      <h2>${parcel.id}</h2>
      <${Status} of=${told} />
    </header>
    <p class="sentence">To ${place(parcel.destination)}${left.text && html`; <b class=${left.late ? "late" : ""}>${left.text}</b>`}.</p>
    ${parcel.reasons.length > 0 &&
    html`<section><h3>Why it is so</h3><ul class="reasons">${groupedReasons(parcel.reasons).map((r) => html`<li>${r}</li>`)}</ul></section>`}
    ${parcel.state === "stranded" && html`<${Settle} store=${store} parcel=${parcel} />`}
    <${Door} store=${store} parcel=${parcel} />
    <${Facts}
      rows=${[
        ["Vehicle", parcel.vehicle_id ? link(select, "vehicle", parcel.vehicle_id) : "none yet"],
        ["Held by", `${parcel.custodian.kind} ${parcel.custodian.id}`],
        ["Expected", eta],
        ["Due", timeOfDay(parcel.due_at)],
        ["From", state.sites.get(parcel.origin)?.name || parcel.origin],
        ["Weighs", figure(parcel.weight_kg, "kg", 1)],
        ["Size", `${size} cm`],
        ["Priority", parcel.priority],
        ["Hand-over", handoverWords(parcel)],
        ["Not before", parcel.earliest_at ? timeOfDay(parcel.earliest_at) : ""],
        ["Not after", parcel.latest_at ? timeOfDay(parcel.latest_at) : ""],
        ["Carrier", parcel.carrier],
        ["Attempts", parcel.attempts > 1 ? parcel.attempts : ""],
      ]}
    />
    ${parcel.proof &&
    html`<section><h3>Proof</h3>
      <p>${timeOfDay(parcel.proof.at)}, ${parcel.proof.distance_m.toFixed(1)} m from its destination: ${parcel.proof.evidence.join(", ")}</p>
    </section>`}
    <section>
      <h3>Times</h3>
      <ol class="times">
        ${times.map(([name, time]) => html`<li key=${name}><span class="n">${timeOfDay(time)}</span> ${PARCEL_STATES[name]?.word || DOOR_WORDS[name] || name}</li>`)}
      </ol>
    </section>
    <${Explain} parcel=${parcel} select=${select} />
    <${PreviewButton} store=${store} vehicle=${carrier} />
    ${["submitted", "assigned", "preparing"].includes(parcel.state) &&
    html`<div class="commands one">
      <${Confirm} label="Cancel parcel" question=${`${parcel.id} is not delivered and stays at its origin.`} onDone=${() => cancelParcel(store, parcel.id)} />
    </div>`}
    ${parcel.state === "in_transit" && carrier?.kind === "drone" &&
    html`<div class="commands one">
      <${Confirm}
        label="Cancel parcel"
        question=${`${carrier.id} brings ${parcel.id} home. What leaves it before is delivered first; what would leave it after comes back, too.`}
        onDone=${() => cancelParcel(store, parcel.id)}
      />
    </div>`}
    <${Acts} state=${state} target=${parcel.id} />`;
}

function Settle({ store, parcel }) {
  const { id, custodian } = parcel;
  return html`<div class="commands" role="group" aria-label=${`Where ${id} was found`}>
    <${Confirm}
      label="Found aboard"
      question=${`${id} was seen on ${custodian.id} and is at its base now: it may be sent again.`}
      onDone=${() => settleParcel(store, id, "aboard")}
    />
    <${Confirm}
      label="Found delivered"
      question=${`The recipient has ${id}: it counts as delivered, on your word.`}
      onDone=${() => settleParcel(store, id, "delivered")}
    />
  </div>`;
}

function Overview({ store, state, select }) {
  const busy = [...state.vehicles.values()].filter((v) => !isIdle(v)).sort((a, b) => a.id.localeCompare(b.id));
  const waiting = busy.filter((v) => v.awaits_launch);
  return html`<header><h2>Fleet</h2></header>
    ${waiting.length > 0 &&
    html`<section aria-label="Missions that wait for a launch">
      <h3>◈ ${waiting.length} ${waiting.length > 1 ? "missions wait" : "mission waits"} for your launch</h3>
      ${waiting.map((v) => html`<${PreviewButton} key=${v.id} store=${store} vehicle=${v} />`)}
    </section>`}
    <p class="sentence">
      ${busy.length
        ? `${busy.length} of ${state.vehicles.size} vehicles are at work. Select one, or a parcel.`
        : "Every vehicle is at rest. Select one, or a parcel."}
    </p>
    <ul class="busy">
      ${busy.map(
        (v) => html`<li key=${v.id}>
          <span>${link(select, "vehicle", v.id)} <${Status} of=${vehicleStatus(v)} /></span>
          <span class="why">${v.sentence}</span>
        </li>`,
      )}
    </ul>
    <p class="keys"><kbd>j</kbd> <kbd>k</kbd> next, previous parcel · <kbd>/</kbd> search · <kbd>Esc</kbd> back here</p>
    <${Acts} state=${state} target="" />`;
}

export function Detail(shared) {
  const { state, select } = shared;
  const chosen = state.selected;
  if (state.preview) {
    return html`<${Preview} key=${state.preview.of.id || state.preview.of.name} ...${shared} close=${() => closePreview(shared.store)} />`;
  }
  const vehicle = chosen?.kind === "vehicle" && state.vehicles.get(chosen.id);
  const parcel = chosen?.kind === "parcel" && state.parcels.get(chosen.id);
  return html`<aside class="side rightside" aria-label="Selected">
    <div class="scroll">
      ${(vehicle || parcel) &&
      html`<button type="button" class="close" aria-label="Close" onClick=${() => select(null)}>×</button>`}
      ${vehicle
        ? html`<${VehicleDetail} key=${vehicle.id} ...${shared} vehicle=${vehicle} />`
        : parcel
          ? html`<${ParcelDetail} key=${parcel.id} ...${shared} parcel=${parcel} />`
          : html`<${Overview} ...${shared} />`}
    </div>
  </aside>`;
}
