// Buttons that carry their own arming cost: one click, click and confirm, press and hold.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";

export const HOLD_MS = 2000;

// Press and hold by pointer, Space or Enter; letting go before the end does nothing.
export function PressHold({ label, hint, tone = "", onDone, disabled = false }) {
  const [since, setSince] = useState(0);
  const timer = useRef(0);
  const stop = () => {
    clearTimeout(timer.current);
    setSince(0);
  };
  const begin = (event) => {
    if (disabled || timer.current === -1) return;
    if (event.type === "keydown") {
      if (event.repeat) event.preventDefault();
      if (event.repeat || (event.key !== " " && event.key !== "Enter")) return;
      event.preventDefault();
    } else if (event.button !== 0) return;
    setSince(Date.now());
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setSince(0);
      onDone();
    }, HOLD_MS);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<button
    type="button"
    class=${`command hold ${tone} ${since ? "pressing" : ""}`}
    disabled=${disabled}
    aria-label=${`${label}: press and hold two seconds`}
    onPointerDown=${begin}
    onPointerUp=${stop}
    onPointerLeave=${stop}
    onPointerCancel=${stop}
    onKeyDown=${begin}
    onKeyUp=${stop}
    onBlur=${stop}
    onContextMenu=${(e) => e.preventDefault()}
  >
    <span class="fill" aria-hidden="true"></span>
    <span class="label">${label}</span>
    <small>${since ? "keep pressing" : hint || "press and hold 2 s"}</small>
  </button>`;
}

// A click opens the question, which says effect and target; only Confirm acts.
export function Confirm({ label, hint, question, onDone, disabled = false }) {
  const [asked, setAsked] = useState(false);
  const yes = useRef(null);
  useEffect(() => {
    if (asked && yes.current) yes.current.focus();
  }, [asked]);
  return html`<button
      type="button"
      class="command"
      disabled=${disabled}
      aria-expanded=${asked}
      onClick=${() => setAsked(!asked)}
    >
      <span class="label">${label}</span><small>${hint || "asks first"}</small>
    </button>
    ${asked &&
    html`<div
      class="question"
      role="group"
      aria-label=${label}
      onKeyDown=${(e) => e.key === "Escape" && setAsked(false)}
    >
      <p>${question}</p>
      <button type="button" class="command small" ref=${yes} onClick=${() => {
        setAsked(false);
        onDone();
      }}>Confirm</button>
      <button type="button" class="command small plain" onClick=${() => setAsked(false)}>Do not</button>
    </div>`}`;
}

export function OneClick({ label, hint, onDone, disabled = false }) {
  return html`<button type="button" class="command" disabled=${disabled} onClick=${onDone}>
    <span class="label">${label}</span><small>${hint}</small>
  </button>`;
}

export function Status({ of: status }) {
  return html`<span class=${`status ${status.tone}`}
    ><span class="mark" aria-hidden="true">${status.mark}</span> ${status.word}</span
  >`;
}
