import assert from "node:assert/strict";
import { test } from "node:test";
import { partsOf } from "../../goflow_py/ui/static/execution/why_text.js";

const ID = "01a1fee7-c3e5-73ce-a94b-2308be3b6def";

test("a sentence is cut at its times and at the ids of executions", () => {
  assert.deepEqual(partsOf(`It waits for its child ${ID} until 2026-11-21T17:19:24.462Z.`), [
    { kind: "text", text: "It waits for its child " },
    { kind: "execution", text: ID },
    { kind: "text", text: " until " },
    { kind: "time", text: "2026-11-21T17:19:24.462Z" },
    { kind: "text", text: "." },
  ]);
});

test("a sentence without any is one part, and an empty one none", () => {
  assert.deepEqual(partsOf("It has completed."), [{ kind: "text", text: "It has completed." }]);
  assert.deepEqual(partsOf(""), []);
});

test("nothing of a sentence is lost", () => {
  const text = `<img onerror=x> ${ID}${ID} 2026-11-21T17:19:24Z!`;
  assert.equal(
    partsOf(text)
      .map((part) => part.text)
      .join(""),
    text,
  );
});
