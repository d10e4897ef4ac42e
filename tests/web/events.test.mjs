import assert from "node:assert/strict";
import { test } from "node:test";
import { EventReader } from "../../goflow_py/ui/static/core/events.js";

const TEXT =
  'retry: 2000\n\nid: 7\nevent: entry\ndata: {"a":\ndata: 1}\n\n: heartbeat\n\nid: 8\n\ndata: x\n\n';
const EVENTS = [
  { id: "7", name: "entry", data: '{"a":\n1}' },
  { id: "8", name: "message", data: "" },
  { id: null, name: "message", data: "x" },
];

test("a text is cut into its events; comments are none", () => {
  assert.deepEqual(new EventReader().read(TEXT), EVENTS);
});

test("it does not matter where the pieces of a text end", () => {
  for (let at = 0; at <= TEXT.length; at += 1) {
    const reader = new EventReader();
    const found = [...reader.read(TEXT.slice(0, at)), ...reader.read(TEXT.slice(at))];
    assert.deepEqual(found, EVENTS, `cut at ${at}`);
  }
});

test("an event is told when it is whole", () => {
  const reader = new EventReader();
  assert.deepEqual(reader.read("id: 1\ndata: x\n"), []);
  assert.deepEqual(reader.read("\n"), [{ id: "1", name: "message", data: "x" }]);
});

test("lines may end as on Windows, and a colon may stand in a value", () => {
  assert.deepEqual(new EventReader().read("id:1\r\ndata: a: b\r\n\r\n"), [
    { id: "1", name: "message", data: "a: b" },
  ]);
});

test("a line's end that comes in two pieces is one end", () => {
  const reader = new EventReader();
  const found = [...reader.read("data: x\r"), ...reader.read("\n\r"), ...reader.read("\n")];
  assert.deepEqual(found, [{ id: null, name: "message", data: "x" }]);
});

test("the server says how long to wait", () => {
  const reader = new EventReader();
  assert.equal(reader.retryMs, null);
  reader.read("retry: 2000\n\n");
  assert.equal(reader.retryMs, 2000);
});
