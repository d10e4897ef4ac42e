/** Text that is copied by a click. */

import { html, useState } from "../vendor/preact.js";

const SHOWN_MS = 1_500;

/** Two sheets; few fonts have the sign for them. */
function Sheets() {
  return html`<svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true">
    <path d="M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3" fill="none" stroke="currentColor" />
  </svg>`;
}

/** @param {{text: string, label?: string, children?: any}} props */
export function Copy({ text, label = "copy", children }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    await write(text);
    setDone(true);
    setTimeout(() => setDone(false), SHOWN_MS);
  };
  return html`<button type="button" class="copy" title=${label} aria-label=${label} onClick=${copy}>
    ${children}${isDone ? html`<i aria-hidden="true">✓</i>` : html`<${Sheets} />`}
  </button>`;
}

/**
 * Put text on the clipboard. Browsers have the API for it on `https` and localhost only.
 *
 * @param {string} text
 */
async function write(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = document.createElement("textarea");
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
