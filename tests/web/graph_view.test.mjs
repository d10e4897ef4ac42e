import assert from "node:assert/strict";
import { test } from "node:test";
import { line, loop, tipOf } from "../../goflow_py/ui/static/graph/curves.js";
import {
  first,
  fit,
  fitBox,
  READABLE,
  SCALE_MAX,
  SCALE_MIN,
  shown,
  zoomed,
} from "../../goflow_py/ui/static/graph/view.js";

const window = { width: 400, height: 300 };

/**
 * Where a point of the picture is seen.
 *
 * @param {import("../../goflow_py/ui/static/graph/view.js").View} view
 * @param {{x: number, y: number}} point
 */
const seen = (view, { x, y }) => ({ x: view.x + x * view.scale, y: view.y + y * view.scale });

test("a small picture stands in the middle, as large as it is", () => {
  assert.deepEqual(fit({ width: 200, height: 100 }, window), { scale: 1, x: 100, y: 100 });
});

test("a large picture is made smaller until all of it is seen", () => {
  const view = fit({ width: 800, height: 300 }, window);
  assert.deepEqual(view, { scale: 0.5, x: 0, y: 75 });
});

test("what could not be read is shown larger, around what matters", () => {
  const focus = { x: 2_000, y: 1_500, width: 100, height: 40 };
  const view = first({ width: 4_000, height: 3_000 }, window, focus);
  assert.equal(view.scale, READABLE);
  assert.deepEqual(seen(view, focus), { x: 200, y: 150 });
});

test("no empty room is shown above the first state of a large picture", () => {
  const view = first({ width: 300, height: 3_000 }, window, {
    x: 150,
    y: 30,
    width: 80,
    height: 36,
  });
  assert.equal(seen(view, { x: 0, y: 0 }).y, 0);
});

test("zooming leaves what is under the pointer where it is", () => {
  const at = { x: 120, y: 80 };
  const view = { scale: 1, x: 10, y: 20 };
  const point = { x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale };
  const { x, y } = seen(zoomed(view, 1.7, at), point);
  assert.ok(Math.abs(x - at.x) < 1e-9 && Math.abs(y - at.y) < 1e-9);
});

test("zooming has an end in both directions", () => {
  const view = { scale: 1, x: 0, y: 0 };
  assert.equal(zoomed(view, 1_000, { x: 0, y: 0 }).scale, SCALE_MAX);
  assert.equal(zoomed(view, 0.0001, { x: 0, y: 0 }).scale, SCALE_MIN);
});

test("what is in sight moves nothing; what is not moves just so far", () => {
  const view = { scale: 1, x: 0, y: 0 };
  assert.deepEqual(shown(view, window, { x: 200, y: 100, width: 80, height: 36 }), view);
  const moved = shown(view, window, { x: 200, y: 500, width: 80, height: 36 });
  assert.equal(moved.x, 0);
  assert.ok(seen(moved, { x: 0, y: 518 }).y <= window.height);
});

test("a picture without a size can be fitted", () => {
  const { scale } = fitBox({ x: 0, y: 0, width: 0, height: 0 }, window);
  assert.equal(scale, 1);
});

test("a straight line is straight", () => {
  assert.equal(
    line([
      { x: 5, y: 0 },
      { x: 5, y: 10 },
      { x: 5, y: 30 },
    ]),
    "M5 0L5 10L5 30",
  );
});

test("a line leaves and arrives straight down, and stays between its points", () => {
  const path = line([
    { x: 0, y: 0 },
    { x: 40, y: 30 },
    { x: 60, y: 80 },
  ]);
  const numbers = (path.match(/-?[\d.]+/g) ?? []).map(Number);
  const xs = numbers.filter((_, at) => at % 2 === 0);
  const ys = numbers.filter((_, at) => at % 2 === 1);
  assert.equal(xs[1], xs[0]);
  assert.equal(xs.at(-2), xs.at(-1));
  assert.ok(Math.min(...xs) >= 0 && Math.max(...xs) <= 60);
  assert.deepEqual(
    ys,
    [...ys].sort((one, other) => one - other),
  );
});

test("an arrow points the way that its line goes", () => {
  assert.match(
    tipOf([
      { x: 0, y: 0 },
      { x: 0, y: 20 },
    ]),
    /^M0 27L/,
  );
  assert.match(
    tipOf([
      { x: 0, y: 40 },
      { x: 0, y: 20 },
    ]),
    /^M0 13L/,
  );
});

test("a loop begins and ends at the same side", () => {
  const { path, tip } = loop({ x: 100, y: 50 }, 20);
  assert.match(path, /^M100 45C/);
  assert.match(tip, /^M100 /);
});
