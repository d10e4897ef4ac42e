/** A short word on what was done. */

import { html, signal } from "../vendor/preact.js";

const SHOWN_MS = 4_000;
const toasts = signal(/** @type {{id: number, text: any}[]} */ ([]));
let newest = 0;

/** @param {any} text what was done: text, or an element */
export function say(text) {
  const id = ++newest;
  toasts.value = [...toasts.value, { id, text }];
  setTimeout(() => {
    toasts.value = toasts.value.filter((toast) => toast.id !== id);
  }, SHOWN_MS);
}

export function Toasts() {
  return html`<div class="toasts" role="status">
    ${toasts.value.map(({ id, text }) => html`<p key=${id}>${text}</p>`)}
  </div>`;
}
