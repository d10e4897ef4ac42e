/** Parts of the page whose modules are fetched when they are first shown. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { ProblemBox } from "./problem.js";

/** @typedef {((props: any) => any) & {fetch: () => Promise<(props: any) => any>}} Later */

/**
 * A part that stands for another one until that is there; `fetch` brings it before it is shown.
 *
 * @param {() => Promise<(props: any) => any>} load
 * @returns {Later}
 */
export function later(load) {
  let known = /** @type {((props: any) => any) | null} */ (null);
  const fetch = async () => {
    known ??= await load();
    return known;
  };
  return Object.assign(Part, { fetch });

  /** @param {any} props */
  function Part(props) {
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
      fetch().then((found) => setView(() => found), missing);
    }, []);
    if (error !== null)
      return html`<${ProblemBox} error=${error} onRetry=${() => location.reload()} />`;
    return View === null ? html`<p class="loading">…</p>` : html`<${View} ...${props} />`;
  }
}
