/**
 * States and edges in words: for tooltips, for the table, for who listens. Pure.
 *
 * @typedef {{title: string, kind: string, facts: [string, string][]}} Description
 */

import { count, span } from "../core/format.js";
import { eventOf } from "./drawing.js";

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
 * @param {any} node of the API
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
 * @param {any} edge of the API
 * @param {any} source its node
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

/** One line of it. @param {Description} description */
export function inWords({ title, kind, facts }) {
  const said = facts.map(([name, value]) => (name === "" ? value : `${name} ${value}`));
  return [`${title}: ${kind}`, ...said].join("; ");
}

/** @param {any} work */
function workOf({ action, type, activity, machine }) {
  const runs = activity ?? machine;
  return `${action}${type === null ? "" : ` (${type})`}${runs ? ` runs ${runs}` : ""}`;
}

/**
 * @param {any} task
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
