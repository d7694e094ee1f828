// The left panel: parcels grouped by state, late first; search; keys j, k and /.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { html } from "./html.js";
import { Status } from "./controls.js";
import { Passages } from "./passages.js";
import { ENDED, PARCEL_STATES, isStale, percent, place, timeLeft, vehicleStatus } from "./words.js";

function matches(parcel, words) {
  const text = `${parcel.id} ${place(parcel.destination)} ${parcel.vehicle_id} ${parcel.carrier} ${parcel.state}`;
  return words.every((word) => text.toLowerCase().includes(word));
}

function grouped(parcels, words) {
  const groups = Object.keys(PARCEL_STATES).map((state) => [state, []]);
  const bins = new Map(groups);
  for (const parcel of parcels.values()) {
    if (matches(parcel, words)) bins.get(parcel.state)?.push(parcel);
  }
  for (const [state, list] of groups) {
    const key = (p) => (ENDED.has(state) ? -Date.parse(p.times[state] || p.due_at) : Date.parse(p.due_at));
    list.sort((a, b) => key(a) - key(b));
  }
  return groups.filter(([, list]) => list.length);
}

function Row({ parcel, now, selected, select }) {
  const left = timeLeft(parcel, now);
  const priority = parcel.priority === "normal" ? "" : parcel.priority;
  return html`<li>
    <button
      type="button"
      id=${`parcel-${parcel.id}`}
      class=${`parcel ${selected ? "selected" : ""} ${left.late ? "late" : ""}`}
      aria-pressed=${selected}
      data-state=${parcel.state}
      onClick=${() => select("parcel", parcel.id)}
    >
      <span class="who"><b>${parcel.id}</b>${priority && html`<em>${priority}</em>`}</span>
      <span class="left">${left.late && html`<span aria-hidden="true">◆ </span>`}${left.text}</span>
      <span class="where">${place(parcel.destination)}</span>
      <span class="by">${parcel.vehicle_id}</span>
      ${!ENDED.has(parcel.state) &&
      html`<span class="bar" aria-hidden="true"><i style=${`width:${left.share * 100}%`}></i></span>`}
    </button>
  </li>`;
}

function Parcels({ state, now, select }) {
  const [search, setSearch] = useState("");
  const [closed, setClosed] = useState(new Set(["cancelled"]));
  const input = useRef(null);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = useMemo(() => grouped(state.parcels, words), [state.parcels, search]);
  const shown = groups.flatMap(([name, list]) => (closed.has(name) ? [] : list));
  const chosen = state.selected?.kind === "parcel" ? state.selected.id : "";
  useEffect(() => {
    const keys = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (["INPUT", "TEXTAREA"].includes(document.activeElement?.tagName)) return;
      if (event.key === "/") {
        event.preventDefault();
        input.current?.focus();
      }
      const step = { j: 1, k: -1 }[event.key];
      if (!step || !shown.length) return;
      const index = shown.findIndex((p) => p.id === chosen);
      const next = shown[Math.min(shown.length - 1, Math.max(0, index + step))];
      select("parcel", next.id);
      document.getElementById(`parcel-${next.id}`)?.scrollIntoView({ block: "nearest" });
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  });
  const toggle = (name) => {
    const next = new Set(closed);
    if (!next.delete(name)) next.add(name);
    setClosed(next);
  };
  return html`<input
      ref=${input}
      type="search"
      placeholder="Search parcels ( / )"
      aria-label="Search parcels"
      value=${search}
      onInput=${(e) => setSearch(e.target.value)}
      onKeyDown=${(e) => e.key === "Escape" && e.target.blur()}
    />
    <div class="scroll">
      ${!groups.length &&
      html`<p class="empty">
        ${search ? "No parcel matches." : "No parcels yet. Submit one with: waypost parcel submit FILE"}
      </p>`}
      ${groups.map(([name, list]) => {
        const told = PARCEL_STATES[name];
        const open = !closed.has(name);
        return html`<section class="group" key=${name}>
          <h3>
            <button type="button" aria-expanded=${open} onClick=${() => toggle(name)}>
              <${Status} of=${told} /><span class="count">${list.length}</span>
              <span class="fold" aria-hidden="true">${open ? "▾" : "▸"}</span>
            </button>
          </h3>
          ${open &&
          html`<ul>
            ${list.map(
              (p) =>
                html`<${Row} key=${p.id} parcel=${p} now=${now} selected=${p.id === chosen} select=${select} />`,
            )}
          </ul>`}
        </section>`;
      })}
    </div>`;
}

function Vehicles({ state, select }) {
  const chosen = state.selected?.kind === "vehicle" ? state.selected.id : "";
  const list = [...state.vehicles.values()].sort((a, b) => a.id.localeCompare(b.id));
  return html`<div class="scroll">
    <ul class="fleet">
      ${list.map(
        (v) => html`<li key=${v.id}>
          <button
            type="button"
            id=${`vehicle-${v.id}`}
            class=${`vehicle ${v.id === chosen ? "selected" : ""} ${isStale(v) ? "stale" : ""}`}
            aria-pressed=${v.id === chosen}
            onClick=${() => select("vehicle", v.id)}
          >
            <b><span class=${`shape ${v.kind}`} aria-hidden="true"></span>${v.id}</b>
            <${Status} of=${vehicleStatus(v)} />
            <span class="where">${v.parcel_ids.join(", ") || v.sentence}</span>
            <span class="by">${percent(v.battery_pct)}</span>
          </button>
        </li>`,
      )}
    </ul>
  </div>`;
}

export function LeftPanel(shared) {
  const [tab, setTab] = useState("parcels");
  const { state } = shared;
  const tabs = { parcels: `Parcels ${state.parcels.size}`, vehicles: `Vehicles ${state.vehicles.size}` };
  if (state.passages.length) tabs.passages = `Passages ${state.passages.length}`;
  const shown = tabs[tab] ? tab : "vehicles";
  const panels = { parcels: Parcels, vehicles: Vehicles, passages: Passages };
  return html`<aside class="side leftside" aria-label="Parcels, vehicles and passages">
    <div class="views" role="tablist" aria-label="List">
      ${Object.entries(tabs).map(
        ([name, label]) => html`<button
          type="button"
          role="tab"
          aria-selected=${shown === name}
          onClick=${() => setTab(name)}
        >
          ${label}
        </button>`,
      )}
    </div>
    <${panels[shown]} ...${shared} />
  </aside>`;
}
