/** Times that go on while they are looked at. */

import { now } from "../core/clock.js";
import { ago, dateTime, span } from "../core/format.js";
import { html } from "../vendor/preact.js";

/** @param {{at: string | null | undefined}} props */
export function Ago({ at }) {
  if (!at) return html`<span>–</span>`;
  return html`<time datetime=${at} title=${dateTime(at)}>${ago(Date.parse(at), now.value)}</time>`;
}

/** How long it took, or has taken. @param {{from: string | null | undefined, to?: string | null}} props */
export function Took({ from, to }) {
  if (!from) return html`<span>–</span>`;
  const end = to ? Date.parse(to) : now.value;
  return html`<span class="number">${span(Math.max(0, end - Date.parse(from)))}</span>`;
}
