import assert from "node:assert/strict";
import { test } from "node:test";
import * as saved from "../../goflow_py/ui/static/core/filters_saved.js";

const A = { name: "a", search: "status=failed" };
const B = { name: "b", search: "project=shop" };

test("what cannot be read is no view", () => {
  assert.deepEqual(saved.readViews("{broken"), []);
  assert.deepEqual(saved.readViews('{"name": "a"}'), []);
  assert.deepEqual(saved.readViews(JSON.stringify([A, { name: 1 }, null])), [A]);
});

test("who never kept a view is offered some", () => {
  assert.deepEqual(saved.readViews(null), saved.FIRST_VIEWS);
});

test("a view of the same name is replaced", () => {
  assert.deepEqual(saved.withView([A, B], { name: " a ", search: "q=7" }), [
    B,
    { name: "a", search: "q=7" },
  ]);
});

test("a view without a name is not kept", () => {
  assert.deepEqual(saved.withView([A], { name: "  ", search: "q=7" }), [A]);
});

test("beyond the bound the oldest view goes", () => {
  const many = Array.from({ length: saved.VIEWS_MAX }, (_, at) => ({ name: `v${at}`, search: "" }));
  const after = saved.withView(many, A);
  assert.equal(after.length, saved.VIEWS_MAX);
  assert.deepEqual([after[0].name, after.at(-1)], ["v1", A]);
});

test("a renamed view keeps its place, and takes the name from another one", () => {
  assert.deepEqual(saved.renamed([A, B], "a", "b"), [{ name: "b", search: A.search }]);
  assert.deepEqual(saved.renamed([A, B], "a", ""), [A, B]);
  assert.deepEqual(saved.renamed([A, B], "a", "c"), [{ name: "c", search: A.search }, B]);
});

test("a view that is removed is gone", () => {
  assert.deepEqual(saved.withoutView([A, B], "a"), [B]);
});
