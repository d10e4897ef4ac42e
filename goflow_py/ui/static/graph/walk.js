/**
 * Walking a graph with the arrows: down goes on along an edge and then to its state, up goes
 * back, left and right choose among what is beside. Pure.
 *
 * @typedef {{kind: "state" | "edge", key: string}} Place
 * @typedef {"ArrowDown" | "ArrowUp" | "ArrowLeft" | "ArrowRight"} Arrow
 */

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
