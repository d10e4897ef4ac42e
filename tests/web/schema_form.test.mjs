import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldOf, initialValue } from "../../goflow_py/ui/static/core/schema_form.js";

/** @type {(schema: any, root?: any) => string} */
const kindOf = (schema, root = schema) => fieldOf(schema, root).kind;

for (const [schema, kind] of [
  [{ type: "string" }, "text"],
  [{ type: "string", format: "date" }, "date"],
  [{ type: "string", pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" }, "date"],
  [{ type: "string", format: "date-time" }, "moment"],
  [{ type: "integer", minimum: 1 }, "number"],
  [{ minimum: 1 }, "number"],
  [{ type: "boolean" }, "boolean"],
  [{ enum: ["480p", "720p"] }, "choice"],
  [{ const: "a" }, "fixed"],
  [{ type: "array", items: {} }, "list"],
  [{ required: ["a"] }, "object"],
  [{}, "json"],
  [true, "json"],
  [undefined, "json"],
  [{ type: "object", if: {}, else: { properties: { a: {} } } }, "json"],
  [{ type: "array", prefixItems: [{}] }, "json"],
]) {
  test(`the field of ${JSON.stringify(schema)} is ${kind}`, () =>
    assert.equal(kindOf(schema), kind));
}

test("a reference is followed, and what stands beside it holds too", () => {
  const root = { $defs: { "a/b": { type: "string", title: "one" } }, properties: {} };
  const field = fieldOf({ $ref: "#/$defs/a~1b", title: "two" }, root);
  assert.equal(field.kind, "text");
  assert.equal(field.schema.title, "two");
});

test("a reference to itself, or to nothing, does not hang", () => {
  const root = { $defs: { a: { $ref: "#/$defs/a" } } };
  assert.equal(kindOf({ $ref: "#/$defs/a" }, root), "json");
  assert.equal(kindOf({ $ref: "#/$defs/missing" }, root), "json");
});

test("allOf becomes one object", () => {
  const whole = {
    allOf: [
      { properties: { a: {} }, required: ["a"] },
      { properties: { b: {} }, required: ["b"] },
    ],
  };
  const { kind, schema } = fieldOf(whole, whole);
  assert.equal(kind, "object");
  assert.deepEqual(Object.keys(schema.properties), ["a", "b"]);
  assert.deepEqual(schema.required, ["a", "b"]);
});

test("null beside another type makes that type nullable", () => {
  for (const schema of [
    { type: ["string", "null"] },
    { anyOf: [{ type: "string" }, { type: "null" }] },
    { oneOf: [{ type: "null" }, { $ref: "#/$defs/s" }], $defs: { s: { type: "string" } } },
  ]) {
    const { kind, isNullable } = fieldOf(schema, schema);
    assert.deepEqual([kind, isNullable], ["text", true]);
  }
  const { isNullable, options } = fieldOf({ enum: ["a", null] }, {});
  assert.deepEqual([isNullable, options?.length], [true, 1]);
});

test("constants with titles are a choice", () => {
  const { kind, options } = fieldOf({ oneOf: [{ const: 1, title: "one" }, { const: 2 }] }, {});
  assert.equal(kind, "choice");
  assert.deepEqual(options, [
    { label: "one", value: 1 },
    { label: "2", value: 2 },
  ]);
});

test("the kinds of a union are named by title, by what tells them apart, or by type", () => {
  const kinds = [
    { title: "Card" },
    { properties: { by: { const: "cash" } } },
    { type: "string" },
    { minItems: 1, maxItems: 2 },
  ];
  const { kind, options } = fieldOf({ oneOf: kinds }, {});
  assert.equal(kind, "union");
  assert.deepEqual(
    options?.map(({ label }) => label),
    ["Card", "cash", "string", "choice 4"],
  );
});

test("several types are a union of them", () => {
  const { kind, options } = fieldOf({ type: ["string", "number"], minimum: 2 }, {});
  assert.equal(kind, "union");
  assert.deepEqual(options?.[1], { label: "number", schema: { type: "number", minimum: 2 } });
});

test("a union that only asks for one name of several leaves the object as it is", () => {
  const schema = {
    properties: { a: {}, b: {} },
    oneOf: [{ required: ["a"] }, { required: ["b"] }],
  };
  assert.equal(kindOf(schema), "object");
});

test("a form begins with constants, defaults and what must be there", () => {
  const schema = {
    type: "object",
    required: ["kind", "who", "items", "place"],
    properties: {
      kind: { const: "order" },
      who: { type: "string" },
      items: {
        type: "array",
        minItems: 2,
        items: { type: "object", properties: { n: { default: 1 } } },
      },
      place: {
        type: "object",
        required: ["country"],
        properties: { country: { default: "CY" }, zip: { type: "string" } },
      },
      speed: { enum: ["slow", "fast"], default: "slow" },
      note: { type: "object", properties: { text: { default: "unsaid" } } },
    },
  };
  assert.deepEqual(initialValue(schema), {
    kind: "order",
    items: [{ n: 1 }, { n: 1 }],
    place: { country: "CY" },
    speed: "slow",
  });
});

test("a default is copied, so that a form does not change its schema", () => {
  const schema = { default: { a: 1 } };
  initialValue(schema).a = 2;
  assert.deepEqual(schema.default, { a: 1 });
});

test("a schema that demands itself ends", () => {
  const schema = { type: "object", required: ["next"], properties: { next: { $ref: "#" } } };
  assert.ok(JSON.stringify(initialValue(schema)).length < 200);
});

test("a property named __proto__ is a name as any other", () => {
  const schema = JSON.parse(
    '{"type":"object","required":["__proto__"],"properties":{"__proto__":{"default":1}}}',
  );
  const begun = initialValue(schema);
  assert.deepEqual(Object.keys(begun), ["__proto__"]);
});

test("a choice that is the whole again is written as JSON", () => {
  const nothingElse = { anyOf: [{ $ref: "#" }, { type: "null" }] };
  assert.equal(kindOf(nothingElse), "json");
  assert.equal(initialValue(nothingElse), undefined);
  const below = { $defs: { a: { oneOf: [{ $ref: "#/$defs/a" }] } } };
  assert.equal(kindOf({ $ref: "#/$defs/a" }, below), "json");
});

test("a schema that demands itself many times begins with a value of some size", () => {
  const names = [..."abcdefghij"];
  const object = {
    type: "object",
    required: names,
    properties: Object.fromEntries(names.map((name) => [name, { $ref: "#" }])),
  };
  for (const schema of [object, { type: "array", minItems: 20, items: { $ref: "#" } }])
    assert.ok(JSON.stringify(initialValue(schema)).length < 20_000);
});

test("a reference with a percent sign that encodes nothing is read as it is", () => {
  const root = { $defs: { "%zz": { type: "string" } } };
  assert.equal(kindOf({ $ref: "#/$defs/%zz" }, root), "text");
});

test("a property may have the name of something that every object has", () => {
  const part = JSON.parse('{"properties": {"__proto__": {"type": "string"}, "constructor": {}}}');
  const { schema } = fieldOf({ allOf: [part] }, {});
  assert.deepEqual(Object.keys(schema.properties), ["__proto__", "constructor"]);
});
