/** What of a graph is shown, and its layout as soon as there is one. */

import { useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { drawingOf } from "./drawing.js";
import { sceneOf } from "./layout_cache.js";
import { measure } from "./measure.js";
import { isLarge, neighbourhood } from "./neighbourhood.js";

/**
 * @typedef {import("./api_graph.js").ApiGraph} ApiGraph
 * @typedef {object} Shown
 * @property {ApiGraph} graph what is shown of it
 * @property {import("./drawing.js").Drawing} drawing
 * @property {import("./layout.js").Scene | null} scene null: it is being made
 * @property {Error | null} error
 * @property {string} centre of the neighbourhood
 * @property {boolean} isPart
 */

/**
 * @param {ApiGraph} graph
 * @param {string | null} wanted the state that has to be seen
 * @param {boolean} isWhole
 * @returns {Shown}
 */
export function useScene(graph, wanted, isWhole) {
  const isPart = isLarge(graph) && !isWhole;
  const centre = useCentre(graph, wanted);
  const part = useMemo(
    () => (isPart ? neighbourhood(graph, centre) : graph),
    [graph, centre, isPart],
  );
  const made = drawingOf(part, measure);
  const text = JSON.stringify(made);
  const drawing = useMemo(() => made, [text]);
  return { graph: part, drawing, centre, isPart, ...useLayout(drawing) };
}

/**
 * The state around which a part is shown: another one only when that is not to be seen.
 *
 * @param {ApiGraph} graph
 * @param {string | null} wanted
 */
function useCentre(graph, wanted) {
  const centre = useRef(graph.initial);
  const all = useMemo(() => new Set(graph.nodes.map(({ id }) => id)), [graph]);
  const near = useMemo(
    () => new Set(neighbourhood(graph, centre.current).nodes.map(({ id }) => id)),
    [graph, centre.current],
  );
  if (!all.has(centre.current)) centre.current = graph.initial;
  if (wanted !== null && all.has(wanted) && !near.has(wanted)) centre.current = wanted;
  return centre.current;
}

/**
 * @typedef {import("./drawing.js").Drawing} Drawing
 * @typedef {{drawing: Drawing, scene: import("./layout.js").Scene | null, error: Error | null}} Later
 * @param {Drawing} drawing
 */
function useLayout(drawing) {
  const [later, setLater] = useState(/** @type {Later} */ ({ drawing, scene: null, error: null }));
  const found = useMemo(() => sceneOf(drawing), [drawing]);
  useEffect(() => {
    if (!(found instanceof Promise)) return undefined;
    let isWanted = true;
    found.then(
      (scene) => isWanted && setLater({ drawing, scene, error: null }),
      (error) => isWanted && setLater({ drawing, scene: null, error }),
    );
    return () => {
      isWanted = false;
    };
  }, [found]);
  if (!(found instanceof Promise)) return { scene: found, error: null };
  return later.drawing === drawing
    ? { scene: later.scene, error: later.error }
    : { scene: null, error: null };
}
