import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { curlOf, path, urlOf } from "../../goflow_py/ui/static/core/calls.js";

const SERVER = { origin: "http://localhost:8080", needsKey: false };

/**
 * The words that a shell makes of a line.
 *
 * @param {string} line
 */
function wordsOf(line) {
  const script = `curl() { printf '%s\\0' "$@"; }; GOFLOW_KEY=gf_1; ${line}`;
  return execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0").slice(0, -1);
}

test("each part of a path is encoded, and the rest is not", () => {
  assert.equal(path`/v1/blueprints/${"a/b"}/${"c d"}:x`, "/v1/blueprints/a%2Fb/c%20d:x");
  assert.equal(path`/v1/executions/${7}/history`, "/v1/executions/7/history");
});

test("a query follows the path, if there is one", () => {
  assert.equal(
    urlOf({ path: "/v1/executions", query: { q: "a b", limit: 5 } }),
    "/v1/executions?q=a+b&limit=5",
  );
  assert.equal(urlOf({ path: "/v1/executions", query: { q: "" } }), "/v1/executions");
});

test("a read is the shortest line of curl", () => {
  assert.equal(curlOf({ path: "/v1/stats" }, SERVER), "curl http://localhost:8080/v1/stats");
});

test("a shell makes the very same call of the line, whatever stands in it", () => {
  const body = { reason: `it's "$HOME" \`id\` \\ !\n$(id)`, html: "<img onerror=x>" };
  const call = {
    method: "POST",
    path: "/v1/executions/1:cancel",
    query: { a: "b c&d" },
    headers: { "Idempotency-Key": "o'clock" },
    body,
  };
  assert.deepEqual(wordsOf(curlOf(call, SERVER)), [
    "-X",
    "POST",
    "-H",
    "Idempotency-Key: o'clock",
    "-H",
    "Content-Type: application/json",
    "-d",
    JSON.stringify(body),
    "http://localhost:8080/v1/executions/1:cancel?a=b+c%26d",
  ]);
});

test("the key is named in a line, and not shown", () => {
  const line = curlOf({ path: "/v1/stats" }, { ...SERVER, needsKey: true });
  assert.match(line, /\$GOFLOW_KEY/);
  assert.deepEqual(wordsOf(line).slice(0, 2), ["-H", "Authorization: Bearer gf_1"]);
});

test("text that is sent as it is stands in the line as the file that it came from", () => {
  const text = { file: "o'rder 1.yaml", mediaType: "application/yaml", content: "project: a\n" };
  const call = { method: "POST", path: "/v1/blueprints", text };
  assert.deepEqual(wordsOf(curlOf(call, SERVER)).slice(2), [
    "-H",
    "Content-Type: application/yaml",
    "--data-binary",
    "@o'rder 1.yaml",
    "http://localhost:8080/v1/blueprints",
  ]);
});
