// A mission before launch: verdict in words, what is violated, zones concerned, and the launch.
import { useEffect, useRef } from "preact/hooks";
import { launchMission, loadPreview } from "./actions.js";
import { Acts } from "./acts.js";
import { Confirm, Status } from "./controls.js";
import { html } from "./html.js";
import { duration } from "./words.js";

const ALLOWED = { mark: "✓", word: "Allowed", tone: "good" };
const REFUSED = { mark: "✕", word: "Not allowed", tone: "warning" };
const KINDS = {
  no_fly: "no-fly",
  restricted: "restricted",
  advisory: "advisory",
  keep_in: "keep inside",
};
const MOST_ZONES = 12;
const NARROW = 760;

function depthWords(v) {
  if (v.max_speed_mps !== null) return `faster than ${v.max_speed_mps} m/s`;
  return `${Math.round(v.depth_m)} m ${v.kind === "keep_in" ? "outside" : "deep"}`;
}

function sentenceOf(data) {
  if (data.allowed) {
    const near = data.clearance_m === null
      ? ""
      : ` The line passes ${data.nearest_zone_id} at ${Math.round(data.clearance_m)} m.`;
    return `Nothing is against it.${near}`;
  }
  const zones = new Set(data.violations.map((v) => v.zone_id)).size;
  const parts = [];
  if (data.violations.length) {
    parts.push(`${data.violations.length} violation${data.violations.length > 1 ? "s" : ""} of ${zones} zone${zones > 1 ? "s" : ""}`);
  }
  if (data.reasons.length) parts.push(`${data.reasons.length} other reason${data.reasons.length > 1 ? "s" : ""}`);
  return `${parts.join(" and ")}.`;
}

function Launch({ store, data }) {
  const { planned, shut, allowed } = data;
  if (!planned?.awaits_launch) return null;
  const no = !allowed || Boolean(shut);
  return html`<div class="commands one" role="group" aria-label=${`Launch of ${planned.vehicle_id}`}>
    <${Confirm}
      label=${`Launch ${planned.vehicle_id}`}
      hint=${no ? "not as things stand" : "asks first"}
      disabled=${no}
      question=${`${planned.vehicle_id} starts with ${planned.parcel_ids.join(", ")}, as drawn here: ${duration(planned.duration_s)} min.`}
      onDone=${() => launchMission(store, planned)}
    />
  </div>`;
}

function Violations({ data, focus }) {
  if (!data.violations.length && !data.reasons.length) return null;
  return html`<section aria-label="Violations">
    <h3>What is against it</h3>
    <ol class="faults">
      ${data.violations.map(
        (v) => html`<li key=${v.number}>
          <button type="button" class="fault" onClick=${() => focus(v)} title="Show on the map">
            <span class=${`badge ${v.contingency ? "spare" : ""}`} aria-hidden="true">${v.number}</span>
            <span>
              <b>${v.zone}</b>: ${depthWords(v)}
              <span class="why">${v.leg}${v.where ? `, ${v.where} of the file` : ""}${v.contingency ? "; a failsafe would" : ""}</span>
            </span>
          </button>
        </li>`,
      )}
      ${data.violations_left_out > 0 && html`<li class="note">and ${data.violations_left_out} more</li>`}
      ${data.reasons.map((r) => html`<li key=${r.text} class="fault"><span class="badge" aria-hidden="true">!</span><span>${r.text}</span></li>`)}
    </ol>
  </section>`;
}

function Zones({ data }) {
  const zones = data.features.filter((f) => f.properties.role === "zone").map((f) => f.properties);
  if (!zones.length) return html`<p class="note">No zone is near.</p>`;
  const more = zones.length - MOST_ZONES + data.zones_left_out;
  return html`<section>
    <h3>Zones here</h3>
    <ul class="zonelist">
      ${zones.slice(0, MOST_ZONES).map(
        (z) => html`<li key=${z.id}>
          <span class=${`swatch ${z.kind}`} aria-hidden="true"></span>
          <span>
            <b title=${z.id}>${z.label}</b>${z.hit ? html` <em class="hit">▲ violated</em>` : ""}
            <span class="why">${KINDS[z.kind]}, ${z.heights}, ${z.times}${z.permit ? `, permit ${z.permit}` : ""}${z.max_speed_mps ? `, at most ${z.max_speed_mps} m/s` : ""}</span>
          </span>
        </li>`,
      )}
    </ul>
    ${more > 0 && html`<p class="note">and ${more} more, farther away</p>`}
  </section>`;
}

