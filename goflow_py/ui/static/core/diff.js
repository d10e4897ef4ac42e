/**
 * What changed between two JSON values. Pure.
 *
 * @typedef {(string | number)[]} Path
 * @typedef {{path: Path, kind: "added" | "removed" | "changed", before: any, after: any}} Change
 */

/**
 * The changes, by path in the order of the values. Items are compared by their place, but for what
 * a list has in common at its beginning and its end.
 *
 * @param {any} before
 * @param {any} after
 * @returns {Change[]}
 */
export function changes(before, after) {
  /** @type {Change[]} */
  const found = [];
  /** @type {Change[]} */
  const waiting = [pairOf([], before, after)];
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    const parts = partsOf(pair);
    if (parts !== null) waiting.push(...parts.reverse());
    else if (pair.kind !== "changed" || !isSame(pair.before, pair.after)) found.push(pair);
  }
  return found;
}

/** @param {Path} path @param {any} before @param {any} after @returns {Change} */
function pairOf(path, before, after) {
  if (before === undefined && after !== undefined) return { path, kind: "added", before, after };
  if (after === undefined && before !== undefined) return { path, kind: "removed", before, after };
  return { path, kind: "changed", before, after };
}

/**
 * The pairs below, where both are lists, or both are objects.
 *
 * @param {Change} pair
 * @returns {Change[] | null}
 */
function partsOf({ path, kind, before, after }) {
  if (kind !== "changed" || !isGroup(before) || !isGroup(after)) return null;
  if (Array.isArray(before) !== Array.isArray(after)) return null;
  if (Array.isArray(before)) return itemsOf(path, before, after);
  const names = [
    ...Object.keys(before),
    ...Object.keys(after).filter((name) => !Object.hasOwn(before, name)),
  ];
  return names.map((name) => pairOf([...path, name], own(before, name), own(after, name)));
}

/**
 * @param {Path} path
 * @param {any[]} before
 * @param {any[]} after
 */
function itemsOf(path, before, after) {
  const short = Math.min(before.length, after.length);
  let head = 0;
  while (head < short && isSame(before[head], after[head])) head += 1;
  let tail = 0;
  while (tail < short - head && isSame(before.at(-1 - tail), after.at(-1 - tail))) tail += 1;
  const length = Math.max(before.length, after.length) - head - tail;
  return Array.from({ length }, (_, step) => {
    const at = head + step;
    const old = at < before.length - tail ? before[at] : undefined;
    return pairOf([...path, at], old, at < after.length - tail ? after[at] : undefined);
  });
}

/** @param {any} object @param {string} name */
function own(object, name) {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** @param {unknown} value */
export function isObject(value) {
  return isGroup(value) && !Array.isArray(value);
}

/** @param {any} value */
function isGroup(value) {
  return typeof value === "object" && value !== null;
}

/**
 * Whether two values are equal, in whatever order their names stand.
 *
 * @param {any} one
 * @param {any} other
 */
export function isSame(one, other) {
  const waiting = [[one, other]];
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    const [left, right] = pair;
    if (left === right) continue;
    if (!isGroup(left) || !isGroup(right) || Array.isArray(left) !== Array.isArray(right))
      return false;
    const names = Object.keys(left);
    if (names.length !== Object.keys(right).length) return false;
    for (const name of names) {
      if (!Object.hasOwn(right, name)) return false;
      waiting.push([left[name], right[name]]);
    }
  }
  return true;
}

/**
 * A path as expressions write it: `order.items[2].price`.
 *
 * @param {Path} path
 */
export function pathText(path) {
  const text = path
    .map((part) => {
      if (typeof part === "number") return `[${part}]`;
      return /^[A-Za-z_$][\w$]*$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
    })
    .join("");
  return text.replace(/^\./, "") || "(all)";
}
