/** The part of a large graph around one state: what can be looked at, and laid out at once. Pure. */

/** Above this only a neighbourhood is shown at first, and the layout is made in a worker. */
export const STATES_MAX = 150;
const NEAR_MAX = 40;

/** @param {import("./api_graph.js").ApiGraph} graph */
export function isLarge(graph) {
  return graph.nodes.length > STATES_MAX;
}

/**
 * The states nearest to *centre*, along edges in either direction, and the edges among them.
 *
 * @param {import("./api_graph.js").ApiGraph} graph
 * @param {string} centre
 * @returns {import("./api_graph.js").ApiGraph}
 */
export function neighbourhood(graph, centre) {
  /** @type {Map<string, string[]>} */
  const near = new Map(graph.nodes.map(({ id }) => [id, []]));
  for (const { from, to } of graph.edges) {
    near.get(from)?.push(to);
    near.get(to)?.push(from);
  }
  const kept = new Set([near.has(centre) ? centre : graph.initial]);
  // Nearly everything leads to an end: what also does is not near for that.
  const ends = new Set(
    graph.nodes.filter(({ final, id }) => final && id !== centre).map(({ id }) => id),
  );
  for (const id of kept) {
    if (ends.has(id)) continue;
    for (const other of near.get(id) ?? []) if (kept.size < NEAR_MAX) kept.add(other);
  }
  const initial = kept.has(graph.initial) ? graph.initial : [...kept][0];
  return {
    ...graph,
    initial,
    nodes: graph.nodes.filter(({ id }) => kept.has(id)),
    edges: graph.edges.filter(({ from, to }) => kept.has(from) && kept.has(to)),
    machines: {},
  };
}
