import assert from "node:assert/strict";
import { test } from "node:test";
import {
  callOf,
  enterableStates,
  mergePatch,
  skipEvents,
} from "../../goflow_py/ui/static/execution/verb_calls.js";
import {
  remedyOf,
  sendableEvents,
  VERBS,
  visitedStates,
  whyNot,
} from "../../goflow_py/ui/static/execution/verb_rules.js";

const ID = "01a1fee7-c3e5-73ce-a94b-2308be3b6def";

/** @returns {any} */
const execution = (rest = {}) => ({
  id: ID,
  status: "running",
  state: "pay",
  visit: 3,
  revision: 9,
  error: null,
  awaiting: [],
  tasks: [],
  parent: null,
  machine: null,
  ...rest,
});

const node = (/** @type {string} */ id, rest = {}) => ({
  id,
  kind: "work",
  final: null,
  accepts: [],
  defers: [],
  work: [],
  visits: 0,
  ...rest,
});
/** @type {any} */
const GRAPH = {
  initial: "init",
  nodes: [
    node("init", { kind: "initial", visits: 1 }),
    node("pay", { visits: 2, accepts: ["paid"], defers: ["shipped"] }),
    node("ship", { accepts: ["shipped", "lost"] }),
    node("failed", { final: "failed", visits: 1 }),
  ],
  edges: [
    { id: "1", from: "pay", to: "ship", event: "success" },
    { id: "2", from: "pay", to: "failed", event: "refused" },
    { id: "3", from: "pay", to: "ship", event: "always" },
    { id: "4", from: "ship", to: "pay", event: "lost" },
  ],
};

/** The verbs that make sense. @param {any} one */
const offered = (one, graph = GRAPH) =>
  VERBS.map(({ id }) => id).filter((id) => whyNot(id, one, graph) === null);

const OPEN = ["event", "pause", "skip", "goto", "replay", "fork", "data", "cancel", "terminate"];
for (const [name, one, verbs] of /** @type {[string, any, string[]][]} */ ([
  ["runs", { status: "running" }, OPEN],
  ["waits", { status: "waiting" }, OPEN],
  ["is paused", { status: "paused" }, ["event", "resume", "fork", "data", "cancel", "terminate"]],
  [
    "has failed",
    { status: "failed" },
    ["retry", "skip", "goto", "replay", "fork", "data", "delete"],
  ],
  [
    "has failed in a final state",
    { status: "failed", state: "failed" },
    ["goto", "replay", "fork", "data", "delete"],
  ],
  ["has completed", { status: "completed" }, ["goto", "replay", "fork", "delete"]],
  ["was cancelled", { status: "cancelled" }, ["goto", "replay", "fork", "delete"]],
  ["is a child that has failed", { status: "failed", parent: ID }, ["fork", "data", "delete"]],
])) {
  test(`of an execution that ${name}, these verbs make sense: ${verbs.join(", ")}`, () => {
    assert.deepEqual(offered(execution(one)), verbs);
  });
}

test("work that waits for a retry can be retried while the execution waits, but not while it is paused", () => {
  const tasks = [{ task: "review", status: "parked" }];
  assert.equal(whyNot("retry", execution({ status: "waiting", tasks })), null);
  assert.match(whyNot("retry", execution({ status: "paused", tasks })) ?? "", /resume/);
});

test("a private machine is not forked, and nothing is replayed that was nowhere", () => {
  assert.match(whyNot("fork", execution({ machine: "kitchen" })) ?? "", /parent/);
  assert.match(
    whyNot("replay", execution(), { ...GRAPH, nodes: [node("init", { visits: 1 })] }) ?? "",
    /no state/,
  );
});

test("without a graph the server has the last word", () => {
  assert.equal(whyNot("retry", execution({ status: "failed", state: "failed" }), null), null);
});

test("what failed is retried first", () => {
  assert.deepEqual(remedyOf(execution({ status: "failed" }), GRAPH), {
    verb: "retry",
    given: {},
    label: "Retry",
  });
});

test("what ended in a final state is replayed from where it broke", () => {
  const one = execution({
    status: "failed",
    state: "failed",
    error: { code: "x", message: "y", state: "pay" },
  });
  assert.deepEqual(remedyOf(one, GRAPH), {
    verb: "replay",
    given: { from: "pay" },
    label: "Replay from pay",
  });
});

