import assert from "node:assert/strict";
import { test } from "node:test";
import {
  byTag,
  callOf,
  exampleOf,
  found,
  operationsOf,
  typeOf,
} from "../../goflow_py/ui/static/reference/document.js";

const DOCUMENT = {
  paths: {
    "/v1/things/{thing}": {
      get: {
        operationId: "read",
        tags: ["things"],
        summary: "Read one.",
        "x-scopes": ["execution:read"],
      },
      put: {
        operationId: "write",
        tags: ["things"],
        summary: "Replace one.",
        parameters: [
          { name: "thing", in: "path", required: true, schema: {} },
          { name: "dry", in: "query", required: false, schema: {} },
          { name: "If-Match", in: "header", required: false, schema: {} },
        ],
        requestBody: {
          content: { "application/json": { schema: { $ref: "#/components/schemas/Thing" } } },
        },
        responses: { 200: { content: { "application/json": { schema: {} } } }, 204: {} },
      },
    },
    "/version": { get: { operationId: "version", tags: ["operations"] } },
  },
  components: {
    schemas: {
      Thing: {
        type: "object",
        required: ["name", "parent"],
        properties: {
          name: { type: "string" },
          size: { anyOf: [{ type: "integer" }, { type: "null" }] },
          parent: { $ref: "#/components/schemas/Thing" },
        },
      },
    },
  },
};
const [read, write, version] = operationsOf(DOCUMENT);

test("calls come in the order of the document, with scopes, bodies and answers", () => {
  assert.deepEqual([read.method, write.method, version.path], ["GET", "PUT", "/version"]);
  assert.deepEqual([read.scopes, version.scopes], [["execution:read"], []]);
  assert.deepEqual(
    write.answers.map((one) => [one.status, one.media]),
    [
      ["200", "application/json"],
      ["204", null],
    ],
  );
  assert.deepEqual(
    byTag([read, version, write]).map(([tag, mine]) => [tag, mine.length]),
    [
      ["things", 2],
      ["operations", 1],
    ],
  );
});

test("a search wants every word, wherever it stands", () => {
  assert.deepEqual(found([read, write, version], "things replace"), [write]);
  assert.deepEqual(found([read, write, version], "execution:read"), [read]);
  assert.equal(found([read, write, version], "").length, 3);
});

test("types are named in few words", () => {
  assert.equal(
    typeOf({ type: "array", items: { $ref: "#/components/schemas/Thing" } }, DOCUMENT),
    "Thing[]",
  );
  assert.equal(
    typeOf({ anyOf: [{ type: "integer" }, { type: "null" }] }, DOCUMENT),
    "integer | null",
  );
  assert.equal(typeOf({ enum: ["a", "b"] }, DOCUMENT), '"a" | "b"');
  assert.equal(typeOf({}, DOCUMENT), "any");
});

test("an example has what is required, and ends where a schema holds itself", () => {
  const example = exampleOf({ $ref: "#/components/schemas/Thing" }, DOCUMENT);
  assert.equal(example.name, "");
  assert.equal("size" in example, false);
  assert.match(JSON.stringify(example), /"parent":\{\}/);
});

test("a call is whole when its path is; parameters are encoded where they belong", () => {
  assert.equal(callOf(write, {}, undefined), null);
  assert.deepEqual(callOf(write, { thing: "a/b", dry: "1", "If-Match": '"3"' }, { x: 1 }), {
    method: "PUT",
    path: "/v1/things/a%2Fb",
    query: { dry: "1" },
    headers: { "If-Match": '"3"' },
    body: { x: 1 },
  });
});
