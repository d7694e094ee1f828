// The height profile of the preview: the path against the ground and the zones passed.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";

const HIGH = 132;
const LEFT = 46;
const FOOT = 22;
const HEAD = 12;

function step(span, count) {
  const power = 10 ** Math.floor(Math.log10(span / count));
  return [1, 2, 5, 10].map((n) => n * power).find((s) => s * count >= span);
}

function axesOf(profile, wide) {
  const heights = [...profile.way, ...profile.ground].map((p) => p[1]);
  const low = Math.min(...heights);
  const high = Math.max(...heights);
  const room = Math.max(20, (high - low) * 0.5);
  const [bottom, top] = [low - room * 0.15, high + room];
  const clamp = (v) => Math.min(HIGH - FOOT, Math.max(HEAD, v));
  return {
    bottom,
    top,
    x: (along) => LEFT + ((wide - LEFT - 12) * along) / Math.max(1, profile.length_m),
    y: (amsl) => clamp(HIGH - FOOT - ((HIGH - FOOT - HEAD) * (amsl - bottom)) / (top - bottom)),
  };
}

const ticks = (from, to, by) => {
  const found = [];
  for (let v = Math.ceil(from / by) * by; v <= to + 1e-6; v += by) found.push(v);
  return found;
};

function Band({ band, axes }) {
  const [x0, x1] = [axes.x(band.begin_m), Math.max(axes.x(band.end_m), axes.x(band.begin_m) + 2)];
  const top = band.high_amsl_m === null ? HEAD : axes.y(band.high_amsl_m);
  const foot = band.low_amsl_m === null ? HIGH - FOOT : axes.y(band.low_amsl_m);
  if (foot - top < 0.5) return null;
  return html`<g class=${`band ${band.kind} ${band.hit ? "hit" : ""}`}>
    <rect x=${x0} y=${top} width=${x1 - x0} height=${foot - top} />
    ${band.kind === "no_fly" && html`<rect x=${x0} y=${top} width=${x1 - x0} height=${foot - top} class="hatched" />`}
    ${x1 - x0 > 8 * band.zone_id.length && html`<text x=${(x0 + x1) / 2} y=${top + 13} text-anchor="middle">${band.zone_id}</text>`}
  </g>`;
}

export function ProfileStrip({ profile }) {
  const box = useRef(null);
  const [wide, setWide] = useState(640);
  useEffect(() => {
    const watch = new ResizeObserver(([seen]) => setWide(Math.max(280, Math.round(seen.contentRect.width))));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const axes = axesOf(profile, wide);
  const way = profile.way.map(([a, h]) => `${axes.x(a).toFixed(1)},${axes.y(h).toFixed(1)}`).join(" ");
  const ground = profile.ground.map(([a, h]) => `${axes.x(a).toFixed(1)},${axes.y(h).toFixed(1)}`);
  const along = step(profile.length_m || 1, Math.max(2, Math.floor(wide / 130)));
  const tall = step(axes.top - axes.bottom, 4);
  const highest = Math.max(...profile.way.map((p) => p[1]));
  const told = profile.bands.map((b) => `${b.zone_id} from ${Math.round(b.begin_m)} to ${Math.round(b.end_m)} m`);
  const words = `Height profile: ${(profile.length_m / 1000).toFixed(1)} km, at most ${Math.round(highest)} m above sea level. ${told.length ? `Zones passed: ${told.join("; ")}.` : "No zone is passed."}`;
  return html`<figure class="profile" ref=${box}>
    <figcaption>Height in m above sea level, along the way${ground.length ? "" : "; the ground is not known"}</figcaption>
    <svg viewBox=${`0 0 ${wide} ${HIGH}`} role="img" aria-label=${words}>
      <defs>
        <pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <line x1="0" y1="0" x2="0" y2="7" class="hatchline" />
        </pattern>
      </defs>
      ${ticks(axes.bottom, axes.top, tall).map(
        (v) => html`<g key=${`y${v}`} class="tick">
          <line x1=${LEFT} x2=${wide - 12} y1=${axes.y(v)} y2=${axes.y(v)} />
          <text x=${LEFT - 6} y=${axes.y(v) + 4} text-anchor="end">${v}</text>
        </g>`,
      )}
      ${ground.length > 1 && html`<polygon class="ground" points=${`${ground.join(" ")} ${axes.x(profile.ground.at(-1)[0])},${HIGH - FOOT} ${axes.x(profile.ground[0][0])},${HIGH - FOOT}`} />`}
      ${profile.bands.map((b) => html`<${Band} band=${b} axes=${axes} />`)}
      ${ticks(0, profile.length_m, along).map(
        (v) => html`<g key=${`x${v}`} class="tick">
          <line x1=${axes.x(v)} x2=${axes.x(v)} y1=${HIGH - FOOT} y2=${HIGH - FOOT + 4} />
          <text x=${axes.x(v)} y=${HIGH - 4} text-anchor="middle">${profile.length_m >= 1000 ? `${v / 1000} km` : `${v} m`}</text>
        </g>`,
      )}
      <polyline class="way" points=${way} />
      ${profile.way.map(([a, h]) => html`<circle class="turn" cx=${axes.x(a)} cy=${axes.y(h)} r="2.6" />`)}
    </svg>
  </figure>`;
}
