/**
 * The names that a blueprint has given, where others may be used: states, actions, events. Pure.
 *
 * @typedef {import("./schema_words.js").Word} Word
 */

const ENGINE_EVENTS = {
  start: "raised when a state without work of its own is entered",
  success: "the work succeeded",
  error: "the work failed for good",
  timeout: "a timer ran out",
  always: "at once, where the guard is true",
};
const FINAL = ["done", "failed", "cancelled"];

/** @type {Record<string, (value: any, machine: any) => Word[]>} which names a field takes */
const NAMES = {
  next: stateWords,
  current: (value, machine) => [initial(), ...stateWords(value, machine), every()],
  action: (value, machine) => [...actionWords(value, machine), proceed()],
  do: actionWords,
  undo: actionWords,
  setup: actionWords,
  teardown: actionWords,
  entered: actionWords,
  failed: actionWords,
  left: actionWords,
  event: eventWords,
  events: eventWords,
  defer: eventWords,
  machine: (value) => Object.keys(value?.machines ?? {}).map(named("machine")),
};

/**
 * The names that may stand as the value at *names*, as JSON.
 *
 * @param {any} blueprint
 * @param {string[]} names
 * @returns {Word[]}
 */
export function nameWords(blueprint, names) {
  const field = names.findLast((name) => !/^\d+$/.test(name)) ?? "";
  const machine = names[0] === "machines" ? blueprint?.machines?.[names[1] ?? ""] : blueprint;
  const isShort = names[names.length - 2] === "on";
  const of = isShort ? stateWords : Object.hasOwn(NAMES, field) ? NAMES[field] : undefined;
  const words = of?.(blueprint, machine) ?? [];
  return words.map(({ word, about }) => ({ word: JSON.stringify(word), about }));
}

/**
 * The names that may stand as a key of the object at *names*.
 *
 * @param {any} blueprint
 * @param {string[]} names
 */
export function keyWords(blueprint, names) {
  const machine = names[0] === "machines" ? blueprint?.machines?.[names[1] ?? ""] : blueprint;
  return names[names.length - 1] === "on" ? eventWords(blueprint, machine) : [];
}

/**
 * The actions of a blueprint that ask for a worker: those of a workers document.
 *
 * @param {any} blueprint
 * @returns {Word[]}
 */
export function workerWords(blueprint) {
  const called = list(blueprint?.actions).filter(({ type = "sync" }) => /^a?sync$/.test(type));
  return called.flatMap(({ name }) => (name ? [named("action")(name)] : []));
}

/**
 * @param {any} _
 * @param {any} machine
 * @returns {Word[]}
 */
function stateWords(_, machine) {
  const states = [machine?.states ?? []].flat().map((state) => state?.name ?? state);
  const names = states.filter((name) => typeof name === "string");
  return [...new Set([...names, ...FINAL])].map(named("state"));
}

/**
 * @param {any} value
 * @param {any} machine
 * @returns {Word[]}
 */
function actionWords(value, machine) {
  const all = [...list(machine?.actions), ...list(value?.actions)];
  const names = all.map(({ name }) => name).filter((name) => typeof name === "string");
  return [...new Set(names)].map(named("action"));
}

/**
 * @param {any} value
 * @param {any} machine
 * @returns {Word[]}
 */
function eventWords(value, machine) {
  const rows = list(machine?.transitions).map(({ event }) => event);
  const declared = Object.keys(value?.events ?? {});
  const own = [...declared, ...rows].filter((name) => typeof name === "string");
  const engine = Object.entries(ENGINE_EVENTS).map(([word, about]) => ({ word, about }));
  const others = [...new Set(own)].filter((name) => !Object.hasOwn(ENGINE_EVENTS, name));
  return [...others.map(named("event")), ...engine];
}

/** @returns {Word} */
function initial() {
  return { word: "init", about: "where an execution begins" };
}

/** @returns {Word} */
function every() {
  return { word: "*", about: "every state but 'init' and the final ones" };
}

/** @returns {Word} */
function proceed() {
  return { word: "continue", about: "the state's own work" };
}

/** @param {string} about */
function named(about) {
  return (/** @type {string} */ word) => ({ word, about });
}

/**
 * @param {any} value
 * @returns {any[]}
 */
function list(value) {
  const items = Array.isArray(value) ? value : [];
  return items.filter((item) => typeof item === "object" && item !== null);
}
