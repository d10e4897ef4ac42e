/**
 * A blueprint and its workers as two texts, and what the server says of them. Pure.
 *
 * @typedef {"blueprint" | "workers"} Name
 * @typedef {Record<Name, string>} Texts
 * @typedef {Record<Name, import("./json_places.js").Read>} Reads
 *
 * @typedef {object} Finding as the API tells it
 * @property {string} code
 * @property {"error" | "warning" | "info"} severity
 * @property {string} pointer
 * @property {string} message
 * @property {string[]} [path]
 * @property {string} [fix]
 *
 * @typedef {Finding & {document: Name, place: string, from: number, to: number}} Mark
 *   `place` is the pointer within its document
 */

import { positionOf, rangeOf, read } from "./json_places.js";

/** @type {Name[]} */
const NAMES = ["blueprint", "workers"];
const MALFORMED = "malformed_json";
const SECOND = "/1";
/** What the server's own findings on a second document begin with. */
const WORKERS = "/workers";

/**
 * What is sent: one document, or two that follow each other.
 *
 * @param {Texts} texts
 */
export function joined({ blueprint, workers }) {
  return workers.trim() === "" ? blueprint : `${blueprint}\n${workers}`;
}

/**
 * The texts without those workers that are stored already: others may have replaced them since.
 *
 * @param {Texts} texts
 * @param {Texts} stored
 * @param {{project: string, activity: string} | null} base what the stored ones are of
 * @returns {Texts}
 */
export function changed(texts, stored, base) {
  const value = read(texts.blueprint).root?.value;
  const isOther = base?.project !== value?.project || base?.activity !== value?.activity;
  return isOther || texts.workers !== stored.workers ? texts : { ...texts, workers: "" };
}

/**
 * Whether the workers are for another activity than the blueprint.
 *
 * @param {Texts} texts
 */
export function areOthers(texts) {
  const { blueprint, workers } = readBoth(texts);
  const [one, other] = [blueprint.root?.value, workers.root?.value];
  return one?.project !== other?.project || one?.activity !== other?.activity;
}

/**
 * @param {Texts} texts
 * @returns {Reads}
 */
export function readBoth({ blueprint, workers }) {
  return { blueprint: read(blueprint), workers: read(workers) };
}

/**
 * Put findings where they belong in the texts.
 *
 * @param {Finding[]} findings
 * @param {Texts} texts
 * @param {Reads} reads
 * @returns {Mark[]}
 */
export function marksOf(findings, texts, reads) {
  return findings.map((finding) => {
    const { document, place } = placeOf(finding.pointer, texts, reads);
    const range = rangeOf(texts[document], reads[document].root, place);
    const at = finding.code === "trailing_comma" ? commaOf(finding.message, texts) : null;
    return { ...finding, document, place, ...range, ...at };
  });
}

/**
 * Where the texts are no JSON yet: the server need not be asked then.
 *
 * @param {Texts} texts
 * @param {Reads} reads
 * @returns {Mark[]}
 */
export function mistakesIn(texts, reads) {
  return NAMES.flatMap((document) => {
    const at = reads[document].mistake;
    const text = texts[document];
    if (at === null || (document === "workers" && text.trim() === "")) return [];
    const line = text.slice(0, at).split("\n").length;
    const where = at < text.length ? `see line ${line}, and just before it` : "it ends too soon";
    return [mistake(document, at, `this is no JSON: ${where}`, text)];
  });
}

/**
 * What the server says to a text that is no JSON for it, as a mark.
 *
 * @param {{detail: string, line: number, column: number}} problem
 * @param {Texts} texts
 * @returns {Mark}
 */
export function markOfProblem({ detail, line, column }, texts) {
  const { document, from } = within(texts, line, column);
  return mistake(document, from, detail, texts[document]);
}

/**
 * @param {Name} document
 * @param {number} from
 * @param {string} message
 * @param {string} text
 * @returns {Mark}
 */
function mistake(document, from, message, text) {
  const to = Math.min(from + 1, text.length);
  return {
    code: MALFORMED,
    severity: "error",
    message,
    pointer: "",
    place: "",
    document,
    from,
    to,
  };
}

/**
 * @param {string} pointer
 * @param {Texts} texts
 * @param {Reads} reads
 * @returns {{document: Name, place: string}}
 */
function placeOf(pointer, texts, reads) {
  const isSecond = texts.workers.trim() !== "";
  if (isSecond && (pointer === SECOND || pointer.startsWith(`${SECOND}/`))) {
    return { document: "workers", place: pointer.slice(SECOND.length) };
  }
  const isInside = reads.blueprint.root?.parts.some(({ name }) => name === "workers");
  const isOfWorkers = pointer === WORKERS || pointer.startsWith(`${WORKERS}/`);
  const document = isSecond && isOfWorkers && !isInside ? "workers" : "blueprint";
  return { document, place: pointer };
}

/**
 * Where a comma stands that a message tells of.
 *
 * @param {string} message
 * @param {Texts} texts
 */
function commaOf(message, texts) {
  const [, line, column] = /line (\d+), column (\d+)/.exec(message) ?? [];
  if (line === undefined) return null;
  const { document, from } = within(texts, Number(line), Number(column));
  return texts[document][from] === "," ? { document, from, to: from + 1 } : null;
}

/**
 * @param {Texts} texts
 * @param {number} line of what was sent
 * @param {number} column
 * @returns {{document: Name, from: number}}
 */
function within(texts, line, column) {
  const lines = texts.blueprint.split("\n").length;
  const document = line > lines ? "workers" : "blueprint";
  const from = positionOf(texts[document], document === "workers" ? line - lines : line, column);
  return { document, from };
}
