import assert from "node:assert/strict";
import { test } from "node:test";
import { folded, idOf, timelineOf } from "../../goflow_py/ui/static/execution/timeline.js";

const START = Date.parse("2026-01-01T00:00:00.000Z");
const at = (/** @type {number} */ ms) => new Date(START + ms).toISOString();

/** @returns {any} */
const execution = (rest = {}) => ({
  state: "pay",
  visit: 1,
  tasks: [],
  startedAt: at(0),
  finishedAt: null,
  ...rest,
});

/** @returns {any} */
const attempt = (
  /** @type {number} */ number,
  /** @type {number} */ from,
  /** @type {number | null} */ to,
  rest = {},
) => ({
  task: "pay",
  action: "pay",
  state: "pay",
  visit: 1,
  attempt: number,
  worker: "bank",
  priority: 1,
  queuedAt: at(0),
  dueAt: at(from),
  startedAt: at(from),
  endedAt: to === null ? null : at(to),
  deadline: null,
  taskDeadline: null,
  outcome: to === null ? null : "success",
  ...rest,
});

const entry = (
  /** @type {number} */ seq,
  /** @type {number} */ ms,
  /** @type {string} */ type,
  rest = {},
) => ({ seq, at: at(ms), type, ...rest });

const line = (/** @type {any} */ from, now = 1_000) =>
  timelineOf({ execution: execution(), attempts: [], entries: [], now: START + now, ...from });
const spans = (/** @type {any} */ row) =>
  row.segments.map((/** @type {any} */ { kind, from, to }) => [kind, from - START, to - START]);

test("an attempt that waited for a slot shows the wait before it runs", () => {
  const { rows } = line({ attempts: [attempt(1, 100, 300, { dueAt: at(40) })] });
  assert.deepEqual(spans(rows[0]), [
    ["queue", 40, 100],
    ["run", 100, 300],
  ]);
});

test("the pause between two attempts is none of the wait for a slot", () => {
  const attempts = [
    attempt(1, 0, 100, { outcome: "error" }),
    attempt(2, 350, 500, { dueAt: at(300) }),
  ];
  const { rows } = line({ attempts });
  assert.deepEqual(spans(rows[1]), [
    ["pause", 100, 300],
    ["queue", 300, 350],
    ["run", 350, 500],
  ]);
  assert.equal(rows[0]?.segments.at(-1)?.tone, "bad");
});

test("a fail-over is where the attempt before had another worker", () => {
  const attempts = [
    attempt(1, 0, 100),
    attempt(2, 200, 300),
    attempt(3, 400, 500, { worker: "bank-2", priority: 2 }),
  ];
  const { rows } = line({ attempts });
  assert.deepEqual(
    rows.map(({ isFailover }) => isFailover),
    [false, false, true],
  );
  assert.equal(rows[2]?.note, "bank-2 (p2)");
});

test("what an operator issued again has no pause before it, and no fail-over", () => {
  const attempts = [
    attempt(1, 0, 100),
    attempt(2, 600, 700, { queuedAt: at(600), worker: "bank-2" }),
  ];
  const { rows } = line({ attempts });
  assert.deepEqual(spans(rows[1]), [["run", 600, 700]]);
  assert.equal(rows[1]?.isFailover, false);
});

test("attempts of the same task in another visit are other work", () => {
  const { rows } = line({
    attempts: [attempt(1, 0, 100), attempt(1, 600, 700, { visit: 2, worker: "bank-2" })],
  });
  assert.deepEqual(spans(rows[1]), [["run", 600, 700]]);
  assert.equal(rows[1]?.isFailover, false);
});

test("what runs grows with the time", () => {
  const attempts = [attempt(1, 100, null)];
  assert.deepEqual(spans(line({ attempts }, 400).rows[0]), [["run", 100, 400]]);
  assert.deepEqual(spans(line({ attempts }, 900).rows[0]), [["run", 100, 900]]);
});

test("a deadline that is soon is on the line, one that is far is not", () => {
  const soon = line({ attempts: [attempt(1, 0, null, { deadline: at(1_500) })] });
  assert.deepEqual(soon.whole, [START, START + 1_500]);
  const far = line({ attempts: [attempt(1, 0, null, { deadline: at(60_000) })] });
  assert.deepEqual(far.whole, [START, START + 1_000]);
  assert.equal(far.rows[0]?.marks.length, 1);
});

test("deadlines of attempts that were answered in time are left out", () => {
  const attempts = [
    attempt(1, 0, 10, { deadline: at(500) }),
    attempt(2, 20, 520, { outcome: "timeout", deadline: at(520) }),
  ];
  assert.deepEqual(
    line({ attempts }).rows.map(({ marks }) => marks.length),
    [0, 1],
  );
});

test("the next attempt stands there with its pause, before it begins", () => {
  const tasks = [{ task: "pay", outcome: null, attempts: 1, timers: { retry: at(1_800) } }];
  const { rows, whole } = line({
    execution: execution({ tasks }),
    attempts: [attempt(1, 0, 100, { outcome: "error" })],
  });
  assert.equal(rows[1]?.label, "pay #2");
  assert.deepEqual(spans(rows[1]), [["pause", 100, 1_800]]);
  assert.equal(whole[1], START + 1_800);
});

