/**
 * Addresses within the pages: `#/executions/ID?tab=context&seq=12`. Pure.
 *
 * @typedef {Record<string, string>} Query
 * @typedef {{page: string, args: string[], query: Query}} Route
 */

export const HOME = "executions";

/**
 * Read the part of a URL behind `#`. What cannot be read is the home page: a link may be cut.
 *
 * @param {string} hash
 * @returns {Route}
 */
export function parse(hash) {
  const [path = "", search = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const parts = path.split("/").filter((part) => part !== "");
  return {
    page: parts[0] ?? HOME,
    args: parts.slice(1).map(decoded),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

/**
 * Write an address; empty values of the query are left out.
 *
 * @param {string} page
 * @param {string[]} [args]
 * @param {Record<string, string | number | boolean | null | undefined>} [query]
 */
export function href(page, args = [], query = {}) {
  const path = [page, ...args.map(encodeURIComponent)].join("/");
  const search = searchOf(query);
  return `#/${path}${search && `?${search}`}`;
}

/**
 * Write a query without the question mark; empty values are left out.
 *
 * @param {Record<string, string | number | boolean | null | undefined>} query
 */
export function searchOf(query) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== "" && value !== null && value !== undefined) params.set(name, String(value));
  }
  return params.toString();
}

/** The text itself where it is not encoded well. @param {string} text */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
