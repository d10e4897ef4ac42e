/**
 * The marks of one execution: the path that it took, its visits, and where it is. Pure.
 *
 * @typedef {import("./marks.js").Marks} Marks
 * @typedef {import("./marks.js").Tone} Tone
 */

/** @type {Record<string, Tone>} */
const TONES = {
  running: "busy",
  waiting: "warn",
  paused: "warn",
  completed: "good",
  failed: "bad",
  cancelled: "warn",
};

/**
 * @param {import("./api_graph.js").ApiGraph} answer of `GET /v1/executions/{id}/graph`
 * @returns {Marks}
 */
export function marksOfExecution(answer) {
  const states = answer.nodes.filter(({ visits = 0, current }) => visits > 0 || current);
  const edges = answer.edges.filter(({ taken = 0 }) => taken > 0);
  return {
    states: new Map(states.map((node) => [node.id, stateOf(node, answer.status ?? "")])),
    edges: new Map(edges.map(({ id, taken = 0 }) => [id, edgeOf(taken)])),
  };
}

/** @param {number} count @returns {import("./marks.js").EdgeMark} */
function edgeOf(count) {
  return { count, tone: "busy", note: said(count, "taken") };
}

/**
 * @param {import("./api_graph.js").Node} node
 * @param {string} status
 * @returns {import("./marks.js").StateMark}
 */
function stateOf(node, status) {
  /** @type {NonNullable<import("./marks.js").StateMark["tasks"]>} */
  const tasks = new Map();
  for (const { name, status: of, items } of node.tasks ?? []) {
    if (of !== undefined) tasks.set(name, { status: of, figure: itemsOf(items) });
  }
  const note = said(node.visits ?? 0, "visited");
  return {
    visits: node.visits,
    isCurrent: node.current,
    tone: node.current ? TONES[status] : undefined,
    note: node.current ? `${status} here; ${note}` : note,
    tasks,
  };
}

/** How many items of a list have ended, of all. @param {Record<string, number> | undefined} items */
function itemsOf(items) {
  if (items === undefined) return undefined;
  const { all, ended = 0, failed = 0, skipped = 0, cancelled = 0 } = items;
  return `${ended + failed + skipped + cancelled}/${all}`;
}

/** @param {number} times @param {string} verb */
function said(times, verb) {
  return times === 1 ? `${verb} once` : `${verb} ${times} times`;
}
