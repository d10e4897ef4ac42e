import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boundText,
  byAction,
  byProject,
  effects,
  either,
  eventText,
  lastInputs,
  manner,
  mediaTypeOf,
  pointed,
  rowsWith,
  rowText,
  sorted,
  tally,
} from "../../goflow_py/ui/static/blueprint/words.js";

const finding = (/** @type {string} */ severity) => ({
  code: "c",
  severity,
  pointer: "",
  message: severity,
});

test("findings are counted and shown by how grave they are", () => {
  const some = ["info", "error", "warning", "error"].map(finding);
  assert.equal(tally(some), "2 errors, 1 warning, 1 info");
  assert.equal(tally([]), "");
  assert.deepEqual(
    sorted(some).map(({ severity }) => severity),
    ["error", "error", "warning", "info"],
  );
});

test("a bound is a sentence, and so is that there is none", () => {
  assert.equal(
    boundText({ seconds: 86_400, path: [], because: "the blueprint's 'timeout' ends it" }),
    "An execution ends within 1 d at the latest: the blueprint's 'timeout' ends it.",
  );
  assert.equal(
    boundText({ seconds: 0.5, path: [] }),
    "An execution ends within 500 ms at the latest.",
  );
  assert.match(
    boundText({ seconds: null, path: ["a"], because: "it waits" }),
    /^Nothing bounds .*: it waits\.$/,
  );
});

test("where nothing takes time, no figure is given", () => {
  assert.match(boundText({ seconds: 0, path: [] }), /nothing in it takes time/);
});

test("words are joined as a sentence has them", () => {
  assert.deepEqual([[], ["a"], ["a", "b"], ["a", "b", "c"]].map(either), [
    "",
    "a",
    "a or b",
    "a, b or c",
  ]);
});

test("a row is one line, and says when it stays", () => {
  assert.equal(
    rowText({ current: "a", event: "x", action: "continue", next: "b", when: "n > 1" }),
    "a × x when n > 1 → b",
  );
  assert.equal(rowText({ current: "a", event: "x", action: "pay" }), "a × x → (stays), does pay");
  assert.deepEqual(effects({ set: { n: 1 }, respond: "ok", reenter: true }), [
    "n = 1",
    'respond "ok"',
    "enters anew",
  ]);
});

test("a timer is said by its time, not by its number", () => {
  const timers = new Map([
    [
      "a",
      [
        { event: "after 0", delay: 90 },
        { event: "after 1", delay: "$.input.p" },
        { event: "after 2", at: "$.data.at" },
      ],
    ],
  ]);
  const said = (/** @type {string} */ event) => eventText({ current: "a", event }, timers);
  assert.deepEqual(["after 0", "after 1", "after 2", "timeout"].map(said), [
    "after 1 min 30 s",
    "after $.input.p",
    'at "$.data.at"',
    "timeout",
  ]);
});

test("rows are found by state, event, condition or action", () => {
  const rows = [
    { current: "Pay", event: "ok", action: "continue", next: "b" },
    { current: "b", event: "no", when: "input.paid", next: "c" },
  ];
  assert.deepEqual(
    [rowsWith(rows, " pay ").length, rowsWith(rows, "paid").length, rowsWith(rows, "").length],
    [1, 1, 2],
  );
});

test("blueprints are grouped by project, and found by name and description", () => {
  const some = [
    { project: "a", activity: "one", blueprint: { description: "Bakes a cake" } },
    { project: "a", activity: "two", blueprint: {} },
    { project: "b", activity: "one" },
  ];
  assert.deepEqual(
    byProject(some, "").map(([name, all]) => [name, all.length]),
    [
      ["a", 2],
      ["b", 1],
    ],
  );
  assert.deepEqual(
    byProject(some, "CAKE").map(([name]) => name),
    ["a"],
  );
  assert.deepEqual(
    byProject(some, "b/one").map(([name]) => name),
    ["b"],
  );
});

test("workers stand by action, in the order in which they are asked", () => {
  const some = [
    { name: "pay", priority: 2, workerEndpoint: "b" },
    { name: "ship", workerEndpoint: "c" },
    { name: "pay", workerEndpoint: "a" },
  ];
  assert.deepEqual(
    byAction(some).map(([name, all]) => [name, ...all.map((one) => one.workerEndpoint)]),
    [
      ["pay", "a", "b"],
      ["ship", "c"],
    ],
  );
});

test("how a worker is called says what is not as always", () => {
  assert.equal(manner({}), "30 s to answer");
  assert.equal(
    manner({
      responseTimeout: 2,
      retryCount: 1,
      retry: { interval: 0.1 },
      headers: { "X-A": "secret" },
      auth: "Bearer x",
      maxConcurrent: 3,
    }),
    "2.0 s to answer · 1 retry · 100 ms before the first · 3 at once · sends X-A · authorized",
  );
});

test("a document is YAML by its name, or when it does not begin as JSON does", () => {
  assert.equal(mediaTypeOf("a.yml", "{}"), "application/yaml");
  assert.equal(mediaTypeOf("", ' \n{"a": 1}'), "application/json");
  assert.equal(mediaTypeOf("", "project: a"), "application/yaml");
});

test("a pointer leads to a part, or nowhere", () => {
  const document = { states: [{ "a/b": { "~": 1 } }] };
  assert.equal(pointed(document, "/states/0/a~1b/~0"), 1);
  assert.equal(pointed(document, "/states/7/x"), undefined);
  assert.equal(pointed(document, "/constructor"), undefined);
  assert.equal(pointed(document, ""), document);
});

test("an input that was used twice is offered once, as it was last", () => {
  const at = "2026-01-01T00:00:00Z";
  const some = [3, 3, 1, null].map((input, id) => ({
    id: `${id}`,
    input,
    key: null,
    startedAt: at,
  }));
  assert.deepEqual(
    lastInputs(some, 5).map(({ id }) => id),
    ["0", "2"],
  );
  assert.equal(lastInputs(some, 1).length, 1);
});
