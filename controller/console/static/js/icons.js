// Images for the map, drawn once a theme: vehicles by shape and tone, hatches for zones.

const RATIO = 2;

function canvas(size) {
  const made = document.createElement("canvas");
  made.width = made.height = size * RATIO;
  const pen = made.getContext("2d");
  pen.scale(RATIO, RATIO);
  return [made, pen];
}

const pixels = (made, pen) => pen.getImageData(0, 0, made.width, made.height);

function vehicle(kind, fill, line, halo, dashed) {
  const [made, pen] = canvas(30);
  pen.translate(15, 15);
  pen.lineJoin = "round";
  const shape = () => {
    pen.beginPath();
    if (kind === "drone") {
      pen.moveTo(0, -11);
      pen.lineTo(8.5, 9.5);
      pen.lineTo(0, 5);
      pen.lineTo(-8.5, 9.5);
    } else {
      pen.rect(-7.5, -7.5, 15, 15);
      pen.moveTo(-4, -7.5);
      pen.lineTo(0, -12);
      pen.lineTo(4, -7.5);
    }
    pen.closePath();
  };
  shape();
  pen.strokeStyle = halo;
  pen.lineWidth = 5;
  pen.stroke();
  pen.fillStyle = fill;
  pen.fill();
  if (dashed) pen.setLineDash([3, 2.5]);
  pen.strokeStyle = line;
  pen.lineWidth = 1.8;
  pen.stroke();
  return pixels(made, pen);
}

function hatch(colour, angle, gap) {
  const [made, pen] = canvas(gap);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.1;
  pen.beginPath();
  const ends = angle > 0 ? [[0, gap, gap, 0], [-1, 1, 1, -1], [gap - 1, gap + 1, gap + 1, gap - 1]]
    : [[0, 0, gap, gap], [gap - 1, -1, gap + 1, 1], [-1, gap - 1, 1, gap + 1]];
  for (const [x1, y1, x2, y2] of ends) {
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
  }
  pen.stroke();
  return pixels(made, pen);
}

function dots(colour, gap) {
  const [made, pen] = canvas(gap);
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(gap / 2, gap / 2, 1, 0, 7);
  pen.fill();
  return pixels(made, pen);
}

export function imagesFor(look) {
  const images = {};
  for (const kind of ["drone", "robot"]) {
    images[`${kind}-idle`] = vehicle(kind, look.ground, look.soft, look.halo, false);
    images[`${kind}-active`] = vehicle(kind, look.ink, look.ink, look.halo, false);
    images[`${kind}-caution`] = vehicle(kind, look.amber, look.ink, look.halo, false);
    images[`${kind}-warning`] = vehicle(kind, look.red, look.ink, look.halo, false);
    images[`${kind}-stale`] = vehicle(kind, look.ground, look.stale, look.halo, true);
    images[`${kind}-chosen`] = vehicle(kind, look.blue, look.halo, look.halo, false);
  }
  images["hatch-no_fly"] = hatch(look.noFly, 1, 8);
  images["hatch-restricted"] = hatch(look.restricted, -1, 10);
  images["hatch-advisory"] = dots(look.stale, 9);
  return images;
}

export const LIGHT = {
  ground: "#e7e9eb", street: "#fafbfb", ink: "#1f2933", soft: "#59636e", stale: "#8b949d",
  halo: "#ffffff", amber: "#f0a500", red: "#c0262d", blue: "#0b5cad", noFly: "#7d3b3b",
  restricted: "#7a5a12", keepIn: "#3d6b99", label: "#2b333b", spare: "#6b4fa0", passage: "#0f766e",
};

export const DARK = {
  ground: "#1c2125", street: "#39424a", ink: "#e8ecef", soft: "#a3adb6", stale: "#737d86",
  halo: "#0d1013", amber: "#f5b83d", red: "#ff7a75", blue: "#6cb2f7", noFly: "#c98a86",
  restricted: "#c9a552", keepIn: "#7fa9d1", label: "#d5dbe0", spare: "#b49be0", passage: "#4fc3b5",
};
