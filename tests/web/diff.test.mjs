import assert from "node:assert/strict";
import { test } from "node:test";
import { changes, isSame, pathText } from "../../goflow_py/ui/static/core/diff.js";

/** @type {(before: any, after: any) => string[]} */
const told = (before, after) =>
  changes(before, after).map(({ kind, path }) => `${kind} ${pathText(path)}`);

test("equal values have no changes, in whatever order their names stand", () => {
  assert.deepEqual(changes({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }), []);
});

test("names are added, removed and changed", () => {
  assert.deepEqual(changes({ a: 1, b: 2, d: { e: 1 } }, { a: 1, b: 3, c: 4, d: { e: [] } }), [
    { path: ["b"], kind: "changed", before: 2, after: 3 },
    { path: ["d", "e"], kind: "changed", before: 1, after: [] },
    { path: ["c"], kind: "added", before: undefined, after: 4 },
  ]);
  assert.deepEqual(told({ a: null }, {}), ["removed a"]);
});

test("an item that comes or goes in the middle is one change", () => {
  const list = Array.from({ length: 5_000 }, (_, at) => ({ at }));
  assert.deepEqual(told({ list }, { list: list.toSpliced(2_000, 1) }), ["removed list[2000]"]);
  assert.deepEqual(told({ list }, { list: list.toSpliced(3, 0, { at: -1 }) }), ["added list[3]"]);
});

test("items that differ are compared by their place", () => {
  assert.deepEqual(told([1, { a: 1 }, 3], [1, { a: 2 }, 3]), ["changed [1].a"]);
  assert.deepEqual(told([1, 2, 3], [9, 8, 7]), ["changed [0]", "changed [1]", "changed [2]"]);
  assert.deepEqual(told([1, 1], [1, 1, 1]), ["added [2]"]);
});

test("a list that becomes an object is one change of the whole", () => {
  assert.deepEqual(told({ a: [] }, { a: {} }), ["changed a"]);
  assert.deepEqual(told(1, "1"), ["changed (all)"]);
  assert.deepEqual(told(undefined, { a: 1 }), ["added (all)"]);
  assert.deepEqual(told(undefined, undefined), []);
});

test("names that no expression could write are quoted", () => {
  assert.equal(pathText(["a", 0, "b c", "d"]), 'a[0]["b c"].d');
});

test("a name of every object is not taken for a field", () => {
  assert.deepEqual(told({}, JSON.parse('{"toString": 1, "__proto__": 2}')), [
    "added toString",
    "added __proto__",
  ]);
  assert.equal(isSame({ toString: undefined }, { a: undefined }), false);
});

test("deeply nested values do not exhaust the stack", () => {
  const deep = (/** @type {number} */ end) =>
    JSON.parse(`${"[".repeat(5_000)}${end}${"]".repeat(5_000)}`);
  assert.equal(isSame(deep(1), deep(1)), true);
  assert.equal(isSame(deep(1), deep(2)), false);
});
