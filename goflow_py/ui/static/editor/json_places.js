/**
 * Where things stand in a JSON text that is being typed: it need not be whole. Pure.
 *
 * @typedef {object} Place a value in the text
 * @property {"object" | "array" | "scalar"} kind
 * @property {number} from
 * @property {number} to
 * @property {boolean} isClosed
 * @property {Part[]} parts of an object or a list
 * @property {number | null} comma where a comma stands that nothing follows
 * @property {any} value what it says, as far as it says something
 *
 * @typedef {object} Part
 * @property {string} name the key, or the index
 * @property {number} from of the key; in a list, of the value
 * @property {number} to
 * @property {Place | null} place null: nothing is typed yet
 *
 * @typedef {{root: Place | null, mistake: number | null, depth: number}} Read
 *   `mistake`: where the first bracket, comma or word stands that may not; trailing commas may
 *
 * @typedef {{from: number, to: number}} Range
 */

const TOKEN = /"(?:[^"\\\n]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * Read a text. It is gone through once, and never refused.
 *
 * @param {string} text
 * @returns {Read}
 */
export function read(text) {
  const reader = new Reader();
  for (const match of text.matchAll(TOKEN)) reader.take(match[0], match.index);
  return reader.end(text.length);
}

class Reader {
  /** @type {Place | null} */
  #root = null;
  /** @type {Place[]} */
  #open = [];
  /** @type {"value" | "key" | "colon" | "comma"} what comes next */
  #next = "value";
  /** @type {number | null} */
  #mistake = null;
  #depth = 0;

  /**
   * @param {string} token
   * @param {number} at
   */
  take(token, at) {
    if (token === "{" || token === "[") this.#begin(token, at);
    else if (token === "}" || token === "]") this.#close(token, at);
    else if (token === ",") this.#comma(at);
    else if (token === ":") this.#colon(at);
    else if (token.startsWith('"') && this.#isKey()) this.#key(token, at);
    else this.#value(this.#scalar(token, at), "comma");
  }

  /**
   * @param {number} length
   * @returns {Read}
   */
  end(length) {
    for (const place of this.#open) place.to = length;
    if (this.#open.length > 0 || this.#root === null) this.#mistake ??= length;
    return { root: this.#root, mistake: this.#mistake, depth: this.#depth };
  }

  get #top() {
    return this.#open[this.#open.length - 1];
  }

  /**
   * @param {string} token
   * @param {number} from
   */
  #begin(token, from) {
    const isObject = token === "{";
    const kind = isObject ? "object" : "array";
    const value = isObject ? Object.create(null) : [];
    /** @type {Place} */
    const place = { kind, from, to: from + 1, isClosed: false, parts: [], comma: null, value };
    this.#value(place, isObject ? "key" : "value");
    this.#open.push(place);
    this.#depth = Math.max(this.#depth, this.#open.length);
  }

  /**
   * @param {string} token
   * @param {number} at
   */
  #close(token, at) {
    const kind = token === "}" ? "object" : "array";
    const index = this.#open.findLastIndex((place) => place.kind === kind);
    const isEmpty = this.#top?.parts.length === 0;
    const mayEnd = this.#next === "comma" || isEmpty || this.#top?.comma !== null;
    if (index !== this.#open.length - 1 || index < 0 || !mayEnd) this.#mistake ??= at;
    if (index < 0) return;
    for (const place of this.#open.splice(index)) {
      place.to = place.kind === kind ? at + 1 : at;
      place.isClosed = true;
    }
    this.#next = "comma";
  }

  /** @param {number} at */
  #comma(at) {
    this.#expect("comma", this.#top?.kind === "object" ? "key" : "value", at);
    if (this.#top) this.#top.comma = at;
    else this.#mistake ??= at;
  }

  /** Whether a text is a key; where a comma is missing, too. */
  #isKey() {
    return this.#top?.kind === "object" && this.#next !== "value";
  }

  /** @param {number} at */
  #colon(at) {
    const top = this.#top;
    const part = top?.parts[top.parts.length - 1];
    const place = part?.place;
    if (this.#next === "comma" && part && place && typeof place.value === "string") {
      // A value is missing: what was taken for it is the next key.
      part.place = null;
      delete top.value[part.name];
      top.parts.push({ name: place.value, from: place.from, to: place.to, place: null });
    }
    this.#expect("colon", "value", at);
  }

  /**
   * @param {string} token
   * @param {number} at
   */
  #key(token, at) {
    const top = this.#top;
    if (!top) return;
    if (this.#next !== "key") this.#mistake ??= at;
    const name = String(this.#said(token, at));
    top.comma = null;
    top.parts.push({ name, from: at, to: at + token.length, place: null });
    this.#next = "colon";
  }

  /**
   * @param {Place} place
   * @param {"key" | "value" | "comma"} next
   */
  #value(place, next) {
    const top = this.#top;
    if (this.#next !== "value") this.#mistake ??= place.from;
    this.#next = next;
    if (top === undefined) {
      this.#root ??= place;
    } else if (top.kind === "array") {
      const name = String(top.parts.length);
      top.comma = null;
      top.parts.push({ name, from: place.from, to: place.to, place });
      top.value.push(place.value);
    } else {
      const part = top.parts[top.parts.length - 1];
      if (!part || part.place !== null) return;
      part.place = place;
      top.value[part.name] = place.value;
    }
  }

  /**
   * @param {string} token
   * @param {number} from
   * @returns {Place}
   */
  #scalar(token, from) {
    const to = from + token.length;
    const value = this.#said(token, from);
    return { kind: "scalar", from, to, isClosed: true, parts: [], comma: null, value };
  }

