/** What went wrong, and what to do: the words of the API. */

import { keyWanted, Problem } from "../core/api.js";
import { html } from "../vendor/preact.js";

/** @param {{error: Error | null | undefined, onRetry?: () => void}} props */
export function ProblemBox({ error, onRetry }) {
  if (!error) return null;
  const { status, body } = error instanceof Problem ? error : { status: 0, body: {} };
  const askKey = () => {
    keyWanted.value = true;
  };
  const code = error instanceof Problem ? error.code : "broken_page";
  return html`
    <div class="problem" role="alert">
      <p><strong>${error.message}</strong> <code>${code}</code></p>
      <${Details} errors=${body.errors ?? body.findings} />
      ${body.awaiting && html`<p>It accepts: ${body.awaiting.map(nameOf).join(", ")}</p>`}
      ${onRetry && html`<button type="button" onClick=${status === 401 ? askKey : onRetry}>${status === 401 ? "Give a key" : "Try again"}</button>`}
    </div>
  `;
}

/** @param {{errors?: {pointer: string, message: string}[]}} props */
function Details({ errors = [] }) {
  if (errors.length === 0) return null;
  /** @param {{pointer: string, message: string}} error */
  const item = ({ pointer, message }) => html`<li><code>${pointer || "/"}</code> ${message}</li>`;
  return html`<ul>${errors.map(item)}</ul>`;
}

/** @param {string | {name: string}} event */
function nameOf(event) {
  return typeof event === "string" ? event : event.name;
}
