/**
 * Findings that a click mends: those with one obvious way. Pure.
 *
 * @typedef {import("./documents.js").Mark} Mark
 * @typedef {import("./documents.js").Reads} Reads
 * @typedef {import("./documents.js").Texts} Texts
 * @typedef {import("./json_places.js").Place} Place
 * @typedef {{document: import("./documents.js").Name, from: number, to: number, insert: string}} Change
 * @typedef {{label: string, change: Change}} Fix
 */

import { along, namesOf } from "./json_places.js";

const QUOTED = /'([^']+)'/;
const MEANT = /did you mean '([^']+)'/;
/** Whose name is the singular of the list that declares it. */
const DECLARED = /^undeclared_(state|action)$/;

/**
 * What mends a finding, if it is plain what would.
 *
 * @param {Mark} mark
 * @param {Texts} texts
 * @param {Reads} reads
 * @returns {Fix | null}
 */
export function fixOf(mark, texts, reads) {
  if (mark.code === "trailing_comma") return withoutComma(mark, texts);
  const meant = MEANT.exec(mark.message)?.[1];
  if (mark.code === "unknown_field") return meant ? renamed(mark, meant, reads) : null;
  if (meant) return corrected(mark, meant, reads);
  if (DECLARED.test(mark.code)) return declared(mark, texts, reads);
  if (mark.code === "missing_field") return filled(mark, reads);
  if (mark.code === "no_worker") return employed(mark, texts, reads);
  if (mark.code === "reserved_state") return removed(mark, reads);
  if (mark.code === "other_activity") return readdressed(mark, texts, reads);
  return null;
}

/**
 * @param {Mark} mark
 * @param {Texts} texts
 * @returns {Fix | null}
 */
function withoutComma({ document, from, to }, texts) {
  if (texts[document].slice(from, to) !== ",") return null;
  return { label: "remove the comma", change: { document, from, to, insert: "" } };
}

/**
 * @param {Mark} mark
 * @param {string} meant
 * @param {Reads} reads
 * @returns {Fix | null}
 */
function renamed({ document, place }, meant, reads) {
  const names = namesOf(place);
  const { part, isWhole } = along(reads[document].root, names);
  const above = along(reads[document].root, names.slice(0, -1)).place;
  const isTaken = above?.parts.some(({ name }) => name === meant);
  if (!isWhole || part === null || isTaken) return null;
  const change = { document, from: part.from, to: part.to, insert: JSON.stringify(meant) };
  return { label: `rename it to '${meant}'`, change };
}

/**
 * Correct a name that is used, where it stands in what the finding points to.
 *
 * @param {Mark} mark
 * @param {string} meant
 * @param {Reads} reads
 * @returns {Fix | null}
 */
function corrected({ document, place, message }, meant, reads) {
  const wrong = QUOTED.exec(message)?.[1];
  const start = along(reads[document].root, namesOf(place));
  const found = start.isWhole && wrong ? textIn(start.place, wrong) : null;
  if (found === null) return null;
  const { from, to } = found;
  const change = { document, from, to, insert: JSON.stringify(meant) };
  return { label: `write '${meant}'`, change };
}

/**
 * @param {Mark} mark
 * @param {Texts} texts
 * @param {Reads} reads
 * @returns {Fix | null}
 */
function declared({ code, message, place }, texts, reads) {
  const what = DECLARED.exec(code)?.[1] ?? "";
  const name = QUOTED.exec(message)?.[1];
  const names = namesOf(place);
  const above = names[0] === "machines" ? names.slice(0, 2) : [];
  if (!name) return null;
  const text = JSON.stringify(name);
  const item = what === "state" ? text : `{ "name": ${text}, "type": "sync" }`;
  const change = appended(texts, reads, "blueprint", [...above, `${what}s`], item);
  return change && { label: `declare the ${what} '${name}'`, change };
}

/**
 * @param {Mark} mark
 * @param {Reads} reads
 * @returns {Fix | null}
 */
