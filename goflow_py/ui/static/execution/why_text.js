/**
 * The sentence on what an execution waits for, in parts that a page can make more of. Pure.
 *
 * @typedef {{kind: "text" | "time" | "execution", text: string}} Part
 */

const SPECIAL =
  /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/**
 * Cut a sentence at its times and ids.
 *
 * @param {string} sentence
 * @returns {Part[]}
 */
export function partsOf(sentence) {
  /** @type {Part[]} */
  const parts = [];
  let at = 0;
  for (const found of sentence.matchAll(SPECIAL)) {
    if (found.index > at) parts.push({ kind: "text", text: sentence.slice(at, found.index) });
    parts.push({ kind: found[0].endsWith("Z") ? "time" : "execution", text: found[0] });
    at = found.index + found[0].length;
  }
  if (at < sentence.length) parts.push({ kind: "text", text: sentence.slice(at) });
  return parts;
}
