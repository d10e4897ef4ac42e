/** What each history entry says in words. Pure. */

import { dateTime } from "../core/format.js";

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {{sign: string, tone: "" | "good" | "bad" | "warn" | "busy", text: string, more?: string}} Said */

/** @type {Record<string, Said["tone"]>} */
const TONES = {
  success: "good",
  completed: "good",
  error: "bad",
  failed: "bad",
  timeout: "warn",
  cancelled: "",
};

/**
 * Say an entry in words.
 *
 * @param {Entry} entry
 * @param {Map<string, string>} [names] of tasks, where they have others
 * @returns {Said}
 */
export function said(entry, names = new Map()) {
  const say = SAYINGS[entry.type];
  if (say === undefined) return { sign: "•", tone: "", text: entry.type };
  const task = names.get(entry.task) ?? entry.task;
  return say({ ...entry, task, timer: timerOf(entry.timer, names) });
}

/** @type {Record<string, (entry: Entry) => Said>} */
const SAYINGS = {
  started: ({ activity, version, key }) => ({
    sign: "▶",
    tone: "busy",
    text: `started ${activity} v${version}`,
    more: key ?? undefined,
  }),
  transition: ({ from, event, to, visit, entered, businessStatus }) => ({
    sign: "→",
    tone: "busy",
    text: entered === false ? `${from} × ${event} stays` : `${from} × ${event} → ${to}`,
    more: [`visit ${visit}`, businessStatus].filter(Boolean).join(" · "),
  }),
  taskScheduled: ({ task, action, kind }) => ({
    sign: "◌",
    tone: "",
    text: `${task} begins`,
    more: action === task ? kind : `${kind} ${action}`,
  }),
  taskEnded: ({ task, outcome, error, ignored }) => ({
    sign: outcome === "error" ? "✗" : "✓",
    tone: ignored ? "" : (TONES[outcome] ?? "good"),
    text: `${task} ended: ${outcome}`,
    more: [error?.message, ignored && "ignored"].filter(Boolean).join(" · "),
  }),
  attemptStarted: ({ task, attempt, worker, child, skipped }) => ({
    sign: "↗",
    tone: "",
    text: `${task} #${attempt} ${child === undefined ? "to" : "as"} ${worker}`,
    more: skipped?.length > 0 ? `passed over: ${skipped.join(", ")}` : undefined,
  }),
  attemptAccepted: ({ task, attempt }) => ({
    sign: "⋯",
    tone: "busy",
    text: `${task} #${attempt} accepted`,
  }),
  attemptEnded: ({ task, attempt, worker, outcome, httpStatus, ms, error }) => ({
    sign: outcome === "success" ? "↙" : "✗",
    tone: TONES[outcome] ?? "",
    text: `${task} #${attempt} ${outcome}`,
    more: [
      worker,
      httpStatus && `HTTP ${httpStatus}`,
      ms !== undefined && ms !== null && `${ms} ms`,
      error?.message,
    ]
      .filter(Boolean)
      .join(" · "),
  }),
  timerSet: ({ timer, due }) => ({
    sign: "◷",
    tone: "",
    text: `timer ${timer} set`,
    more: due && `for ${dateTime(due)}`,
  }),
  timerFired: ({ timer }) => ({ sign: "◷", tone: "warn", text: `timer ${timer} fired` }),
  timerCancelled: ({ timer }) => ({
    sign: "◷",
    tone: "",
    text: `timer ${timer} cancelled`,
  }),
  eventApplied: ({ name, principal, passedTo }) => ({
    sign: "✉",
    tone: "good",
    text: `event ${name} applied`,
    more: [principal && `by ${principal}`, passedTo?.length > 0 && `to ${passedTo.join(", ")}`]
      .filter(Boolean)
      .join(" · "),
  }),
  eventDeferred: ({ name, reason }) => ({
    sign: "✉",
    tone: "warn",
    text: `event ${name} kept for later`,
    more: reason,
  }),
  eventIgnored: ({ name, reason }) => ({
    sign: "✉",
    tone: "",
    text: `event ${name} ignored`,
    more: reason,
  }),
  lateIgnored: ({ task, attempt, what }) => ({
    sign: "⤫",
    tone: "warn",
    text: `${task} #${attempt}: too late, ignored`,
    more: typeof what === "string" ? what : undefined,
  }),
  errorRaised: ({ error }) => ({
    sign: "✗",
    tone: "bad",
    text: `error ${error?.code}`,
    more: error?.message,
  }),
  dataChanged: () => ({ sign: "≔", tone: "", text: "variables changed" }),
  control: ({ verb, reason, principal, state }) => ({
    sign: "☞",
    tone: "warn",
    text: state === undefined ? `${verb} by hand` : `${verb} ${state} by hand`,
    more: [principal && `by ${principal}`, reason].filter(Boolean).join(" · "),
  }),
  ended: ({ status, error }) => ({
    sign: status === "completed" ? "✓" : "✗",
    tone: TONES[status] ?? "",
    text: `ended: ${status}`,
    more: error?.message,
  }),
};

/**
 * "task:pay:retry" is the timer "retry of pay".
 *
 * @param {string | undefined} timer
 * @param {Map<string, string>} names
 */
function timerOf(timer, names) {
  const [, task, what] = /^task:(.+):([^:]+)$/.exec(timer ?? "") ?? [];
  return task === undefined ? timer : `${what} of ${names.get(task) ?? task}`;
}
