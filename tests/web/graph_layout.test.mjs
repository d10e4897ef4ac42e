import assert from "node:assert/strict";
import { test } from "node:test";
import { drawingOf } from "../../goflow_py/ui/static/graph/drawing.js";
import { layoutOf } from "../../goflow_py/ui/static/graph/layout.js";
import { made, sceneOf } from "../../goflow_py/ui/static/graph/layout_cache.js";
import { estimate } from "../../goflow_py/ui/static/graph/measure.js";
import { execution, fixtures, moved } from "./graph_cases.mjs";
import { generated, pizza, polling } from "./graph_fixtures.mjs";

/** @param {import("./graph_fixtures.mjs").ApiGraph} graph */
const drawn = (graph) => drawingOf(graph, estimate);
/** @param {import("./graph_fixtures.mjs").ApiGraph} graph */
const laidOut = (graph) => layoutOf(drawn(graph));

/** @param {any} one @param {any} other */
function overlap(one, other) {
  const x = (one.width + other.width) / 2 - Math.abs(one.x - other.x);
  const y = (one.height + other.height) / 2 - Math.abs(one.y - other.y);
  return x > 0.5 && y > 0.5;
}

/** @param {any[][]} boxes a name and a box each */
function overlaps(boxes) {
  /** @type {string[]} */
  const found = [];
  boxes.forEach(([name, box], at) => {
    for (const [other, otherBox] of boxes.slice(at + 1)) {
      if (overlap(box, otherBox)) found.push(`${name} and ${other}`);
    }
  });
  return found;
}

/** At most the length of an arrow's tip away. @param {number[]} point @param {any} box @param {string} edge */
function assertNear([x, y], box, edge) {
  assert.ok(Math.abs(x - box.x) <= box.width / 2 + 8, `${edge} is beside its state`);
  assert.ok(Math.abs(y - box.y) <= box.height / 2 + 8, `${edge} is above or below its state`);
}

/** Where a path begins and ends. @param {string} path */
function ends(path) {
  const numbers = (path.match(/-?[\d.]+/g) ?? []).map(Number);
  return { from: numbers.slice(0, 2), to: numbers.slice(-2) };
}

for (const [name, graph] of Object.entries(fixtures)) {
  test(`no two states of ${name} stand upon each other`, () => {
    assert.deepEqual(overlaps(Object.entries(laidOut(graph).nodes)), []);
  });

  test(`no label of ${name} stands upon another, or upon a state`, () => {
    const { nodes, edges } = laidOut(graph);
    const labels = Object.entries(edges).map(([key, { label }]) => [`label ${key}`, label]);
    assert.deepEqual(overlaps([...Object.entries(nodes), ...labels]), []);
  });

  test(`all of ${name} is within the picture`, () => {
    const { nodes, edges, frames, width, height } = laidOut(graph);
    for (const box of [
      ...Object.values(nodes),
      ...Object.values(edges).map(({ label }) => label),
      ...frames,
    ]) {
      assert.ok(
        box.x - box.width / 2 >= 0 && box.x + box.width / 2 <= width + 0.5,
        JSON.stringify(box),
      );
      assert.ok(
        box.y - box.height / 2 >= 0 && box.y + box.height / 2 <= height + 0.5,
        JSON.stringify(box),
      );
    }
  });

  test(`every edge of ${name} begins and ends at the border of its states`, () => {
    const { nodes, edges } = laidOut(graph);
    for (const { key, from, to } of drawn(graph).parts.flatMap((part) => part.edges)) {
      const { from: start, to: end } = ends(edges[key].path);
      assertNear(start, nodes[from], key);
      assertNear(end, nodes[to], key);
    }
  });
}

test("the same graph is always laid out alike", () => {
  assert.deepEqual(laidOut(structuredClone(polling)), laidOut(polling));
});

test("edges between the same two states have lines and labels of their own", () => {
  const { edges } = laidOut(polling);
  const paths = ["error", "timeout", "broken"].map((event) => edges[`check/${event}/0`].path);
  assert.equal(new Set(paths).size, 3);
});

