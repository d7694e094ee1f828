// The map. Owns the MapLibre object; draws the state and tells what was clicked.
import { AttributionControl, Map as MapLibre, NavigationControl, ScaleControl } from "maplibre-gl";
import { useEffect, useRef } from "preact/hooks";
import { get } from "./api.js";
import {
  collection, dropFeatures, passageFeatures, previewBounds, previewFeatures, routeFeatures, siteFeatures, trailFeatures, vehicleFeatures, zoneFeatures,
  zoneLabels,
} from "./geojson.js";
import { html } from "./html.js";
import { DARK, LIGHT, imagesFor } from "./icons.js";
import { styleFor } from "./layers.js";
import { isDark } from "./theme.js";
import { placeOf } from "./words.js";

const DRAW_MS = 200;
const PREVIEW_ROOM = { top: 60, bottom: 52, left: 60, right: 84 };
const VEHICLES = ["vehicle-chosen", "vehicles"];

function boundsOf(state, zones) {
  const points = [...state.sites.values()].map((s) => [s.position.lon_deg, s.position.lat_deg]);
  for (const v of state.vehicles.values()) {
    const spot = placeOf(v);
    if (spot) points.push([spot.lon_deg, spot.lat_deg]);
  }
  for (const p of state.parcels.values()) points.push([p.destination.lon_deg, p.destination.lat_deg]);
  if (!points.length) {
    for (const f of zones) if (f.geometry.type === "Polygon") points.push(...f.geometry.coordinates[0]);
  }
  if (!points.length) return null;
  const lons = points.map((p) => p[0]);
  const lats = points.map((p) => p[1]);
  return [[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]];
}

