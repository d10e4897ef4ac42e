/** What happened when: a row for each attempt and each wait, from attempts and history. Pure. */

import { nameOf } from "./entries.js";
import { waitsOf } from "./timeline_waits.js";

/** @typedef {import("./types.js").Attempt} Attempt */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("./timeline_scale.js").Stretch} Stretch */
/** @typedef {"good" | "bad" | "warn" | "busy" | ""} Tone */

/**
 * @typedef {object} Segment
 * @property {"pause" | "queue" | "run" | "wait"} kind `pause` is a back-off between two attempts
 * @property {number} from milliseconds
 * @property {number} to for what is open: now
 * @property {Tone} tone
 * @property {boolean} isOpen
 *
 * @typedef {{at: number, kind: "deadline" | "timer", text: string}} Mark
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {"attempt" | "next" | "wait" | "group"} kind
 * @property {string} group the work that it belongs to: its rows can be folded into one
 * @property {string} label
 * @property {number} [visit] where the same work came in several
 * @property {string} note who, and what became of it
 * @property {string} status an outcome, or `open`
 * @property {boolean} isFailover another worker than the attempt before
 * @property {number} at where it stands among the others
 * @property {Segment[]} segments
 * @property {Mark[]} marks
 * @property {Attempt} [attempt]
 * @property {number} [seq] the entry with which it began
 * @property {number} [size] of a group: how many rows it has
 * @property {boolean} [isFolded]
 *
 * @typedef {{whole: Stretch, rows: Row[], paused: Stretch[], busy: Stretch[], isOpen: boolean}} Timeline
 */

/** Up to so many rows stand as they are. */
const ROWS_MAX = 60;
/** Work that came again more often than this is folded then. */
const GROUP_MIN = 6;

/** @type {Record<string, Tone>} */
const TONES = { success: "good", error: "bad", timeout: "warn", open: "busy" };

/**
 * @param {object} from
 * @param {Execution} from.execution
 * @param {Attempt[]} from.attempts oldest first
 * @param {Entry[]} from.entries
 * @param {number} from.now milliseconds
 * @returns {Timeline}
 */
export function timelineOf({ execution, attempts, entries, now }) {
  const end = execution.finishedAt === null ? now : Date.parse(execution.finishedAt);
  const rows = [
    ...attemptRows(attempts, now),
    ...nextRows(execution, attempts),
    ...waitsOf(entries, attempts, end),
  ].sort((a, b) => a.at - b.at);
  nameVisits(rows);
  const segments = rows.flatMap((row) => row.segments);
  const first = Math.min(
    Date.parse(execution.startedAt),
    ...segments.slice(0, 1).map(({ from }) => from),
  );
  const last = segments.reduce((most, { to }) => Math.max(most, to), end);
  return {
    whole: [first, withMarks(rows, first, Math.max(last, first + 1))],
    rows,
    paused: pausedOf(entries, end),
    busy: segments.filter(({ kind }) => kind === "run").map(({ from, to }) => [from, to]),
    isOpen: execution.finishedAt === null,
  };
}

/**
 * Tell apart the rows of work that came in several visits.
 *
 * @param {Row[]} rows
 */
function nameVisits(rows) {
  /** @type {Map<string, number | undefined>} the first visit of a group; undefined: there are more */
  const first = new Map();
  for (const { group, attempt } of rows) {
    if (attempt === undefined) continue;
    if (!first.has(group)) first.set(group, attempt.visit);
    else if (first.get(group) !== attempt.visit) first.set(group, undefined);
  }
  for (const row of rows) {
    if (row.attempt && first.get(row.group) === undefined) row.visit = row.attempt.visit;
  }
}

/**
 * The end of the line, moved on for deadlines that are soon: they may double it.
 *
 * @param {Row[]} rows
 * @param {number} first
 * @param {number} last
 */
function withMarks(rows, first, last) {
  const soon = last + (last - first);
  const open = rows.filter(({ status }) => status === "open").flatMap(({ marks }) => marks);
  return open.reduce((most, { at }) => (at <= soon ? Math.max(most, at) : most), last);
}

/**
 * @param {Attempt[]} attempts
 * @param {number} now
 */
function attemptRows(attempts, now) {
  /** @type {Map<string, Attempt>} */
  const before = new Map();
  const known = attempts.filter(({ startedAt }) => startedAt !== null);
  return known.map((attempt) => {
    const work = `${attempt.visit}/${attempt.task}`;
    const previous = before.get(work);
    before.set(work, attempt);
    // What an operator's verb issued again begins anew: the time between was no back-off.
    const isSame = previous?.queuedAt === attempt.queuedAt;
    return attemptRow(attempt, isSame ? previous : undefined, now);
  });
}

/**
 * @param {Attempt} attempt
 * @param {Attempt | undefined} previous of the same work
 * @param {number} now
 * @returns {Row}
 */
function attemptRow(attempt, previous, now) {
  const status = attempt.outcome ?? "open";
  const started = Date.parse(attempt.startedAt ?? "");
  const due = attempt.dueAt === null ? started : Date.parse(attempt.dueAt);
  const ended = attempt.endedAt === null ? Math.max(now, started) : Date.parse(attempt.endedAt);
  /** @type {Segment[]} */
  const segments = [];
  const rested = previous?.endedAt ? Date.parse(previous.endedAt) : due;
  if (due > rested)
    segments.push({ kind: "pause", from: rested, to: due, tone: "", isOpen: false });
  if (started > due)
    segments.push({ kind: "queue", from: due, to: started, tone: "", isOpen: false });
  segments.push({
    kind: "run",
    from: started,
    to: ended,
    tone: TONES[status] ?? "",
    isOpen: attempt.outcome === null,
  });
  return {
    id: idOf(attempt),
    kind: "attempt",
    group: groupOf(attempt.state, attempt.task),
    label: `${nameOf(attempt)} #${attempt.attempt}`,
    note: attempt.priority > 1 ? `${whoOf(attempt)} (p${attempt.priority})` : whoOf(attempt),
    status,
    isFailover: previous !== undefined && previous.worker !== attempt.worker,
    at: started,
    segments,
    marks: marksOf(attempt),
    attempt,
  };
}

