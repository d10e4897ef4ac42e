import assert from "node:assert/strict";
import { test } from "node:test";
import * as filters from "../../goflow_py/ui/static/core/filters.js";

const NOW = Date.parse("2026-03-02T12:00:00.000Z");
const ONE = {
  id: "01a1fee7-aaaa",
  project: "shop",
  activity: "order",
  status: "failed",
  state: "pay",
  key: "A-1",
  labels: { team: "ops" },
  startedAt: "2026-03-02T11:30:00.000Z",
};

test("a filter survives its way through the URL", () => {
  const query = {
    project: "shop",
    activity: "order",
    status: "waiting,failed",
    state: "pay",
    key: "A 1",
    since: "24h",
    q: "a&b",
    "label.team": "ops",
  };
  assert.deepEqual(filters.queryOf(filters.filterOf(query)), query);
});

test("what makes no sense in a URL asks for nothing", () => {
  const filter = filters.filterOf({
    status: "broken,",
    since: "yesterday",
    "label.": "x",
    tab: "context",
  });
  assert.deepEqual(filters.queryOf(filter), {});
});

test("a change of a filter takes out of the URL what is gone, and leaves what is not its own", () => {
  const before = filters.filterOf({ project: "shop", "label.team": "ops" });
  const patch = filters.patchOf(before, { ...before, labels: {}, q: "7" });
  assert.deepEqual(patch, { project: "shop", "label.team": "", q: "7" });
});

test("a span becomes a time when the API is asked", () => {
  const filter = filters.filterOf({ since: "24h", status: "failed", "label.team": "ops" });
  assert.equal(filters.listQuery(filter, NOW).since, "2026-03-01T12:00:00.000Z");
  assert.deepEqual(filters.batchFilter(filter, NOW), {
    status: ["failed"],
    labels: { team: "ops" },
    since: "2026-03-01T12:00:00.000Z",
  });
});

test("a time stays as it was given", () => {
  assert.equal(filters.sinceTime("2026-01-01T00:00:00Z", NOW), "2026-01-01T00:00:00Z");
});

test("the stream is not asked for a status, so that who leaves it is seen", () => {
  assert.deepEqual(
    filters.streamQuery(filters.filterOf({ project: "shop", status: "running", state: "pay" })),
    { project: "shop", activity: "", key: "" },
  );
});

test("an activity without its project is not asked of the figures", () => {
  assert.equal(filters.statsQuery(filters.filterOf({ activity: "order" }), NOW).activity, "");
});

for (const [query, isOne] of /** @type {[Record<string, string>, boolean][]} */ ([
  [{}, true],
  [
    {
      project: "shop",
      activity: "order",
      state: "pay",
      key: "A-1",
      status: "failed,paused",
      "label.team": "ops",
    },
    true,
  ],
  [{ q: "fee7" }, true],
  [{ q: "A-" }, true],
  [{ q: "a-" }, false],
  [{ key: "A" }, false],
  [{ status: "running" }, false],
  [{ "label.team": "dev" }, false],
  [{ since: "15m" }, false],
  [{ since: "1h" }, true],
])) {
  test(`${JSON.stringify(query)} ${isOne ? "finds" : "does not find"} the execution`, () => {
    assert.equal(filters.fits(filters.filterOf(query), ONE, NOW), isOne);
  });
}

test("counts of the server are used only where the filter asks for nothing that they do not know", () => {
  assert.equal(filters.isCounted(filters.filterOf({ project: "shop", status: "failed" })), true);
  assert.equal(filters.isCounted(filters.filterOf({ since: "1h" })), false);
});

test("labels are read as they are typed, and null while they cannot be", () => {
  assert.deepEqual(filters.labelsOf("team=ops, tier=a=b"), { team: "ops", tier: "a=b" });
  assert.deepEqual(filters.labelsOf("  "), {});
  assert.equal(filters.labelsOf("team"), null);
});

test("a filter has words, for the name of a view", () => {
  assert.equal(
    filters.inWords(
      filters.filterOf({ project: "shop", activity: "order", status: "failed", since: "24h" }),
    ),
    "failed, shop/order, since 24h",
  );
  assert.equal(filters.inWords(filters.filterOf({})), "all executions");
});
