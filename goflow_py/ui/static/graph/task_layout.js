/**
 * The tasks within a state: a small graph of its own, beside each other what runs at once. Pure.
 *
 * @typedef {import("./drawing.js").DrawnNode} DrawnNode
 * @typedef {import("./layout.js").Box} Box
 * @typedef {import("./curves.js").Point} Point
 * @typedef {object} Sized
 * @property {string} key
 * @property {number} width
 * @property {number} height
 * @property {Record<string, Box>} tasks from the middle of the state
 * @property {Point[][]} taskLines
 */

import { Graph, layout } from "../vendor/dagre.js";

/** The room of the title above the tasks. */
export const HEAD = 46;
const PAD = 12;

/**
 * A node with the size that it needs for its tasks and its loops.
 *
 * @param {DrawnNode} node
 * @param {number} loops
 * @param {number} loopHeight
 * @returns {Sized}
 */
export function withTasks(node, loops, loopHeight) {
  const height = Math.max(node.height, loops * loopHeight);
  if (node.tasks.length === 0)
    return { key: node.key, width: node.width, height, tasks: {}, taskLines: [] };
  const graph = new Graph();
  graph.setGraph({ rankdir: "TB", ranksep: 22, nodesep: 12, edgesep: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const task of node.tasks)
    graph.setNode(named(task.name), { width: task.width, height: task.height });
  for (const task of node.tasks) {
    for (const need of task.needs.map(named))
      if (graph.hasNode(need)) graph.setEdge(need, named(task.name));
  }
  layout(graph);
  const inner = graph.graph();
  const width = Math.max(node.width, inner.width + 2 * PAD);
  const high = Math.max(height, inner.height + HEAD + PAD);
  const shift = { x: -inner.width / 2, y: HEAD - high / 2 };
  const tasks = node.tasks.map(({ name }) => {
    const { x, y, width: wide, height: tall } = graph.node(named(name));
    return [name, { x: x + shift.x, y: y + shift.y, width: wide, height: tall }];
  });
  /** @param {Point} point */
  const moved = ({ x, y }) => ({ x: x + shift.x, y: y + shift.y });
  const taskLines = graph.edges().map((edge) => graph.edge(edge).points.map(moved));
  return { key: node.key, width, height: high, tasks: Object.fromEntries(tasks), taskLines };
}

/** A task may be called `constructor`, a node of dagre may not. @param {string} task */
function named(task) {
  return `.${task}`;
}
