/** What was found in a draft: where, which way leads there, and what mends it. */

import { html } from "../vendor/preact.js";

const SHOWN_MAX = 100;
const SIGNS = { error: "✗", warning: "!", info: "i" };

/**
 * @typedef {import("./documents.js").Mark} Mark
 * @typedef {import("./fixes.js").Fix} Fix
 *
 * @param {object} props
 * @param {{mark: Mark, fix: Fix | null}[]} props.found
 * @param {(mark: Mark) => void} props.onShow
 * @param {(fix: Fix) => void} props.onFix
 * @param {boolean} props.isOld the text has changed since
 */
export function FindingList({ found, onShow, onFix, isOld }) {
  if (found.length === 0) {
    return html`<p class="empty">Nothing was found: it can be stored as it is.</p>`;
  }
  return html`
    <ul class="found-list">
      ${found.slice(0, SHOWN_MAX).map(
        ({ mark, fix }, index) => html`
          <li key=${index} class=${`is-${mark.severity}`}>
            <span class="sign"><i aria-hidden="true">${SIGNS[mark.severity]}</i><span class="hidden">${mark.severity}</span></span>
            <div class="grow">
              <p>${mark.message}</p>
              <p class="muted">
                <button type="button" class="place" onClick=${() => onShow(mark)}>
                  <code>${mark.document === "workers" ? "workers " : ""}${mark.place || "/"}</code>
                </button>
                ${" "}<code>${mark.code}</code>
              </p>
              ${mark.path && html`<p class="muted">${mark.path.join(" → ")}</p>`}
              ${mark.fix && html`<p class="muted">To mend it: ${mark.fix}.</p>`}
              ${fix && html`<button type="button" disabled=${isOld} onClick=${() => onFix(fix)}>${capital(fix.label)}</button>`}
            </div>
          </li>
        `,
      )}
    </ul>
    ${found.length > SHOWN_MAX && html`<p class="muted">and ${found.length - SHOWN_MAX} more</p>`}
  `;
}

/** @param {string} text */
function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
