/**
 * What is said about blueprints, in words. Pure.
 *
 * @typedef {{code: string, severity: string, pointer: string, message: string, path?: string[], fix?: string}} Finding
 * @typedef {{seconds: number | null, path: string[], because?: string}} Bound
 * @typedef {Record<string, any>} Row a row of the compiled table
 * @typedef {Record<string, any>} Worker
 */

import { count, span } from "../core/format.js";
import { brief } from "../core/json_lines.js";

const SECOND_MS = 1_000;
const YAML_NAME = /\.ya?ml$/i;

/** What the language does where no row says otherwise. @type {Record<string, string>} */
export const RULES = {
  R3: "without a row for start, the state's own work begins",
  R4: "an outcome without a row: success leads to done, error fails the execution",
  R5: "a final state ends the execution",
};

const SEVERITIES = ["error", "warning", "info"];

/**
 * The findings, the gravest first.
 *
 * @param {Finding[]} findings
 */
export function sorted(findings) {
  return findings.toSorted((one, other) => gravity(one) - gravity(other));
}

/** @param {Finding} finding */
function gravity({ severity }) {
  const at = SEVERITIES.indexOf(severity);
  return at < 0 ? SEVERITIES.length : at;
}

/**
 * How many findings there are: "2 errors, 1 warning"; nothing when there are none.
 *
 * @param {Finding[]} findings
 */
export function tally(findings) {
  return SEVERITIES.map((severity) => {
    const number = findings.filter((finding) => finding.severity === severity).length;
    if (number === 0) return "";
    return severity === "info"
      ? `${number} info`
      : `${count(number)} ${severity}${number === 1 ? "" : "s"}`;
  })
    .filter(Boolean)
    .join(", ");
}

/**
 * How long an execution can take.
 *
 * @param {Bound} bound
 */
export function boundText({ seconds, because }) {
  const why = because === undefined ? "" : `: ${because}`;
  if (seconds === 0) return "An execution ends as soon as it begins: nothing in it takes time.";
  if (seconds === null) return `Nothing bounds how long an execution takes${why}.`;
  return `An execution ends within ${span(seconds * SECOND_MS)} at the latest${why}.`;
}

/**
 * Words as a sentence has them: "a, b or c".
 *
 * @param {string[]} words
 */
export function either(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/**
 * What a row does beside leading on.
 *
 * @param {Row} row
 */
export function effects(row) {
  const told = [];
  for (const [name, value] of Object.entries(row.set ?? {}))
    told.push(`${name} = ${brief(value, 60)}`);
  if (row.map !== undefined) told.push(`map ${brief(row.map, 60)}`);
  if (row.respond !== undefined) told.push(`respond ${brief(row.respond, 60)}`);
  if (row.reenter) told.push("enters anew");
  return told;
}

/**
 * A row in one line.
 *
 * @param {Row} row
 */
export function rowText({ current, event, action, next, when }) {
  const guard = when === undefined ? "" : ` when ${when}`;
  const work = action === undefined || action === "continue" ? "" : `, does ${action}`;
  return `${current} × ${event}${guard} → ${next ?? "(stays)"}${work}`;
}

/**
 * An event as a person would say it: the timers of a state have numbers, which say little.
 *
 * @param {Row} row
 * @param {Map<string, any[]>} timers by state
 */
export function eventText({ current, event }, timers) {
  const timer = timers.get(current)?.find((one) => one.event === event);
  if (timer === undefined || !event.startsWith("after ")) return event;
  if (typeof timer.delay === "number") return `after ${span(timer.delay * SECOND_MS)}`;
  return timer.delay === undefined ? `at ${brief(timer.at, 60)}` : `after ${timer.delay}`;
}

/**
 * The rows in which a text occurs.
 *
 * @param {Row[]} rows
 * @param {string} text
 */
export function rowsWith(rows, text) {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return rows;
  return rows.filter((row) => rowText(row).toLowerCase().includes(wanted));
}

/**
 * Blueprints by their project, those in whose name or description a text occurs.
 *
 * @param {Record<string, any>[]} blueprints
 * @param {string} text
 * @returns {[string, Record<string, any>[]][]}
 */
export function byProject(blueprints, text) {
  const wanted = text.trim().toLowerCase();
  /** @type {Map<string, Record<string, any>[]>} */
  const groups = new Map();
  for (const one of blueprints) {
    const about =
      `${one.project}/${one.activity} ${one.blueprint?.description ?? ""}`.toLowerCase();
    if (!about.includes(wanted)) continue;
    groups.set(one.project, [...(groups.get(one.project) ?? []), one]);
  }
  return [...groups];
}

/**
 * Workers by their action, in the order in which they are asked.
 *
 * @param {Worker[]} workers
 * @returns {[string, Worker[]][]}
 */
export function byAction(workers) {
  /** @type {Map<string, Worker[]>} */
  const groups = new Map();
  for (const one of workers) groups.set(one.name, [...(groups.get(one.name) ?? []), one]);
  const priority = (/** @type {Worker} */ worker) => worker.priority ?? 1;
  return [...groups].map(([name, some]) => [
    name,
    some.toSorted((a, b) => priority(a) - priority(b)),
  ]);
}

/**
 * How a worker is called, in short; what is as it always is says nothing.
 *
 * @param {Worker} worker
 */
export function manner(worker) {
  const {
    responseTimeout = 30,
    retryCount = 0,
    maxConcurrent,
    rateLimit,
    method,
    headers,
    retry,
  } = worker;
  const told = [`${span(responseTimeout * SECOND_MS)} to answer`];
  if (retryCount > 0) told.push(retryCount === 1 ? "1 retry" : `${count(retryCount)} retries`);
  if (retry?.interval) told.push(`${span(retry.interval * SECOND_MS)} before the first`);
  if (maxConcurrent) told.push(`${count(maxConcurrent)} at once`);
  if (rateLimit) told.push(`${rateLimit} a second`);
  if (method) told.push(method);
  const names = Object.keys(headers ?? {});
  if (names.length > 0) told.push(`sends ${names.join(", ")}`);
  if (worker.auth) told.push("authorized");
  if (worker.signingSecret) told.push("signed");
  return told.join(" · ");
}

/**
 * As what a document is sent: by the name of its file, or by how it begins.
 *
 * @param {string} name
 * @param {string} content
 */
export function mediaTypeOf(name, content) {
  if (YAML_NAME.test(name)) return "application/yaml";
  return /^\s*([[{]|$)/.test(content) ? "application/json" : "application/yaml";
}

/**
 * The part of a document that a JSON pointer names.
 *
 * @param {any} document
 * @param {string} pointer
 */
export function pointed(document, pointer) {
  let place = document;
  for (const part of pointer.split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof place !== "object" || place === null || !Object.hasOwn(place, name))
      return undefined;
    place = place[name];
  }
  return place;
}

/**
 * The inputs of executions, each once, the newest first.
 *
 * @param {{id: string, input: unknown, key: string | null, startedAt: string}[]} executions
 * @param {number} most
 */
export function lastInputs(executions, most) {
  /** @type {Map<string, (typeof executions)[number]>} */
  const found = new Map();
  for (const one of executions) {
    const text = JSON.stringify(one.input);
    if (one.input !== null && !found.has(text)) found.set(text, one);
  }
  return [...found.values()].slice(0, most);
}
