// The map's style: a grey ground, and layers from the ground up.

const FONT = { "text-font": ["sans-serif"] };

const SOURCES = ["streets", "zones", "zonelabels", "preview", "passages", "trails", "routes", "drops", "sites", "vehicles"];

export function styleFor(look) {
  const empty = { type: "FeatureCollection", features: [] };
  const sources = Object.fromEntries(SOURCES.map((s) => [s, { type: "geojson", data: empty }]));
  sources.streets.attribution = "© OpenStreetMap contributors, ODbL";
  const zone = (kind, colour, dash) => [
    ...(kind === "keep_in"
      ? []
      : [
          {
            id: `fill-${kind}`,
            type: "fill",
            source: "zones",
            filter: ["==", ["get", "kind"], kind],
            paint: { "fill-pattern": `hatch-${kind}`, "fill-opacity": 0.55 },
          },
        ]),
    {
      id: `line-${kind}`,
      type: "line",
      source: "zones",
      filter: ["==", ["get", "kind"], kind],
      paint: { "line-color": colour, "line-width": 1.5, ...(dash ? { "line-dasharray": dash } : {}) },
    },
  ];
  const halo = { "text-halo-color": look.ground, "text-halo-width": 2 };
  return {
    version: 8,
    sources,
    layers: [
      { id: "ground", type: "background", paint: { "background-color": look.ground } },
      {
        id: "streets",
        type: "line",
        source: "streets",
        paint: {
          "line-color": look.street,
          "line-width": ["interpolate", ["linear"], ["zoom"], 12, 0.8, 16, 4],
        },
      },
      ...zone("advisory", look.stale, [2, 2]),
      ...zone("restricted", look.restricted),
      ...zone("no_fly", look.noFly),
      ...zone("keep_in", look.keepIn, [5, 3]),
      ...previewAreas(look),
      ...passages(look),
      {
        id: "routes",
        type: "line",
        source: "routes",
        filter: ["==", ["get", "chosen"], 0],
        paint: { "line-color": look.soft, "line-width": 1.2, "line-dasharray": [3, 3], "line-opacity": 0.6 },
      },
      {
        id: "route-chosen",
        type: "line",
        source: "routes",
        filter: ["==", ["get", "chosen"], 1],
        paint: { "line-color": look.blue, "line-width": 2.6, "line-dasharray": [3, 1.5] },
      },
      {
        id: "trails",
        type: "line",
        source: "trails",
        layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": look.ink, "line-width": 2, "line-opacity": 0.45 },
      },
      {
        id: "drops",
        type: "circle",
        source: "drops",
        paint: {
          "circle-radius": ["case", ["==", ["get", "chosen"], 1], 7, 3.5],
          "circle-color": ["case", ["==", ["get", "chosen"], 1], look.blue, look.ground],
          "circle-stroke-color": ["case", ["==", ["get", "chosen"], 1], look.halo, look.soft],
          "circle-stroke-width": 1.5,
        },
      },
      {
        id: "sites",
        type: "circle",
        source: "sites",
        paint: {
          "circle-radius": ["match", ["get", "kind"], "hub", 10, 4],
          "circle-color": look.halo,
          "circle-opacity": ["match", ["get", "kind"], "hub", 0.7, 0.9],
          "circle-stroke-color": look.ink,
          "circle-stroke-width": ["match", ["get", "kind"], "hub", 2, 1.2],
        },
      },
      {
        id: "zonelabels",
        type: "symbol",
        source: "zonelabels",
        minzoom: 11.5,
        layout: {
          ...FONT,
          "text-field": [
            "step",
            ["zoom"],
            ["get", "name"],
            13.2,
            ["concat", ["get", "name"], "\n", ["get", "heights"]],
          ],
          "text-size": 11,
          "text-max-width": 11,
          "text-variable-anchor": ["center", "top", "bottom"],
          "text-radial-offset": 0.9,
          "text-justify": "center",
        },
        paint: { "text-color": look.label, ...halo },
      },
      {
        id: "sitenames",
        type: "symbol",
        source: "sites",
        layout: {
          ...FONT,
          "text-field": ["get", "name"],
          "text-size": 12.5,
          "text-variable-anchor": ["top", "bottom", "left", "right"],
          "text-radial-offset": 1.1,
        },
        paint: { "text-color": look.label, ...halo },
      },
      {
        id: "dropnames",
        type: "symbol",
        source: "drops",
        layout: { ...FONT, "text-field": ["get", "label"], "text-size": 12, "text-variable-anchor": ["left", "right", "top", "bottom"], "text-radial-offset": 0.9 },
        paint: { "text-color": look.blue, ...halo },
      },
      ...previewMarks(look, halo),
      vehicles("vehicles", ["!=", ["get", "rank"], 0], [0.72, 1], look, halo),
      vehicles("vehicle-chosen", ["==", ["get", "rank"], 0], [1, 1.2], look, halo),
    ],
  };
}