function Legend({ data }) {
  const has = (role) => data.features.some((f) => f.properties.role === role);
  return html`<section>
    <h3>On the map</h3>
    <ul class="legend">
      <li><i class="line way" aria-hidden="true"></i>path as flown</li>
      <li><i class="box own" aria-hidden="true"></i>corridor that is kept clear</li>
      ${has("spare") && html`<li><i class="box spare" aria-hidden="true"></i>air that a failsafe may use</li>`}
      ${has("way_home") && html`<li><i class="line home" aria-hidden="true"></i>straight way home</li>`}
      ${has("violation") && html`<li><i class="line hit" aria-hidden="true"></i>violation, entry to exit</li>`}
    </ul>
  </section>`;
}

function Tallies({ data }) {
  return html`<ul class="tallies">
    ${data.tallies.map(
      (t) => html`<li key=${t.what}>
        <span>${t.what}</span>
        <b class=${t.violated ? "bad" : ""}>${t.note || (t.violated ? `✕ ${t.violated} violated` : "✓ clear")}</b>
      </li>`,
    )}
  </ul>`;
}

export function Preview({ store, state, close }) {
  const { of: source, data, error } = state.preview;
  const vehicle = data?.planned && state.vehicles.get(data.planned.vehicle_id);
  // zones that change, a mission planned anew, a launch: what is shown is judged again
  const age = `${state.zonesVersion} ${vehicle?.mission_id} ${vehicle?.awaits_launch} ${vehicle?.assignment_id}`;
  useEffect(() => {
    if (data) loadPreview(store, source);
  }, [age]);
  const heading = useRef(null);
  useEffect(() => {
    heading.current.focus({ preventScroll: true });
    if (innerWidth <= NARROW) document.querySelector(".middle")?.scrollIntoView();
  }, []);
  const focus = (v) => store.send({ type: "focus", data: { at: Date.now(), entry: v.entry, exit: v.exit } });
  return html`<aside class="side rightside previewing" aria-label="Mission preview">
    <div class="scroll">
      <button type="button" class="close" aria-label="Close the preview" onClick=${close}>×</button>
      <header>
        <h2 ref=${heading} tabindex="-1">${data?.title || source.name || source.id}</h2>
        ${data && html`<${Status} of=${data.allowed ? ALLOWED : REFUSED} />`}
      </header>
      <div role="status" aria-live="polite">
        ${!data && !error && html`<p class="sentence">The mission is being judged.</p>`}
        ${error && html`<p class="old">✕ ${error}</p>`}
        ${data && html`<p class="sentence">${sentenceOf(data)}</p>`}
      </div>
      ${data?.shut && html`<p class="old">○ It would not be started now: ${data.shut}.</p>`}
      ${data &&
      html`<${Launch} store=${store} data=${data} />
        ${data.planned && html`<${Acts} state=${state} target=${data.planned.vehicle_id} />`}
        <p class="note">${data.subtitle}</p>
        <${Tallies} data=${data} />
        <${Violations} data=${data} focus=${focus} />
        <${Legend} data=${data} />
        <${Zones} data=${data} />`}
    </div>
  </aside>`;
}

// Drop a file anywhere, or choose one.
export function PlanDrop({ onFile }) {
  return html`<label class="planfile">
    <input
      type="file"
      accept=".plan,.waypoints,.txt,application/json"
      aria-label="Check a plan file"
      onChange=${(e) => {
        const [file] = e.target.files;
        if (file) onFile(file);
        e.target.value = "";
      }}
    />
    <span>Check a plan…</span>
  </label>`;
}
