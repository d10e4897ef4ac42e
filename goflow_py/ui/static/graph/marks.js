/**
 * What is shown upon a graph that is drawn: where an execution went, or what many did. Pure.
 *
 * @typedef {"good" | "bad" | "busy" | "warn"} Tone
 * @typedef {{status: string, figure?: string}} TaskMark
 *
 * @typedef {object} StateMark
 * @property {number} [visits]
 * @property {boolean} [isCurrent]
 * @property {Tone} [tone]
 * @property {string} [note] what the tooltip says
 * @property {number} [heat] 0 to 1
 * @property {string} [figure] a few characters that stand at the state
 * @property {Map<string, TaskMark>} [tasks] by name
 *
 * @typedef {object} EdgeMark
 * @property {number} [count] 0: never taken
 * @property {Tone} [tone]
 * @property {number} [width] 0 to 1
 * @property {string} [note]
 *
 * @typedef {object} Marks
 * @property {Map<string, StateMark>} states
 * @property {Map<string, EdgeMark>} edges
 * @property {Map<string, Marks>} [machines] the same of private machines, by name
 */

import { idOf } from "./drawing.js";

/** Around what was taken. */
const MARGIN = 16;
const COMPACT = new Intl.NumberFormat("en", { notation: "compact" });

/** @type {Marks} */
export const NO_MARKS = { states: new Map(), edges: new Map() };

/** @param {Marks} marks @param {string} key @returns {StateMark} */
export function stateMark(marks, key) {
  return find(marks, "states", key) ?? {};
}

/** @param {Marks} marks @param {string} key @returns {EdgeMark} */
export function edgeMark(marks, key) {
  return find(marks, "edges", key) ?? {};
}

/** The key of the state where it is now, if that is marked. @param {Marks} marks */
export function currentOf(marks) {
  for (const [id, { isCurrent }] of marks.states) if (isCurrent) return id;
  return null;
}

/**
 * Whether marks tell where executions went: then what has none was not taken. Tones alone, such as
 * those of findings, tell nothing of the kind.
 *
 * @param {Marks} marks
 */
export function hasMarks(marks) {
  const states = [...marks.states.values()];
  const isVisited = states.some(({ visits, isCurrent }) => visits !== undefined || isCurrent);
  return isVisited || [...marks.edges.values()].some(({ count }) => count !== undefined);
}

/**
 * How much room what is shown of a scene takes.
 *
 * @param {import("./drawing.js").Drawing} drawing
 * @param {import("./layout.js").Scene} scene
 * @param {import("./marks.js").Marks | null} marks null: all of it
 * @returns {import("./view.js").Box}
 */
export function boundsOf(drawing, scene, marks) {
  const whole = {
    x: scene.width / 2,
    y: scene.height / 2,
    width: scene.width,
    height: scene.height,
  };
  if (marks === null) return whole;
  const boxes = [];
  for (const { nodes, edges } of drawing.parts) {
    for (const { key } of nodes) if (stateMark(marks, key).visits) boxes.push(scene.nodes[key]);
    for (const { key } of edges) if (edgeMark(marks, key).count) boxes.push(scene.edges[key].label);
  }
  if (boxes.length === 0) return whole;
  const left = Math.min(...boxes.map(({ x, width }) => x - width / 2)) - MARGIN;
  const right = Math.max(...boxes.map(({ x, width }) => x + width / 2)) + MARGIN;
  const top = Math.min(...boxes.map(({ y, height }) => y - height / 2)) - MARGIN;
  const bottom = Math.max(...boxes.map(({ y, height }) => y + height / 2)) + MARGIN;
  return {
    x: (left + right) / 2,
    y: (top + bottom) / 2,
    width: right - left,
    height: bottom - top,
  };
}

/** "×3", short where it is large. @param {number} count */
export function times(count) {
  return `×${COMPACT.format(count)}`;
}

/** @param {Marks} marks @param {"states" | "edges"} what @param {string} key */
function find(marks, what, key) {
  const { machine, id } = idOf(key);
  const of = machine === null ? marks : marks.machines?.get(machine);
  return of?.[what]?.get(id);
}
