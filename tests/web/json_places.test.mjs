import assert from "node:assert/strict";
import { test } from "node:test";
import * as places from "../../goflow_py/ui/static/editor/json_places.js";

const TEXT = `{
  "states": ["a", { "name": "b/c" }],
  "rows": [
    { "event": "go",
      "next": "a" }
  ],
  "m~n": { "": 1.50 }
}`;

/**
 * What a pointer marks in a text.
 *
 * @param {string} text
 * @param {string} pointer
 */
function marked(text, pointer) {
  const { from, to } = places.rangeOf(text, places.read(text).root, pointer);
  return text.slice(from, to);
}

/**
 * Where the bar in a text stands.
 *
 * @param {string} text
 */
function spot(text) {
  const whole = text.replace("|", "");
  const found = places.spotAt(places.read(whole).root, text.indexOf("|"));
  const word = whole.slice(found.word.from, found.word.to);
  return `${found.where} /${found.names.join("/")} ${word}`.trim();
}

test("a whole text says what JSON.parse says", () => {
  const { root, mistake, depth } = places.read(TEXT);
  assert.deepEqual(JSON.parse(JSON.stringify(root?.value)), JSON.parse(TEXT));
  assert.equal(mistake, null);
  assert.equal(depth, 3);
});

test("a pointer marks a short value whole, a list by its key, an item by its first line", () => {
  for (const [pointer, text] of [
    ["/rows/0/next", '"a"'],
    ["/states", '"states"'],
    ["/states/1", '{ "name": "b/c" }'],
    ["/rows/0", '{ "event": "go",'],
    ["/m~0n/", "1.50"],
    ["", "{"],
  ]) {
    assert.equal(marked(TEXT, pointer), text, pointer);
  }
});

test("a pointer to nothing marks what it leads to last", () => {
  assert.equal(marked(TEXT, "/rows/0/when"), '{ "event": "go",');
  assert.equal(marked(TEXT, "/rows/7/next"), '"rows"');
  assert.equal(marked(TEXT, "/nothing"), "{");
  assert.equal(marked("", "/a"), "");
});

test("a key that is there twice is the later one, as it is read", () => {
  assert.equal(marked('{"a": 1, "a": 2}', "/a"), "2");
});

test("a text that is not whole is read as far as it goes, and where it ceases to be JSON is said", () => {
  for (const [text, value, at] of [
    ["", undefined, 0],
    ['{"a": [1, {"b": ', { a: [1, {}] }, 16],
    ['{"a": 1 "b": 2}', { a: 1, b: 2 }, 8],
    ['{"a": , "b": 2}', { b: 2 }, 6],
    ['{"a":\n "b": 2}', { b: 2 }, 10],
    ['{"a": [1, 2}', { a: [1, 2] }, 11],
    ['{"a": "x\n, "b": 2}', { a: "x", b: 2 }, 6],
    ['{"a": nul}', { a: "nul" }, 6],
    ["{a: 1}", {}, 1],
    ["[1,, 2]", [1, 2], 3],
    ["[1] 2", [1], 4],
    ["]", undefined, 0],
  ]) {
    const { root, mistake } = places.read(String(text));
    assert.equal(mistake, at, String(text));
    assert.equal(JSON.stringify(root?.value), JSON.stringify(value), String(text));
  }
});

test("a trailing comma is none to mind, as the server minds none", () => {
  const { root, mistake } = places.read('{"a": [1,],}');
  assert.equal(mistake, null);
  assert.equal(root?.comma, 10);
  assert.equal(root?.parts[0]?.place?.comma, 8);
});

test("brackets and escapes within a text are text", () => {
  const text = String.raw`{"a": "}]\"{", "b": ["\\"]}`;
  assert.deepEqual(places.read(text).root?.value.b, ["\\"]);
  assert.equal(places.read(text).mistake, null);
});

test("a name that means something to the language is a name like others", () => {
  const { root } = places.read('{"__proto__": {"x": 1}, "constructor": 2}');
  assert.deepEqual(Object.keys(root?.value), ["__proto__", "constructor"]);
});

test("a place is a key or a value, and of what", () => {
  for (const [text, found] of [
    ['{"a": 1, |}', "key /"],
    ['{|"a": 1}', 'key / "a"'],
    ['{"st|"}', 'key / "st"'],
    ['{"a": |}', "value /a"],
    ['{"a": "x|y"}', 'value /a "xy"'],
    ['{"a": |, "b": 2}', "value /a"],
    ['{"a": [1, |]}', "value /a/1"],
    ['{"a": [1, "x|"]}', 'value /a/1 "x"'],
    ['{"a": [{"b": 1}, {|}]}', "key /a/1"],
    ['{"a": [{"b": 1, "|', 'key /a/0 "'],
    ['{"a": {"b": 1}, |', "key /"],
    ["|", "value /"],
  ]) {
    assert.equal(spot(text), found, text);
  }
});

test("a line and a column are a position, counted in characters", () => {
  assert.equal(places.positionOf("ab\ncd", 2, 2), 4);
  assert.equal(places.positionOf('"😀"x', 1, 4), 4);
  assert.equal(places.positionOf("ab", 1, 99), 2);
});

test("a deep text is read without a limit of its own", () => {
  const { depth, mistake } = places.read("[".repeat(50_000) + "]".repeat(50_000));
  assert.deepEqual([depth, mistake], [50_000, null]);
});
