// The top bar: link, clock, fleet at a glance, and the commands for everyone.
import { commandFleet, resumeDispatch } from "./actions.js";
import { Confirm, PressHold } from "./controls.js";
import { html } from "./html.js";
import { ENDED, duration, isIdle, isStale, timeOfDay } from "./words.js";

const LINKS = {
  live: { mark: "●", word: "Live", tone: "quiet" },
  connecting: { mark: "◌", word: "Connecting", tone: "plain" },
  lost: { mark: "▲", word: "No link to the controller", tone: "warning" },
};

function LinkState({ state }) {
  const link = LINKS[state.link];
  const silent = state.heardAt ? (performance.now() - state.heardAt) / 1000 : 0;
  const age = state.link === "lost" && state.heardAt ? `, ${duration(silent)} ago` : "";
  return html`<div class=${`fact link ${link.tone}`} role="status">
    <b><span aria-hidden="true">${link.mark}</span> ${link.word}</b>
    <span>${state.link === "lost" ? `what you see is old${age}` : "controller"}</span>
  </div>`;
}

const THEMES = { auto: "light", light: "dark", dark: "auto" };
const THEME_MARKS = { auto: "◐", light: "☀", dark: "☾" };

export function TopBar({ store, state, now, theme, setTheme }) {
  const vehicles = [...state.vehicles.values()];
  const parcels = [...state.parcels.values()];
  const out = vehicles.filter((v) => !isIdle(v) && !isStale(v)).length;
  const silent = vehicles.filter(isStale).length;
  const open = parcels.filter((p) => !ENDED.has(p.state)).length;
  const delivered = parcels.filter((p) => p.state === "delivered").length;
  const speedup = state.clock?.speedup ?? 1;
  return html`<header class="top">
    <h1><span class="logo" aria-hidden="true"></span>Waypost</h1>
    <${LinkState} state=${state} />
    <div class="fact clock">
      <b>${state.clock ? timeOfDay(now) : "--:--:--"}</b>
      <span>UTC${speedup === 1 ? "" : `, simulated × ${speedup}`}</span>
    </div>
    <div class="fact">
      <b>${out} <i>of ${vehicles.length}</i></b><span>vehicles out${silent ? `, ${silent} silent` : ""}</span>
    </div>
    <div class="fact">
      <b>${open} <i>open</i></b><span>${delivered} of ${parcels.length} delivered</span>
    </div>
    <button
      type="button"
      class="theme"
      title=${`Theme: ${theme}`}
      aria-label=${`Theme: ${theme}; change`}
      onClick=${() => setTheme(THEMES[theme])}
    >
      ${THEME_MARKS[theme]}
    </button>
    <div class="everyone" role="group" aria-label="Commands for every vehicle">
      <${PressHold} label="HOLD ALL" onDone=${() => commandFleet(store, "hold")} />
      <${PressHold} label="RETURN ALL" onDone=${() => commandFleet(store, "return")} />
      <${PressHold} label="LAND ALL" tone="grave" onDone=${() => commandFleet(store, "land")} />
    </div>
  </header>`;
}

export function HeldBanner({ store, state, now }) {
  if (!state.held) return null;
  const since = (now - Date.parse(state.held.since)) / 1000;
  const reason = state.held.reason ? `: ${state.held.reason}` : "";
  return html`<div class="held" role="alert">
    <b><span aria-hidden="true">❚❚</span> Dispatch is frozen</b>
    <span>by ${state.held.by} for ${duration(since)}${reason}. Nothing new starts.</span>
    <${Confirm}
      label="Resume dispatch"
      question="Dispatch starts new missions again. Held vehicles stay held until each is resumed."
      onDone=${() => resumeDispatch(store)}
    />
  </div>`;
}
