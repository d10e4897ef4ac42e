/**
 * Walking a graph with the arrows: down goes on along an edge and then to its state, up goes
 * back, left and right choose among what is beside. Pure.
 *
 * @typedef {{kind: "state" | "edge", key: string}} Place
 * @typedef {"ArrowDown" | "ArrowUp" | "ArrowLeft" | "ArrowRight"} Arrow
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

/**
 * @param {Place} place
 * @param {Arrow} arrow
 * @param {import("./drawing.js").DrawnPart[]} parts
 * @param {import("./layout.js").Scene} scene
 * @returns {Place | null}
 */
export function walk(place, arrow, parts, scene) {
  const edges = parts.flatMap((part) => part.edges);
  return place.kind === "state"
    ? fromState(place, arrow, edges, scene)
    : fromEdge(place, arrow, edges, scene);
}

/** @param {Place} place @param {Arrow} arrow @param {import("./drawing.js").DrawnEdge[]} edges @param {import("./layout.js").Scene} scene */
function fromState(place, arrow, edges, scene) {
  if (arrow === "ArrowDown") return edgeAt(edges.filter(({ from }) => from === place.key)) ?? place;
  if (arrow === "ArrowUp")
    return edgeAt(edges.filter(({ to, from }) => to === place.key && from !== to)) ?? place;
  const here = scene.nodes[place.key];
  const sign = arrow === "ArrowRight" ? 1 : -1;
  const beside = Object.entries(scene.nodes)
    .map(([key, { x, y }]) => ({ key, ahead: (x - here.x) * sign, off: Math.abs(y - here.y) }))
    .filter(({ ahead }) => ahead > 1)
    .sort((one, other) => one.ahead + 3 * one.off - other.ahead - 3 * other.off);
  return beside.length > 0 ? { kind: /** @type {const} */ ("state"), key: beside[0].key } : place;
}

/** @param {Place} place @param {Arrow} arrow @param {import("./drawing.js").DrawnEdge[]} edges @param {import("./layout.js").Scene} scene */
function fromEdge(place, arrow, edges, scene) {
  const edge = edges.find(({ key }) => key === place.key);
  if (edge === undefined) return null;
  if (arrow === "ArrowDown") return { kind: /** @type {const} */ ("state"), key: edge.to };
  if (arrow === "ArrowUp") return { kind: /** @type {const} */ ("state"), key: edge.from };
  const beside = edges
    .filter(({ from }) => from === edge.from)
    .sort((one, other) => scene.edges[one.key].label.x - scene.edges[other.key].label.x);
  const at = beside.indexOf(edge) + (arrow === "ArrowRight" ? 1 : -1);
  return edgeAt([beside[(at + beside.length) % beside.length]]);
}

/** The first of the edges, what goes well before the rest. @param {import("./drawing.js").DrawnEdge[]} edges @returns {Place | null} */
function edgeAt(edges) {
  const best = edges.find(({ isQuiet }) => !isQuiet) ?? edges[0];
  return best === undefined ? null : { kind: "edge", key: best.key };
}
