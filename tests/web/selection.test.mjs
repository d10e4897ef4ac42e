import assert from "node:assert/strict";
import { test } from "node:test";
import * as choice from "../../goflow_py/ui/static/core/selection.js";

const ROWS = ["a", "b", "c", "d", "e"].map((id) => ({ id }));
const ids = (/** @type {choice.Selection} */ selection) => [...selection.ids].sort().join("");

test("choosing twice is not choosing", () => {
  const once = choice.toggled(choice.NOTHING, "b", ROWS);
  assert.equal(choice.isChosen(once, "b"), true);
  assert.equal(choice.isNothing(choice.toggled(once, "b", ROWS)), true);
});

test("a range goes from the last one that was chosen, upwards too", () => {
  const from = choice.toggled(choice.NOTHING, "d", ROWS);
  assert.equal(ids(choice.stretched(from, "b", ROWS)), "bcd");
  assert.equal(ids(choice.stretched(choice.stretched(from, "b", ROWS), "e", ROWS)), "bcde");
});

test("a range without a beginning is one row", () => {
  assert.equal(ids(choice.stretched(choice.NOTHING, "c", ROWS)), "c");
});

test("all of the filter has every row, also those that were not read", () => {
  assert.equal(choice.isChosen(choice.ALL, "never read"), true);
  assert.equal(choice.isNothing(choice.ALL), false);
});

test("all but one are those that were read, without it", () => {
  assert.equal(ids(choice.toggled(choice.ALL, "c", ROWS)), "abde");
  assert.equal(choice.toggled(choice.ALL, "c", ROWS).isAll, false);
});

test("no more are chosen than a batch takes", () => {
  const rows = Array.from({ length: choice.IDS_MAX + 5 }, (_, at) => ({ id: String(at) }));
  assert.equal(choice.every(rows).ids.size, choice.IDS_MAX);
});
