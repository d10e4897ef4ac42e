import assert from "node:assert/strict";
import { test } from "node:test";
import { groupsOf, isInTrouble } from "../../goflow_py/ui/static/rooms/workers.js";

/**
 * @param {Partial<import("../../goflow_py/ui/static/rooms/workers.js").Worker>} facts
 * @returns {import("../../goflow_py/ui/static/rooms/workers.js").Worker}
 */
function worker(facts) {
  return {
    project: "shop",
    activity: "order",
    action: "pay",
    endpoint: "bank",
    url: "http://bank",
    priority: 1,
    health: "up",
    breaker: "closed",
    recentAttempts: 0,
    errorShare: null,
    p50Ms: null,
    p95Ms: null,
    inFlight: 0,
    lastSeenAt: null,
    lastError: null,
    ...facts,
  };
}

test("workers stand below their activity, by action and priority", () => {
  const groups = groupsOf(
    [
      worker({ action: "pay", priority: 2 }),
      worker({ activity: "cart" }),
      worker({ action: "pay", priority: 1 }),
      worker({ action: "check" }),
    ],
    {},
  );
  assert.deepEqual(
    groups.map(({ name, workers }) => [
      name,
      workers.map((one) => `${one.action} ${one.priority}`),
    ]),
    [
      ["shop/cart", ["pay 1"]],
      ["shop/order", ["check 1", "pay 1", "pay 2"]],
    ],
  );
});

test("a search looks at activity, action, alias and URL", () => {
  const all = [worker({ action: "pay" }), worker({ action: "ship", endpoint: "DHL", url: null })];
  const found = (/** @type {string} */ q) =>
    groupsOf(all, { q }).flatMap((group) => group.workers.map((one) => one.action));
  assert.deepEqual(found("dhl"), ["ship"]);
  assert.deepEqual(found("http://bank"), ["pay"]);
  assert.deepEqual(found("shop/order"), ["pay", "ship"]);
  assert.deepEqual(found("nobody"), []);
});

test("a worker is in trouble when it fails, is down, or its breaker lets nothing through", () => {
  assert.equal(isInTrouble(worker({})), false);
  assert.equal(isInTrouble(worker({ health: "unknown" })), false);
  assert.equal(isInTrouble(worker({ health: "failing" })), true);
  assert.equal(isInTrouble(worker({ breaker: "half-open", health: "down" })), true);
  assert.deepEqual(groupsOf([worker({})], { onlyTrouble: true }), []);
});
