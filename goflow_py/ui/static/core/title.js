/** What stands in the browser's tab. */

import { useEffect } from "../vendor/preact.js";

/**
 * Name what is shown, until it is left.
 *
 * @param {string | null} name null: it is not known yet
 */
export function useTitle(name) {
  useEffect(() => {
    if (name === null) return undefined;
    const before = document.title;
    document.title = `${name} · goflow`;
    return () => {
      document.title = before;
    };
  }, [name]);
}