/**
 * A name for an attempt, as it stands in the address.
 *
 * @param {{visit: number, task: string, attempt: number, startedAt?: string | null}} attempt
 */
export function idOf({ visit, task, attempt }) {
  return `${visit}.${task}.${attempt}`;
}

/** @param {Attempt} attempt */
function whoOf({ worker }) {
  return worker.replace(/^https?:\/\//, "");
}

/**
 * @param {string} state
 * @param {string} task
 */
function groupOf(state, task) {
  return `${state}/${task.replace(/\[\d+\]$/, "")}`;
}

/**
 * Deadlines that say something: of what is open, and of what was too slow.
 *
 * @param {Attempt} attempt
 * @returns {Mark[]}
 */
function marksOf({ deadline, taskDeadline, outcome }) {
  if (outcome !== null && outcome !== "timeout") return [];
  /** @type {Mark[]} */
  const marks = [];
  if (deadline !== null)
    marks.push({ at: Date.parse(deadline), kind: "deadline", text: "deadline of this attempt" });
  if (taskDeadline !== null && taskDeadline !== deadline) {
    marks.push({
      at: Date.parse(taskDeadline),
      kind: "deadline",
      text: "deadline of all attempts",
    });
  }
  return marks;
}

/**
 * Attempts that are still to come: the pause before them has begun.
 *
 * @param {Execution} execution
 * @param {Attempt[]} attempts
 * @returns {Row[]}
 */
function nextRows({ tasks, state, visit }, attempts) {
  return tasks.flatMap((task) => {
    const due = Date.parse(task.timers.retry ?? "");
    if (Number.isNaN(due) || task.outcome !== null) return [];
    const last = attempts.findLast((one) => one.task === task.task && one.endedAt !== null);
    const from = last?.endedAt ? Date.parse(last.endedAt) : due;
    return [
      {
        id: `next.${visit}.${task.task}`,
        kind: /** @type {const} */ ("next"),
        group: groupOf(state, task.task),
        label: `${nameOf(task)} #${task.attempts + 1}`,
        note: "next try",
        status: "open",
        isFailover: false,
        at: due,
        segments: [
          {
            kind: /** @type {const} */ ("pause"),
            from,
            to: due,
            tone: /** @type {Tone} */ (""),
            isOpen: true,
          },
        ],
        marks: [],
      },
    ];
  });
}

/**
 * When it was paused.
 *
 * @param {Entry[]} entries
 * @param {number} end
 * @returns {Stretch[]}
 */
function pausedOf(entries, end) {
  /** @type {Stretch[]} */
  const found = [];
  let since = /** @type {number | null} */ (null);
  for (const { type, verb, at } of entries) {
    if (type !== "control") continue;
    if (verb === "pause") since = Date.parse(at);
    else if (verb === "resume" && since !== null) {
      found.push([since, Date.parse(at)]);
      since = null;
    }
  }
  if (since !== null) found.push([since, end]);
  return found;
}

/**
 * The rows as they are shown: of long loops one row for all that their work did, until unfolded.
 *
 * @param {Row[]} rows
 * @param {Set<string>} unfolded groups
 * @returns {Row[]}
 */
export function folded(rows, unfolded) {
  if (rows.length <= ROWS_MAX) return rows;
  /** @type {Map<string, Row[]>} */
  const groups = new Map();
  for (const row of rows) {
    const group = groups.get(row.group);
    if (group === undefined) groups.set(row.group, [row]);
    else group.push(row);
  }
  const shown = [...groups.values()].flatMap((group) => {
    if (group.length < GROUP_MIN) return group;
    const head = groupRow(group, !unfolded.has(/** @type {Row} */ (group[0]).group));
    return head.isFolded ? [head] : [head, ...group];
  });
  // Stable: the rows of a group stay behind its head.
  return shown.sort((a, b) => placeOf(a, groups) - placeOf(b, groups));
}

/**
 * @param {Row} row
 * @param {Map<string, Row[]>} groups
 */
function placeOf(row, groups) {
  const group = /** @type {Row[]} */ (groups.get(row.group));
  return group.length < GROUP_MIN ? row.at : /** @type {Row} */ (group[0]).at;
}

/**
 * @param {Row[]} group
 * @param {boolean} isFolded
 * @returns {Row}
 */
function groupRow(group, isFolded) {
  const first = /** @type {Row} */ (group[0]);
  const count = (/** @type {string} */ status) =>
    group.filter((row) => row.status === status).length;
  const said = [
    ["✓", count("success")],
    ["✗", count("error")],
    ["⧖", count("timeout")],
  ].filter(([, number]) => number !== 0);
  const isOpen = group.some(({ status }) => status === "open");
  return {
    id: `group.${first.group}`,
    kind: "group",
    group: first.group,
    label: `${first.group.replace(/^.*\//, "")} ×${group.length}`,
    note: said.map(([sign, number]) => `${sign} ${number}`).join("  "),
    status: isOpen ? "open" : "",
    isFailover: group.some((row) => row.isFailover),
    at: first.at,
    segments: group.flatMap(({ segments }) => segments.filter(({ kind }) => kind !== "pause")),
    marks: [],
    size: group.length,
    isFolded,
  };
}
