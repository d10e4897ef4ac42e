/**
 * What is to be drawn of a graph of the API, with the size of every box: the same for every
 * execution of a version, so that its layout can be kept. Pure.
 *
 * @typedef {(text: string, font: Font) => number} Measure the width of a text in pixels
 * @typedef {"title" | "small" | "mono"} Font
 * @typedef {"initial" | "work" | "wait" | "choice" | "pass" | "final" | "failed" | "cancelled"} Shape
 *
 * @typedef {object} DrawnTask
 * @property {string} name
 * @property {string} title
 * @property {string} icon
 * @property {number} width
 * @property {number} height
 * @property {string[]} needs
 *
 * @typedef {object} DrawnNode
 * @property {string} key its id, in a machine with the machine's name before it
 * @property {string} id
 * @property {Shape} shape
 * @property {string} icon
 * @property {string} title cut where the name is long
 * @property {string} subtitle
 * @property {number} width
 * @property {number} height
 * @property {string} join how many of its tasks are awaited
 * @property {DrawnTask[]} tasks
 *
 * @typedef {object} DrawnEdge
 * @property {string} key
 * @property {string} id
 * @property {string} from a node's key
 * @property {string} to
 * @property {string[]} lines its label: the event, and the guard below it
 * @property {boolean} isQuiet it is what happens when something goes wrong
 * @property {number} width of the label
 * @property {number} height
 *
 * @typedef {{machine: string | null, initial: string, nodes: DrawnNode[], edges: DrawnEdge[]}} DrawnPart
 * @typedef {{from: string, machine: string}} Link from a state to a machine
 * @typedef {{parts: DrawnPart[], links: Link[]}} Drawing
 */

import { span } from "../core/format.js";
import { partsOf } from "./api_graph.js";

export const ICON = 16;
export const LINE = 14;
const PAD = 12;
const GAP = 7;
const HEIGHT = 36;
const HEIGHT_TWO = 48;
const WIDTH_MIN = 84;
const TITLE_MAX = 190;
const LABEL_MAX = 170;
const TASK_HEIGHT = 26;
/** A count is written behind a label later, without another layout. */
export const COUNT_ROOM = 26;
const ELLIPSIS = "…";
/** @type {Record<string, Shape>} */
const ENDS = { failed: "failed", cancelled: "cancelled" };
/** @type {Record<string, Shape>} */
const KINDS = { initial: "initial", wait: "wait", branch: "choice", pass: "pass" };
const QUIET = new Set(["error", "timeout", "cancel", "terminate"]);

/**
 * @param {import("./api_graph.js").ApiGraph} graph
 * @param {Measure} measure
 * @returns {Drawing}
 */
export function drawingOf(graph, measure) {
  const machines = Object.keys(graph.machines ?? {});
  const parts = partsOf(graph).map(([name, part]) => partOf(part, name, measure));
  return { parts, links: linksOf(graph, new Set(machines)) };
}

/**
 * The key of a state or an edge: no name has a slash, so a machine's are like no other. Keys name
 * fields of objects, here and in dagre: a state may be called `constructor`, a key may not.
 *
 * @param {string | null} machine
 * @param {string} id
 */
export function keyOf(machine, id) {
  return machine === null && !(id in {}) ? id : `/${machine ?? ""}/${id}`;
}

/**
 * The machine and the id that a key is made of.
 *
 * @param {string} key
 * @returns {{machine: string | null, id: string}}
 */
export function idOf(key) {
  if (!key.startsWith("/")) return { machine: null, id: key };
  const end = key.indexOf("/", 1);
  return { machine: key.slice(1, end) || null, id: key.slice(end + 1) };
}

/**
 * @param {import("./api_graph.js").Part} graph
 * @param {string | null} machine
 * @param {Measure} measure
 * @returns {DrawnPart}
 */
function partOf(graph, machine, measure) {
  const states = new Map(graph.nodes.map((node) => [node.id, node]));
  const edges = graph.edges.filter(({ from, to }) => states.has(from) && states.has(to));
  return {
    machine,
    initial: keyOf(machine, graph.initial),
    nodes: graph.nodes.map((node) => nodeOf(node, machine, measure)),
    edges: edges.map((edge) => edgeOf(edge, states.get(edge.from), machine, measure)),
  };
}

/**
 * @param {import("./api_graph.js").Node} node
 * @param {string | null} machine
 * @param {Measure} measure
 * @returns {DrawnNode}
 */
function nodeOf(node, machine, measure) {
  const title = cut(node.id, TITLE_MAX, (text) => measure(text, "title"));
  const tasks = (node.tasks ?? []).map((task) => taskOf(task, measure));
  const said = tasks.length > 0 ? joinOf(node) : doneIn(node);
  const subtitle = cut(said, TITLE_MAX, (text) => measure(text, "small"));
  const text = Math.max(measure(title, "title"), measure(subtitle, "small"));
  const shape = shapeOf(node);
  const slant = shape === "choice" || shape === "wait" ? GAP : 0;
  const width = Math.max(WIDTH_MIN, Math.ceil(text) + ICON + GAP + 2 * (PAD + slant));
  return {
    key: keyOf(machine, node.id),
    id: node.id,
    shape,
    icon: iconOf(node, shape),
    title,
    subtitle,
    width,
    height: subtitle === "" ? HEIGHT : HEIGHT_TWO,
    join: tasks.length > 0 ? joinOf(node) : "",
    tasks,
  };
}

