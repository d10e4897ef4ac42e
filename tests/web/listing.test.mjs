import assert from "node:assert/strict";
import { test } from "node:test";
import * as listing from "../../goflow_py/ui/static/executions/listing.js";

const execution = (/** @type {string} */ id, /** @type {number} */ minute, changes = {}) => ({
  id,
  project: "shop",
  activity: "order",
  version: 1,
  key: null,
  labels: {},
  status: "running",
  state: "pay",
  visit: 1,
  businessStatus: null,
  revision: 3,
  error: null,
  awaiting: [],
  tasks: [],
  machine: null,
  startedAt: `2026-03-02T12:${String(minute).padStart(2, "0")}:00.000Z`,
  finishedAt: null,
  ...changes,
});
const message = (/** @type {string} */ id, /** @type {any} */ entry, status = "running") => ({
  execution: id,
  project: "shop",
  activity: "order",
  key: null,
  status,
  entry: { at: "2026-03-02T13:00:00.000Z", ...entry },
});
const order = (/** @type {readonly {id: string}[]} */ rows) => rows.map((row) => row.id).join("");
const first = () =>
  listing.opened({
    items: [execution("c", 30), execution("b", 20), execution("a", 10)],
    next: "more",
  });

test("a page stands behind the rows, without those that are there", () => {
  const after = listing.appended(first(), {
    items: [execution("a", 10), execution("z", 5)],
    next: null,
  });
  assert.equal(order(after.rows), "cbaz");
  assert.equal(after.places.get("z"), 3);
});

test("a transition is seen in the row, which stays where it is", () => {
  const { listing: after, changed } = listing.told(first(), [
    message("b", { seq: 4, type: "transition", to: "ship", visit: 2 }),
  ]);
  assert.equal(order(after.rows), "cba");
  assert.deepEqual(
    [after.rows[1].state, after.rows[1].visit, after.rows[1].isStale],
    ["ship", 2, true],
  );
  assert.deepEqual([...changed], ["b"]);
});

test("what a row knows already changes nothing", () => {
  const { listing: after, changed } = listing.told(first(), [
    message("b", { seq: 3, type: "transition", to: "old", visit: 1 }),
  ]);
  assert.equal(after.rows[1].state, "pay");
  assert.equal(changed.size, 0);
});

test("an end has its time and its error", () => {
  const { listing: after } = listing.told(first(), [
    message(
      "a",
      { seq: 9, type: "ended", error: { code: "none_left", message: "no car" } },
      "failed",
    ),
  ]);
  const row = after.rows[2];
  assert.deepEqual(
    [row.status, row.finishedAt, row.error?.code],
    ["failed", "2026-03-02T13:00:00.000Z", "none_left"],
  );
});

test("an execution that is retried has no end any more", () => {
  const failed = listing.opened({
    items: [
      execution("a", 10, {
        status: "failed",
        finishedAt: "2026-03-02T12:11:00.000Z",
        error: { code: "x", message: "" },
      }),
    ],
    next: null,
  });
  const { listing: after } = listing.told(failed, [
    message("a", { seq: 9, type: "control" }, "running"),
  ]);
  assert.deepEqual([after.rows[0].finishedAt, after.rows[0].error], [null, null]);
});

test("executions that are no rows are told apart by whether they have just begun", () => {
  const { unknown } = listing.told(first(), [
    message("n", { seq: 0, type: "started" }),
    message("n", { seq: 1, type: "transition" }),
    message("o", { seq: 8, type: "transition" }),
  ]);
  assert.deepEqual([unknown.get("n").isStart, unknown.get("o").isStart], [true, false]);
});

test("new ones wait until they are wanted, newest first", () => {
  const after = listing.refreshed(first(), [
    execution("e", 50),
    execution("d", 40),
    execution("c", 30, { state: "ship", revision: 7 }),
  ]);
  assert.equal(order(after.rows), "cba");
  assert.equal(order(after.fresh), "ed");
  assert.equal(after.rows[0].state, "ship");
  assert.equal(order(listing.unveiled(after, () => true).rows), "edcba");
});

test("an older reading does not undo a newer one", () => {
  const { listing: told } = listing.told(first(), [
    message("c", { seq: 8, type: "transition", to: "ship", visit: 2 }),
  ]);
  assert.equal(listing.refreshed(told, [execution("c", 30)]).rows[0].state, "ship");
});

test("one that comes to fit later stands at its place among the rows", () => {
  assert.equal(order(listing.refreshed(first(), [execution("x", 15)]).rows), "cbxa");
});

test("one that is older than what was read waits for its page", () => {
  assert.equal(order(listing.refreshed(first(), [execution("x", 1)]).rows), "cba");
  const whole = { ...first(), next: null };
  assert.equal(order(listing.refreshed(whole, [execution("x", 1)]).rows), "cbax");
});

test("rows that belong no more go when the new ones are shown", () => {
  const after = listing.unveiled(
    listing.refreshed(first(), [execution("d", 40)]),
    (row) => row.id !== "b",
  );
  assert.equal(order(after.rows), "dca");
});

test("too many new ones are not kept apart: the list is behind", () => {
  const many = Array.from({ length: listing.FRESH_MAX + 1 }, (_, at) => execution(`n${at}`, 40));
  const after = listing.refreshed(first(), many);
  assert.equal(after.isBehind, true);
  assert.equal(after.fresh.length, listing.FRESH_MAX);
});

test("one that was deleted is gone", () => {
  const after = listing.without(first(), "b");
  assert.equal(order(after.rows), "ca");
  assert.equal(after.places.get("a"), 1);
});
