/** JSON laid out for reading: what fits a line stands on one, as a row of a blueprint does. Pure. */

import { read } from "./json_places.js";

/** @typedef {import("./json_places.js").Place} Place */

const WIDTH = 110;
const INDENT = "  ";
/** The server takes no deeper document. */
const DEPTH_MAX = 64;

/** In which order the fields of a stored blueprint are shown: as one would write them. */
const ORDER = [
  ...["name", "project", "activity", "description", "type", "final"],
  ...["current", "event", "when", "set", "next", "action"],
  ...["key", "input", "data", "events", "states", "actions", "transitions", "workers"],
];
/** These stand on lines of their own, however short they are. */
const LONG = new Set([
  "states",
  "actions",
  "transitions",
  "workers",
  "machines",
  "events",
  "tasks",
]);

/**
 * Lay a text out anew; null where it is not whole, so that nothing is lost. Numbers and texts stay
 * as they are written.
 *
 * @param {string} text
 * @param {{isOrdered?: boolean}} [options] `isOrdered`: known fields come in their usual order
 * @returns {string | null}
 */
export function laidOut(text, { isOrdered = false } = {}) {
  const { root, mistake, depth } = read(text);
  if (root === null || mistake !== null || depth > DEPTH_MAX) return null;
  const ours = isOrdered ? oursIn(root) : new Set();
  const laid = `${new Layout(text, ours).of(root, "", 0)}\n`;
  return isJson(laid) ? laid : null;
}

class Layout {
  /**
   * @param {string} text
   * @param {Set<Place>} ordered the objects whose fields are put in order
   */
  constructor(text, ordered) {
    this.text = text;
    this.ordered = ordered;
  }

  /**
   * Goes as deep as a document may be nested.
   *
   * @param {Place} place
   * @param {string} indent
   * @param {number} taken characters before it on its line
   * @param {boolean} [isLong]
   * @returns {string}
   */
  of(place, indent, taken, isLong = false) {
    if (place.kind === "scalar") return this.text.slice(place.from, place.to);
    const [open, close] = place.kind === "object" ? "{}" : "[]";
    if (place.parts.length === 0) return `${open}${close}`;
    if (!isLong && indent !== "") {
      const line = this.#onOneLine(place, WIDTH - taken - 1);
      if (line !== null) return line;
    }
    const inner = indent + INDENT;
    const parts = this.#partsOf(place).map(({ key, name, value }) => {
      return (
        inner + key + this.of(value, inner, inner.length + key.length, this.#isLong(name, value))
      );
    });
    return `${open}\n${parts.join(",\n")}\n${indent}${close}`;
  }

  /**
   * @param {Place} place
   * @param {number} room
   * @returns {string | null}
   */
  #onOneLine(place, room) {
    if (place.to - place.from > 4 * WIDTH) return null;
    if (place.kind === "scalar") {
      const text = this.text.slice(place.from, place.to);
      return text.length <= room ? text : null;
    }
    const isObject = place.kind === "object";
    let line = "";
    for (const { key, name, value } of this.#partsOf(place)) {
      if (this.#isLong(name, value)) return null;
      const part = this.#onOneLine(value, room - line.length);
      if (part === null) return null;
      line += (line === "" ? "" : ", ") + key + part;
    }
    const whole = isObject && line !== "" ? `{ ${line} }` : isObject ? "{}" : `[${line}]`;
    return whole.length <= room ? whole : null;
  }

  /**
   * @param {string} name
   * @param {Place} value
   */
  #isLong(name, value) {
    const holdsMany = value.parts.some(({ place }) => place?.kind !== "scalar");
    return LONG.has(name) && holdsMany;
  }

  /** @param {Place} place */
  #partsOf(place) {
    const isObject = place.kind === "object";
    const parts = place.parts.flatMap(({ name, from, to, place: value }) => {
      const key = isObject ? `${this.text.slice(from, to)}: ` : "";
      return value === null ? [] : [{ key, name: isObject ? name : "", value }];
    });
    if (this.ordered.has(place)) parts.sort((a, b) => rank(a.name) - rank(b.name));
    return parts;
  }
}

/**
 * The objects whose fields the language knows. Of others, such as the schema of an input, the order
 * is the author's: a form shows its fields so.
 *
 * @param {Place} root
 */
function oursIn(root) {
  const found = new Set([root]);
  for (const { name, place } of root.parts) {
    for (const part of LONG.has(name) ? (place?.parts ?? []) : []) {
      if (part.place?.kind === "object") found.add(part.place);
    }
  }
  return found;
}

/** @param {string} name */
function rank(name) {
  const at = ORDER.indexOf(name);
  return at === -1 ? ORDER.length : at;
}

/** @param {string} text */
function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
