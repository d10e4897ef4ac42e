import assert from "node:assert/strict";
import { test } from "node:test";
import * as documents from "../../goflow_py/ui/static/editor/documents.js";
import { fixOf } from "../../goflow_py/ui/static/editor/fixes.js";

const TEXTS = {
  blueprint: `{
  "project": "p",
  "activity": "a",
  "states": ["x"],
  "sates": [],
  "actions": [
    { "name": "x" }
  ],
  "transitions": [{ "current": "init", "event": "start", "next": "y" }]
}
`,
  workers: '{ "project": "p", "activity": "a", "workers": [{ "nam": "x" }] }\n',
};

/**
 * @param {Partial<documents.Finding>} finding
 * @param {documents.Texts} [texts]
 */
function marked(finding, texts = TEXTS) {
  const whole = {
    code: "c",
    severity: /** @type {"error"} */ ("error"),
    pointer: "",
    message: "m",
  };
  const [mark] = documents.marksOf([{ ...whole, ...finding }], texts, documents.readBoth(texts));
  assert.ok(mark);
  return { ...mark, text: texts[mark.document].slice(mark.from, mark.to) };
}

/**
 * The text after the fix of a finding.
 *
 * @param {Partial<documents.Finding>} finding
 * @param {documents.Texts} [texts]
 */
function mended(finding, texts = TEXTS) {
  const fix = fixOf(marked(finding, texts), texts, documents.readBoth(texts));
  if (fix === null) return null;
  const { document, from, to, insert } = fix.change;
  const text = texts[document].slice(0, from) + insert + texts[document].slice(to);
  return { label: fix.label, value: JSON.parse(text), text };
}

