/** What the dialogs of verbs offer, and the calls that they make. Pure. */

import { path } from "../core/calls.js";
import { isObject } from "../core/diff.js";
import { put } from "../core/schema_form.js";
import { verbOf } from "./verb_rules.js";

/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("./types.js").Graph} Graph */
/** @typedef {import("../core/calls.js").Call} Call */
/** @typedef {import("./verb_rules.js").Given} Given */

/**
 * The states that can be entered.
 *
 * @param {Graph} graph
 */
export function enterableStates({ nodes, initial }) {
  return nodes.map(({ id }) => id).filter((id) => id !== initial);
}

/**
 * The events with which the work of a state can be skipped.
 *
 * @param {Graph} graph
 * @param {string} state
 */
export function skipEvents({ edges }, state) {
  const never = new Set(["start", "always", "cancel"]);
  const named = edges
    .filter(({ from, event }) => from === state && !never.has(event))
    .map(({ event }) => event);
  return [...new Set(["success", ...named])];
}

/**
 * The call of a verb; null while something is missing.
 *
 * @param {string} verb
 * @param {Execution} execution as it was when the person decided
 * @param {Given} given
 * @returns {Call | null}
 */
export function callOf(verb, execution, given) {
  const { id, visit } = execution;
  if (verb === "delete") return { method: "DELETE", path: path`/v1/executions/${id}` };
  if (verb === "data") {
    const isPatch = isObject(given.patch) && Object.keys(given.patch).length > 0;
    return isPatch
      ? { method: "PATCH", path: path`/v1/executions/${id}/data`, body: given.patch }
      : null;
  }
  const fields = fieldsOf(verb, given);
  if (fields === null) return null;
  if (verb === "event")
    return { method: "POST", path: path`/v1/executions/${id}/events`, body: fields };
  const reason =
    typeof given.reason === "string" && given.reason.trim() !== ""
      ? { reason: given.reason.trim() }
      : {};
  const guard = verbOf(verb).isGuarded ? { headers: { "If-Match": `"visit-${visit}"` } } : {};
  return {
    method: "POST",
    path: `${path`/v1/executions/${id}`}:${verb}`,
    body: { ...fields, ...reason },
    ...guard,
  };
}

/**
 * @param {string} verb
 * @param {Given} given
 * @returns {Given | null}
 */
function fieldsOf(verb, given) {
  switch (verb) {
    case "event":
      return given.name ? picked(given, ["name", "data", "id", "task"]) : null;
    case "retry":
      return given.newVisit ? { newVisit: true } : {};
    case "skip":
      return picked(given, ["event", "output"]);
    case "goto":
      return given.state ? { state: given.state } : null;
    case "replay":
      if (!given.from) return null;
      return {
        from: given.from,
        ...(given.downstream === false ? { downstream: false, ...picked(given, ["task"]) } : {}),
      };
    case "fork":
      if (!Number.isInteger(given.at) || given.at < 0) return null;
      return {
        at: given.at,
        ...(isObject(given.data) && Object.keys(given.data).length > 0 ? { data: given.data } : {}),
      };
    default:
      return {};
  }
}

/**
 * Those of the fields that have something in them.
 *
 * @param {Given} given
 * @param {string[]} names
 */
function picked(given, names) {
  return Object.fromEntries(
    names
      .filter((name) => given[name] !== undefined && given[name] !== "")
      .map((name) => [name, given[name]]),
  );
}

/**
 * What a JSON merge patch (RFC 7396) makes of a value.
 *
 * @param {any} target
 * @param {any} patch
 * @returns {any}
 */
export function mergePatch(target, patch) {
  if (!isObject(patch)) return patch;
  /** @type {Record<string, any>} */
  const result = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else
      put(result, name, mergePatch(Object.hasOwn(result, name) ? result[name] : undefined, value));
  }
  return result;
}
