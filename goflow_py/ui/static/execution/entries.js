/** History entries: of what kind each is, and where a step ends. Pure. */

/** @typedef {import("./types.js").Entry} Entry */

/** The kinds by which a history is filtered, and the types of entries of each. */
export const KINDS = [
  { id: "transition", label: "Transitions", types: ["started", "transition", "ended"] },
  { id: "work", label: "Tasks", types: ["taskScheduled", "taskEnded"] },
  {
    id: "attempt",
    label: "Attempts",
    types: ["attemptStarted", "attemptAccepted", "attemptEnded", "lateIgnored"],
  },
  { id: "timer", label: "Timers", types: ["timerSet", "timerFired", "timerCancelled"] },
  { id: "event", label: "Events", types: ["eventApplied", "eventDeferred", "eventIgnored"] },
  {
    id: "change",
    label: "By hand, data, errors",
    types: ["control", "dataChanged", "errorRaised", "migrated"],
  },
];

const KIND_OF = new Map(KINDS.flatMap(({ id, types }) => types.map((type) => [type, id])));

/** A step ends where the context is another one. */
const STEPS = new Set(["started", "transition", "dataChanged"]);

/**
 * The entries of some kinds; no kind is all of them.
 *
 * @param {Entry[]} entries
 * @param {string[]} kinds
 */
export function ofKinds(entries, kinds) {
  if (kinds.length === 0) return entries;
  return entries.filter(({ type }) => kinds.includes(KIND_OF.get(type) ?? "change"));
}

/**
 * The name of a task: one that the engine named itself ("+undo:6") by its action.
 *
 * @param {{task: string, action: string}} named
 */
export function nameOf({ task, action }) {
  if (!task.startsWith("+")) return task;
  return task.startsWith("+undo")
    ? `↩ ${action}`
    : `${action} (${task.slice(1).replace(/:.*/, "")})`;
}

/**
 * The names of the tasks that the engine named itself.
 *
 * @param {Entry[]} entries
 * @returns {Map<string, string>}
 */
export function namesOf(entries) {
  const some = entries.filter(({ type, task }) => type === "taskScheduled" && task[0] === "+");
  return new Map(some.map(({ task, action }) => [task, nameOf({ task, action })]));
}

/**
 * How many entries there are of each kind.
 *
 * @param {Entry[]} entries
 * @returns {Record<string, number>}
 */
export function countKinds(entries) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const { type } of entries) {
    const kind = KIND_OF.get(type) ?? "change";
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/**
 * Put entries that came behind those that are known; what is known already is left out.
 *
 * @param {Entry[]} known
 * @param {Entry[]} more both in the order of seq
 * @param {number} max the oldest beyond are dropped
 */
export function appended(known, more, max) {
  const last = known.at(-1)?.seq ?? -1;
  const fresh = more.filter(({ seq }, index) => seq > last && seq > (more[index - 1]?.seq ?? -1));
  if (fresh.length === 0) return known;
  return [...known, ...fresh].slice(-max);
}

/**
 * The executions that it started, in the order of their starts.
 *
 * @param {Entry[]} entries
 * @returns {string[]}
 */
export function childrenOf(entries) {
  const children = entries
    .filter(({ type }) => type === "attemptStarted")
    .map(({ child }) => child);
  return [...new Set(children.filter((child) => typeof child === "string"))];
}

/**
 * The seqs at which a step ended, and the newest one.
 *
 * @param {Entry[]} entries
 */
export function stopsOf(entries) {
  const stops = entries.filter(({ type }) => STEPS.has(type)).map(({ seq }) => seq);
  const last = entries.at(-1)?.seq;
  if (last !== undefined && stops.at(-1) !== last) stops.push(last);
  return stops;
}

/**
 * The place of the stop at a seq, or of the one before it; that of the first if there is none.
 *
 * @param {number[]} stops ascending
 * @param {number | null} seq null: the newest
 */
export function stopAt(stops, seq) {
  if (seq === null) return Math.max(0, stops.length - 1);
  let low = 0;
  let high = stops.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (/** @type {number} */ (stops[middle]) <= seq) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}
