// The bottom bar: alarms that stand, gravest and unacknowledged first, each with what to do.
import { acknowledge } from "./actions.js";
import { html } from "./html.js";
import { SEVERITIES, duration } from "./words.js";

const order = (a) => (a.acknowledged_by ? 10 : 0) + (SEVERITIES[a.severity]?.order ?? 3);

export function AlarmBar({ store, state, now, select }) {
  const alarms = state.alarms
    .filter((a) => !a.cleared_at || !a.acknowledged_by)
    .sort((a, b) => order(a) - order(b) || Date.parse(b.raised_at) - Date.parse(a.raised_at));
  const fresh = alarms.filter((a) => !a.acknowledged_by).length;
  return html`<footer class=${`alarms ${alarms.length ? "some" : ""}`} aria-label="Alarms">
    <h2>
      Alarms <span class="count">${alarms.length}</span>
      ${fresh > 0 && html`<span class="note">${fresh} to acknowledge</span>`}
    </h2>
    ${!alarms.length && html`<p class="empty">✓ None. Nothing needs you.</p>`}
    <ul aria-live=${alarms.some((a) => a.severity === "warning") ? "assertive" : "polite"}>
      ${alarms.map((a) => {
        const told = SEVERITIES[a.severity] || SEVERITIES.advisory;
        const age = duration((now - Date.parse(a.raised_at)) / 1000);
        return html`<li key=${a.id} class=${`alarm ${a.severity} ${a.acknowledged_by ? "seen" : ""}`}>
          <span class="severity"><span aria-hidden="true">${told.mark}</span> ${told.word}</span>
          <span class="n age">${age}</span>
          <span class="cause"><b>${a.cause}</b>${a.cleared_at && html` <em>over</em>`}</span>
          <span class="advice">${a.advice}</span>
          <span class="source">
            ${a.vehicle_id &&
            html`<button type="button" class="plainlink" onClick=${() => select("vehicle", a.vehicle_id)}>
              ${a.vehicle_id}
            </button>`}
            ${a.parcel_id &&
            html`<button type="button" class="plainlink" onClick=${() => select("parcel", a.parcel_id)}>
              ${a.parcel_id}
            </button>`}
          </span>
          ${a.acknowledged_by
            ? html`<span class="by">seen by ${a.acknowledged_by}</span>`
            : html`<button type="button" class="ack" onClick=${() => acknowledge(store, a)}>Acknowledge</button>`}
        </li>`;
      })}
    </ul>
  </footer>`;
}