class Chart {
  constructor(container, select, onFail) {
    this.select = select;
    this.zones = [];
    this.streets = collection([]);
    this.framed = false;
    this.moved = false;
    this.ready = false;
    this.preview = null;
    this.map = new MapLibre({
      container,
      style: { version: 8, sources: {}, layers: [] },
      center: [24.94, 60.17],
      zoom: 11,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      fadeDuration: 0,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new ScaleControl({ maxWidth: 140 }), "bottom-left");
    this.map.addControl(new AttributionControl({ compact: false }), "bottom-right");
    this.map.on("click", (event) => this.clicked(event));
    this.map.on("webglcontextlost", () => onFail("the graphics context was lost"));
    this.map.on("movestart", (event) => (this.moved ||= Boolean(event.originalEvent)));
    this.map.on("zoomend", () => this.preview && this.putPreview());
    this.map.on("resize", () => !this.moved && this.last && this.frame(this.last[0], 0));
    for (const layer of [...VEHICLES, "drops"]) {
      this.map.on("mouseenter", layer, () => (this.map.getCanvas().style.cursor = "pointer"));
      this.map.on("mouseleave", layer, () => (this.map.getCanvas().style.cursor = ""));
    }
  }

  clicked(event) {
    if (!this.ready) return;
    const { x, y } = event.point;
    const box = [[x - 8, y - 8], [x + 8, y + 8]];
    for (const [layers, kind] of [[VEHICLES, "vehicle"], [["drops"], "parcel"]]) {
      const found = this.map.queryRenderedFeatures(box, { layers });
      if (found.length) {
        this.select(kind, found[0].properties.id);
        return;
      }
    }
    this.select(null);
  }

  dress(dark) {
    const look = dark ? DARK : LIGHT;
    this.ready = false;
    this.map.setStyle(styleFor(look), { diff: false });
    this.map.once("styledata", () => {
      for (const [name, image] of Object.entries(imagesFor(look))) {
        if (!this.map.hasImage(name)) this.map.addImage(name, image, { pixelRatio: 2 });
      }
      this.ready = true;
      this.put("streets", this.streets.features);
      this.putZones();
      this.putPreview();
      if (this.last) this.draw(...this.last);
    });
  }

  putPreview() {
    if (this.ready) this.put("preview", previewFeatures(this.preview, this.map));
  }

  // A mission before launch; what else moves is not hidden.
  showPreview(data) {
    const first = !this.preview;
    this.preview = data;
    this.putPreview();
    const bounds = data && first && previewBounds(data);
    if (!bounds) return;
    this.moved = this.framed = true;
    this.map.fitBounds(bounds, { padding: PREVIEW_ROOM, maxZoom: 16.5, duration: 0 });
    this.putPreview();
  }

  focus({ entry, exit }) {
    this.moved = true;
    const west = Math.min(entry.lon_deg, exit.lon_deg);
    const east = Math.max(entry.lon_deg, exit.lon_deg);
    const south = Math.min(entry.lat_deg, exit.lat_deg);
    const north = Math.max(entry.lat_deg, exit.lat_deg);
    this.map.fitBounds([[west, south], [east, north]], { padding: 90, maxZoom: 15.5, duration: 300 });
  }

  put(source, features) {
    this.map.getSource(source)?.setData(collection(features));
  }

  putZones() {
    this.put("zones", this.zones);
    this.put("zonelabels", zoneLabels(this.zones));
  }

  async load(what) {
    if (what === "streets") {
      this.streets = await get("/v1/streets");
      if (this.ready) this.put("streets", this.streets.features);
    } else {
      this.zones = zoneFeatures(await get("/v1/zones"));
      if (this.ready) this.putZones();
    }
  }

  draw(state, now) {
    this.last = [state, now];
    if (!this.ready) return;
    this.put("sites", siteFeatures(state.sites));
    this.put("trails", trailFeatures(state));
    this.put("routes", routeFeatures(state));
    this.put("drops", dropFeatures(state));
    this.put("passages", passageFeatures(state.passages));
    this.put("vehicles", vehicleFeatures(state, now));
    if (!this.framed) this.frame(state, 0);
  }

  frame(state, duration = 400) {
    const bounds = (this.preview && previewBounds(this.preview)) || boundsOf(state, this.zones);
    if (!bounds) return;
    this.framed = true;
    this.moved = false;
    this.map.fitBounds(bounds, { padding: { top: 44, bottom: 44, left: 68, right: 56 }, maxZoom: 16, duration });
  }

  show(position) {
    const where = [position.lon_deg, position.lat_deg];
    if (this.map.getBounds().contains(where)) return;
    this.moved = true;
    this.map.panTo(where);
  }
}

export function MapView({ state, now, select, hidden, theme, onFail }) {
  const box = useRef(null);
  const chart = useRef(null);
  const latest = useRef([state, now]);
  latest.current = [state, now];
  useEffect(() => {
    let made;
    try {
      made = new Chart(box.current, select, onFail);
    } catch (error) {
      onFail(`the map could not start (${error.message})`);
      return undefined;
    }
    chart.current = made;
    if (location.hash === "#inspect") globalThis.waypostChart = made;
    made.load("streets").catch(() => {});
    const timer = setInterval(() => made.draw(...latest.current), DRAW_MS);
    return () => {
      clearInterval(timer);
      made.map.remove();
    };
  }, []);
  useEffect(() => chart.current?.dress(isDark(theme)), [theme]);
  useEffect(() => {
    if (state.zonesVersion) chart.current?.load("zones").catch(() => {});
  }, [state.zonesVersion]);
  useEffect(() => {
    if (!hidden) chart.current?.map.resize();
  }, [hidden, Boolean(state.preview?.data?.profile)]);
  useEffect(() => chart.current?.showPreview(state.preview?.data || null), [state.preview?.data]);
  useEffect(() => {
    if (state.focus) chart.current?.focus(state.focus);
  }, [state.focus]);
  useEffect(() => {
    const { kind, id } = state.selected || {};
    const vehicle = kind === "vehicle" ? state.vehicles.get(id) : null;
    const position = vehicle ? placeOf(vehicle) : state.parcels.get(id)?.destination;
    if (position) chart.current?.show(position);
  }, [state.selected]);
  return html`<div class="mapbox" hidden=${hidden}>
    <div class="map" ref=${box} role="region" aria-label="Map; the Table view shows the same in words"></div>
    <button type="button" class="reframe" onClick=${() => chart.current?.frame(state)}>Show all</button>
  </div>`;
}

export function MapKey() {
  return html`<div class="key" aria-hidden="true">
    <span><i class="shape drone"></i>drone</span><span><i class="shape robot"></i>robot</span>
    <span><i class="ring hub"></i>hub</span><span><i class="ring"></i>destination</span>
    <span><i class="swatch no_fly"></i>no-fly</span><span><i class="swatch restricted"></i>restricted</span>
    <span><i class="swatch advisory"></i>advisory</span><span><i class="swatch keep_in"></i>keep inside</span>
    <span><i class="swatch passage"></i>passage in use</span>
  </div>`;
}
