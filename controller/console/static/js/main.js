// Puts the panels together. Everything shown comes from one state fed by one stream.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { closePreview, previewFile } from "./actions.js";
import { AlarmBar } from "./alarms.js";
import { Detail } from "./detail.js";
import { html } from "./html.js";
import { LeftPanel } from "./left.js";
import { MapKey, MapView } from "./mapview.js";
import { PlanDrop } from "./preview.js";
import { ProfileStrip } from "./profile.js";
import { followPassages } from "./passages.js";
import { makeStore, simulatedNow } from "./store.js";
import { follow } from "./stream.js";
import { VehicleTable } from "./tables.js";
import { applyTheme, storedTheme } from "./theme.js";
import { HeldBanner, TopBar } from "./topbar.js";

const store = makeStore();

function canDraw() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

const webgl = canDraw();

// A file that is dragged over the window may be dropped anywhere.
function fileDrop(setDropping) {
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const over = (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    setDropping(true);
  };
  const leave = (event) => !event.relatedTarget && setDropping(false);
  const drop = (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    setDropping(false);
    const [file] = event.dataTransfer.files;
    if (file) previewFile(store, file);
  };
  const told = { dragover: over, dragleave: leave, drop };
  for (const [name, act] of Object.entries(told)) addEventListener(name, act);
  return () => {
    for (const [name, act] of Object.entries(told)) removeEventListener(name, act);
  };
}

function App() {
  const [state, setState] = useState(store.get());
  const [, tick] = useState(0);
  const [view, setView] = useState(webgl ? "map" : "table");
  const [mapFailed, setMapFailed] = useState("");
  const [theme, setTheme] = useState(storedTheme());
  const [dropping, setDropping] = useState(false);
  useEffect(() => store.subscribe(setState), []);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 500);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => applyTheme(theme), [theme]);
  useEffect(() => {
    const escape = (event) => {
      const typing = document.activeElement?.matches("input:not([type=file]), textarea");
      if (event.key !== "Escape" || typing) return;
      if (store.get().preview) closePreview(store);
      else store.send({ type: "select", data: null });
    };
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, []);
  useEffect(() => fileDrop(setDropping), []);
  useEffect(() => followPassages(store), []);
  const now = simulatedNow(state);
  const select = (kind, id) => store.send({ type: "select", data: kind ? { kind, id } : null });
  const shared = { store, state, now, select };
  const noMap = !webgl || mapFailed;
  const profile = state.preview?.data?.profile;
  return html`<div class=${`frame ${dropping ? "dropping" : ""}`}>
    ${dropping && html`<p class="dropnote" role="status">Drop a .plan or .waypoints file to have it checked</p>`}
    <a class="skip" href="#table" onClick=${() => setView("table")}>Vehicles as a table</a>
    <${TopBar} ...${shared} theme=${theme} setTheme=${setTheme} />
    <${HeldBanner} ...${shared} />
    <div class="work">
      <${LeftPanel} ...${shared} />
      <main class="middle">
        <div class="views" role="tablist" aria-label="View">
          ${["map", "table"].map(
            (name) => html`<button
              type="button"
              role="tab"
              aria-selected=${view === name}
              disabled=${name === "map" && noMap}
              onClick=${() => setView(name)}
            >
              ${name === "map" ? "Map" : "Table"}
            </button>`,
          )}
          <${PlanDrop} onFile=${(file) => previewFile(store, file)} />
          ${view === "map" && html`<${MapKey} />`}
          ${noMap &&
          html`<span class="note"
            >No map here: ${mapFailed || "this browser offers no WebGL"}. The table shows the same.</span
          >`}
        </div>
        ${!noMap &&
        html`<${MapView} ...${shared} hidden=${view !== "map"} theme=${theme} onFail=${(reason) => {
          setMapFailed(reason);
          setView("table");
        }} />`}
        ${view === "table" && html`<${VehicleTable} ...${shared} />`}
        ${profile && html`<${ProfileStrip} profile=${profile} />`}
      </main>
      <${Detail} ...${shared} />
    </div>
    <${AlarmBar} ...${shared} />
  </div>`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
follow(store);
