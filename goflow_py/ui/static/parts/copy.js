/** Text that is copied by a click. */

import { html, useState } from "../vendor/preact.js";

const SHOWN_MS = 1_500;

/** @param {{text: string, label?: string, children?: any}} props */
export function Copy({ text, label = "copy", children }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), SHOWN_MS);
  };
  return html`<button type="button" class="copy" title=${label} aria-label=${label} onClick=${copy}>
    ${children}<i aria-hidden="true">${isDone ? "✓" : "⧉"}</i>
  </button>`;
}
