import assert from "node:assert/strict";
import { test } from "node:test";
import * as figures from "../../goflow_py/ui/static/core/figures.js";

const WHOLE = {
  looked: { executions: 3, max: 50000, oldest: "2026-03-01T12:00:00.000Z" },
  exact: { started: true, ended: true },
};

test("counts are added up over versions and activities", () => {
  const lists = [{ items: [{ failed: 2, running: 1 }, { failed: 1 }] }, { items: [{ failed: 4 }] }];
  assert.deepEqual(figures.countsOf(lists, ["failed", "running", "paused"]), {
    failed: 7,
    running: 1,
    paused: 0,
  });
});

test("without an end there is no share of success", () => {
  assert.equal(figures.success({ completed: 0, failed: 0 }), null);
  assert.equal(figures.success({ completed: 3, failed: 1 }), 0.75);
});

test("a bar is as tall as what failed where more failed than began", () => {
  const [bar] = figures.barsOf({
    series: [{ at: "2026-03-01T12:00:00.000Z", started: 1, failed: 3 }],
  });
  assert.deepEqual([bar.value, bar.part], [3, 3]);
  assert.match(bar.says ?? "", /1 started, 3 failed/);
});

test("figures that are whole need no word", () => {
  assert.deepEqual(figures.caveats(WHOLE, []), []);
});

test("figures that are not whole say how far they go", () => {
  const cut = {
    looked: { ...WHOLE.looked, executions: 50_000 },
    exact: { started: false, ended: false },
  };
  const [started, ended, unknown] = figures.caveats(cut, ["state", "labels"]);
  assert.match(started, /newest 50,000 executions/);
  assert.match(ended, /missing/);
  assert.match(unknown, /state, labels/);
});

test("the stretch of the figures is in its largest unit", () => {
  assert.equal(
    figures.stretch({ since: "2026-03-01T12:00:00.000Z", until: "2026-03-02T11:59:59.999Z" }),
    "24 h",
  );
});

test("figures are young when all that was looked at began within the hour", () => {
  const now = Date.parse("2026-03-01T12:30:00.000Z");
  assert.equal(figures.isYoung(WHOLE, now), true);
  assert.equal(figures.isYoung(WHOLE, now + 3_600_000), false);
  assert.equal(
    figures.isYoung({ ...WHOLE, looked: { ...WHOLE.looked, oldest: null } }, now),
    false,
  );
});
