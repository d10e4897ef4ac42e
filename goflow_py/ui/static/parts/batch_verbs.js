/**
 * The verbs of batches: their words, whom they are for, and what they take. Pure.
 *
 * @typedef {{word: string, says: string, fits: readonly string[], isDangerous?: boolean}} Verb
 * @typedef {{label: string, hint?: string, isJson?: boolean, isFlag?: boolean, isNeeded?: boolean}} Field
 */

import { isObject } from "../core/diff.js";

const OPEN = ["running", "waiting", "paused"];
const STATUSES_ALL = 6;
const ENDED = ["completed", "failed", "cancelled"];

/** @type {Record<string, Verb>} */
export const VERBS = {
  retry: {
    word: "Retry",
    says: "Each does the work again that failed; what ended well does not run again.",
    fits: ["failed"],
  },
  pause: {
    word: "Pause",
    says: "Nothing new is called or decided until they are resumed; what comes meanwhile is kept.",
    fits: ["running", "waiting"],
  },
  resume: { word: "Resume", says: "Each goes on where it was paused.", fits: ["paused"] },
  cancel: {
    word: "Cancel",
    says: "Each ends as cancelled, and what it did is undone where its blueprint says how.",
    fits: OPEN,
    isDangerous: true,
  },
  terminate: {
    word: "Terminate",
    says: "Each ends at once, its children too; nothing is undone.",
    fits: OPEN,
    isDangerous: true,
  },
  skip: {
    word: "Skip",
    says: "The work of its state is closed, as if it had ended with that event.",
    fits: [...OPEN, "failed"],
    isDangerous: true,
  },
  goto: {
    word: "Go to state",
    says: "Each leaves its state and enters that one.",
    fits: [...OPEN, "failed"],
    isDangerous: true,
  },
  replay: {
    word: "Replay",
    says: "Each goes back to a state that it was in; outputs since then are forgotten.",
    fits: [...OPEN, ...ENDED],
    isDangerous: true,
  },
  data: {
    word: "Change data",
    says: "A JSON merge patch of the variables of each.",
    fits: OPEN,
    isDangerous: true,
  },
  delete: {
    word: "Delete",
    says: "Each is removed with its history, for good.",
    fits: ENDED,
    isDangerous: true,
  },
};

/** Those that stand beside the selection; the others are in its menu. */
export const FIRST_VERBS = ["retry", "cancel"];

/**
 * What verbs take besides a reason, by the names of the arguments.
 *
 * @type {Record<string, Record<string, Field>>}
 */
export const ARGUMENTS = {
  retry: {
    newVisit: { label: "as a new visit of the state, with all its attempts", isFlag: true },
  },
  skip: {
    event: { label: "Event", hint: "success" },
    output: { label: "Output (JSON)", hint: "what the work is taken to have said", isJson: true },
  },
  goto: { state: { label: "State", isNeeded: true } },
  replay: { from: { label: "From state", isNeeded: true } },
  data: {
    patch: {
      label: "Patch (JSON)",
      hint: 'such as {"discount": null}; null takes a variable out',
      isJson: true,
      isNeeded: true,
    },
  },
};

/**
 * What the fields say as the arguments of a batch; null while something is missing.
 *
 * @param {string} verb
 * @param {Record<string, unknown>} fields texts, and the values of those that are JSON
 * @returns {Record<string, unknown> | null}
 */
export function argumentsOf(verb, fields) {
  /** @type {Record<string, unknown>} */
  const found = {};
  for (const [name, { isNeeded }] of Object.entries(ARGUMENTS[verb] ?? {})) {
    const given = fields[name];
    const value = typeof given === "string" ? given.trim() : given;
    if (value === undefined || value === "") {
      if (isNeeded) return null;
    } else found[name] = value;
  }
  if (verb !== "data") return found;
  return isObject(found.patch) ? /** @type {Record<string, unknown>} */ (found.patch) : null;
}

/**
 * The filter of a batch with those statuses alone for which the verb makes sense; null: it has no
 * others.
 *
 * @param {Record<string, any>} filter
 * @param {readonly string[]} fits
 */
export function narrowed(filter, fits) {
  const asked = filter.status ?? [];
  const status =
    asked.length === 0 ? fits : asked.filter((/** @type {string} */ one) => fits.includes(one));
  const isSame =
    status.length === asked.length || status.length === 0 || fits.length === STATUSES_ALL;
  return isSame ? null : { ...filter, status: [...status] };
}
