import assert from "node:assert/strict";
import { test } from "node:test";
import { laidOut } from "../../goflow_py/ui/static/editor/layout_json.js";

test("what fits stands on one line, each row of a blueprint on its own", () => {
  const value = {
    project: "p",
    states: ["a", "b"],
    transitions: [{ current: "init", event: "start", next: "a" }, { current: "a" }],
    data: {},
  };
  assert.equal(
    laidOut(JSON.stringify(value)),
    `{
  "project": "p",
  "states": ["a", "b"],
  "transitions": [
    { "current": "init", "event": "start", "next": "a" },
    { "current": "a" }
  ],
  "data": {}
}
`,
  );
});

test("no line is longer than it has to be", () => {
  const text = laidOut(JSON.stringify({ a: { b: Array.from({ length: 60 }, (_, i) => i) } }));
  assert.ok(text?.split("\n").every((line) => line.length <= 100));
});

test("it is laid out once: again changes nothing", () => {
  const once = laidOut('{"a":[{"b":[1,2,{"c":"x"}]},[],{}],"d":"y"}') ?? "";
  assert.equal(laidOut(once), once);
});

test("numbers and texts stay as they are written, a key that is there twice stays twice", () => {
  const text = '{"a": 1.50, "b": 12345678901234567890, "c": "\\u0041\\/", "a": 1e3}';
  assert.equal(
    laidOut(text)?.replaceAll(/\s+/g, ""),
    '{"a":1.50,"b":12345678901234567890,"c":"\\u0041\\/","a":1e3}',
  );
});

test("a trailing comma goes, and nothing else ever does", () => {
  assert.equal(laidOut('{"a": [1,],}'), '{\n  "a": [1]\n}\n');
  for (const text of ["", "{", '{"a": }', '{"a": 1 "b": 2}', "{a: 1}", "[1] [2]", '{"a": nul}']) {
    assert.equal(laidOut(text), null, text);
  }
  assert.equal(laidOut("[".repeat(65) + "]".repeat(65)), null);
});

test("fields of the language come in their usual order, those of users in theirs", () => {
  const stored = '{"transitions":[{"next":"a","event":"e","current":"c"}],"project":"p",';
  const text = laidOut(`${stored}"input":{"properties":{"z":1,"key":2,"a":3}}}`, {
    isOrdered: true,
  });
  const keys = [...(text ?? "").matchAll(/"(\w+)":/g)].map(([, key]) => key);
  const rows = ["transitions", "current", "event", "next"];
  assert.deepEqual(keys, ["project", "input", "properties", "z", "key", "a", ...rows]);
});
