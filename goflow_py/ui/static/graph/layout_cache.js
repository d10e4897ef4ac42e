/** Layouts that were made, by what was laid out: a drawing is laid out once, however often it is shown. */

import { layoutOf } from "./layout.js";

/** @typedef {import("./layout.js").Scene} Scene */

/** More states take longer than a page may stand still: a worker lays them out. */
const HERE_MAX = 60;
const KEPT_MAX = 24;

/** @type {Map<string, Scene | Promise<Scene>>} */
const kept = new Map();

/** How many layouts were made since the page was opened. */
export const made = { count: 0 };

/**
 * The layout of a drawing: at once where it is small or known, later where a worker makes it.
 *
 * @param {import("./drawing.js").Drawing} drawing
 * @param {(text: string) => Promise<Scene>} [elsewhere]
 * @returns {Scene | Promise<Scene>}
 */
export function sceneOf(drawing, elsewhere = inWorker) {
  const text = JSON.stringify(drawing);
  const found = kept.get(text);
  if (found !== undefined) return found;
  made.count++;
  const states = drawing.parts.reduce((sum, { nodes }) => sum + nodes.length, 0);
  if (states <= HERE_MAX) return keep(text, layoutOf(drawing));
  const coming = elsewhere(text).then(
    (scene) => keep(text, scene),
    (error) => {
      kept.delete(text);
      throw error;
    },
  );
  return keep(text, coming);
}

/**
 * @template {Scene | Promise<Scene>} T
 * @param {string} text
 * @param {T} scene
 * @returns {T}
 */
function keep(text, scene) {
  kept.delete(text);
  kept.set(text, scene);
  if (kept.size > KEPT_MAX) kept.delete(/** @type {string} */ (kept.keys().next().value));
  return scene;
}

/** @param {string} text @returns {Promise<Scene>} */
function inWorker(text) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./layout_worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      worker.terminate();
      resolve(data);
    };
    worker.onerror = (event) => {
      worker.terminate();
      reject(new Error(`the graph could not be laid out: ${event.message ?? "reload the page"}`));
    };
    worker.postMessage(text);
  });
}
