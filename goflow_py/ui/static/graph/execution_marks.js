/**
 * The marks of one execution: the path that it took, its visits, and where it is. Pure.
 *
 * @typedef {import("./marks.js").Marks} Marks
 * @typedef {import("./marks.js").Tone} Tone
 */

/** @type {Record<string, Tone>} */
const TONES = { running: "busy", waiting: "warn", paused: "warn", completed: "good", failed: "bad", cancelled: "warn" };

/**
 * @param {any} answer of `GET /v1/executions/{id}/graph`
 * @returns {Marks}
 */
export function marksOfExecution(answer) {
  const states = answer.nodes.filter(({ visits, current }) => visits > 0 || current);
  const edges = answer.edges.filter(({ taken }) => taken > 0);
  return {
    states: new Map(states.map((node) => [node.id, stateOf(node, answer.status)])),
    edges: new Map(edges.map(({ id, taken }) => [id, { count: taken, tone: "busy", note: said(taken, "taken") }])),
  };
}

/**
 * @param {any} node
 * @param {string} status
 * @returns {import("./marks.js").StateMark}
 */
function stateOf(node, status) {
  const tasks = (node.tasks ?? []).filter((task) => "status" in task);
  const note = said(node.visits, "visited");
  return {
    visits: node.visits,
    isCurrent: node.current,
    tone: node.current ? TONES[status] : undefined,
    note: node.current ? `${status} here; ${note}` : note,
    tasks: new Map(tasks.map((task) => [task.name, { status: task.status, figure: itemsOf(task.items) }])),
  };
}

/** How many items of a list have ended, of all. @param {any} items */
function itemsOf(items) {
  if (items === undefined) return undefined;
  const { all, ended = 0, failed = 0, skipped = 0, cancelled = 0 } = items;
  return `${ended + failed + skipped + cancelled}/${all}`;
}

/** @param {number} times @param {string} verb */
function said(times, verb) {
  return times === 1 ? `${verb} once` : `${verb} ${times} times`;
}
