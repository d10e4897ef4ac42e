/** Parts of the page whose modules are fetched when they are first shown. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { ProblemBox } from "./problem.js";

/**
 * A part that stands for another one until that is there.
 *
 * @param {() => Promise<(props: any) => any>} load
 * @returns {(props: any) => any}
 */
export function later(load) {
  let known = /** @type {((props: any) => any) | null} */ (null);
  return function Later(/** @type {any} */ props) {
    const [View, setView] = useState(() => known);
    const [error, setError] = useState(/** @type {Error | null} */ (null));
    useEffect(() => {
      if (View !== null) return;
      const missing = () =>
        setError(
          new Error(
            "this part could not be loaded; reload the page, the server may have been upgraded",
          ),
        );
      load().then((found) => {
        known = found;
        setView(() => found);
      }, missing);
    }, []);
    if (error !== null)
      return html`<${ProblemBox} error=${error} onRetry=${() => location.reload()} />`;
    return View === null ? html`<p class="loading">…</p>` : html`<${View} ...${props} />`;
  };
}
