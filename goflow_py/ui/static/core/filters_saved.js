/**
 * Views that a person keeps: a name and the query of a URL. Pure.
 *
 * @typedef {{name: string, search: string}} View
 */

export const VIEWS_MAX = 30;
export const NAME_CHARACTERS_MAX = 60;

/** What somebody with a broken run looks for first; shown until a view is kept. */
export const FIRST_VIEWS = [
  { name: "Failed today", search: "since=24h&status=failed" },
  { name: "Open", search: "status=running%2Cwaiting%2Cpaused" },
];

/**
 * Read what was kept; what is no view is left out, for others may write there, too.
 *
 * @param {string | null} text
 * @returns {View[]}
 */
export function readViews(text) {
  if (text === null) return FIRST_VIEWS;
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found.filter(isView).slice(0, VIEWS_MAX) : [];
  } catch {
    return [];
  }
}

/**
 * Keep a view; one of that name is replaced, and beyond the bound the oldest goes.
 *
 * @param {View[]} views
 * @param {View} view
 */
export function withView(views, { name, search }) {
  const kept = nameOf(name);
  if (kept === "") return views;
  return [...views.filter((view) => view.name !== kept), { name: kept, search }].slice(-VIEWS_MAX);
}

/**
 * Give a view another name; one that had it goes.
 *
 * @param {View[]} views
 * @param {string} before
 * @param {string} after
 */
export function renamed(views, before, after) {
  const kept = nameOf(after);
  if (kept === "" || kept === before) return views;
  return views
    .filter((view) => view.name !== kept)
    .map((view) => (view.name === before ? { ...view, name: kept } : view));
}

/**
 * @param {View[]} views
 * @param {string} name
 */
export function withoutView(views, name) {
  return views.filter((view) => view.name !== name);
}

/** @param {string} name */
function nameOf(name) {
  return name.trim().slice(0, NAME_CHARACTERS_MAX);
}

/** @param {any} value */
function isView(value) {
  return typeof value?.name === "string" && typeof value?.search === "string";
}