/** @param {import("./api_graph.js").Node} node @returns {Shape} */
function shapeOf(node) {
  if (node.final) return ENDS[node.final] ?? "final";
  return KINDS[node.kind] ?? "work";
}

/** @param {import("./api_graph.js").Node} node @param {Shape} shape */
function iconOf(node, shape) {
  if (["initial", "final", "failed", "cancelled", "wait", "pass"].includes(shape)) return shape;
  if (node.tasks) return "tasks";
  return node.work[0]?.type ?? "sync";
}

/** What a state does, where its name does not say it. @param {import("./api_graph.js").Node} node */
function doneIn(node) {
  const actions = node.work.map(({ action }) => action).filter((action) => action !== node.id);
  return actions.join(", ");
}

/** @param {import("./api_graph.js").Node} node */
function joinOf({ tasks = [], join }) {
  const all = tasks.length;
  if (all === 1) return "one task";
  return join === "all" ? `all ${all} tasks` : `${join} of ${all} tasks`;
}

/**
 * @param {import("./api_graph.js").Task} task
 * @param {Measure} measure
 * @returns {DrawnTask}
 */
function taskOf(task, measure) {
  const title = cut(task.name, TITLE_MAX, (text) => measure(text, "small"));
  const each = "each" in task ? COUNT_ROOM : 0;
  const width = Math.ceil(measure(title, "small")) + ICON + GAP + 2 * GAP + each;
  const { name, needs } = task;
  return {
    name,
    title,
    icon: each ? "each" : (task.type ?? "sync"),
    width,
    height: TASK_HEIGHT,
    needs,
  };
}

/**
 * @param {import("./api_graph.js").Edge} edge
 * @param {import("./api_graph.js").Node | undefined} source its node
 * @param {string | null} machine
 * @param {Measure} measure
 * @returns {DrawnEdge}
 */
function edgeOf(edge, source, machine, measure) {
  const first = eventOf(edge, source) + (edge.action === "continue" ? "" : ` / ${edge.action}`);
  const lines = [cut(first, LABEL_MAX, (text) => measure(text, "small"))];
  if (edge.guard) {
    const guard = `[${edge.guard.split(/\s+/).join(" ")}]`;
    lines.push(cut(guard, LABEL_MAX, (text) => measure(text, "mono")));
  }
  const widths = lines.map((line, at) => measure(line, at === 0 ? "small" : "mono"));
  return {
    key: keyOf(machine, edge.id),
    id: edge.id,
    from: keyOf(machine, edge.from),
    to: keyOf(machine, edge.to),
    lines,
    isQuiet: QUIET.has(edge.event),
    width: Math.ceil(Math.max(...widths)) + 10,
    height: lines.length * LINE + 4,
  };
}

/**
 * The event as a person says it: a timer has a number for a name, and is told by its time.
 *
 * @param {{event: string}} edge
 * @param {{timers?: import("./api_graph.js").Timer[]} | undefined} source its node
 */
export function eventOf(edge, source) {
  const timer = source?.timers?.find(({ event }) => event === edge.event);
  if (timer === undefined) return edge.event;
  const [kind, time] = "at" in timer ? ["at", timer.at] : ["after", timer.delay];
  return `${kind} ${typeof time === "number" ? span(time * 1_000) : bare(time)}`;
}

/** An expression without the signs around it. @param {unknown} template */
function bare(template) {
  const text = typeof template === "string" ? template : JSON.stringify(template);
  return text.replace(/^\$\{\s*(.*?)\s*\}$/s, "$1");
}

/**
 * @param {import("./api_graph.js").ApiGraph} graph
 * @param {Set<string>} machines
 * @returns {Link[]}
 */
function linksOf(graph, machines) {
  /** @type {Map<string, Link>} */
  const found = new Map();
  for (const [name, part] of partsOf(graph)) {
    for (const node of part.nodes) {
      const from = keyOf(name, node.id);
      for (const { machine = "" } of [...(node.tasks ?? []), ...node.work]) {
        if (machines.has(machine)) found.set(`${from} ${machine}`, { from, machine });
      }
    }
  }
  return [...found.values()];
}

/**
 * A text that is not wider than *max*, with a sign where it was cut.
 *
 * @param {string} text
 * @param {number} max
 * @param {(text: string) => number} width
 */
export function cut(text, max, width) {
  if (width(text) <= max) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (width(text.slice(0, middle) + ELLIPSIS) <= max) low = middle;
    else high = middle - 1;
  }
  return text.slice(0, low).trimEnd() + ELLIPSIS;
}
