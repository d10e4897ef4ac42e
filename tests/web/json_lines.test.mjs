import assert from "node:assert/strict";
import { test } from "node:test";
import { brief, cut, linesOf } from "../../goflow_py/ui/static/core/json_lines.js";

/** @type {(value: any, folds?: Record<string, boolean>, most?: number) => string[]} */
const shown = (value, folds = {}, most = 100) =>
  linesOf(value, new Map(Object.entries(folds)), most).lines.map(
    ({ depth, name, text, hasComma }) =>
      `${" ".repeat(depth)}${name === null ? "" : `${name}: `}${text}${hasComma ? "," : ""}`,
  );

test("a value is written line by line", () => {
  assert.deepEqual(shown({ a: [1, "x"], b: {}, c: null }), [
    "{",
    " a: [",
    "  0: 1,",
    '  1: "x"',
    " ],",
    " b: {},",
    " c: null",
    "}",
  ]);
});

test("what is folded is one line, and can be opened by its path", () => {
  const deep = { a: { "b/c": { d: { e: 1 } } } };
  assert.deepEqual(shown(deep).slice(3), ["   d: {…}", "  }", " }", "}"]);
  assert.ok(shown(deep, { "/a/b~1c/d": true }).includes("    e: 1"));
  assert.deepEqual(shown(deep, { "": false }), ["{…}"]);
});

test("a long list is folded at first, unless it is all that there is", () => {
  const list = Array.from({ length: 100 }, (_, at) => at);
  assert.deepEqual(shown({ list }), ["{", " list: […]", "}"]);
  assert.equal(shown(list, {}, 50).length, 50);
});

test("only so many lines are made of a large value, and it is said that there are more", () => {
  const large = Object.fromEntries(Array.from({ length: 200_000 }, (_, at) => [`name${at}`, at]));
  const { lines, isWhole } = linesOf(large, new Map(), 200);
  assert.equal(lines.length, 200);
  assert.equal(isWhole, false);
  assert.ok(lines.at(-1)?.hasComma);
});

test("a text that stands alone, and undefined, are lines too", () => {
  assert.deepEqual(shown("x"), ['"x"']);
  assert.deepEqual(shown([]), ["[]"]);
});

test("long texts are cut, and say how much is left", () => {
  assert.deepEqual(cut("abcdef", 3), { head: "abc", left: 3 });
  assert.deepEqual(cut("abcd", 3), { head: "abcd", left: 0 });
  assert.equal(brief({ a: "b".repeat(500) }, 10), '{"a":"bbbb…');
  assert.equal(brief(undefined), "");
});
