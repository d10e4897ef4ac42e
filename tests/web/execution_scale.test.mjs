import assert from "node:assert/strict";
import { test } from "node:test";
import {
  merged,
  moved,
  netScale,
  ticksOf,
  wallScale,
  zoomed,
  zoomedBy,
} from "../../goflow_py/ui/static/execution/timeline_scale.js";

const near = (/** @type {number} */ one, /** @type {number} */ other) =>
  assert.ok(Math.abs(one - other) < 1e-9, `${one} is not ${other}`);

test("wall time is in proportion", () => {
  const scale = wallScale([100, 300]);
  assert.deepEqual([100, 150, 300].map(scale), [0, 0.25, 1]);
});

test("net of waits a long wait is as narrow as a short one, and work is in proportion", () => {
  const hour = 3_600_000;
  const scale = netScale(
    [0, hour + 500],
    [
      [0, 100],
      [200, 300],
      [hour + 300, hour + 500],
    ],
  );
  near(scale(200) - scale(100), scale(hour + 300) - scale(300));
  near(scale(hour + 500) - scale(hour + 300), 2 * (scale(100) - scale(0)));
  near(scale(hour + 500), 1);
});

test("net of waits no time goes backwards", () => {
  const scale = netScale(
    [0, 1_000],
    [
      [10, 20],
      [15, 40],
      [900, 950],
    ],
  );
  let last = -1;
  for (let ms = 0; ms <= 1_000; ms += 5) {
    assert.ok(scale(ms) >= last, `at ${ms}`);
    last = scale(ms);
  }
});

test("however many waits there are, work keeps most of the line", () => {
  const busy = Array.from(
    { length: 500 },
    (_, at) => /** @type {[number, number]} */ ([at * 1_000, at * 1_000 + 1]),
  );
  const scale = netScale([0, 500_000], busy);
  const work = busy.reduce((sum, [from, to]) => sum + scale(to) - scale(from), 0);
  near(work, 0.7);
});

test("where nothing was done, net time is wall time", () => {
  assert.equal(netScale([0, 100], [])(25), 0.25);
});

test("stretches that overlap or touch are one, and none is outside the whole", () => {
  assert.deepEqual(
    merged(
      [
        [50, 60],
        [0, 10],
        [5, 20],
        [20, 30],
        [90, 200],
        [300, 400],
      ],
      [0, 100],
    ),
    [
      [0, 30],
      [50, 60],
      [90, 100],
    ],
  );
});

test("zooming in keeps the place under the pointer, and never leaves the line", () => {
  assert.deepEqual(zoomedBy([0, 1], 2, 0.5), [0.25, 0.75]);
  assert.deepEqual(zoomedBy([0, 1], 2, 0), [0, 0.5]);
  assert.deepEqual(zoomedBy([0.5, 1], 0.25, 0), [0, 1]);
});

test("what is seen is moved as far as the line goes", () => {
  assert.deepEqual(moved([0.2, 0.4], -5), [0, 0.2]);
  const [from, to] = moved([0.2, 0.4], 100);
  near(from, 0.8);
  near(to, 1);
});

test("a part of the line is drawn over all of it", () => {
  assert.equal(zoomed(wallScale([0, 100]), [0.5, 1])(75), 0.5);
});

test("ticks are at even spans, and no more than fit", () => {
  assert.deepEqual(ticksOf([0, 1_000], [0, 1], 5), [0, 200, 400, 600, 800, 1_000]);
  assert.deepEqual(
    ticksOf([0, 3_600_000], [0.5, 1], 3),
    [1_800_000, 2_400_000, 3_000_000, 3_600_000],
  );
  assert.ok(ticksOf([0, 9e9], [0, 1], 5).length <= 6);
});
