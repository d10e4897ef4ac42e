/**
 * What may be typed at a place of a blueprint or of its workers. Pure.
 *
 * @typedef {import("./schema_words.js").Schema} Schema
 * @typedef {{label: string, apply: string, cursor: number, info: string, detail: string}} Option
 *   `cursor` is where the caret stands in what was put in
 * @typedef {{from: number, to: number, options: Option[]}} Offer
 */

import { read, spotAt } from "./json_places.js";
import { keyWords, nameWords, workerWords } from "./names.js";
import { emptyValue, fieldWords, schemasAt, valueWords } from "./schema_words.js";

/**
 * @param {string} text
 * @param {number} position
 * @param {{schema: Schema, blueprint: any, isWorkers: boolean}} known `blueprint` is what it says
 * @returns {Offer | null}
 */
export function offerAt(text, position, { schema, blueprint, isWorkers }) {
  const { root } = read(text);
  const spot = spotAt(root, position);
  if (spot.container === null) return null;
  const { from, to } = spot.word;
  const schemas = schemasAt(schema, spot.names, root?.value);
  if (spot.where === "key") {
    const rest = text.slice(to);
    const present = spot.container.parts.filter((part) => part.from !== from);
    const words = fieldWords(
      schemas,
      present.map(({ name }) => name),
    );
    const all = [...words, ...keyWords(blueprint, spot.names)];
    const isWritten = /^\s*:/.test(rest);
    const end = /^\s*"/.test(rest) ? "," : "";
    return { from, to, options: all.map((word) => field(word, schema, { isWritten, end })) };
  }
  const names = isWorkers ? namesOfWorker(blueprint, spot.names) : nameWords(blueprint, spot.names);
  const options = [...names, ...valueWords(schemas)].map(({ word, about }) => value(word, about));
  return { from, to, options };
}

/**
 * @param {any} blueprint
 * @param {string[]} names
 */
function namesOfWorker(blueprint, names) {
  if (names[names.length - 1] !== "name") return [];
  const words = workerWords(blueprint);
  return words.map(({ word, about }) => ({ word: JSON.stringify(word), about }));
}

/**
 * @param {import("./schema_words.js").Word} word
 * @param {Schema} root
 * @param {{isWritten: boolean, end: string}} place `isWritten`: its colon stands there already
 * @returns {Option}
 */
function field({ word, about, schema, isRequired }, root, { isWritten, end }) {
  const key = JSON.stringify(word);
  const empty = isWritten || !schema ? "" : emptyValue(root, schema);
  const put = isWritten ? key : `${key}: ${empty}`;
  const cursor = put.length - (empty === "" ? 0 : 1);
  const apply = put + (isWritten ? "" : end);
  return { label: word, apply, cursor, info: about, detail: isRequired ? "required" : "" };
}

/**
 * @param {string} word
 * @param {string} about
 * @returns {Option}
 */
function value(word, about) {
  const label = word.startsWith('"') ? JSON.parse(word) : word;
  return { label, apply: word, cursor: word.length, info: "", detail: about };
}
