import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aloneOf,
  leaseOf,
  leftOf,
  runningOf,
  statusOf,
} from "../../goflow_py/ui/static/rooms/nodes.js";

/** @typedef {import("../../goflow_py/ui/static/rooms/nodes.js").Nodes} Nodes */

const NOTHING = { shards: 0, running: 0, inbox: 0, oldestSeconds: null };

/** @returns {import("../../goflow_py/ui/static/rooms/nodes.js").Node} */
function node() {
  return {
    ...NOTHING,
    id: "01a1fc72-9183-7cba-a0a8-727743046711",
    self: true,
    address: "http://app-1:8080",
    version: "1",
    startedAt: "2026-11-21T04:52:09.219Z",
    leaseLeftSeconds: null,
    status: "ok",
  };
}

/** @param {number} count @param {boolean} shared @returns {Nodes} */
function nodes(count, shared) {
  const items = Array.from({ length: count }, node);
  return { items, unowned: NOTHING, at: "", shared, leaseSeconds: shared ? 10 : null };
}

test("a lease is what is left of it, or for how long it is over", () => {
  assert.equal(leaseOf(8.25), "8.3 s");
  assert.equal(leaseOf(0.5), "500 ms");
  assert.equal(leaseOf(-1.5), "over for 1.5 s");
  assert.equal(leaseOf(null), "–");
});

test("a server that is lost looks worse than one that is late", () => {
  assert.equal(statusOf("lost").status, "failed");
  assert.equal(statusOf("late").status, "waiting");
  assert.equal(statusOf("ok").status, "success");
});

test("a status of a later release is shown as it is", () => {
  assert.deepEqual(statusOf("new"), { status: "unknown", text: "new", title: "" });
});

test("what nobody owns is a sentence, and nothing when there is none", () => {
  assert.equal(leftOf(NOTHING), "");
  assert.equal(
    leftOf({ shards: 85, running: 1200, inbox: 2, oldestSeconds: 4 }),
    "85 shards have no owner: 1,200 running, 2 in the inbox, the oldest for 4.0 s.",
  );
  assert.equal(
    leftOf({ ...NOTHING, shards: 1, running: null }),
    "1 shard has no owner: many running, 0 in the inbox.",
  );
});

test("what is too much to be counted is many", () => {
  assert.equal(runningOf(null), "many");
  assert.equal(runningOf(1200), "1,200");
});

test("a server on a file is alone, one on a database only for now", () => {
  assert.notEqual(aloneOf(nodes(1, false)), "");
  assert.equal(aloneOf(nodes(1, true)), "");
  assert.equal(aloneOf(nodes(2, true)), "");
});
