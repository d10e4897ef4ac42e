import assert from "node:assert/strict";
import { test } from "node:test";
import { describeEdge, describeState, inWords } from "../../goflow_py/ui/static/graph/describe.js";
import { cut, drawingOf, eventOf, idOf, keyOf } from "../../goflow_py/ui/static/graph/drawing.js";
import { marksOfExecution } from "../../goflow_py/ui/static/graph/execution_marks.js";
import { marksOfInsights } from "../../goflow_py/ui/static/graph/insight_marks.js";
import { layoutOf } from "../../goflow_py/ui/static/graph/layout.js";
import {
  boundsOf,
  currentOf,
  edgeMark,
  stateMark,
  times,
} from "../../goflow_py/ui/static/graph/marks.js";
import { estimate } from "../../goflow_py/ui/static/graph/measure.js";
import { neighbourhood } from "../../goflow_py/ui/static/graph/neighbourhood.js";
import { keyed, walk } from "../../goflow_py/ui/static/graph/walk.js";
import { execution } from "./graph_cases.mjs";
import { edge, generated, graph, pizza, polling, state } from "./graph_fixtures.mjs";

test("an execution marks what it visited, where it is, and the way that it took", () => {
  const marks = marksOfExecution(
    execution(polling, { visits: { init: 1, submit: 1, pause: 3 }, current: "pause" }),
  );
  assert.deepEqual([...marks.states.keys()], ["init", "submit", "pause"]);
  assert.equal(currentOf(marks), "pause");
  assert.equal(stateMark(marks, "pause").tone, "busy");
  assert.equal(stateMark(marks, "pause").note, "running here; visited 3 times");
  assert.equal(stateMark(marks, "submit").tone, undefined);
  assert.equal(edgeMark(marks, "submit/success/0").count, 3);
  assert.deepEqual(edgeMark(marks, "check/error/0"), {});
});

test("a state that is entered by no visit is marked while the execution is there", () => {
  const marks = marksOfExecution(execution(polling, { visits: {}, current: "init" }));
  assert.equal(currentOf(marks), "init");
});

test("the tasks of the current state have their status, and lists how far they are", () => {
  const tasks = [
    { name: "payment", action: "payment", needs: [], type: "sync", status: "ended" },
    {
      name: "kitchen",
      action: "k",
      needs: [],
      type: "sync",
      status: "open",
      items: { all: 5, ended: 2, failed: 1, open: 2 },
    },
  ];
  const marks = marksOfExecution({
    ...graph([state("fulfil", { visits: 1, current: true, tasks })], []),
    status: "waiting",
  });
  const found = stateMark(marks, "fulfil").tasks;
  assert.deepEqual(found?.get("payment"), { status: "ended", figure: undefined });
  assert.deepEqual(found?.get("kitchen"), { status: "open", figure: "3/5" });
});

const insights = {
  states: [
    { state: "init", visits: 100, p50: 0, p95: 0 },
    { state: "slow", visits: 100, p50: 1, p95: 4 },
    { state: "quick", visits: 64, p50: 0.5, p95: 1 },
    { state: "done", visits: 64, p50: null, p95: null },
  ],
  rows: [
    { id: "init/start/0", count: 100, p50: 0, p95: 0 },
    { id: "slow/success/0", count: 25, p50: 1, p95: 4 },
    { id: "slow/success/1", count: 0, p50: null, p95: null, countedAs: "slow/success/0" },
    { id: "slow/error/0", count: 0, p50: null, p95: null },
  ],
  machines: { kitchen: { states: [{ state: "bake", visits: 2, p50: 1, p95: 1 }], rows: [] } },
};

test("insights heat what is slow, and widen what is taken often", () => {
  const marks = marksOfInsights(insights);
  assert.equal(stateMark(marks, "slow").heat, 1);
  assert.equal(stateMark(marks, "quick").heat, 0.5);
  assert.equal(stateMark(marks, "quick").figure, "1.0 s");
  assert.equal(stateMark(marks, "done").heat, undefined);
  assert.equal(edgeMark(marks, "init/start/0").width, 1);
  assert.equal(edgeMark(marks, "slow/success/0").width, 0.5);
});

test("a row that was never taken is marked so, one that is counted elsewhere is not", () => {
  const marks = marksOfInsights(insights);
  assert.deepEqual(edgeMark(marks, "slow/error/0"), { count: 0, note: "never taken" });
  assert.equal(edgeMark(marks, "slow/success/1").count, undefined);
  assert.match(edgeMark(marks, "slow/success/1").note ?? "", /slow\/success\/0/);
});

