/** A button that makes a call at once: where a dialog would ask what was just decided. */

import { curl, send } from "../core/api.js";
import { ProblemBox } from "../parts/problem.js";
import { html, useState } from "../vendor/preact.js";

/**
 * @param {{
 *   verb: string,
 *   call: import("../core/calls.js").Call | null,
 *   onDone: (answer: import("../core/api.js").Answer) => void,
 *   onError?: (error: Error | null) => void,
 *   isPrimary?: boolean,
 * }} props
 */
export function Send({ verb, call, onDone, onError, isPrimary = false }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [isBusy, setBusy] = useState(false);
  const tell = (/** @type {any} */ problem) => {
    setError(problem);
    onError?.(problem);
  };
  const run = async () => {
    if (call === null) return;
    setBusy(true);
    tell(null);
    try {
      onDone(await send(call));
    } catch (problem) {
      tell(problem);
    } finally {
      setBusy(false);
    }
  };
  return html`
    <button type="button" class=${isPrimary ? "primary" : ""} title=${call && curl(call)} disabled=${call === null || isBusy} onClick=${run}>${verb}</button>
    <${ProblemBox} error=${error} />
  `;
}
