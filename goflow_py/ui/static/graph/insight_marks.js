/**
 * The marks of many executions: how often and how slowly, from a version's insights. Pure.
 *
 * @typedef {import("./marks.js").Marks} Marks
 * @typedef {{state: string, visits: number, p50: number | null, p95: number | null}} State
 * @typedef {{id: string, count: number, p95: number | null, countedAs?: string}} Row
 * @typedef {{states: State[], rows: Row[]}} Part
 * @typedef {Part & {machines?: Record<string, Part>}} Insights
 */

import { count, seconds } from "../core/format.js";

/**
 * @param {Insights} insights of `GET /v1/blueprints/{project}/{activity}/insights`
 * @returns {Marks}
 */
export function marksOfInsights(insights) {
  const machines = Object.entries(insights.machines ?? {});
  return {
    ...marksOfPart(insights),
    machines: new Map(machines.map(([name, part]) => [name, marksOfPart(part)])),
  };
}

/**
 * @param {Part} part
 * @returns {Marks}
 */
function marksOfPart({ states, rows }) {
  const slowest = Math.max(0, ...states.map(({ p95 }) => p95 ?? 0));
  const most = Math.max(0, ...rows.map((row) => row.count));
  return {
    states: new Map(states.map((one) => [one.state, stateOf(one, slowest)])),
    edges: new Map(rows.map((row) => [row.id, edgeOf(row, most)])),
  };
}

/**
 * @param {State} one
 * @param {number} slowest
 * @returns {import("./marks.js").StateMark}
 */
function stateOf({ visits, p50, p95 }, slowest) {
  const times = `${count(visits)} ${visits === 1 ? "visit" : "visits"}`;
  // What takes no time, or is never left, has no heat.
  if (!p95) return { visits, note: times };
  const note = `${times}; half within ${seconds(p50)}, 95 % within ${seconds(p95)}`;
  return { visits, heat: share(p95, slowest), figure: seconds(p95), note };
}

/**
 * @param {Row} row
 * @param {number} most
 * @returns {import("./marks.js").EdgeMark}
 */
function edgeOf(row, most) {
  if (row.countedAs)
    return { note: `looks like ${row.countedAs} in a history, and is counted there` };
  if (row.count === 0) return { count: 0, note: "never taken" };
  const times = row.count === 1 ? "taken once" : `taken ${count(row.count)} times`;
  const note = row.p95 ? `${times}; 95 % within ${seconds(row.p95)} of entering the state` : times;
  return { count: row.count, width: share(row.count, most), note };
}

/**
 * Times and counts of one graph lie powers of ten apart: their roots can be told from each other.
 *
 * @param {number} value
 * @param {number} most
 */
function share(value, most) {
  return most === 0 ? 0 : Math.sqrt(value / most);
}
