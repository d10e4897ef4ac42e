/**
 * From the graph to the text and back: nodes and edges say where they are written. Pure.
 *
 * @typedef {{kind: "state" | "edge", id: string, machine?: string}} Pick
 * @typedef {import("../graph/marks.js").Marks} Marks
 */

/**
 * The pointer of what is written for a state or an edge.
 *
 * @param {any} graph
 * @param {Pick} pick
 * @returns {string | null}
 */
export function pointerOf(graph, pick) {
  const found = itemsOf(graph).find(({ kind, id, machine }) => {
    return kind === pick.kind && id === pick.id && machine === pick.machine;
  });
  return found?.source ?? null;
}

/**
 * The state or the edge that a place in the text belongs to: the one that is written closest.
 *
 * @param {any} graph
 * @param {string} pointer
 * @returns {Pick | null}
 */
export function pickAt(graph, pointer) {
  let best = null;
  for (const item of itemsOf(graph)) {
    // The states that nobody has to declare are said to stand in the whole list.
    const isOwn = /\/\d+$|\/(on|after)\//.test(item.source);
    if (!isOwn || !isWithin(pointer, item.source)) continue;
    if (best === null || item.source.length > best.source.length) best = item;
  }
  if (best === null) return null;
  const { kind, id, machine } = best;
  return machine === undefined ? { kind, id } : { kind, id, machine };
}

/**
 * What the graph shows of findings: which states and edges have some.
 *
 * @param {any} graph
 * @param {import("./documents.js").Mark[]} found
 * @returns {Marks}
 */
export function marksOfFindings(graph, found) {
  /** @type {Marks} */
  const marks = { states: new Map(), edges: new Map() };
  for (const { document, place, severity, message } of found) {
    const pick = document === "blueprint" && severity !== "info" ? pickAt(graph, place) : null;
    if (pick === null || pick.machine !== undefined) continue;
    const of = pick.kind === "state" ? marks.states : marks.edges;
    const isWorse = of.get(pick.id)?.tone !== "bad";
    if (isWorse) of.set(pick.id, { tone: severity === "error" ? "bad" : "warn", note: message });
  }
  return marks;
}

/**
 * @param {any} graph
 * @returns {(Pick & {source: string})[]}
 */
function itemsOf(graph) {
  const machines = Object.entries(graph?.machines ?? {});
  return [...partsOf(graph, undefined), ...machines.flatMap(([name, part]) => partsOf(part, name))];
}

/**
 * @param {any} part
 * @param {string | undefined} machine
 * @returns {(Pick & {source: string})[]}
 */
function partsOf(part, machine) {
  const as = (/** @type {"state" | "edge"} */ kind) => (/** @type {any} */ item) => {
    return { kind, id: item.id, machine, source: String(item.source ?? "") };
  };
  return [...(part?.nodes ?? []).map(as("state")), ...(part?.edges ?? []).map(as("edge"))];
}

/**
 * @param {string} pointer
 * @param {string} above
 */
function isWithin(pointer, above) {
  return pointer === above || pointer.startsWith(`${above}/`);
}
