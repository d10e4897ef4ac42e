/**
 * A JSON value as the lines that are seen of it: what is folded costs nothing. Pure.
 *
 * @typedef {object} Line
 * @property {string} path where the value is, for folding
 * @property {number} depth
 * @property {string | number | null} name of a field, or the number of an item
 * @property {"open" | "folded" | "close" | "string" | "number" | "literal"} kind
 * @property {string} text
 * @property {unknown} value
 * @property {boolean} hasComma
 */

const OPEN_DEPTH = 3;
const OPEN_ITEMS_MAX = 40;
const TEXT_MAX = 240;

/**
 * Whether a part is open before anybody folds.
 *
 * @param {unknown} value
 * @param {number} depth
 */
export function isOpenAtFirst(value, depth) {
  return depth === 0 || (depth < OPEN_DEPTH && sizeOf(value) <= OPEN_ITEMS_MAX);
}

/**
 * The first lines of a value.
 *
 * @param {unknown} value
 * @param {Map<string, boolean>} folds what somebody opened or folded
 * @param {number} linesMax
 * @returns {{lines: Line[], isWhole: boolean}}
 */
export function linesOf(value, folds, linesMax) {
  /** @type {Line[]} */
  const lines = [];
  /** @type {{path: string, depth: number, name: string | number | null, value: unknown, hasComma: boolean, end?: string}[]} */
  const waiting = [{ path: "", depth: 0, name: null, value, hasComma: false }];
  while (waiting.length > 0 && lines.length < linesMax) {
    const one = /** @type {typeof waiting[number]} */ (waiting.pop());
    if (one.end !== undefined) {
      lines.push({ ...one, kind: "close", text: one.end });
      continue;
    }
    if (typeof one.value !== "object" || one.value === null) {
      lines.push({ ...one, ...scalar(one.value) });
      continue;
    }
    const [begin, end] = Array.isArray(one.value) ? "[]" : "{}";
    const size = sizeOf(one.value);
    if (size === 0 || !(folds.get(one.path) ?? isOpenAtFirst(one.value, one.depth))) {
      const text = size === 0 ? begin + end : `${begin}…${end}`;
      lines.push({ ...one, kind: size === 0 ? "literal" : "folded", text });
      continue;
    }
    lines.push({ ...one, kind: "open", text: begin, hasComma: false });
    waiting.push({ ...one, name: null, end });
    pushParts(waiting, one, linesMax);
  }
  return { lines, isWhole: waiting.length === 0 };
}

/**
 * Put the parts of a value on a stack, the first on top; no more than can be seen.
 *
 * @param {any[]} waiting
 * @param {{path: string, depth: number, value: any}} whole
 * @param {number} most
 */
function pushParts(waiting, { path, depth, value }, most) {
  const isList = Array.isArray(value);
  const names = isList ? null : Object.keys(value);
  const size = isList ? value.length : Object.keys(value).length;
  const seen = Math.min(size, most);
  for (let at = seen - 1; at >= 0; at--) {
    const name = names === null ? at : names[at];
    const part = `${path}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
    waiting.push({
      path: part,
      depth: depth + 1,
      name,
      value: value[name],
      hasComma: at < size - 1,
    });
  }
}

/** How many parts a value has. @param {unknown} value */
export function sizeOf(value) {
  if (Array.isArray(value)) return value.length;
  return typeof value === "object" && value !== null ? Object.keys(value).length : 0;
}

/**
 * @param {unknown} value
 * @returns {{kind: "string" | "number" | "literal", text: string}}
 */
function scalar(value) {
  if (typeof value === "string") return { kind: "string", text: JSON.stringify(value) };
  if (typeof value === "number" || typeof value === "bigint")
    return { kind: "number", text: String(value) };
  return { kind: "literal", text: String(value) };
}

/**
 * What is shown of a long text, and how much is not.
 *
 * @param {string} text
 * @param {number} [most]
 */
export function cut(text, most = TEXT_MAX) {
  if (text.length <= most + 1) return { head: text, left: 0 };
  return { head: text.slice(0, most), left: text.length - most };
}

/**
 * A value in one line.
 *
 * @param {unknown} value
 * @param {number} [most]
 */
export function brief(value, most = 120) {
  const text = value === undefined ? "" : (JSON.stringify(value) ?? "");
  const { head, left } = cut(text, most);
  return left === 0 ? head : `${head}…`;
}
