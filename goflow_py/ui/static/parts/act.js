/** One call that changes something: what it does, its curl, and the button that makes it. */

import { curl, newIdempotencyKey, send } from "../core/api.js";
import { html, useMemo, useState } from "../vendor/preact.js";
import { Copy } from "./copy.js";
import { Dialog } from "./dialog.js";
import { ProblemBox } from "./problem.js";

/** @typedef {import("../core/calls.js").Call} Call */

/**
 * @typedef {object} ActProps
 * @property {string} title
 * @property {string} [says] what it does, in a sentence
 * @property {string} verb the word on the button
 * @property {Call | null} call null: what was given is not complete yet
 * @property {(answer: import("../core/api.js").Answer) => void} onDone
 * @property {(problem: Error) => void} [onProblem] what was said against it: fields show it, too
 * @property {() => void} onClose
 * @property {boolean} [isDangerous]
 * @property {boolean} [isRepeatable] it takes an `Idempotency-Key`
 * @property {boolean} [isWide]
 * @property {any} [children] the fields
 */

/**
 * Ask, show the line of curl that does the same, and make the call. A call whose answer was lost
 * is repeated with the same key: it happens once.
 *
 * @param {ActProps} props
 */
export function Act({
  title,
  says,
  verb,
  call,
  onDone,
  onProblem,
  onClose,
  isDangerous = false,
  isRepeatable = true,
  isWide,
  children,
}) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [isBusy, setBusy] = useState(false);
  const text = JSON.stringify(call);
  const key = useMemo(newIdempotencyKey, [text]);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    if (call === null || isBusy) return;
    setBusy(true);
    setError(null);
    const headers = isRepeatable ? { ...call.headers, "Idempotency-Key": key } : call.headers;
    try {
      onDone(await send({ ...call, headers }));
    } catch (problem) {
      setError(/** @type {Error} */ (problem));
      onProblem?.(/** @type {Error} */ (problem));
    } finally {
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose} isWide=${isWide}>
      <form class="act" onSubmit=${submit}>
        ${says && html`<p class="says">${says}</p>`}
        ${children}
        <${ProblemBox} error=${error} />
        <footer>
          <button type="button" class="quiet" onClick=${onClose}>Close</button>
          <button type="submit" class=${isDangerous ? "danger" : "primary"} disabled=${call === null || isBusy}>
            ${isBusy ? "…" : verb}
          </button>
        </footer>
        ${call !== null && html`<${CurlLine} call=${call} />`}
      </form>
    <//>
  `;
}

/** @param {{call: Call}} props */
export function CurlLine({ call }) {
  const line = curl(call);
  return html`
    <details class="curl">
      <summary>the same with curl</summary>
      <pre>${line}</pre>
      <${Copy} text=${line} label="copy the line">copy<//>
    </details>
  `;
}
