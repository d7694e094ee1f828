// Crossings, narrow streets, lifts and docks: who has each, and who waits. The tab is there while
// somebody uses one.
import { useState } from "preact/hooks";
import { takeBack } from "./actions.js";
import { get } from "./api.js";
import { html } from "./html.js";
import { isStale } from "./words.js";

const PERIOD_MS = 2000;
const KINDS = { crossing: "Crossing", narrow: "Narrow street", lift: "Lift", dock: "Dock" };

export function followPassages(store) {
  const look = async () => {
    if (document.hidden) return;
    try {
      store.send({ type: "passages", data: await get("/v1/passages") });
    } catch {
      // the stream tells when the controller is gone
    }
  };
  look();
  const timer = setInterval(look, PERIOD_MS);
  return () => clearInterval(timer);
}

function TakeBack({ store, id, done }) {
  const [reason, setReason] = useState("");
  const send = (event) => {
    event.preventDefault();
    takeBack(store, id, reason.trim());
    done();
  };
  return html`<form class="takeback" onSubmit=${send}>
    <label>
      ${id} is not heard: it may still be driving. How do you know that it has left?
      <input required value=${reason} onInput=${(e) => setReason(e.target.value)} />
    </label>
    <button type="submit" disabled=${!reason.trim()}>Free its passages</button>
    <button type="button" onClick=${done}>No</button>
  </form>`;
}

export function Passages({ store, state, select }) {
  const [asked, setAsked] = useState("");
  const robot = (id) =>
    html`<button type="button" class="link" onClick=${() => select("vehicle", id)}>${id}</button>`;
  const lost = (id) => {
    const vehicle = state.vehicles.get(id);
    return vehicle && isStale(vehicle);
  };
  return html`<div class="scroll">
    <ul class="passages">
      ${state.passages.map(
        (p) => html`<li key=${p.id} class=${p.waiting.length ? "awaited" : ""}>
          <b title=${p.id}>${KINDS[p.kind]} ${p.id.split(":").slice(1).join(":")}</b>
          <span>
            ${p.holders.length
              ? p.holders.map((h) => html`${robot(h.vehicle)} ${h.way === "both" ? "alone" : "passes"} `)
              : "free"}
          </span>
          ${p.waiting.length > 0 &&
          html`<span class="waits"><span aria-hidden="true">◂ </span>waiting: ${p.waiting.map(robot)}</span>`}
          ${p.holders
            .filter((h) => lost(h.vehicle))
            .map((h) =>
              asked === `${p.id} ${h.vehicle}`
                ? html`<${TakeBack} store=${store} id=${h.vehicle} done=${() => setAsked("")} />`
                : html`<button type="button" onClick=${() => setAsked(`${p.id} ${h.vehicle}`)}>
                    Take back from ${h.vehicle} …
                  </button>`,
            )}
        </li>`,
      )}
    </ul>
  </div>`;
}
