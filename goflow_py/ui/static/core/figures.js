/**
 * Counts and shares over time, and how far they can be trusted. Pure.
 *
 * @typedef {import("../parts/spark.js").Bar} Bar
 */

import { count, dateTime, percent, rough, seconds } from "./format.js";

const YOUNG_MS = 3_500_000;

/**
 * Add up the lists of versions of some activities, by status.
 *
 * @param {{items: Record<string, any>[]}[]} lists
 * @param {readonly string[]} statuses
 * @returns {Record<string, number>}
 */
export function countsOf(lists, statuses) {
  const items = lists.flatMap((list) => list.items);
  return Object.fromEntries(
    statuses.map((status) => [status, items.reduce((sum, item) => sum + (item[status] ?? 0), 0)]),
  );
}

/**
 * The share of those that completed in those that came to an end of their own.
 *
 * @param {{completed: number, failed: number}} stats
 */
export function success({ completed, failed }) {
  return completed + failed === 0 ? null : completed / (completed + failed);
}

/**
 * A bar for each bucket: what began, and of it in red as much as failed then.
 *
 * @param {{series: any[]}} stats
 * @returns {Bar[]}
 */
export function barsOf({ series }) {
  return series.map((slot) => ({
    value: Math.max(slot.started, slot.failed),
    part: slot.failed,
    says: `${dateTime(slot.at).slice(0, -7)}: ${count(slot.started)} started, ${count(slot.failed)} failed`,
  }));
}

/**
 * The figures in one sentence, for who does not see the bars.
 *
 * @param {any} stats
 */
export function summary(stats) {
  return [
    `${count(stats.started)} started`,
    `${count(stats.completed)} completed`,
    `${count(stats.failed)} failed`,
    `median ${seconds(stats.p50)}`,
    `95 % within ${seconds(stats.p95)}`,
    `${percent(success(stats))} success`,
  ].join(", ");
}

/**
 * What the figures leave out; nothing when they are whole.
 *
 * @param {any} stats
 * @param {string[]} unknown what of the filter they do not know
 * @returns {string[]}
 */
export function caveats({ looked, exact }, unknown) {
  const newest = `the newest ${count(looked.executions)} executions`;
  const found = [];
  if (!exact.started && looked.oldest !== null) {
    found.push(
      `Only ${newest} were looked at: starts are counted since ${dateTime(looked.oldest)}.`,
    );
  }
  if (!exact.ended) {
    found.push(`Some that ended may have begun before ${newest}, and are missing here.`);
  }
  if (unknown.length > 0) {
    found.push(
      `The figures are of the whole project or activity; they do not know: ${unknown.join(", ")}.`,
    );
  }
  return found;
}

/**
 * The time that the figures are of: "24 h".
 *
 * @param {{since: string, until: string}} stats
 */
export function stretch({ since, until }) {
  return rough(Date.parse(until) - Date.parse(since) + 1);
}

/**
 * Whether everything that was ever counted began within the last hour.
 *
 * @param {any} stats
 * @param {number} now
 */
export function isYoung({ looked, exact }, now) {
  return exact.ended && looked.oldest !== null && Date.parse(looked.oldest) > now - YOUNG_MS;
}
