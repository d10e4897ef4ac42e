/**
 * States and edges in words: for tooltips, for the table, for who listens. Pure.
 *
 * @typedef {{title: string, kind: string, facts: [string, string][]}} Description
 */

import { count, span } from "../core/format.js";
import { partsOf } from "./api_graph.js";
import { eventOf, keyOf } from "./drawing.js";
import { edgeMark, stateMark } from "./marks.js";

/** @type {Record<string, string>} */
const KINDS = {
  initial: "where it begins",
  work: "does work",
  wait: "waits",
  branch: "chooses",
  pass: "is passed through",
  final: "the end",
};

/**
 * @param {import("./api_graph.js").Node} node
 * @param {import("./marks.js").StateMark} mark
 * @returns {Description}
 */
export function describeState(node, mark) {
  const kind = node.final ? `the end: ${node.final}` : (KINDS[node.kind] ?? node.kind);
  const works = node.tasks ? [] : node.work.map(workOf);
  /** @type {[string, string | undefined][]} */
  const facts = [
    ["", mark.note],
    ["business status", node.businessStatus],
    ["stage", node.stage],
    ["does", works.join(", ")],
    ["awaits", node.tasks && `${node.join} of ${node.tasks.length} tasks`],
    ...(node.tasks ?? []).map((task) => taskOf(task, mark.tasks?.get(task.name))),
    ["accepts", node.accepts?.join(", ")],
    ["keeps for later", node.defers?.join(", ")],
    ["timers", node.timers?.map((timer) => eventOf(timer, node)).join(", ")],
    ["visits at most", node.maxVisits === undefined ? undefined : count(node.maxVisits)],
  ];
  return { title: node.id, kind, facts: given(facts) };
}

/**
 * @param {import("./api_graph.js").Edge} edge
 * @param {import("./api_graph.js").Node | undefined} source its node
 * @param {import("./marks.js").EdgeMark} mark
 * @returns {Description}
 */
export function describeEdge(edge, source, mark) {
  const way = edge.from === edge.to ? `${edge.from}, again` : `${edge.from} → ${edge.to}`;
  /** @type {[string, string | undefined][]} */
  const facts = [
    ["", mark.note],
    ["if", edge.guard],
    ["does", edge.action === "continue" ? undefined : edge.action],
    ["sets", edge.sets?.join(", ")],
    ["after", delayOf(edge.delay)],
    ["", edge.enters === false ? "stays in the state: no new visit" : undefined],
    ["", edge.rule === "R4" ? "no row says so: success leads to done by itself" : undefined],
  ];
  return { title: eventOf(edge, source), kind: way, facts: given(facts) };
}

/**
 * Finds the words for a place of a graph.
 *
 * @param {import("./api_graph.js").ApiGraph} graph
 * @returns {(place: import("./walk.js").Place, marks: import("./marks.js").Marks) => Description}
 */
export function wordsOf(graph) {
  /** @type {Map<string, import("./api_graph.js").Node>} */
  const nodes = new Map();
  /** @type {Map<string, {edge: import("./api_graph.js").Edge, from: string}>} */
  const edges = new Map();
  for (const [machine, part] of partsOf(graph)) {
    for (const node of part.nodes) nodes.set(keyOf(machine, node.id), node);
    for (const edge of part.edges) {
      edges.set(keyOf(machine, edge.id), { edge, from: keyOf(machine, edge.from) });
    }
  }
  return ({ kind, key }, marks) => {
    const node = nodes.get(key);
    const found = edges.get(key);
    if (kind === "state" && node) return describeState(node, stateMark(marks, key));
    if (!found) return { title: key, kind: "", facts: [] };
    return describeEdge(found.edge, nodes.get(found.from), edgeMark(marks, key));
  };
}

/** One line of it. @param {Description} description */
export function inWords({ title, kind, facts }) {
  const said = facts.map(([name, value]) => (name === "" ? value : `${name} ${value}`));
  return [`${title}: ${kind}`, ...said].join("; ");
}

/** @param {import("./api_graph.js").Work | import("./api_graph.js").Task} work */
function workOf({ action, type, activity, machine }) {
  const runs = activity ?? machine;
  return `${action}${type === null ? "" : ` (${type})`}${runs ? ` runs ${runs}` : ""}`;
}

/**
 * @param {import("./api_graph.js").Task} task
 * @param {import("./marks.js").TaskMark | undefined} mark
 * @returns {[string, string]}
 */
function taskOf(task, mark) {
  const words = [workOf(task)];
  if (task.each !== undefined) words.push(`for each of ${text(task.each)}`);
  if (task.when !== undefined) words.push(`if ${task.when}`);
  if (mark !== undefined) words.push([mark.status, mark.figure].filter(Boolean).join(" "));
  return [`· ${task.name}`, words.join(", ")];
}

/** @param {unknown} delay */
function delayOf(delay) {
  if (delay === undefined) return undefined;
  return typeof delay === "number" ? span(delay * 1_000) : text(delay);
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * @param {[string, string | undefined | false][]} facts
 * @returns {[string, string][]}
 */
function given(facts) {
  return /** @type {[string, string][]} */ (facts.filter(([, value]) => value));
}
