// The map's style: a grey ground, and layers from the ground up.

const FONT = { "text-font": ["sans-serif"] };

const SOURCES = ["streets", "zones", "zonelabels", "trails", "routes", "drops", "sites", "vehicles"];

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
      vehicles("vehicles", ["!=", ["get", "rank"], 0], [0.72, 1], look, halo),
      vehicles("vehicle-chosen", ["==", ["get", "rank"], 0], [1, 1.2], look, halo),
    ],
  };
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
