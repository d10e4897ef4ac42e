import assert from "node:assert/strict";
import { test } from "node:test";
import { argumentsOf, narrowed } from "../../goflow_py/ui/static/parts/batch_verbs.js";

for (const [
  name,
  verb,
  fields,
  expected,
] of /** @type {[string, string, Record<string, unknown>, unknown][]} */ ([
  ["a verb without fields takes nothing", "pause", {}, {}],
  ["a state is needed to go to it", "goto", { state: " " }, null],
  ["a state is trimmed", "goto", { state: " pay " }, { state: "pay" }],
  ["an output is a value", "skip", { output: { a: 1 } }, { output: { a: 1 } }],
  ["an output may be null", "skip", { output: null }, { output: null }],
  ["a patch is the arguments themselves", "data", { patch: { a: null } }, { a: null }],
  ["a patch is an object", "data", { patch: [1] }, null],
  ["a new visit is a yes", "retry", { newVisit: true }, { newVisit: true }],
])) {
  test(name, () => assert.deepEqual(argumentsOf(verb, fields), expected));
}

test("a filter is narrowed to those for whom the verb makes sense", () => {
  assert.deepEqual(narrowed({ project: "shop" }, ["failed"]), {
    project: "shop",
    status: ["failed"],
  });
  assert.deepEqual(narrowed({ status: ["failed", "running"] }, ["failed"]), { status: ["failed"] });
});

test("a filter that has no others stays as it is", () => {
  assert.equal(narrowed({ status: ["failed"] }, ["failed", "paused"]), null);
  assert.equal(narrowed({ status: ["running"] }, ["failed"]), null);
});
