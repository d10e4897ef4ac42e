/** What happens to a value when a field of its form is changed, and which field an error is of. Pure. */

import { isSame } from "./diff.js";
import { exactly } from "./exact.js";
import { plain, put } from "./schema_form.js";

/**
 * @typedef {import("./schema_form.js").Schema} Schema
 * @typedef {{pointer: string, message: string}} FieldError the pointer begins at the field
 */

/**
 * An object with a name set; `undefined` takes it out.
 *
 * @param {Record<string, unknown> | undefined} object
 * @param {string} name
 * @param {unknown} value
 */
export function withName(object, name, value) {
  /** @type {Record<string, unknown>} */
  const copy = {};
  let isKnown = false;
  for (const [other, kept] of Object.entries(object ?? {})) {
    isKnown ||= other === name;
    if (other !== name) put(copy, other, kept);
    else if (value !== undefined) put(copy, name, value);
  }
  if (!isKnown && value !== undefined) put(copy, name, value);
  return copy;
}

/**
 * An object with a name changed, at its place; a name that is taken changes nothing.
 *
 * @param {Record<string, unknown>} object
 * @param {string} from
 * @param {string} to
 */
export function renamed(object, from, to) {
  if (Object.hasOwn(object, to)) return object;
  /** @type {Record<string, unknown>} */
  const copy = {};
  for (const [name, value] of Object.entries(object)) put(copy, name === from ? to : name, value);
  return copy;
}

/**
 * A name that is free.
 *
 * @param {Record<string, unknown>} object
 */
export function freshName(object) {
  let number = 1;
  while (Object.hasOwn(object, `name${number}`)) number += 1;
  return `name${number}`;
}

/**
 * A list with an item at another place.
 *
 * @param {unknown[]} list
 * @param {number} from
 * @param {number} to
 */
export function moved(list, from, to) {
  if (to < 0 || to >= list.length) return list;
  const copy = list.toSpliced(from, 1);
  copy.splice(to, 0, list[from]);
  return copy;
}

/**
 * Which of several schemas a value was meant for: the first that fits at first sight; -1: none.
 *
 * @param {{schema?: Schema}[]} options
 * @param {unknown} value
 * @param {Schema} root
 */
export function optionFor(options, value, root) {
  if (value === undefined || value === null) return -1;
  return options.findIndex(({ schema }) => seemsToFit(plain(schema, root), value, root));
}

/**
 * @param {Schema} schema
 * @param {any} value
 * @param {Schema} root
 */
function seemsToFit(schema, value, root) {
  if ("const" in schema) return isSame(schema.const, value);
  if (Array.isArray(schema.enum))
    return schema.enum.some((/** @type {unknown} */ one) => isSame(one, value));
  const types = [schema.type ?? (schema.properties ? "object" : [])].flat();
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) return false;
  if (typeOf(value) !== "object") return true;
  const isTold = Object.entries(schema.properties ?? {}).every(([name, part]) => {
    const { const: constant } = plain(part, root);
    return constant === undefined || isSame(constant, value[name]);
  });
  return (
    isTold &&
    (schema.required ?? []).every((/** @type {string} */ name) => Object.hasOwn(value, name))
  );
}

/** @param {unknown} value @param {string} type */
function isOfType(value, type) {
  if (type === "integer") return isWhole(value);
  return typeOf(value) === type;
}

/**
 * The type of a value as JSON Schema names it.
 *
 * @param {unknown} value
 */
export function typeOf(value) {
  if (value === null) return "null";
  if (typeof value === "bigint") return "number";
  return Array.isArray(value) ? "array" : typeof value;
}

/** @param {unknown} value */
function isWhole(value) {
  return typeof value === "bigint" || Number.isInteger(value);
}

const REQUIRED = /^'(.*)' is a required property$/;

/**
 * Hand errors on to the fields below: what names a field that is not shown stays here.
 *
 * @param {FieldError[]} errors
 * @param {string[]} names the fields below
 * @returns {{own: FieldError[], below: Map<string, FieldError[]>}}
 */
export function errorsBelow(errors, names) {
  /** @type {FieldError[]} */
  const own = [];
  /** @type {Map<string, FieldError[]>} */
  const below = new Map(names.map((name) => [name, []]));
  for (const error of errors) {
    const [, missing] = error.pointer === "" ? (REQUIRED.exec(error.message) ?? []) : [];
    const [, first = "", rest = ""] = /^\/([^/]*)(.*)$/s.exec(error.pointer) ?? [];
    const name = missing ?? first.replaceAll("~1", "/").replaceAll("~0", "~");
    const list = error.pointer === "" && missing === undefined ? undefined : below.get(name);
    if (list === undefined) own.push(error);
    else
      list.push(
        missing === undefined
          ? { ...error, pointer: rest }
          : { pointer: "", message: "this is required" },
      );
  }
  return { own, below };
}

/**
 * What is wrong with the value of one field, as far as it can be told here; the server has the last
 * word. Patterns are left to it: its RE2 never hangs, a browser's engine may.
 *
 * @param {Schema} schema
 * @param {unknown} value
 * @returns {string | null}
 */
export function complaint(schema, value) {
  if (value === undefined || value === null) return null;
  const type = schema.type;
  if (type === "number" || type === "integer") return numberComplaint(schema, value);
  if (typeof value !== "string") return null;
  const length = [...value].length;
  if (length < (schema.minLength ?? 0)) return `at least ${characters(schema.minLength)}, please`;
  if (length > (schema.maxLength ?? Infinity))
    return `at most ${characters(schema.maxLength)}; these are ${length}`;
  return null;
}

/** @param {number} number */
function characters(number) {
  return number === 1 ? "one character" : `${number} characters`;
}

/**
 * @param {Schema} schema
 * @param {unknown} value
 */
function numberComplaint(schema, value) {
  if (typeof value !== "number" && typeof value !== "bigint") return "this is no number";
  if (schema.type === "integer" && !isWhole(value)) return "a whole number, please";
  if (value < schema.minimum) return `at least ${schema.minimum}`;
  if (value > schema.maximum) return `at most ${schema.maximum}`;
  if (value <= schema.exclusiveMinimum) return `more than ${schema.exclusiveMinimum}`;
  if (value >= schema.exclusiveMaximum) return `less than ${schema.exclusiveMaximum}`;
  return null;
}

/**
 * What a field for numbers says: text that is none is kept, so that nothing typed is lost.
 *
 * @param {string} text
 * @returns {number | bigint | string | undefined}
 */
export function numberOf(text) {
  if (text.trim() === "") return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? exactly(number, text.trim()) : text;
}

/**
 * The text of a field for a date and a time, in this place's time.
 *
 * @param {unknown} value
 */
export function localOf(value) {
  const at = new Date(typeof value === "string" ? value : Number.NaN);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/**
 * A moment in UTC, of the text of such a field.
 *
 * @param {string} local
 */
export function momentOf(local) {
  const at = new Date(local);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}
