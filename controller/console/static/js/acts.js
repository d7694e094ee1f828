// What the operator did, each act with how it ended.
import { Status } from "./controls.js";
import { html } from "./html.js";
import { OUTCOMES } from "./words.js";

export function Acts({ state, target }) {
  const acts = state.acts.filter((a) => !target || a.target === target);
  if (!acts.length) return null;
  return html`<section class="acts" aria-live="polite">
    <h3>What you did</h3>
    <ul>
      ${acts.map((a) => {
        const told = OUTCOMES[a.state] || OUTCOMES.failed;
        return html`<li key=${a.id}>
          <b>${a.text}</b> <${Status} of=${told} />${a.reason && html`<span class="why">${a.reason}</span>`}
        </li>`;
      })}
    </ul>
  </section>`;
}
