import assert from "node:assert/strict";
import { test } from "node:test";
import {
  appended,
  childrenOf,
  countKinds,
  KINDS,
  namesOf,
  ofKinds,
  stopAt,
  stopsOf,
} from "../../goflow_py/ui/static/execution/entries.js";
import { said } from "../../goflow_py/ui/static/execution/sayings.js";

const AT = "2026-01-01T00:00:00.000Z";
const entry = (/** @type {number} */ seq, /** @type {string} */ type, rest = {}) => ({
  seq,
  at: AT,
  type,
  ...rest,
});
const STORY = [
  entry(0, "started", { activity: "order", version: 2, key: null }),
  entry(1, "transition", { from: "init", event: "start", to: "pay", visit: 1, entered: true }),
  entry(2, "taskScheduled", { task: "pay", action: "pay", kind: "sync" }),
  entry(3, "attemptStarted", { task: "pay", attempt: 1, worker: "bank" }),
  entry(4, "dataChanged", { data: {} }),
  entry(5, "attemptEnded", {
    task: "pay",
    attempt: 1,
    worker: "bank",
    outcome: "error",
    httpStatus: 503,
    ms: 12,
    error: { message: "busy" },
  }),
];

test("entries that come behind those that are known are appended, and none twice", () => {
  const known = STORY.slice(0, 3);
  assert.deepEqual(
    appended(known, STORY.slice(1, 5), 100).map(({ seq }) => seq),
    [0, 1, 2, 3, 4],
  );
});

test("what brings nothing new leaves the very list that was there", () => {
  assert.equal(appended(STORY, STORY.slice(2), 100), STORY);
});

test("the oldest entries are dropped beyond the most that are kept", () => {
  assert.deepEqual(
    appended(STORY.slice(0, 3), STORY.slice(3), 4).map(({ seq }) => seq),
    [2, 3, 4, 5],
  );
});

test("no kind is all entries, and a kind is those of its types", () => {
  assert.equal(ofKinds(STORY, []), STORY);
  assert.deepEqual(
    ofKinds(STORY, ["attempt", "transition"]).map(({ seq }) => seq),
    [0, 1, 3, 5],
  );
});

test("a type that nobody knows is found among the changes by hand", () => {
  const odd = [entry(0, "somethingNew")];
  assert.deepEqual(countKinds(odd), { change: 1 });
  assert.equal(ofKinds(odd, ["change"]).length, 1);
  assert.equal(said(/** @type {any} */ (odd[0])).text, "somethingNew");
});

test("every type of the kinds has words of its own", () => {
  for (const type of KINDS.flatMap(({ types }) => types)) {
    if (type !== "migrated") assert.notEqual(said(entry(1, type)).text, type);
  }
});

test("an attempt that failed says by whom, with what answer and why", () => {
  const { text, more, tone } = said(/** @type {any} */ (STORY[5]));
  assert.equal(text, "pay #1 error");
  assert.equal(more, "bank · HTTP 503 · 12 ms · busy");
  assert.equal(tone, "bad");
});

test("a task that the engine named itself is called by its action, and so are its timers", () => {
  const undo = entry(6, "taskScheduled", { task: "+undo:6", action: "cancel", kind: "sync" });
  const names = namesOf([...STORY, undo]);
  const text = (/** @type {string} */ type, /** @type {any} */ rest) =>
    said(entry(7, type, rest), names).text;
  assert.equal(
    text("taskEnded", { task: "+undo:6", outcome: "success" }),
    "↩ cancel ended: success",
  );
  assert.equal(
    text("timerFired", { timer: "task:+undo:6:retry" }),
    "timer retry of ↩ cancel fired",
  );
  assert.equal(text("timerFired", { timer: "task:pay:retry" }), "timer retry of pay fired");
  assert.equal(text("timerFired", { timer: "deadline" }), "timer deadline fired");
  assert.equal(text("taskEnded", { task: "pay", outcome: "success" }), "pay ended: success");
});

test("a row that leaves the state where it is says so", () => {
  assert.equal(
    said(entry(1, "transition", { from: "a", event: "poke", to: "a", visit: 1, entered: false }))
      .text,
    "a × poke stays",
  );
});

test("steps end at the start, at transitions, at changed variables and at the newest entry", () => {
  assert.deepEqual(stopsOf(STORY), [0, 1, 4, 5]);
  assert.deepEqual(stopsOf(STORY.slice(0, 2)), [0, 1]);
  assert.deepEqual(stopsOf([]), []);
});

test("a seq between two steps is at the one before it", () => {
  const stops = [0, 3, 7, 12];
  for (const [seq, place] of [
    [0, 0],
    [2, 0],
    [3, 1],
    [6, 1],
    [11, 2],
    [12, 3],
    [99, 3],
  ]) {
    assert.equal(stopAt(stops, /** @type {number} */ (seq)), place, `seq ${seq}`);
  }
});

test("without a seq it is the newest step, and without steps the first place", () => {
  assert.equal(stopAt([0, 3], null), 1);
  assert.equal(stopAt([], null), 0);
  assert.equal(stopAt([], 5), 0);
  assert.equal(stopAt([4, 8], 1), 0);
});

test("the children are those that attempts started, each once", () => {
  const started = (/** @type {number} */ seq, /** @type {any} */ rest) =>
    entry(seq, "attemptStarted", rest);
  assert.deepEqual(
    childrenOf([
      started(0, { child: "a" }),
      started(1, { worker: "w" }),
      started(2, { child: "b" }),
      started(3, { child: "a" }),
    ]),
    ["a", "b"],
  );
});