test("a finding of the first document stands there, one of the second here", () => {
  const first = marked({ pointer: "/transitions/0" });
  assert.equal(first.document, "blueprint");
  assert.match(first.text, /^\{ "current"/);
  const second = marked({ pointer: "/1/workers/0/nam" });
  assert.deepEqual(
    [second.document, second.place, second.text],
    ["workers", "/workers/0/nam", '"x"'],
  );
});

test("a finding on workers stands where the workers are", () => {
  assert.equal(marked({ pointer: "/workers/0" }).document, "workers");
  const inside = { blueprint: '{"workers": [1]}', workers: "" };
  assert.deepEqual(marked({ pointer: "/workers/0" }, inside).document, "blueprint");
});

test("a text that is no JSON is marked where the server says, in the right document", () => {
  const problem = { detail: "no" };
  const at = (/** @type {number} */ line, /** @type {number} */ column) => {
    const { document, from } = documents.markOfProblem({ ...problem, line, column }, TEXTS);
    return `${document} ${from}`;
  };
  assert.equal(at(2, 3), "blueprint 4");
  const lines = TEXTS.blueprint.split("\n").length;
  assert.equal(at(lines + 1, 3), "workers 2");
});

test("what is no JSON yet is told without the server, in either document", () => {
  const mistakes = (/** @type {Partial<documents.Texts>} */ patch) => {
    const texts = { ...TEXTS, ...patch };
    const found = documents.mistakesIn(texts, documents.readBoth(texts));
    return found.map(({ document, from, to }) => `${document} ${from}-${to}`);
  };
  assert.deepEqual(mistakes({}), []);
  assert.deepEqual(mistakes({ workers: " " }), []);
  assert.deepEqual(mistakes({ workers: '{"a" 1}' }), ["workers 5-6"]);
  assert.deepEqual(mistakes({ blueprint: "{", workers: "]" }), ["blueprint 1-1", "workers 0-1"]);
});

test("workers that are stored already are not sent again, unless they are of another activity", () => {
  const base = { project: "p", activity: "a" };
  const edited = { ...TEXTS, blueprint: `${TEXTS.blueprint} ` };
  assert.equal(documents.joined(documents.changed(edited, TEXTS, base)), edited.blueprint);
  const both = `${TEXTS.blueprint}\n${TEXTS.workers}`;
  assert.equal(documents.joined(documents.changed(TEXTS, TEXTS, null)), both);
  const other = { ...base, activity: "b" };
  assert.equal(documents.joined(documents.changed(TEXTS, TEXTS, other)), both);
  const replaced = { ...TEXTS, workers: "{}" };
  assert.match(documents.joined(documents.changed(replaced, TEXTS, base)), /\{\}$/);
});

test("a field with a near name is renamed, unless that one is there", () => {
  const message = "unknown field 'nam'; did you mean 'name'?";
  const found = mended({ code: "unknown_field", pointer: "/1/workers/0/nam", message });
  assert.equal(found?.label, "rename it to 'name'");
  assert.deepEqual(found?.value.workers, [{ name: "x" }]);
  const taken = "unknown field 'sates'; did you mean 'states'?";
  assert.equal(mended({ code: "unknown_field", pointer: "/sates", message: taken }), null);
});

test("a state that is not declared is declared", () => {
  const message = "state 'y' is not declared";
  const found = mended({ code: "undeclared_state", pointer: "/transitions/0", message });
  assert.deepEqual(found?.value.states, ["x", "y"]);
});

test("a name that was mistyped is corrected where it stands", () => {
  const message = "state 'y' is not declared; did you mean 'x'?";
  const found = mended({ code: "undeclared_state", pointer: "/transitions/0", message });
  assert.equal(found?.value.transitions[0].next, "x");
});

test("an action that is not declared is declared on a line of its own, as the others are", () => {
  const message = "action 'z' is not declared";
  const found = mended({ code: "undeclared_action", pointer: "/transitions/0", message });
  assert.match(found?.text ?? "", /\{ "name": "x" \},\n {4}\{ "name": "z", "type": "sync" \}\n/);
});

test("a field that is missing is put in, empty", () => {
  const found = mended({ code: "missing_field", pointer: "/1/workers/0/name", message: "" });
  assert.deepEqual(found?.value.workers, [{ name: "", nam: "x" }]);
  const empty = { blueprint: "{}", workers: "" };
  assert.deepEqual(mended({ code: "missing_field", pointer: "/project" }, empty)?.value, {
    project: "",
  });
});

test("an action without a worker gets one to fill in", () => {
  const finding = { code: "no_worker", pointer: "/actions/0", message: "action 'x' has no worker" };
  assert.deepEqual(mended(finding)?.value.workers[1], { name: "x", workerEndpoint: "" });
  const empty = { ...TEXTS, workers: '{"workers": []}' };
  assert.deepEqual(mended(finding, empty)?.value.workers, [{ name: "x", workerEndpoint: "" }]);
});

test("a trailing comma is marked itself, and goes", () => {
  const texts = { blueprint: '{\n  "states": ["x",]\n}', workers: "" };
  const message = "a trailing comma at line 2, column 17 was left out";
  const finding = { code: "trailing_comma", pointer: "/states", message };
  assert.equal(marked(finding, texts).text, ",");
  assert.deepEqual(mended(finding, texts)?.value, { states: ["x"] });
});

test("a declaration that says nothing goes with its comma", () => {
  const message = "'done' needs no declaration";
  for (const [list, rest] of [
    ['["done", "x"]', ["x"]],
    ['["x", "done"]', ["x"]],
    ['["x", "done", "y"]', ["x", "y"]],
    ['["done"]', []],
  ]) {
    const texts = { blueprint: `{"states": ${list}}`, workers: "" };
    const at = JSON.parse(String(list)).indexOf("done");
    const found = mended({ code: "reserved_state", pointer: `/states/${at}`, message }, texts);
    assert.deepEqual(found?.value, { states: rest });
  }
});

test("workers follow a blueprint that was renamed", () => {
  const texts = { ...TEXTS, blueprint: TEXTS.blueprint.replace('"a"', '"renamed"') };
  assert.equal(documents.areOthers(TEXTS), false);
  assert.equal(documents.areOthers(texts), true);
  const found = mended({ code: "other_activity", pointer: "/1", message: "" }, texts);
  assert.equal(found?.label, "let them be for p/renamed");
  assert.deepEqual(found?.value, { ...JSON.parse(TEXTS.workers), activity: "renamed" });
  const turned = { ...texts, workers: '{"activity": "a", "x": 1, "project": "q"}' };
  const other = mended({ code: "other_activity", pointer: "/1", message: "" }, turned);
  assert.deepEqual(other?.value, { activity: "renamed", x: 1, project: "p" });
});

test("what has no plain fix has none", () => {
  assert.equal(mended({ code: "unreachable_state", pointer: "/states/0" }), null);
  const elsewhere = {
    code: "undeclared_state",
    pointer: "/nowhere",
    message: "state 'y' is not; did you mean 'x'?",
  };
  assert.equal(mended(elsewhere), null);
});
