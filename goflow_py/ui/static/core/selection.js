/**
 * Which rows of a list are chosen: some by their ids, or all that the filter finds. Pure.
 *
 * @typedef {{ids: ReadonlySet<string>, isAll: boolean, anchor: string | null}} Selection
 *   `anchor` is where a range begins
 */

/** A batch takes no more ids than these. */
export const IDS_MAX = 10_000;

/** @type {Selection} */
export const NOTHING = { ids: new Set(), isAll: false, anchor: null };

/** @type {Selection} */
export const ALL = { ids: new Set(), isAll: true, anchor: null };

/**
 * @param {Selection} selection
 * @param {string} id
 */
export function isChosen({ ids, isAll }, id) {
  return isAll || ids.has(id);
}

/** @param {Selection} selection */
export function isNothing({ ids, isAll }) {
  return !isAll && ids.size === 0;
}

/**
 * Choose a row, or no longer. Of all, one less is those that were read, without it.
 *
 * @param {Selection} selection
 * @param {string} id
 * @param {readonly {id: string}[]} rows
 * @returns {Selection}
 */
export function toggled({ ids, isAll }, id, rows) {
  const chosen = new Set(isAll ? rows.map((row) => row.id) : ids);
  if (!chosen.delete(id)) chosen.add(id);
  return { ids: bounded(chosen), isAll: false, anchor: id };
}

/**
 * Choose all rows from the last one that was chosen to this one.
 *
 * @param {Selection} selection
 * @param {string} id
 * @param {readonly {id: string}[]} rows
 * @returns {Selection}
 */
export function stretched(selection, id, rows) {
  const from = rows.findIndex((row) => row.id === selection.anchor);
  const to = rows.findIndex((row) => row.id === id);
  if (from < 0 || to < 0 || selection.isAll) return toggled(selection, id, rows);
  const range = rows.slice(Math.min(from, to), Math.max(from, to) + 1).map((row) => row.id);
  return {
    ids: bounded(new Set([...selection.ids, ...range])),
    isAll: false,
    anchor: selection.anchor,
  };
}

/**
 * Choose every row that was read.
 *
 * @param {readonly {id: string}[]} rows
 * @returns {Selection}
 */
export function every(rows) {
  return { ids: bounded(new Set(rows.map((row) => row.id))), isAll: false, anchor: null };
}

/** @param {Set<string>} ids */
function bounded(ids) {
  return ids.size <= IDS_MAX ? ids : new Set([...ids].slice(0, IDS_MAX));
}
