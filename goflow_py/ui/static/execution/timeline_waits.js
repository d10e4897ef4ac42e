/** The waits of an execution for anything but a worker: for events, times, people, children. Pure. */

/** @typedef {import("./types.js").Attempt} Attempt */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./timeline.js").Row} Row */
/** @typedef {import("./timeline.js").Mark} Mark */

/** What the work of a type without attempts waits for. */
const WAITS_FOR = new Map([
  ["delay", "waits for its time"],
  ["wait", "waits for an event"],
  ["human", "waits for somebody"],
  ["pull", "waits for a worker to poll"],
]);

/**
 * @typedef {object} Open
 * @property {Entry} entry with which it began
 * @property {string} state
 * @property {Mark[]} marks
 * @property {boolean} [hasWork]
 */

/**
 * The rows of all waits.
 *
 * @param {Entry[]} entries
 * @param {Attempt[]} attempts
 * @param {number} end of the line, in milliseconds
 * @returns {Row[]}
 */
export function waitsOf(entries, attempts, end) {
  const tried = new Set(attempts.map(({ visit, task }) => `${visit}/${task}`));
  const walk = new Walk(end);
  for (const entry of entries) walk.on(entry);
  walk.close();
  return walk.rows.filter(({ id }) => !tried.has(id.slice("wait.".length)));
}

/** Goes through a history and notes what is waited for. */
class Walk {
  /** @type {Row[]} */
  rows = [];
  #end;
  #visit = /** @type {Open | null} */ (null);
  /** @type {Map<string, Open>} */
  #tasks = new Map();

  /** @param {number} end */
  constructor(end) {
    this.#end = end;
  }

  /** @param {Entry} entry */
  on(entry) {
    switch (entry.type) {
      case "transition":
        if (entry.entered === false) return;
        this.#leave(entry, entry.event);
        this.#visit = { entry, state: entry.to, marks: [] };
        return;
      case "ended":
        this.#leave(entry, entry.status);
        this.#visit = null;
        return;
      case "taskScheduled":
        if (this.#visit !== null && !entry.task.startsWith("+")) this.#visit.hasWork = true;
        if (WAITS_FOR.has(entry.kind))
          this.#tasks.set(entry.task, { entry, state: this.#visit?.state ?? "", marks: [] });
        return;
      case "taskEnded":
        this.#endTask(entry);
        return;
      case "timerSet":
        this.#timer(entry);
        return;
      default:
    }
  }

  /** What is open at the end of the history goes on. */
  close() {
    if (this.#visit !== null && !this.#visit.hasWork) this.#row(this.#visit, null, "open");
    for (const open of this.#tasks.values()) this.#row(open, null, "open");
  }

  /**
   * @param {Entry} entry
   * @param {string} outcome
   */
  #leave(entry, outcome) {
    const visit = this.#visit;
    if (visit !== null && !visit.hasWork && entry.at !== visit.entry.at)
      this.#row(visit, entry, outcome);
  }

  /** @param {Entry} entry */
  #endTask(entry) {
    const open = this.#tasks.get(entry.task);
    if (open === undefined) return;
    this.#tasks.delete(entry.task);
    this.#row(open, entry, entry.outcome);
  }

  /** @param {Entry} entry */
  #timer({ timer, due }) {
    /** @type {Mark} */
    const mark = { at: Date.parse(due), kind: "timer", text: `timer ${timer}` };
    const task = /^task:(.+):[^:]+$/.exec(timer)?.[1];
    if (task !== undefined) this.#tasks.get(task)?.marks.push(mark);
    else if (timer.startsWith("after:")) this.#visit?.marks.push(mark);
  }

  /**
   * @param {Open} open
   * @param {Entry | null} ending
   * @param {string} outcome
   */
  #row({ entry, state, marks }, ending, outcome) {
    const from = Date.parse(entry.at);
    const isOpen = ending === null;
    const to = ending === null ? Math.max(from, this.#end) : Date.parse(ending.at);
    const name = entry.type === "transition" ? entry.to : entry.task;
    const what = WAITS_FOR.get(entry.kind) ?? "waits for an event";
    this.rows.push({
      id: `wait.${entry.visit}/${name}`,
      kind: "wait",
      group: `${state}/${name}`,
      label: name,
      note: isOpen ? what : `${what.replace("waits", "waited")}: ${outcome}`,
      status: isOpen ? "open" : "",
      isFailover: false,
      at: from,
      segments: [{ kind: "wait", from, to, tone: "", isOpen }],
      marks: marks.filter(({ at }) => isOpen || at <= to),
      seq: entry.seq,
    });
  }
}
