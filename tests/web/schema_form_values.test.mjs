import assert from "node:assert/strict";
import { test } from "node:test";
import {
  complaint,
  errorsBelow,
  freshName,
  localOf,
  momentOf,
  moved,
  numberOf,
  optionFor,
  renamed,
  withName,
} from "../../goflow_py/ui/static/core/schema_form_values.js";

test("a name is set at its place, and taken out by undefined", () => {
  assert.deepEqual(Object.entries(withName({ a: 1, b: 2 }, "a", 3)), [
    ["a", 3],
    ["b", 2],
  ]);
  assert.deepEqual(withName({ a: 1 }, "a", undefined), {});
  assert.deepEqual(withName(undefined, "a", null), { a: null });
  assert.deepEqual(Object.keys(withName({}, "__proto__", 1)), ["__proto__"]);
});

test("a name is changed at its place unless the other is taken", () => {
  assert.deepEqual(Object.keys(renamed({ a: 1, b: 2 }, "a", "c")), ["c", "b"]);
  assert.deepEqual(renamed({ a: 1, b: 2 }, "a", "b"), { a: 1, b: 2 });
  assert.equal(freshName({ name1: 0 }), "name2");
});

test("an item moves, and not out of the list", () => {
  assert.deepEqual(moved([1, 2, 3], 0, 2), [2, 3, 1]);
  assert.deepEqual(moved([1, 2, 3], 2, 1), [1, 3, 2]);
  assert.deepEqual(moved([1, 2], 0, -1), [1, 2]);
});

test("a value tells which of several schemas it was meant for", () => {
  const options = [
    { schema: { properties: { by: { const: "card" } } } },
    { schema: { properties: { by: { const: "cash" } }, required: ["by"] } },
    { schema: { type: "integer" } },
    { schema: { enum: ["a"] } },
  ];
  const meant = (/** @type {unknown} */ value) => optionFor(options, value, {});
  assert.deepEqual(
    [{ by: "card" }, { by: "cash" }, 3, "a", 3.5, undefined, null].map(meant),
    [0, 1, 2, 3, -1, -1, -1],
  );
});

test("errors go to the field that they name, and stay where it is not shown", () => {
  const errors = [
    { pointer: "", message: "'a' is a required property" },
    { pointer: "", message: "'z' is a required property" },
    { pointer: "", message: "too few" },
    { pointer: "/a~1b/0/c", message: "wrong" },
    { pointer: "/unknown", message: "not asked for" },
  ];
  const { own, below } = errorsBelow(errors, ["a", "a/b"]);
  assert.deepEqual(below.get("a"), [{ pointer: "", message: "this is required" }]);
  assert.deepEqual(below.get("a/b"), [{ pointer: "/0/c", message: "wrong" }]);
  assert.deepEqual(
    own.map(({ message }) => message),
    ["'z' is a required property", "too few", "not asked for"],
  );
});

test("an error of a field with an empty name is its own", () => {
  const { own, below } = errorsBelow([{ pointer: "/", message: "wrong" }], [""]);
  assert.deepEqual([own, below.get("")], [[], [{ pointer: "", message: "wrong" }]]);
});

/** @type {[any, unknown, RegExp | null][]} */
const COMPLAINTS = [
  [{ type: "string", minLength: 1 }, "", /one character/],
  [{ type: "string", maxLength: 2 }, "abc", /at most 2/],
  [{ type: "string", maxLength: 1 }, "😀", null],
  [{ type: "number" }, "1x", /no number/],
  [{ type: "integer" }, 1.5, /whole/],
  [{ type: "integer", minimum: 0 }, -1, /at least 0/],
  [{ type: "number", exclusiveMinimum: 0 }, 0, /more than 0/],
  [{ type: "number", exclusiveMaximum: 5 }, 5, /less than 5/],
  [{ type: "number", maximum: 5 }, 5, null],
  [{ type: "string", minLength: 1 }, undefined, null],
  [{ type: "string", pattern: "(a+)+$" }, `${"a".repeat(60)}!`, null],
];
for (const [schema, value, says] of COMPLAINTS) {
  test(`${JSON.stringify(value)} in ${JSON.stringify(schema)}: ${says ?? "nothing to say"}`, () => {
    const said = complaint(schema, value);
    if (says === null) assert.equal(said, null);
    else assert.match(said ?? "", says);
  });
}

test("text on the way to a number is kept", () => {
  assert.deepEqual(["", " ", "-", "1e", "12", "1.", " 3 ", "Infinity"].map(numberOf), [
    undefined,
    undefined,
    "-",
    "1e",
    12,
    1,
    3,
    "Infinity",
  ]);
});

test("a moment survives the way through a field in local time", () => {
  assert.equal(momentOf(localOf("2026-03-04T05:06:07.000Z")), "2026-03-04T05:06:07.000Z");
  assert.deepEqual([localOf("soon"), localOf(undefined), momentOf("")], ["", "", undefined]);
});
