/** Which page is shown: the part of the URL behind `#`, as a signal. */

import { signal } from "../vendor/preact.js";
import { href, parse } from "./addresses.js";

export { href } from "./addresses.js";

/** @typedef {import("./addresses.js").Route} Route */

export const route = signal(parse(location.hash));

addEventListener("hashchange", () => {
  route.value = parse(location.hash);
});

/**
 * Show another page; the one that is shown stays in the browser's history.
 *
 * @param {string} page
 * @param {string[]} [args]
 * @param {Record<string, string | number | boolean | null | undefined>} [query]
 */
export function go(page, args, query) {
  location.hash = href(page, args, query);
}

/**
 * Change the query of this page; an empty value takes a parameter out.
 *
 * @param {Record<string, string | number | boolean | null | undefined>} patch
 * @param {{push?: boolean}} [options] `push`: the browser's "back" undoes it
 */
export function setQuery(patch, { push = false } = {}) {
  const { page, args, query } = route.peek();
  const address = href(page, args, { ...query, ...patch });
  if (address === location.hash) return;
  if (push) {
    location.hash = address;
    return;
  }
  history.replaceState(null, "", address);
  route.value = parse(address);
}
