import assert from "node:assert/strict";
import { test } from "node:test";
import { HOME, href, parse, searchOf } from "../../goflow_py/ui/static/core/addresses.js";

test("an address says page, arguments and query", () => {
  assert.deepEqual(parse("#/executions/0192?tab=context&seq=12"), {
    page: "executions",
    args: ["0192"],
    query: { tab: "context", seq: "12" },
  });
});

test("no address is the home page", () => {
  for (const hash of ["", "#", "#/"]) {
    assert.deepEqual(parse(hash), { page: HOME, args: [], query: {} });
  }
});

test("what is written is read back, whatever stands in a name", () => {
  const args = ["a/b", "50 %", "<img onerror=x>", "ä#?&"];
  const query = { q: 'a&b="c"', key: "é?" };
  assert.deepEqual(parse(href("start", args, query)), { page: "start", args, query });
});

test("a cut address is shown as far as it can be read", () => {
  assert.deepEqual(parse("#/blueprint/%E0%A4%A/x").args, ["%E0%A4%A", "x"]);
});

test("empty values are left out of a query, and nought is not empty", () => {
  assert.equal(searchOf({ a: "", b: null, c: undefined, d: 0, e: false }), "d=0&e=false");
  assert.equal(href("inbox", [], { q: "" }), "#/inbox");
});