test("a state without work that waits for events is a row until it is left", () => {
  const entries = [
    entry(1, 0, "transition", {
      from: "init",
      event: "start",
      to: "unpaid",
      visit: 1,
      entered: true,
    }),
    entry(2, 0, "timerSet", { timer: "after:0", due: at(700) }),
    entry(3, 0, "transition", {
      from: "unpaid",
      event: "poke",
      to: "unpaid",
      visit: 1,
      entered: false,
    }),
    entry(4, 600, "transition", {
      from: "unpaid",
      event: "paid",
      to: "done",
      visit: 2,
      entered: true,
    }),
    entry(5, 600, "ended", { status: "completed" }),
  ];
  const { rows } = line({ entries, execution: execution({ finishedAt: at(600) }) });
  assert.deepEqual(
    rows.map(({ label, note }) => [label, note]),
    [["unpaid", "waited for an event: paid"]],
  );
  assert.deepEqual(spans(rows[0]), [["wait", 0, 600]]);
  assert.deepEqual(rows[0]?.marks, [], "a timer that did not fire says nothing afterwards");
});

test("an open wait goes on until now, with its timer", () => {
  const entries = [
    entry(1, 100, "transition", {
      from: "init",
      event: "start",
      to: "unpaid",
      visit: 1,
      entered: true,
    }),
    entry(2, 100, "timerSet", { timer: "after:0", due: at(1_700) }),
  ];
  const { rows, whole } = line({ entries });
  assert.deepEqual(spans(rows[0]), [["wait", 100, 1_000]]);
  assert.equal(rows[0]?.status, "open");
  assert.equal(whole[1], START + 1_700);
});

test("work of people waits in a row until somebody claims it, then its attempt stands for it", () => {
  const entries = [
    entry(1, 0, "transition", {
      from: "init",
      event: "start",
      to: "review",
      visit: 1,
      entered: true,
    }),
    entry(2, 0, "taskScheduled", { task: "review", action: "review", kind: "human", visit: 1 }),
  ];
  assert.deepEqual(
    line({ entries }).rows.map(({ note }) => note),
    ["waits for somebody"],
  );
  const claimed = [attempt(1, 500, null, { task: "review", state: "review", dueAt: at(0) })];
  assert.deepEqual(
    line({ entries, attempts: claimed }).rows.map(({ kind }) => kind),
    ["attempt"],
  );
});

test("a state in which a worker is called is no wait", () => {
  const entries = [
    entry(1, 0, "transition", { from: "init", event: "start", to: "pay", visit: 1, entered: true }),
    entry(2, 0, "taskScheduled", { task: "pay", action: "pay", kind: "sync", visit: 1 }),
  ];
  assert.equal(line({ entries }).rows.length, 0);
});

test("it was paused from the verb to the resume, or until now", () => {
  const entries = [
    entry(1, 100, "control", { verb: "pause" }),
    entry(2, 300, "control", { verb: "resume" }),
    entry(3, 800, "control", { verb: "pause" }),
  ];
  assert.deepEqual(
    line({ entries }).paused.map(([from, to]) => [from - START, to - START]),
    [
      [100, 300],
      [800, 1_000],
    ],
  );
});

test("undone work is named by what undoes it", () => {
  const { rows } = line({
    attempts: [attempt(1, 0, 10, { task: "+undo:11", action: "cancel_hotel" })],
  });
  assert.equal(rows[0]?.label, "↩ cancel_hotel #1");
});

test("a thousand attempts of a loop fold into one row for each work, until one is unfolded", () => {
  const attempts = Array.from({ length: 1_000 }, (_, number) =>
    attempt(1, number * 10, number * 10 + 5, {
      visit: number + 1,
      state: number % 2 ? "ask" : "pay",
      task: number % 2 ? "ask" : "pay",
      outcome: number % 10 === 0 ? "error" : "success",
    }),
  );
  const { rows } = line({ attempts }, 20_000);
  const short = folded(rows, new Set());
  assert.deepEqual(
    short.map(({ label }) => label),
    ["pay ×500", "ask ×500"],
  );
  assert.equal(short[0]?.note, "✓ 400  ✗ 100");
  const long = folded(rows, new Set(["pay/pay"]));
  assert.equal(long.length, 502);
  assert.deepEqual(
    long.slice(0, 3).map(({ kind }) => kind),
    ["group", "attempt", "attempt"],
  );
  assert.equal(long.at(-1)?.kind, "group");
});

test("items of a list are one work, and few rows stay as they are", () => {
  const items = (/** @type {number} */ count) =>
    Array.from({ length: count }, (_, number) =>
      attempt(1, number, number + 5, { task: `pay[${number}]` }),
    );
  assert.deepEqual(
    folded(line({ attempts: items(100) }).rows, new Set()).map(({ label }) => label),
    ["pay ×100"],
  );
  assert.equal(folded(line({ attempts: items(60) }).rows, new Set()).length, 60);
});

test("rare work keeps its row among folded loops, in the order of time", () => {
  const loop = Array.from({ length: 100 }, (_, number) =>
    attempt(1, 50 + number, 51 + number, { visit: number + 2 }),
  );
  const attempts = [
    attempt(1, 0, 10, { task: "first", state: "first" }),
    ...loop,
    attempt(1, 500, 510, { task: "last", state: "last", visit: 200 }),
  ];
  assert.deepEqual(
    folded(line({ attempts }).rows, new Set()).map(({ label }) => label),
    ["first #1", "pay ×100", "last #1"],
  );
});

test("rows of work that came in several visits say which", () => {
  const attempts = [
    attempt(1, 0, 10),
    attempt(1, 20, 30, { visit: 3 }),
    attempt(1, 40, 50, { task: "ship", state: "ship", visit: 4 }),
  ];
  assert.deepEqual(
    line({ attempts }).rows.map(({ visit }) => visit),
    [1, 3, undefined],
  );
});

test("an attempt has a name of its own", () => {
  assert.equal(idOf({ visit: 3, task: "pay[1]", attempt: 2 }), "3.pay[1].2");
});
