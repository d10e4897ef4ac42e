/**
 * The rows of a list that goes on while it is read: pages behind, changes within, new ones before.
 * Pure.
 *
 * @typedef {import("./rows.js").Row} Row
 *
 * @typedef {object} Listing
 * @property {readonly Row[]} rows newest first
 * @property {ReadonlyMap<string, number>} places of the rows, by id
 * @property {readonly Row[]} fresh newer ones that are not shown yet
 * @property {string | null} next the cursor of the next page
 * @property {boolean} isBehind there is more that was not read: the list is to be read again
 */

import { errorOf, rowOf } from "./rows.js";

/** More that are new are not kept apart: the list is read again. */
export const FRESH_MAX = 500;

/** @type {Listing} */
export const EMPTY = { rows: [], places: new Map(), fresh: [], next: null, isBehind: false };

/**
 * Begin with the first page.
 *
 * @param {{items: any[], next: string | null}} page
 * @returns {Listing}
 */
export function opened({ items, next }) {
  return { ...EMPTY, ...placed(items.map(rowOf)), next };
}

/**
 * Put a page behind the rows; what is there already stays where it is.
 *
 * @param {Listing} listing
 * @param {{items: any[], next: string | null}} page
 * @returns {Listing}
 */
export function appended(listing, { items, next }) {
  const more = items.filter((item) => !listing.places.has(item.id)).map(rowOf);
  return { ...listing, ...placed([...listing.rows, ...more]), next };
}

/**
 * Take in what the stream told.
 *
 * @param {Listing} listing
 * @param {any[]} messages
 * @returns {{listing: Listing, changed: Set<string>, unknown: Map<string, any>}}
 *   `changed`: rows that are stale now; `unknown`: the newest message of executions that are no rows
 */
export function told(listing, messages) {
  const changed = new Set(/** @type {string[]} */ ([]));
  const unknown = new Map();
  const rows = listing.rows.slice();
  const fresh = new Map(listing.fresh.map((row) => [row.id, row]));
  for (const message of messages) {
    const { execution: id, entry } = message;
    const place = listing.places.get(id);
    const row = place === undefined ? fresh.get(id) : rows[place];
    if (row === undefined) {
      const isStart = entry.type === "started" || unknown.get(id)?.isStart === true;
      unknown.set(id, { ...message, isStart });
    } else if (entry.seq > row.revision) {
      changed.add(id);
      const after = advanced(row, message);
      if (place === undefined) fresh.set(id, after);
      else rows[place] = after;
    }
  }
  return { listing: { ...listing, rows, fresh: [...fresh.values()] }, changed, unknown };
}

/**
 * Take in rows that were read anew. Unknown ones are new where they are newer than the first row,
 * and stand at their place otherwise.
 *
 * @param {Listing} listing
 * @param {any[]} items newest first
 * @returns {Listing}
 */
export function refreshed(listing, items) {
  const rows = listing.rows.slice();
  const fresh = new Map(listing.fresh.map((row) => [row.id, row]));
  /** @type {Row[]} */
  const found = [];
  for (const row of items.map(rowOf)) {
    const place = listing.places.get(row.id);
    if (place !== undefined) {
      if (row.revision >= rows[place].revision) rows[place] = row;
    } else if (rows.length === 0 || row.startedAt >= rows[0].startedAt) fresh.set(row.id, row);
    else if (listing.next === null || row.startedAt >= rows[rows.length - 1].startedAt)
      found.push(row);
  }
  const ordered = [...fresh.values()].sort(newestFirst);
  return {
    ...listing,
    ...(found.length === 0 ? { rows } : placed([...rows, ...found].sort(newestFirst))),
    fresh: ordered.slice(0, FRESH_MAX),
    isBehind: listing.isBehind || ordered.length > FRESH_MAX,
  };
}

/**
 * Show the new ones, and let go of those that are none of the list's any more.
 *
 * @param {Listing} listing
 * @param {(row: Row) => boolean} belongs
 * @returns {Listing}
 */
export function unveiled(listing, belongs) {
  return { ...listing, ...placed([...listing.fresh, ...listing.rows].filter(belongs)), fresh: [] };
}

/**
 * @param {Listing} listing
 * @param {string} id
 * @returns {Listing}
 */
export function without(listing, id) {
  const others = (/** @type {Row} */ row) => row.id !== id;
  return {
    ...listing,
    ...placed(listing.rows.filter(others)),
    fresh: listing.fresh.filter(others),
  };
}

/** @param {readonly Row[]} rows */
function placed(rows) {
  return { rows, places: new Map(rows.map((row, place) => [row.id, place])) };
}

/**
 * Order as the API does. The sort is stable: rows of one millisecond stay as they are.
 *
 * @param {Row} one
 * @param {Row} other
 */
function newestFirst(one, other) {
  if (one.startedAt === other.startedAt) return 0;
  return one.startedAt < other.startedAt ? 1 : -1;
}

/**
 * A row as one entry of its history leaves it. Its tasks and events are known when it is read.
 *
 * @param {Row} row
 * @param {any} message
 * @returns {Row}
 */
function advanced(row, { status, entry }) {
  const isOpen = ["running", "waiting", "paused"].includes(status);
  const after = { ...row, status, revision: entry.seq, isStale: true };
  if (isOpen) {
    after.finishedAt = null;
    after.error = null;
  } else if (row.finishedAt === null) after.finishedAt = entry.at;
  if (entry.type === "transition") {
    after.state = entry.to;
    after.visit = entry.visit;
    after.businessStatus = entry.businessStatus ?? row.businessStatus;
  }
  if (entry.type === "ended") {
    after.finishedAt = entry.at;
    after.error = errorOf(entry.error);
  }
  return after;
}
