/** The keys of the keyboard that work now. */

import { shortcuts } from "../core/shortcuts.js";
import { html } from "../vendor/preact.js";
import { Dialog } from "./dialog.js";

/** @param {{onClose: () => void}} props */
export function ShortcutList({ onClose }) {
  // Those of the page first, each group as it was written.
  const all = shortcuts.value.toReversed().flat();
  return html`
    <${Dialog} title="Keys of the keyboard" onClose=${onClose}>
      <dl class="keys">
        ${all.map(({ keys, does }) => html`<div key=${keys}><dt>${keys.split(" ").map(keycap)}</dt><dd>${does}</dd></div>`)}
      </dl>
    <//>
  `;
}

/** @param {string} key */
function keycap(key) {
  return html`<kbd>${key.replace("mod", "Ctrl")}</kbd>`;
}