test("loops stand at the right of their state, one below the other", () => {
  const { nodes, edges } = laidOut(polling);
  const [again, later] = [edges["check/again/0"], edges["check/later/0"]];
  const right = nodes.check.x + nodes.check.width / 2;
  assert.equal(again.kind, "loop");
  assert.ok(again.label.x - again.label.width / 2 > right);
  assert.ok(later.label.y >= again.label.y + again.label.height);
});

test("an edge that leads back says so, and leads upwards", () => {
  const { nodes, edges } = laidOut(polling);
  const back = edges["check/success/0"];
  const { from, to } = ends(back.path);
  assert.equal(back.kind, "back");
  assert.ok(nodes.check.y > nodes.pause.y);
  assert.ok(to[1] < from[1]);
});

test("the first state stands above all others", () => {
  const { nodes } = laidOut(generated(30));
  for (const [key, { y }] of Object.entries(nodes))
    if (key !== "init") assert.ok(y > nodes.init.y, key);
});

test("tasks stand within their state, below what they need", () => {
  const { x, y, width, height, tasks } = laidOut(pizza).nodes.fulfil;
  assert.deepEqual(overlaps(Object.entries(tasks)), []);
  for (const task of Object.values(tasks)) {
    assert.ok(Math.abs(task.x - x) + task.width / 2 <= width / 2);
    assert.ok(Math.abs(task.y - y) + task.height / 2 <= height / 2);
  }
  assert.ok(tasks.ride.y > tasks.kitchen.y);
});

test("a machine stands in a frame of its own, with all its states", () => {
  const scene = laidOut(pizza);
  assert.deepEqual(
    scene.frames.map(({ machine }) => machine),
    ["payment", "kitchen"],
  );
  assert.deepEqual(overlaps(scene.frames.map((frame) => [frame.machine, frame])), []);
  const frame = scene.frames[1];
  const bake = scene.nodes["/kitchen/bake"];
  assert.ok(Math.abs(bake.x - frame.x) + bake.width / 2 <= frame.width / 2);
  assert.equal(scene.links.length, 2);
});

test("a machine's frame has room around it", () => {
  const { frames, width, height } = laidOut(pizza);
  for (const frame of frames) {
    assert.ok(frame.x + frame.width / 2 < width);
    assert.ok(frame.y + frame.height / 2 < height);
  }
});

test("what an execution did lays nothing out again", () => {
  const before = made.count;
  const first = sceneOf(drawn(execution(polling, { visits: { submit: 1 }, current: "submit" })));
  const steps = ["pause", "check", "pause", "check", "done"];
  for (const current of steps) {
    const answer = moved(polling, current);
    assert.equal(sceneOf(drawn(answer)), first);
  }
  assert.equal(made.count, before + 1);
});

test("another version of a blueprint is laid out anew", () => {
  const before = made.count;
  sceneOf(drawn(generated(12)));
  sceneOf(drawn(generated(13)));
  assert.equal(made.count, before + 2);
});

test("a large graph is laid out elsewhere, and once for all who ask", async () => {
  /** @type {string[]} */
  const asked = [];
  /** @param {string} text */
  const elsewhere = async (text) => {
    asked.push(text);
    return layoutOf(JSON.parse(text));
  };
  const large = generated(160);
  const scenes = await Promise.all([
    sceneOf(drawn(large), elsewhere),
    sceneOf(drawn(large), elsewhere),
  ]);
  assert.equal(asked.length, 1);
  assert.equal(scenes[0], scenes[1]);
  assert.equal(sceneOf(drawn(large), elsewhere), scenes[0]);
});

test("a layout that failed is tried again", async () => {
  const large = generated(161);
  await assert.rejects(() =>
    Promise.resolve(sceneOf(drawn(large), () => Promise.reject(new Error("no worker")))),
  );
  const scene = await sceneOf(drawn(large), async (text) => layoutOf(JSON.parse(text)));
  assert.equal(Object.keys(scene.nodes).length, 161);
});
