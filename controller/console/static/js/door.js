// A robot at a parcel's door: who it waits for, until when, and the word that opens it.
import { useState } from "preact/hooks";
import { resendParcel, triggerParcel } from "./actions.js";
import { Confirm } from "./controls.js";
import { html } from "./html.js";

const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function WithPin({ store, parcel }) {
  const [pin, setPin] = useState("");
  const { tries_left: left } = parcel.door;
  const send = (event) => {
    event.preventDefault();
    triggerParcel(store, parcel.id, pin);
    // a PIN stays on no screen
    setPin("");
  };
  return html`<form class="pin" onSubmit=${send} autocomplete="off">
    <label>PIN that the customer tells
      <input
        type="password"
        inputmode="numeric"
        pattern="[0-9]{4,8}"
        minlength="4"
        maxlength="8"
        required
        autocomplete="off"
        value=${pin}
        onInput=${(e) => setPin(e.target.value)}
      />
    </label>
    <button type="submit" class="command small">Open for the PIN</button>
    <small>${left} ${left === 1 ? "try is" : "tries are"} left</small>
  </form>`;
}

export function Door({ store, parcel }) {
  if (parcel.resendable) {
    return html`<div class="commands one">
      <${Confirm}
        label="Send again"
        question=${`${parcel.id} came back from its door. It goes out again to the same place, with the same PIN.`}
        onDone=${() => resendParcel(store, parcel.id)}
      />
    </div>`;
  }
  if (!parcel.door) return null;
  return html`<section class="door" aria-label=${`At the door of ${parcel.id}`}>
    <h3>At the door</h3>
    <p>${parcel.vehicle_id} waits until <b>${clock(parcel.door.until)}</b>, then it goes on with ${parcel.id} aboard.</p>
    ${parcel.door.asks === "pin"
      ? html`<${WithPin} store=${store} parcel=${parcel} />`
      : html`<${Confirm}
          label="Customer is there"
          question=${`${parcel.vehicle_id} opens for ${parcel.id} at once.`}
          onDone=${() => triggerParcel(store, parcel.id, "")}
        />`}
  </section>`;
}