test("the states of a machine have marks of their own", () => {
  const marks = marksOfInsights(insights);
  assert.equal(stateMark(marks, "/kitchen/bake").visits, 2);
  assert.deepEqual(stateMark(marks, "/kitchen/init"), {});
});

test("insights of a version that never ran mark everything as never taken", () => {
  const rows = [{ id: "init/start/0", count: 0, p50: null, p95: null }];
  const marks = marksOfInsights({
    states: [{ state: "init", visits: 0, p50: null, p95: null }],
    rows,
  });
  assert.equal(edgeMark(marks, "init/start/0").count, 0);
  assert.equal(stateMark(marks, "init").heat, undefined);
});

test("keys of a machine's states and edges are like no others", () => {
  assert.equal(keyOf(null, "a/success/0"), "a/success/0");
  assert.deepEqual(idOf(keyOf("kitchen", "bake/burnt/0")), {
    machine: "kitchen",
    id: "bake/burnt/0",
  });
  assert.deepEqual(idOf("bake/burnt/0"), { machine: null, id: "bake/burnt/0" });
});

test("a timer is told by its time, whatever its event is named", () => {
  const timers = [
    { event: "after 0", delay: 5400 },
    { event: "after 1", delay: `$${"{ input.patience }"}` },
    { event: "at 0", at: "$.input.until" },
  ];
  assert.equal(eventOf({ event: "after 0" }, { timers }), "after 1 h 30 min");
  assert.equal(eventOf({ event: "after 1" }, { timers }), "after input.patience");
  assert.equal(eventOf({ event: "at 0" }, { timers }), "at $.input.until");
  assert.equal(eventOf({ event: "success" }, { timers }), "success");
});

test("a text that is too wide is cut, and says so", () => {
  /** @param {string} text */
  const width = (text) => text.length;
  assert.equal(cut("awaiting", 8, width), "awaiting");
  assert.equal(cut("awaiting_manager", 8, width), "awaitin…");
  assert.equal(cut("wide", 0, width), "…");
});

test("what is done to an execution is no part of the drawing", () => {
  const drawn = drawingOf(
    execution(polling, { visits: { submit: 2 }, current: "submit" }),
    estimate,
  );
  assert.deepEqual(drawn, drawingOf(polling, estimate));
});

test("states are described in words", () => {
  const node = state("review", {
    work: [{ action: "review", type: "human" }],
    accepts: ["approved"],
    businessStatus: "IN REVIEW",
    maxVisits: 3,
  });
  const words = inWords(describeState(node, { note: "visited once" }));
  assert.equal(
    words,
    "review: does work; visited once; business status IN REVIEW; does review (human); accepts approved; visits at most 3",
  );
});

test("edges are described with their guard whole", () => {
  const guard = "g".repeat(300);
  const { title, kind, facts } = describeEdge(
    edge("a", "success", "a", { guard, enters: false }),
    state("a"),
    {},
  );
  assert.equal(title, "success");
  assert.equal(kind, "a, again");
  assert.deepEqual(facts, [
    ["if", guard],
    ["", "stays in the state: no new visit"],
  ]);
});

test("the neighbourhood of a state has those near it, and edges among them alone", () => {
  const large = generated(220);
  const near = neighbourhood(large, "state_100");
  const ids = new Set(near.nodes.map(({ id }) => id));
  assert.equal(near.nodes.length, 40);
  assert.ok(ids.has("state_100") && (ids.has("state_99") || ids.has("state_98")));
  assert.ok(
    near.edges.length > 0 && near.edges.every(({ from, to }) => ids.has(from) && ids.has(to)),
  );
  assert.ok(ids.has(near.initial));
});

test("an end that everything leads to brings nobody near", () => {
  const names = Array.from({ length: 60 }, (_, at) => `state_${at}`);
  const failed = state("failed", { final: "failed" });
  const star = graph(
    [state("init"), ...names.map((name) => state(name)), failed],
    [edge("init", "start", "state_0"), ...names.map((name) => edge(name, "error", "failed"))],
  );
  assert.deepEqual(
    neighbourhood(star, "state_0").nodes.map(({ id }) => id),
    ["init", "state_0", "failed"],
  );
});

test("a state that is not there has the neighbourhood of the first one", () => {
  assert.ok(neighbourhood(polling, "gone").nodes.some(({ id }) => id === "init"));
});

