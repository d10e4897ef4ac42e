/** A status: colour, sign and word, so that no one of them is needed. */

import { html } from "../vendor/preact.js";

/** @type {Record<string, string>} */
const SIGNS = {
  running: "●",
  waiting: "◔",
  paused: "‖",
  completed: "✓",
  failed: "✗",
  cancelled: "⊘",
  success: "✓",
  error: "✗",
  timeout: "◔",
  abandoned: "×",
  superseded: "↷",
  open: "●",
  queued: "◔",
  claimed: "●",
};

/** @param {{status: string, text?: string}} props */
export function Status({ status, text = status }) {
  return html`<span class=${`status is-${status}`}><i aria-hidden="true">${SIGNS[status] ?? "•"}</i>${text}</span>`;
}