test("a child that has failed has no remedy of its own, and what did not fail needs none", () => {
  assert.equal(remedyOf(execution({ status: "failed", parent: ID }), GRAPH), null);
  assert.equal(remedyOf(execution(), GRAPH), null);
});

test("the states to go to are all but the initial one, those to replay from were visited", () => {
  assert.deepEqual(enterableStates(GRAPH), ["pay", "ship", "failed"]);
  assert.deepEqual(visitedStates(GRAPH), ["pay", "failed"]);
});

test("work is skipped with success or an event of a row of its state, but no reserved one", () => {
  assert.deepEqual(skipEvents(GRAPH, "pay"), ["success", "refused"]);
});

test("events that are accepted now come first, the others of the blueprint behind them", () => {
  const one = execution({ awaiting: [{ event: "paid", since: "", task: "bank" }] });
  assert.deepEqual(
    sendableEvents(one, GRAPH).map(({ name, isAccepted, task }) => [name, isAccepted, task]),
    [
      ["paid", true, "bank"],
      ["lost", false, undefined],
      ["shipped", false, undefined],
    ],
  );
});

test("a verb is a call with its fields and the reason", () => {
  assert.deepEqual(callOf("pause", execution(), { reason: " lunch " }), {
    method: "POST",
    path: `/v1/executions/${ID}:pause`,
    body: { reason: "lunch" },
  });
  assert.deepEqual(callOf("fork", execution(), { at: 4, data: { a: 1 } })?.body, {
    at: 4,
    data: { a: 1 },
  });
});

test("what moves an execution is meant for the visit that was seen", () => {
  for (const [verb, given] of /** @type {[string, any][]} */ ([
    ["retry", {}],
    ["skip", {}],
    ["goto", { state: "ship" }],
    ["replay", { from: "pay" }],
  ])) {
    assert.deepEqual(callOf(verb, execution(), given)?.headers, { "If-Match": '"visit-3"' }, verb);
  }
  assert.equal(callOf("cancel", execution(), {})?.headers, undefined);
});

test("a call that misses something is none", () => {
  for (const [verb, given] of /** @type {[string, any][]} */ ([
    ["event", {}],
    ["goto", {}],
    ["replay", {}],
    ["fork", {}],
    ["fork", { at: -1 }],
    ["fork", { at: 1.5 }],
    ["data", {}],
    ["data", { patch: [] }],
  ])) {
    assert.equal(callOf(verb, execution(), given), null, verb);
  }
});

test("a replay names a task only when nothing moves", () => {
  assert.deepEqual(callOf("replay", execution(), { from: "pay", task: "a" })?.body, {
    from: "pay",
  });
  assert.deepEqual(
    callOf("replay", execution(), { from: "pay", task: "a", downstream: false })?.body,
    {
      from: "pay",
      downstream: false,
      task: "a",
    },
  );
});

test("an event whose data is null is sent with null, and one without data has none", () => {
  assert.deepEqual(callOf("event", execution(), { name: "paid", data: null })?.body, {
    name: "paid",
    data: null,
  });
  assert.deepEqual(callOf("event", execution(), { name: "paid", data: undefined })?.body, {
    name: "paid",
  });
});

test("deleting is a call without a body", () => {
  assert.deepEqual(callOf("delete", execution(), {}), {
    method: "DELETE",
    path: `/v1/executions/${ID}`,
  });
});

test("a merge patch replaces, adds below and removes by null", () => {
  assert.deepEqual(
    mergePatch(
      { a: 1, b: { c: 2, d: 3 }, e: [1] },
      { a: null, b: { c: 4 }, e: [2], f: { g: null, h: 1 } },
    ),
    {
      b: { c: 4, d: 3 },
      e: [2],
      f: { h: 1 },
    },
  );
});

test("a patch may name what every object has", () => {
  const patch = JSON.parse('{"__proto__": {"a": 1}, "constructor": {"b": 2}}');
  const merged = mergePatch({}, patch);
  assert.deepEqual(Object.keys(merged), ["__proto__", "constructor"]);
  assert.equal(JSON.stringify(merged), JSON.stringify(patch));
});