const drawing = drawingOf(polling, estimate);
const scene = layoutOf(drawing);

/**
 * @param {import("../../goflow_py/ui/static/graph/walk.js").Place} place
 * @param {("Down" | "Up" | "Left" | "Right")[]} arrows
 */
function go(place, ...arrows) {
  let at = place;
  for (const arrow of arrows) at = walk(at, `Arrow${arrow}`, drawing.parts, scene) ?? at;
  return at;
}

/** @type {import("../../goflow_py/ui/static/graph/walk.js").Place} */
const first = { kind: "state", key: "init" };

test("arrows walk from a state along an edge to the next one, and back", () => {
  assert.deepEqual(go(first, "Down"), { kind: "edge", key: "init/start/0" });
  assert.deepEqual(go(first, "Down", "Down"), { kind: "state", key: "submit" });
  assert.deepEqual(go(first, "Down", "Down", "Up", "Up"), first);
});

test("left and right go through all ways on from a state, and round", () => {
  /** @type {import("../../goflow_py/ui/static/graph/walk.js").Place} */
  const start = { kind: "edge", key: "check/ready/0" };
  const seen = new Set();
  let at = start;
  do {
    at = go(at, "Right");
    seen.add(at.key);
  } while (at.key !== start.key && seen.size < 20);
  assert.equal(seen.size, 7);
});

test("an arrow that leads nowhere stays", () => {
  assert.deepEqual(go({ kind: "state", key: "done" }, "Down"), { kind: "state", key: "done" });
  assert.deepEqual(go({ kind: "state", key: "init" }, "Up"), { kind: "state", key: "init" });
});

test("walking leads into machines as well", () => {
  const parts = drawingOf(pizza, estimate).parts;
  const at = walk(
    { kind: "state", key: "/kitchen/init" },
    "ArrowDown",
    parts,
    layoutOf(drawingOf(pizza, estimate)),
  );
  assert.deepEqual(at, { kind: "edge", key: "/kitchen/init/start/0" });
});

test("the bounds of what was taken hold it, and no more", () => {
  const marks = marksOfExecution(
    execution(polling, { visits: { init: 1, submit: 1 }, current: "submit" }),
  );
  const bounds = boundsOf(drawing, scene, marks);
  assert.ok(bounds.height < scene.height / 2);
  assert.ok(Math.abs(bounds.y - scene.nodes.init.y) < bounds.height / 2);
  assert.equal(boundsOf(drawing, scene, null).height, scene.height);
});

test("counts are short", () => {
  assert.equal(times(3), "×3");
  assert.equal(times(12_345), "×12K");
});

/** Press a key, and tell where the cursor is then and what was done. @param {string} key @param {any} [at] */
function press(key, at) {
  /** @type {string[]} */
  const done = [];
  const shown = { graph: polling, drawing, scene, error: null, centre: "init", isPart: false };
  const event = /** @type {any} */ ({ key, ...at?.with });
  const cursor = keyed(event, {
    shown,
    cursor: at?.cursor ?? null,
    current: at?.current ?? null,
    pick: (place) => done.push(`pick ${place?.key}`),
    larger: () => done.push("larger"),
    smaller: () => done.push("smaller"),
    fit: () => done.push("fit"),
  });
  return { cursor, done };
}

test("the first arrow goes to where the execution is, or to the beginning", () => {
  assert.deepEqual(press("ArrowLeft", { current: "pause" }).cursor, {
    kind: "state",
    key: "pause",
  });
  assert.deepEqual(press("ArrowDown").cursor, first);
  assert.deepEqual(press("ArrowDown", { current: "not drawn" }).cursor, first);
});

test("enter picks what the cursor is at, escape leaves it", () => {
  assert.deepEqual(press("Enter", { cursor: first }), { cursor: first, done: ["pick init"] });
  assert.equal(press("Escape", { cursor: first }).cursor, null);
});

test("keys that mean nothing here are left to the page", () => {
  for (const key of ["Enter", "Escape", "j", "Tab"]) assert.equal(press(key).cursor, undefined);
  assert.equal(press("ArrowDown", { with: { ctrlKey: true } }).cursor, undefined);
});

test("plus, minus and zero zoom, and leave the cursor", () => {
  const done = ["+", "-", "0"].flatMap((key) => press(key, { cursor: first }).done);
  assert.deepEqual(done, ["larger", "smaller", "fit"]);
  assert.equal(press("0", { cursor: first }).cursor, first);
});
