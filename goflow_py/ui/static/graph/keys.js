/** What the keys do while the graph has the focus. */

import { walk } from "./walk.js";

/**
 * @typedef {import("./walk.js").Place} Place
 *
 * @typedef {object} Here
 * @property {import("./use_scene.js").Shown} shown
 * @property {Place | null} cursor
 * @property {string | null} current
 * @property {(place: Place | null) => void} pick
 * @property {() => void} larger
 * @property {() => void} smaller
 * @property {() => void} fit
 */

/**
 * Do what a key does, and tell where the cursor is then; undefined where it does nothing.
 *
 * @param {KeyboardEvent} event
 * @param {Here} here
 * @returns {Place | null | undefined}
 */
export function keyed(event, { shown, cursor, current, pick, larger, smaller, fit }) {
  const { scene, drawing } = shown;
  if (event.ctrlKey || event.metaKey || event.altKey || scene === null) return undefined;
  const { key } = event;
  const start = current !== null && scene.nodes[current] ? current : drawing.parts[0].initial;
  if (key === "Home" || (cursor === null && key.startsWith("Arrow"))) {
    return { kind: "state", key: start };
  }
  if (cursor !== null) {
    if (isArrow(key)) return walk(cursor, key, drawing.parts, scene);
    if (key === "Escape") return null;
  }
  /** @type {Record<string, () => void>} */
  const moves = { "+": larger, "-": smaller, 0: fit };
  const picks = cursor !== null && (key === "Enter" || key === " ") ? () => pick(cursor) : null;
  const does = moves[key] ?? picks;
  if (!does) return undefined;
  does();
  return cursor;
}

/** @param {string} key @returns {key is import("./walk.js").Arrow} */
function isArrow(key) {
  return ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight"].includes(key);
}
