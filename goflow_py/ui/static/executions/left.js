/** How the list was left: who comes back from an execution finds it so. */

import { EMPTY } from "./listing.js";

/** @typedef {{listing: import("./listing.js").Listing, cursor: string | null, scrolled: number}} Left */

/** @type {Left} */
const NEW = { listing: EMPTY, cursor: null, scrolled: 0 };
let last = { search: "", ...NEW };

/**
 * @param {string} search
 * @returns {Left}
 */
export function left(search) {
  return last.search === search ? last : NEW;
}

/**
 * @param {string} search
 * @param {Partial<Left>} how
 */
export function leave(search, how) {
  last = { search, ...left(search), ...how };
}
