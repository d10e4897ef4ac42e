/** All executions: which ones, how they fare, and what to do with many of them. */

import { apiKey, get } from "../core/api.js";
import { path } from "../core/calls.js";
import { serverNow } from "../core/clock.js";
import { countsOf } from "../core/figures.js";
import {
  batchFilter,
  filterOf,
  fits,
  isCounted,
  patchOf,
  queryOf,
  STATUSES,
} from "../core/filters.js";
import { useBlueprints, useLoad } from "../core/load.js";
import { href, route, setQuery } from "../core/router.js";
import { FiguresBar, useSometimes } from "../executions/figures_bar.js";
import { FilterBar, StatusChips } from "../executions/filter_bar.js";
import { leave, left } from "../executions/left.js";
import { LiveList } from "../executions/live.js";
import { Table } from "../executions/table.js";
import { ViewsBar } from "../executions/views_bar.js";
import { Batches } from "../parts/batches.js";
import { html, useEffect, useMemo } from "../vendor/preact.js";

/** Of more activities than these at once, the counts are not asked for. */
const COUNTED_MAX = 30;

/** @typedef {import("../core/filters.js").Filter} Filter */

export default function Page() {
  const { query } = route.value;
  const search = JSON.stringify(queryOf(filterOf(query)));
  const filter = useMemo(() => filterOf(query), [search]);
  const list = useMemo(() => new LiveList(filter, left(search).listing), [search, apiKey.value]);
  useEffect(() => {
    list.start();
    return () => {
      list.stop();
      leave(search, { listing: list.listing.peek() });
    };
  }, [list]);
  const items = useBlueprints().value?.items ?? [];
  const counts = useCounts(filter, items, list);
  const showBatches = (/** @type {string} */ batches) => setQuery({ batches });
  return html`
    <div class="executions">
      <div class="head">
        <h1>Executions</h1>
        <${Live} isLive=${list.isLive.value} />
        <div class="actions">
          <button type="button" aria-pressed=${"batches" in query} onClick=${() => showBatches("batches" in query ? "" : "1")}>Batches</button>
          <a class="button primary" href=${href("start", filter.activity && filter.project ? [filter.project, filter.activity] : [])}>Start…</a>
        </div>
      </div>
      ${"batches" in query && html`<${Batches} newest=${query.batches === "1" ? null : query.batches} onClose=${() => showBatches("")} />`}
      <${ViewsBar} filter=${filter} />
      <${FilterBar} filter=${filter} onChange=${change} blueprints=${items} />
      <div class="x-band">
        <${StatusChips} filter=${filter} counts=${counts} onChange=${change} />
        <${FiguresBar} filter=${filter} rounds=${list.rounds.value} />
      </div>
      <${Table}
        key=${search} search=${search} list=${list} filter=${filter} onBatch=${(batch) => showBatches(batch.id)}
        onAll=${() => change(filterOf({}))} allOf=${() => batchFilter(filter, serverNow())}
      />
    </div>
  `;
}

/**
 * Ask for something else. The URL says what is asked for now: a field may tell late what was typed.
 *
 * @param {Partial<Filter>} patch
 */
function change(patch) {
  const filter = filterOf(route.peek().query);
  setQuery(patchOf(filter, { ...filter, ...patch }));
}

/** @param {{isLive: boolean}} props */
function Live({ isLive }) {
  return html`<span class=${`x-live ${isLive ? "is-live" : ""}`} role="status">
    <i aria-hidden="true">${isLive ? "●" : "○"}</i> ${isLive ? "live" : "connecting…"}
  </span>`;
}

/**
 * How many there are of each status: the server keeps counts of activities; where the filter asks
 * for more, those of the rows are as good as it gets.
 *
 * @param {Filter} filter
 * @param {any[]} blueprints
 * @param {LiveList} list
 * @returns {Record<string, {number: number, isLeast: boolean}>}
 */
function useCounts(filter, blueprints, list) {
  const { project, activity } = filter;
  const asked = blueprints.filter(
    (one) =>
      (project === "" || one.project === project) && (activity === "" || one.activity === activity),
  );
  const isKept = isCounted(filter) && asked.length <= COUNTED_MAX;
  const names = isKept ? asked.map((one) => `${one.project}/${one.activity}`) : [];
  const { value: lists, reload } = useLoad(
    (signal) =>
      Promise.all(
        asked
          .slice(0, names.length)
          .map((one) =>
            get(path`/v1/blueprints/${one.project}/${one.activity}/versions`, {}, signal),
          ),
      ),
    ["counts", ...names],
  );
  useSometimes(reload, list.rounds.value);
  const { rows, next } = list.listing.value;
  return useMemo(
    () => (isKept && lists !== null ? kept(lists) : ofRows(filter, rows, next !== null)),
    [lists, rows, isKept],
  );
}

/** @param {any[]} lists */
function kept(lists) {
  return withNumbers(countsOf(lists, STATUSES), STATUSES, false);
}

/**
 * @param {Filter} filter
 * @param {readonly import("../executions/rows.js").Row[]} rows
 * @param {boolean} isLeast
 */
function ofRows(filter, rows, isLeast) {
  const now = serverNow();
  /** @type {Record<string, number>} */
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0]));
  for (const row of rows) if (fits(filter, row, now)) counts[row.status] += 1;
  return withNumbers(counts, filter.status.length === 0 ? STATUSES : filter.status, isLeast);
}

/**
 * "None at least" says nothing, and is left out.
 *
 * @param {Record<string, number>} counts
 * @param {readonly string[]} statuses
 * @param {boolean} isLeast
 */
function withNumbers(counts, statuses, isLeast) {
  const told = statuses.filter((status) => !isLeast || counts[status] > 0);
  return Object.fromEntries(told.map((status) => [status, { number: counts[status], isLeast }]));
}
