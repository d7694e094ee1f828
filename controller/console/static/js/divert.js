// Where a drone in the air may be sent: named places, each checked by the zones before it is offered.
import { useState } from "preact/hooks";
import { divertVehicle } from "./actions.js";
import { at, get } from "./api.js";
import { Confirm, OneClick } from "./controls.js";
import { html } from "./html.js";
import { figure, mayDemand } from "./words.js";

export function DivertChoice({ store, vehicle }) {
  const [places, setPlaces] = useState(null);
  const [failed, setFailed] = useState("");
  if (vehicle.kind !== "drone") return null;
  const away = mayDemand(vehicle, "land");
  const ask = async () => {
    setFailed("");
    try {
      setPlaces(await get(at("v1", "vehicles", vehicle.id, "refuges")));
    } catch (error) {
      setPlaces(null);
      setFailed(error.message);
    }
  };
  const shown = away ? places : null;
  return html`<section class="divert" aria-label=${`Divert ${vehicle.id}`}>
    <div class="commands one">
      <${OneClick}
        label=${shown ? "Check the places again" : "Divert…"}
        hint=${away ? "choose a place" : "not under way"}
        disabled=${!away}
        onDone=${ask}
      />
    </div>
    ${failed && html`<p class="empty" role="alert">${failed}</p>`}
    ${shown && !shown.length && html`<p class="empty">No rally point or site is near it, or its place is not known.</p>`}
    ${shown?.length > 0 &&
    html`<ul class="places" aria-label=${`Places to divert ${vehicle.id} to`}>
      ${shown.map((p) => html`<${Place} key=${p.kind + p.name} store=${store} vehicle=${vehicle} place=${p} done=${() => setPlaces(null)} />`)}
    </ul>`}
  </section>`;
}

function Place({ store, vehicle, place, done }) {
  const carrying = vehicle.parcel_ids.length ? `, carrying ${vehicle.parcel_ids.join(", ")},` : "";
  const far = figure(place.away_m, "m");
  return html`<li class="commands one">
    <${Confirm}
      label=${place.name}
      hint=${place.allowed ? `${far} away, clear` : `${far} away, not allowed`}
      disabled=${!place.allowed}
      question=${`${vehicle.id}${carrying} leaves its mission, flies straight to ${place.name}, ${far} away, at ${figure(place.alt_home_m, "m")} above home, and holds there.`}
      onDone=${() => {
        done();
        divertVehicle(store, vehicle.id, place);
      }}
    />
    ${!place.allowed && html`<p class="note">✕ ${place.reason}</p>`}
  </li>`;
}
