import assert from "node:assert/strict";
import { test } from "node:test";
import * as places from "../../goflow_py/ui/static/editor/graph_places.js";
import { hasMarks } from "../../goflow_py/ui/static/graph/marks.js";

const GRAPH = {
  nodes: [
    { id: "init", source: "/states" },
    { id: "a", source: "/states/0" },
    { id: "b", source: "/states/10" },
  ],
  edges: [
    { id: "init/start/0", source: "/transitions/0" },
    { id: "a/go/0", source: "/states/0/on/go" },
  ],
  machines: { m: { nodes: [{ id: "a", source: "/machines/m/states/0" }], edges: [] } },
};

test("a place in the text belongs to what is written closest around it", () => {
  for (const [pointer, pick] of [
    ["/states/0", { kind: "state", id: "a" }],
    ["/states/0/after/0/next", { kind: "state", id: "a" }],
    ["/states/0/on/go", { kind: "edge", id: "a/go/0" }],
    ["/transitions/0/next", { kind: "edge", id: "init/start/0" }],
    ["/machines/m/states/0", { kind: "state", id: "a", machine: "m" }],
    ["/states/1", null],
    ["/states", null],
    ["/input", null],
  ]) {
    assert.deepEqual(places.pickAt(GRAPH, String(pointer)), pick, String(pointer));
  }
});

test("what is picked says where it is written", () => {
  assert.equal(places.pointerOf(GRAPH, { kind: "state", id: "b" }), "/states/10");
  assert.equal(places.pointerOf(GRAPH, { kind: "edge", id: "a/go/0" }), "/states/0/on/go");
  const inside = { kind: /** @type {"state"} */ ("state"), id: "a", machine: "m" };
  assert.equal(places.pointerOf(GRAPH, inside), "/machines/m/states/0");
  assert.equal(places.pointerOf(GRAPH, { kind: "state", id: "gone" }), null);
});

test("findings colour the graph: the worst of each, notes none, those on workers none", () => {
  const found = /** @type {any[]} */ ([
    { document: "blueprint", place: "/states/0", severity: "warning", message: "w" },
    { document: "blueprint", place: "/states/0/after", severity: "error", message: "e" },
    { document: "blueprint", place: "/states/0", severity: "warning", message: "w2" },
    { document: "blueprint", place: "/transitions/0", severity: "warning", message: "row" },
    { document: "blueprint", place: "/states/10", severity: "info", message: "i" },
    { document: "workers", place: "/transitions/0", severity: "error", message: "no" },
  ]);
  const { states, edges } = places.marksOfFindings(GRAPH, found);
  assert.deepEqual([...states], [["a", { tone: "bad", note: "e" }]]);
  assert.deepEqual([...edges], [["init/start/0", { tone: "warn", note: "row" }]]);
});

test("findings on a graph do not make it one of where executions went", () => {
  const found = /** @type {any[]} */ ([
    { document: "blueprint", place: "/states/0", severity: "error", message: "e" },
  ]);
  assert.equal(hasMarks(places.marksOfFindings(GRAPH, found)), false);
  assert.equal(hasMarks({ states: new Map([["a", { visits: 0 }]]), edges: new Map() }), true);
});
