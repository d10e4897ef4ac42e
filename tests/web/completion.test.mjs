import assert from "node:assert/strict";
import { test } from "node:test";
import { offerAt } from "../../goflow_py/ui/static/editor/completion.js";
import {
  schemasAt,
  valueWords,
  workersSchema,
} from "../../goflow_py/ui/static/editor/schema_words.js";

const SCHEMA = {
  $defs: {
    Name: { type: "string" },
    Row: {
      type: "object",
      required: ["current", "event"],
      properties: {
        next: { type: ["string", "null"], description: "The next state." },
        current: { $ref: "#/$defs/Name" },
        event: { type: "string" },
        reenter: { type: "boolean", default: false },
        set: { type: "object" },
      },
    },
    Call: { properties: { name: {}, type: { enum: ["sync", "async"] }, timeout: {} } },
    Wait: { properties: { name: {}, type: { enum: ["wait"] }, event: { type: "string" } } },
    Worker: { properties: { name: { type: "string" }, priority: { type: "integer", default: 1 } } },
    Again: { $ref: "#/$defs/Again" },
  },
  type: "object",
  properties: {
    project: { type: "string" },
    activity: { type: "string" },
    transitions: { type: "array", items: { $ref: "#/$defs/Row" } },
    actions: {
      type: "array",
      items: {
        properties: { type: { enum: ["sync", "async", "wait"] } },
        allOf: [
          {
            if: { properties: { type: { enum: ["sync", "async"] } } },
            then: { $ref: "#/$defs/Call" },
          },
          {
            if: { properties: { type: { enum: ["wait"] } }, required: ["type"] },
            then: { $ref: "#/$defs/Wait" },
          },
        ],
      },
    },
    states: { type: "array" },
    machines: { additionalProperties: { $ref: "#" } },
    workers: { type: ["array", "null"], items: { $ref: "#/$defs/Worker" } },
    again: { $ref: "#/$defs/Again" },
  },
};

/**
 * What is offered where the bar stands in a text.
 *
 * @param {string} text
 * @param {{isWorkers?: boolean, blueprint?: any}} [given]
 */
function offered(text, { isWorkers = false, blueprint } = {}) {
  const whole = text.replace("|", "");
  const schema = isWorkers ? workersSchema(SCHEMA) : SCHEMA;
  const known = { schema, blueprint: blueprint ?? JSON.parse(DOCUMENT), isWorkers };
  return offerAt(whole, text.indexOf("|"), known)?.options ?? [];
}

/** @param {{label: string}[]} options */
function labels(options) {
  return options.map(({ label }) => label);
}

const DOCUMENT = JSON.stringify({
  states: ["draft", { name: "paid" }],
  actions: [{ name: "charge" }, { name: "nap", type: "delay" }],
  transitions: [{ event: "approve" }],
  events: { refund: {} },
});

test("the fields that are not there yet are offered, those that must be there first", () => {
  const options = offered('{"transitions": [{"set": {}, |}]}');
  assert.deepEqual(labels(options), ["current", "event", "next", "reenter"]);
  assert.deepEqual(options[0]?.detail, "required");
});

test("a field comes with its colon and the quotes of its value, the caret between them", () => {
  const [option] = offered('{"transitions": [{|}]}').filter(({ label }) => label === "next");
  assert.equal(option?.apply, '"next": ""');
  assert.equal(option?.apply.slice(0, option.cursor), '"next": "');
  assert.equal(option?.info, "The next state.");
});

test("a comma follows where another field does", () => {
  const [option] = offered('{"transitions": [{"|"\n "event": "go"}]}');
  assert.equal(option?.apply, '"current": "",');
  assert.equal(option?.apply.slice(0, option.cursor), '"current": "');
});

test("a field whose colon is there is renamed alone", () => {
  const [option] = offered('{"transitions": [{"n|": "x"}]}');
  assert.equal(option?.apply, '"current"');
});

test("which fields an action has depends on its type", () => {
  assert.deepEqual(labels(offered('{"actions": [{"type": "wait", |}]}')), ["name", "event"]);
  assert.deepEqual(labels(offered('{"actions": [{"type": "sync", |}]}')), ["name", "timeout"]);
  assert.deepEqual(labels(offered(`{"actions": [{|}]}`)).sort(), ["name", "timeout", "type"]);
});

test("the values of a list of values are offered, true and false for what is either", () => {
  const types = labels(offered('{"actions": [{"type": "|"}]}'));
  assert.deepEqual(types, ["sync", "async", "wait"]);
  assert.deepEqual(labels(offered('{"transitions": [{"reenter": |}]}')), ["true", "false"]);
});

test("names that the blueprint has given are offered where they may be used", () => {
  const at = (/** @type {string} */ field) =>
    labels(offered(`{"transitions": [{"${field}": "|"}]}`));
  assert.deepEqual(at("next"), ["draft", "paid", "done", "failed", "cancelled"]);
  assert.deepEqual(at("action"), ["charge", "nap", "continue"]);
  assert.ok(at("current").includes("init") && at("current").includes("*"));
  assert.deepEqual(at("event").slice(0, 2), ["refund", "approve"]);
  assert.ok(at("event").includes("success"));
});

test("a state's short rows lead from events to states", () => {
  assert.ok(labels(offered('{"states": [{"on": {"go": "|"}}]}')).includes("paid"));
  assert.ok(labels(offered('{"states": [{"on": {"|"}}]}')).includes("refund"));
});

test("within a machine, its own states are meant", () => {
  const blueprint = { states: ["outer"], machines: { m: { states: ["inner"] } } };
  const text = '{"machines": {"m": {"transitions": [{"next": "|"}]}}}';
  assert.equal(labels(offered(text, { blueprint }))[0], "inner");
});

test("workers are named after the actions that call one", () => {
  const text = '{"workers": [{"name": "|"}]}';
  assert.deepEqual(labels(offered(text, { isWorkers: true })), ["charge"]);
  assert.deepEqual(labels(offered('{"workers": [{|}]}', { isWorkers: true })), [
    "name",
    "priority",
  ]);
});

test("outside of the document nothing is offered", () => {
  assert.deepEqual(offered("|"), []);
});

test("a schema that leads to itself ends", () => {
  assert.ok(schemasAt(SCHEMA, ["again"], {}).length > 0);
  assert.deepEqual(valueWords(schemasAt(SCHEMA, ["again", "x"], {})), []);
});
