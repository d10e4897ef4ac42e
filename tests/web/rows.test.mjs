import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf, rowOf } from "../../goflow_py/ui/static/executions/rows.js";

const row = (/** @type {any} */ changes) =>
  rowOf({
    id: "a",
    labels: {},
    status: "waiting",
    error: null,
    awaiting: [],
    tasks: [],
    input: { large: true },
    ...changes,
  });
const task = (/** @type {any} */ changes) => ({
  task: "t",
  action: "pay",
  type: "sync",
  status: "running",
  attempts: 1,
  worker: "bank",
  timers: {},
  ...changes,
});

for (const [name, given, text] of /** @type {[string, any, string][]} */ ([
  [
    "a failure says its message",
    { status: "failed", error: { code: "none_left", message: "no car is left" } },
    "no car is left",
  ],
  [
    "what completed needs no word",
    { status: "completed", error: { code: "timeout", message: "x" } },
    "",
  ],
  ["a call has its worker", { status: "running", tasks: [task({})] }, "bank does pay"],
  [
    "a second attempt is told",
    { status: "running", tasks: [task({ attempts: 2 })] },
    "bank does pay, attempt 2",
  ],
  [
    "a pause between attempts is told",
    { status: "running", tasks: [task({ status: "due", attempts: 2 })] },
    "tries pay again after 2 attempts",
  ],
  [
    "a person is named",
    { tasks: [task({ type: "human", status: "queued", assignedTo: "mia" })] },
    "waits for mia to take pay",
  ],
  [
    "a queue waits for a worker",
    { tasks: [task({ type: "pull", status: "queued" })] },
    "waits for a worker to take pay",
  ],
  [
    "an accepted call is at its worker",
    { tasks: [task({ status: "accepted" })] },
    "bank works on pay",
  ],
  [
    "events are named once",
    { awaiting: [{ event: "yes" }, { event: "no" }, { event: "yes" }] },
    "waits for yes or no",
  ],
  [
    "parallel work is counted",
    { status: "running", tasks: [task({}), task({}), task({ status: "ended" })] },
    "bank does pay, and 1 more",
  ],
])) {
  test(name, () => assert.equal(reasonOf(row(given))?.text, text));
}

test("a wait says until when", () => {
  const waits = task({
    type: "wait",
    status: "waiting",
    timers: { timeout: "2026-03-02T12:00:00.000Z" },
  });
  assert.equal(
    reasonOf(row({ awaiting: [{ event: "paid" }], tasks: [waits] }))?.until,
    "2026-03-02T12:00:00.000Z",
  );
});

test("where the list does not say why, the server is asked", () => {
  assert.equal(reasonOf(row({})), null);
});

test("a row keeps no input, and no more of a message than it shows", () => {
  const kept = row({ status: "failed", error: { code: "x", message: "m".repeat(9_999) } });
  assert.equal("input" in kept, false);
  assert.equal(kept.error?.message.length, 300);
});