  /**
   * What a word says; one that is not whole says itself.
   *
   * @param {string} token
   * @param {number} at
   */
  #said(token, at) {
    try {
      return JSON.parse(token);
    } catch {
      this.#mistake ??= at;
      return token.replaceAll('"', "");
    }
  }

  /**
   * @param {"colon" | "comma"} expected
   * @param {"key" | "value"} next
   * @param {number} at
   */
  #expect(expected, next, at) {
    if (this.#next !== expected) this.#mistake ??= at;
    this.#next = next;
  }
}

// ------------------------------------------------------------ by pointer

/**
 * The names in a JSON pointer.
 *
 * @param {string} pointer
 */
export function namesOf(pointer) {
  const names = pointer.split("/").slice(1);
  return names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/**
 * Go along names as far as there is something.
 *
 * @param {Place | null} root
 * @param {string[]} names
 * @returns {{place: Place | null, part: Part | null, isWhole: boolean}}
 */
export function along(root, names) {
  let place = root;
  /** @type {Part | null} */
  let part = null;
  for (const name of names) {
    const next = place?.parts.findLast((other) => other.name === name);
    if (!next) return { place, part, isWhole: false };
    part = next;
    place = next.place;
  }
  return { place, part, isWhole: true };
}

/**
 * What to mark for a pointer: the value where it is short, else the key or the first line. Where
 * the pointer leads to nothing, what it leads to last is marked.
 *
 * @param {string} text
 * @param {Place | null} root
 * @param {string} pointer
 * @returns {Range}
 */
export function rangeOf(text, root, pointer) {
  const { place, part, isWhole } = along(root, namesOf(pointer));
  if (root === null) return { from: 0, to: 0 };
  if (part === null) return { from: root.from, to: Math.min(root.from + 1, root.to) };
  if (isWhole && place?.kind === "scalar") return { from: place.from, to: place.to };
  const isKey = place === null || part.from !== place.from;
  return isKey ? { from: part.from, to: part.to } : firstLine(text, place);
}

/**
 * @param {string} text
 * @param {Range} range
 */
function firstLine(text, { from, to }) {
  const end = text.indexOf("\n", from);
  return { from, to: end === -1 ? to : Math.min(to, end) };
}

// ------------------------------------------------------------ by position

/**
 * @typedef {object} Spot where a position is
 * @property {string[]} names of the value that it is in, or of the object whose key it is
 * @property {"key" | "value"} where
 * @property {Place | null} container
 * @property {Range} word what stands there, quotes and all; empty: nothing yet
 */

/**
 * Say what stands, or would be typed, at a position.
 *
 * @param {Place | null} root
 * @param {number} position
 * @returns {Spot}
 */
export function spotAt(root, position) {
  /** @type {string[]} */
  const names = [];
  let place = root;
  /** @type {Place | null} */
  let container = null;
  const nothing = { from: position, to: position };
  while (place !== null && place.kind !== "scalar" && isInside(place, position)) {
    container = place;
    const part = place.parts.findLast((other) => other.from <= position);
    const isList = place.kind === "array";
    if (part && !isList && position <= part.to) {
      return { names, where: "key", container, word: { from: part.from, to: part.to } };
    }
    const isAfter = part?.place && position > part.place.to;
    const isValue = part && !isAfter && (isList || part.place || !isNext(place, part, position));
    if (!part || !isValue) {
      if (!isList) return { names, where: "key", container, word: nothing };
      const before = place.parts.filter((other) => other.from <= position).length;
      return { names: [...names, String(before)], where: "value", container, word: nothing };
    }
    names.push(part.name);
    place = part.place;
  }
  const isScalar = place?.kind === "scalar" && place.from <= position && position <= place.to;
  const word = place && isScalar ? { from: place.from, to: place.to } : nothing;
  return { names, where: "value", container, word };
}

/**
 * @param {Place} place
 * @param {number} position
 */
function isInside(place, position) {
  return place.from < position && (position < place.to || !place.isClosed);
}

/**
 * Whether a position is behind a key without a value, where the next key would be.
 *
 * @param {Place} place
 * @param {Part} part
 * @param {number} position
 */
function isNext(place, part, position) {
  return place.comma !== null && place.comma >= part.to && position > place.comma;
}

// ------------------------------------------------------------ by line

/**
 * The position of a line and a column, both from 1; columns count characters, not UTF-16 units.
 *
 * @param {string} text
 * @param {number} line
 * @param {number} column
 */
export function positionOf(text, line, column) {
  let start = 0;
  for (let number = 1; number < line; number += 1) {
    const end = text.indexOf("\n", start);
    if (end === -1) break;
    start = end + 1;
  }
  const characters = [...text.slice(start, start + 2 * column)].slice(0, column - 1);
  return Math.min(text.length, start + characters.join("").length);
}
