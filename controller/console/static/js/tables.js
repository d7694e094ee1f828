// The map's twin: every vehicle as a row, for screen readers and where there is no WebGL.
import { Status } from "./controls.js";
import { html } from "./html.js";
import { ageOf, figure, isStale, percent, placeOf, vehicleStatus } from "./words.js";

const COLUMNS = [
  "Vehicle", "Kind", "Status", "Now", "Battery", "Carries", "Speed", "Height", "Heading",
  "Latitude", "Longitude", "Age",
];

export function VehicleTable({ state, now, select }) {
  const list = [...state.vehicles.values()].sort((a, b) => a.id.localeCompare(b.id));
  const chosen = state.selected?.kind === "vehicle" ? state.selected.id : "";
  return html`<div class="twin" id="table" tabindex="-1">
    <table>
      <caption class="sr">Vehicles, as on the map</caption>
      <thead>
        <tr>${COLUMNS.map((c) => html`<th scope="col">${c}</th>`)}</tr>
      </thead>
      <tbody>
        ${list.map((v) => {
          const age = ageOf(v, now);
          const spot = placeOf(v);
          return html`<tr
            key=${v.id}
            class=${`${isStale(v) ? "stale" : ""} ${v.id === chosen ? "selected" : ""}`}
          >
            <th scope="row">
              <button type="button" class="plainlink" onClick=${() => select("vehicle", v.id)}>${v.id}</button>
            </th>
            <td>${v.kind}</td>
            <td><${Status} of=${vehicleStatus(v)} /></td>
            <td class="words">${v.sentence}</td>
            <td class="n">${percent(v.battery_pct)}</td>
            <td>${v.parcel_ids.join(", ") || "—"}</td>
            <td class="n">${figure(v.speed_mps, "m/s", 1)}</td>
            <td class="n">${v.kind === "drone" ? figure(v.alt_home_m, "m") : "—"}</td>
            <td class="n">${v.heading_deg === null ? "—" : `${Math.round(v.heading_deg)}°`}</td>
            <td class="n">${spot ? spot.lat_deg.toFixed(5) : "—"}</td>
            <td class="n">${spot ? spot.lon_deg.toFixed(5) : "—"}</td>
            <td class="n">${age === null ? "never" : `${Math.round(age)} s`}</td>
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}