function filled({ document, place }, reads) {
  const names = namesOf(place);
  const name = names[names.length - 1] ?? "";
  const above = along(reads[document].root, names.slice(0, -1));
  if (!above.isWhole || above.place?.kind !== "object") return null;
  const at = above.place.from + 1;
  const end = above.place.parts.length === 0 ? "" : ",";
  const insert = ` ${JSON.stringify(name)}: ""${end}`;
  return { label: `add '${name}'`, change: { document, from: at, to: at, insert } };
}

/**
 * @param {Mark} mark
 * @param {Texts} texts
 * @param {Reads} reads
 * @returns {Fix | null}
 */
function employed({ message }, texts, reads) {
  const name = QUOTED.exec(message)?.[1];
  if (!name) return null;
  const item = `{ "name": ${JSON.stringify(name)}, "workerEndpoint": "" }`;
  const isInside = reads.blueprint.root?.parts.some((part) => part.name === "workers");
  const document = isInside ? "blueprint" : "workers";
  const change = appended(texts, reads, document, ["workers"], item);
  return change && { label: `add a worker for '${name}'`, change };
}

/**
 * @param {Mark} mark
 * @param {Reads} reads
 * @returns {Fix | null}
 */
function removed({ document, place, message }, reads) {
  const names = namesOf(place);
  const { place: list } = along(reads[document].root, names.slice(0, -1));
  const at = Number(names[names.length - 1]);
  const [before, one, after] = [at - 1, at, at + 1].map((index) => list?.parts[index]?.place);
  // Only what is declared with nothing but its name says nothing.
  if (list?.kind !== "array" || one?.kind !== "scalar" || !message.includes("no declaration")) {
    return null;
  }
  const from = before && !after ? before.to : one.from;
  const to = after ? after.from : one.to;
  return { label: "remove it", change: { document, from, to, insert: "" } };
}

/**
 * Let the workers be for the activity of the blueprint: it was renamed.
 *
 * @param {Mark} mark
 * @param {Texts} texts
 * @param {Reads} reads
 * @returns {Fix | null}
 */
function readdressed({ document }, texts, reads) {
  const value = reads.blueprint.root?.value;
  const found = ["project", "activity"].map((name) => {
    const { place, isWhole } = along(reads.workers.root, [name]);
    return { name, place: isWhole ? place : null };
  });
  const [one, other] = found.sort((a, b) => (a.place?.from ?? 0) - (b.place?.from ?? 0));
  if (document !== "workers" || !one?.place || !other?.place) return null;
  const between = texts.workers.slice(one.place.to, other.place.from);
  const insert = JSON.stringify(value[one.name]) + between + JSON.stringify(value[other.name]);
  const change = { document, from: one.place.from, to: other.place.to, insert };
  return { label: `let them be for ${value.project}/${value.activity}`, change };
}

// ------------------------------------------------------------ where to change

/**
 * Put one more item into a list; it stands as the last one stands: on a line of its own, or not.
 *
 * @param {Texts} texts
 * @param {Reads} reads
 * @param {import("./documents.js").Name} document
 * @param {string[]} names
 * @param {string} item
 * @returns {Change | null}
 */
function appended(texts, reads, document, names, item) {
  const { place, isWhole } = along(reads[document].root, names);
  if (!isWhole || place?.kind !== "array" || !place.isClosed) return null;
  const last = place.parts[place.parts.length - 1]?.place;
  if (!last) return { document, from: place.from + 1, to: place.to - 1, insert: item };
  const lead = leadOf(texts[document], last);
  return { document, from: last.to, to: last.to, insert: `,${lead}${item}` };
}

/**
 * What stands between a value and the bracket or comma before it.
 *
 * @param {string} text
 * @param {Place} place
 */
function leadOf(text, place) {
  const before = /\n[ \t]*$/.exec(text.slice(0, place.from));
  return before ? before[0] : " ";
}

/**
 * The first text of this value, in a place or anywhere below it.
 *
 * @param {Place | null} start
 * @param {string} value
 * @returns {Place | null}
 */
function textIn(start, value) {
  const todo = [start];
  for (const place of todo) {
    if (place?.kind === "scalar" && place.value === value) return place;
    todo.push(...(place?.parts.map((part) => part.place) ?? []));
  }
  return null;
}
