/** The operators' verbs: what each does, and when it makes sense. Pure. */

/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("./types.js").Graph} Graph */
/** @typedef {Record<string, any>} Given what was filled in, by the names of the API */

/**
 * @typedef {object} Verb
 * @property {string} id
 * @property {string} label
 * @property {string} verb the word on the button
 * @property {string} says
 * @property {boolean} [isDangerous]
 * @property {boolean} [isGuarded] it is meant for the visit that is seen
 */

/** @type {Verb[]} */
export const VERBS = [
  {
    id: "event",
    label: "Send event…",
    verb: "Send",
    says: "What happens outside: the execution takes the row for it.",
  },
  {
    id: "pause",
    label: "Pause…",
    verb: "Pause",
    says: "No row is taken and nothing is sent until it is resumed. Answers, events and due timers are kept and taken then.",
  },
  {
    id: "resume",
    label: "Resume…",
    verb: "Resume",
    says: "It goes on; what came meanwhile is taken now, by its own time.",
  },
  {
    id: "retry",
    label: "Retry…",
    verb: "Retry",
    says: "It goes on in the state in which it failed, with a new budget of attempts and new timers. Work that ended well does not run again.",
    isGuarded: true,
  },
  {
    id: "skip",
    label: "Skip the work…",
    verb: "Skip",
    says: "The work of the state is closed as if it had ended with this event and output.",
    isGuarded: true,
  },
  {
    id: "goto",
    label: "Go to a state…",
    verb: "Go there",
    says: "It leaves its state, closes the work of it, and enters the one that you choose.",
    isGuarded: true,
  },
  {
    id: "replay",
    label: "Replay from a state…",
    verb: "Replay",
    says: "It goes back to a state where it was, and forgets the outputs of the states entered since; the variables stay.",
    isGuarded: true,
  },
  {
    id: "fork",
    label: "Fork at a step…",
    verb: "Fork",
    says: "Another execution of the same version begins as this one was then: it enters the same state, and its work runs. This one stays as it is.",
  },
  {
    id: "data",
    label: "Change variables…",
    verb: "Change",
    says: "A JSON merge patch of the variables: what is named is replaced, null removes it.",
  },
  {
    id: "cancel",
    label: "Cancel…",
    verb: "Cancel it",
    says: "It takes the row for cancel if there is one. Otherwise its work is closed, what was done is undone, and it ends as cancelled.",
    isDangerous: true,
  },
  {
    id: "terminate",
    label: "Terminate…",
    verb: "Terminate it",
    says: "Everything is closed at once, children too. Nothing is undone.",
    isDangerous: true,
  },
  {
    id: "delete",
    label: "Delete…",
    verb: "Delete it",
    says: "The execution and its history are removed for good.",
    isDangerous: true,
  },
];

/** @type {Map<string, Verb>} */
const BY_ID = new Map(VERBS.map((verb) => [verb.id, verb]));

/** @param {string} id */
export function verbOf(id) {
  return /** @type {Verb} */ (BY_ID.get(id));
}

/** @param {Execution} execution */
export function hasEnded({ status }) {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/**
 * Why a verb makes no sense now, in words; null when it does. The server has the last word.
 *
 * @param {string} verb
 * @param {Execution} execution
 * @param {Graph | null} [graph] if it is known
 * @returns {string | null}
 */
export function whyNot(verb, execution, graph = null) {
  const ended = hasEnded(execution);
  const isOver = ended ? `it has ended (${execution.status})` : null;
  const isPaused = execution.status === "paused" ? "it is paused; resume it first" : null;
  const isOrphan =
    ended && execution.parent !== null ? `its parent went on without it; ${verb} the parent` : null;
  switch (verb) {
    case "event":
    case "cancel":
    case "terminate":
      return isOver;
    case "pause":
      return isOver ?? (isPaused && "it is paused already");
    case "resume":
      return isOver ?? (isPaused ? null : "it is not paused");
    case "retry":
      return isPaused ?? isOrphan ?? whyNoRetry(execution, graph);
    case "skip":
      if (ended && execution.status !== "failed") return isOver;
      return isPaused ?? isOrphan ?? finalState(execution, graph);
    case "goto":
      return isPaused ?? isOrphan;
    case "replay":
      if (graph !== null && visitedStates(graph).length === 0) return "it has entered no state yet";
      return isPaused ?? isOrphan;
    case "fork":
      return execution.machine === null ? null : "it is a private machine; fork its parent";
    case "data":
      return execution.status === "failed" ? null : isOver;
    default:
      return ended ? null : "it has not ended; cancel or terminate it first";
  }
}

/**
 * @param {Execution} execution
 * @param {Graph | null} graph
 */
function whyNoRetry(execution, graph) {
  if (execution.status === "failed") return finalState(execution, graph);
  if (hasEnded(execution)) return "only a failed one can be retried";
  const isParked = execution.tasks.some(({ status }) => status === "parked");
  return isParked ? null : "it has not failed, and no work of it waits for a retry";
}

/**
 * @param {Execution} execution
 * @param {Graph | null} graph
 */
function finalState({ status, state }, graph) {
  const isFinal = graph?.nodes.some((node) => node.id === state && node.final === "failed");
  return status === "failed" && isFinal
    ? `'${state}' is a final state; replay, or go to another`
    : null;
}

/**
 * What one does first about a failure: retry where that is possible, else go back to where it broke.
 *
 * @param {Execution} execution
 * @param {Graph | null} graph
 * @returns {{verb: string, given: Given, label: string} | null}
 */
export function remedyOf(execution, graph) {
  if (execution.status !== "failed") return null;
  if (whyNot("retry", execution, graph) === null)
    return { verb: "retry", given: {}, label: "Retry" };
  if (whyNot("replay", execution, graph) !== null) return null;
  const from = execution.error?.state;
  if (from === undefined || graph === null || !visitedStates(graph).includes(from)) {
    return { verb: "replay", given: {}, label: "Replay from a state" };
  }
  return { verb: "replay", given: { from }, label: `Replay from ${from}` };
}

/**
 * The states that it was in, by name of the blueprint's order.
 *
 * @param {Graph} graph
 */
export function visitedStates({ nodes, initial }) {
  return nodes.filter(({ id, visits }) => id !== initial && (visits ?? 0) > 0).map(({ id }) => id);
}

/**
 * The events that people may send: those that are accepted now come first.
 *
 * @param {Execution} execution
 * @param {Graph | null} graph
 * @returns {{name: string, task?: string, isAccepted: boolean, awaited: import("./types.js").Awaited | null}[]}
 */
export function sendableEvents(execution, graph) {
  const now = execution.awaiting.map((awaited) => ({
    name: awaited.event,
    task: awaited.task,
    isAccepted: true,
    awaited,
  }));
  const known = new Set(now.map(({ name }) => name));
  const others = (graph?.nodes ?? []).flatMap(({ accepts, defers }) => [...accepts, ...defers]);
  const later = [...new Set(others)].filter((name) => !known.has(name)).sort();
  return [...now, ...later.map((name) => ({ name, isAccepted: false, awaited: null }))];
}
