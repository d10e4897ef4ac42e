/**
 * What a row shows of an execution, and in one short sentence why it stands where it does. Pure.
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} project
 * @property {string} activity
 * @property {number} version
 * @property {string | null} key
 * @property {Record<string, string>} labels
 * @property {string} status
 * @property {string} state
 * @property {number} visit
 * @property {string | null} businessStatus
 * @property {number} revision
 * @property {{code: string, message: string} | null} error
 * @property {string[]} awaiting names of events
 * @property {any[]} tasks those that are open
 * @property {string | null} machine
 * @property {string} startedAt
 * @property {string | null} finishedAt
 * @property {boolean} isStale the stream told that there is more to know
 *
 * @typedef {{text: string, code?: string, until?: string, by?: string}} Reason
 *   `until` is when it ends by itself, `by` is when the next try is
 */

import { dateTime } from "../core/format.js";

const MESSAGE_CHARACTERS_MAX = 300;
const TASKS_MAX = 8;

/**
 * Keep of an execution what a row shows: ten thousand inputs and outputs would be too much.
 *
 * @param {any} one
 * @returns {Row}
 */
export function rowOf(one) {
  const { id, project, activity, version, key, labels, status, state, visit } = one;
  return {
    ...{ id, project, activity, version, key, labels, status, state, visit },
    businessStatus: one.businessStatus,
    revision: one.revision,
    error: errorOf(one.error),
    awaiting: [...new Set(one.awaiting.map((/** @type {any} */ item) => item.event))].slice(
      0,
      TASKS_MAX,
    ),
    tasks: one.tasks
      .filter((/** @type {any} */ task) => task.status !== "ended")
      .slice(0, TASKS_MAX),
    machine: one.machine,
    startedAt: one.startedAt,
    finishedAt: one.finishedAt,
    isStale: false,
  };
}

/** @param {any} error */
export function errorOf(error) {
  if (!error) return null;
  return {
    code: String(error.code),
    message: String(error.message ?? "").slice(0, MESSAGE_CHARACTERS_MAX),
  };
}

/**
 * Why an execution stands where it does; null: the list does not say.
 *
 * @param {Row} row
 * @returns {Reason | null}
 */
export function reasonOf(row) {
  const { status, error } = row;
  if (status === "completed") return { text: "" };
  if (status === "failed" || status === "cancelled") {
    return error === null ? { text: "" } : { code: error.code, text: error.message };
  }
  if (status === "paused") return { text: "goes on when somebody resumes it" };
  const [first, ...others] = row.tasks;
  if (first === undefined) return row.awaiting.length > 0 ? awaited(row.awaiting) : null;
  const reason = ofTask(first, row.awaiting);
  return others.length === 0
    ? reason
    : { ...reason, text: `${reason.text}, and ${others.length} more` };
}

/** @param {string[]} events @returns {Reason} */
function awaited(events) {
  return { text: `waits for ${events.join(" or ")}` };
}

/**
 * @param {any} task
 * @param {string[]} events
 * @returns {Reason}
 */
function ofTask(task, events) {
  const { action, status, type, worker, attempts, timers = {} } = task;
  const until = timers.timeout;
  if (status === "parked") return { text: `${action} is parked until its queue is free` };
  if (status === "queued") {
    const who = type === "human" ? (task.assignedTo ?? "somebody") : "a worker";
    return { text: `waits for ${who} to take ${action}`, until };
  }
  if (status === "accepted")
    return { text: `${worker} works on ${action}`, until: timers.callback ?? until };
  if (status === "running") {
    const tries = attempts > 1 ? `, attempt ${attempts}` : "";
    return {
      text: worker ? `${worker} does ${action}${tries}` : `${action} is being done${tries}`,
      until,
    };
  }
  if (status === "due") {
    return attempts > 0
      ? {
          text: `tries ${action} again after ${attempts} ${attempts === 1 ? "attempt" : "attempts"}`,
          by: timers.retry,
        }
      : { text: `${action} is due`, by: timers.retry };
  }
  if (events.length > 0) return { ...awaited(events), until };
  return { text: `waits in ${action}`, until: until ?? Object.values(timers)[0] };
}

/**
 * A sentence of the server with its times as this place has them.
 *
 * @param {string} text
 */
export function withLocalTimes(text) {
  return text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => dateTime(time).slice(0, -4));
}