// Streets and places that robots use by turns, where somebody has them; heavier where one waits.
function passages(look) {
  const awaited = ["==", ["get", "waiting"], 1];
  return [
    {
      id: "passage-lines", type: "line", source: "passages", filter: ["==", ["geometry-type"], "LineString"],
      layout: { "line-cap": "round" },
      paint: { "line-color": look.passage, "line-width": ["case", awaited, 9, 6], "line-opacity": 0.55 },
    },
    {
      id: "passage-places", type: "circle", source: "passages", filter: ["==", ["geometry-type"], "Point"],
      paint: {
        "circle-radius": ["case", awaited, 10, 7], "circle-color": look.passage, "circle-opacity": 0.45,
        "circle-stroke-color": look.passage, "circle-stroke-width": 1.5,
      },
    },
    {
      id: "passage-names", type: "symbol", source: "passages", minzoom: 14,
      layout: {
        ...FONT, "text-field": ["get", "label"], "text-size": 11.5, "text-radial-offset": 1.2,
        "text-variable-anchor": ["top", "bottom", "left", "right"], "text-optional": true,
      },
      paint: { "text-color": look.passage, "text-halo-color": look.ground, "text-halo-width": 2 },
    },
  ];
}

const role = (name) => ["==", ["get", "role"], name];

// A mission before launch: what it uses of the air, and the zones that it violates.
function previewAreas(look) {
  const area = (name, colour, opacity) => ({
    id: `preview-${name}`, type: "fill", source: "preview", filter: role(name),
    paint: { "fill-color": colour, "fill-opacity": opacity },
  });
  const line = (id, filter, paint, cap = "round") => ({
    id: `preview-${id}`, type: "line", source: "preview", filter,
    layout: { "line-cap": cap, "line-join": "round" }, paint,
  });
  const hit = ["all", role("zone"), ["get", "hit"]];
  return [
    { id: "preview-hitzone", type: "fill", source: "preview", filter: hit,
      paint: { "fill-color": look.red, "fill-opacity": 0.18 } },
    line("hitline", hit, { "line-color": look.red, "line-width": 3 }),
    area("spare", look.spare, 0.16),
    area("corridor", look.blue, 0.2),
    line("edge", role("corridor"), { "line-color": look.blue, "line-width": 1, "line-dasharray": [4, 3] }, "butt"),
    line("wayhome", role("way_home"), { "line-color": look.spare, "line-width": 1.4, "line-dasharray": [2, 2] }, "butt"),
    line("path", role("path"), { "line-color": look.blue, "line-width": 3 }),
    line("own", ["all", role("violation"), ["!", ["get", "contingency"]]], { "line-color": look.red, "line-width": 6 }),
    line("spared", ["all", role("violation"), ["get", "contingency"]], { "line-color": look.red, "line-width": 4, "line-dasharray": [2, 1.5] }, "butt"),
    line("leader", role("leader"), { "line-color": look.red, "line-width": 1.2 }),
  ];
}

function previewMarks(look, halo) {
  const dot = (name, radius, fill, edge) => ({
    id: `preview-${name}`, type: "circle", source: "preview", filter: role(name),
    paint: { "circle-radius": radius, "circle-color": fill, "circle-stroke-color": edge, "circle-stroke-width": 2 },
  });
  const words = (id, name, layout, paint) => ({
    id: `preview-${id}`, type: "symbol", source: "preview", filter: role(name),
    layout: { ...FONT, ...layout }, paint,
  });
  return [
    words("arrows", "path", {
      "symbol-placement": "line", "symbol-spacing": 160, "text-field": "▶", "text-size": 15,
      "text-keep-upright": false, "text-allow-overlap": true, "text-ignore-placement": true,
    }, { "text-color": look.blue, "text-halo-color": look.halo, "text-halo-width": 1 }),
    dot("waypoint", 5, look.halo, look.blue),
    dot("home", 11, look.blue, look.halo),
    words("h", "home", { "text-field": "H", "text-size": 13, "text-allow-overlap": true }, { "text-color": look.halo }),
    words("heights", "waypoint", {
      "text-field": ["get", "label"], "text-size": 12, "text-anchor": ["get", "anchor"],
      "text-offset": ["array", "number", 2, ["get", "offset"]], "text-optional": true,
    }, { "text-color": look.blue, ...halo }),
    dot("number", 10, ["case", ["==", ["get", "own"], 1], look.red, look.halo], ["case", ["==", ["get", "own"], 1], look.halo, look.red]),
    words("depth", "number", {
      "text-field": ["get", "depth"], "text-size": 12, "text-variable-anchor": ["left", "right", "top", "bottom"],
      "text-radial-offset": 1.15, "text-padding": 1,
    }, { "text-color": look.red, ...halo }),
    // placed first, for it stands above: the others keep off it
    words("count", "number", {
      "text-field": ["get", "number"], "text-size": 12, "text-allow-overlap": true, "text-padding": 7,
    }, { "text-color": ["case", ["==", ["get", "own"], 1], look.halo, look.red] }),
  ];
}

// The chosen vehicle has a layer of its own: what is above is placed first, and drawn last.
function vehicles(id, filter, [far, near], look, halo) {
  return {
    id,
    type: "symbol",
    source: "vehicles",
    filter,
    layout: {
      ...FONT,
      "icon-image": ["get", "icon"],
      "icon-rotate": ["get", "heading"],
      "icon-rotation-alignment": "map",
      "icon-allow-overlap": true,
      "icon-size": ["interpolate", ["linear"], ["zoom"], 11.5, far, 14, near],
      "symbol-sort-key": ["-", 9, ["get", "rank"]],
      "text-field": ["get", "label"],
      "text-size": 12,
      "text-variable-anchor": ["left", "right", "top", "bottom"],
      "text-radial-offset": 1.15,
      "text-justify": "auto",
      "text-optional": true,
    },
    paint: {
      "text-color": ["case", ["==", ["get", "faded"], 1], look.soft, look.ink],
      ...halo,
    },
  };
}
