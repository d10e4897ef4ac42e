/** Figures over time: bars of what began and failed, and how long it took. */

import { get } from "../core/api.js";
import { serverNow } from "../core/clock.js";
import { barsOf, caveats, isYoung, stretch, success, summary } from "../core/figures.js";
import { queryOf, statsQuery, unknownToStats } from "../core/filters.js";
import { count, dateTime, percent, seconds } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { Dialog } from "../parts/dialog.js";
import { Spark } from "../parts/spark.js";
import { html, useEffect, useState } from "../vendor/preact.js";

const PAUSE_MS = 5_000;

/**
 * @param {{filter: import("../core/filters.js").Filter, rounds: number}} props
 *   `rounds` changes when something happened: then the figures are read again, before long
 */
export function FiguresBar({ filter, rounds }) {
  const [isTable, setTable] = useState(false);
  const { project, activity, since } = queryOf(filter);
  const {
    value: stats,
    error,
    reload,
  } = useLoad((signal) => read(filter, signal), [project, activity, since]);
  useSometimes(reload, rounds);
  if (stats === null) return html`<div class="figures muted">${error ? error.message : "…"}</div>`;
  const notes = caveats(stats, unknownToStats(filter));
  return html`
    <div class="x-figures">
      <${Spark} values=${barsOf(stats)} label=${summary(stats)} height=${36} />
      <dl>
        <${Figure} name=${`started in ${stretch(stats)}`} value=${`${exactly(stats.exact.started)}${count(stats.started)}`} />
        <${Figure} name="failed" value=${`${exactly(stats.exact.ended)}${count(stats.failed)}`} tone=${stats.failed > 0 ? "is-bad" : ""} />
        <${Figure} name="success" value=${percent(success(stats))} />
        <${Figure} name="p50" value=${seconds(stats.p50)} />
        <${Figure} name="p95" value=${seconds(stats.p95)} />
      </dl>
      <button type="button" class="quiet" title=${notes.join("\n") || "the figures as a table"} onClick=${() => setTable(true)}>
        table${notes.length > 0 && " ⚠"}
      </button>
      ${isTable && html`<${Twin} stats=${stats} notes=${notes} onClose=${() => setTable(false)} />`}
    </div>
  `;
}

/**
 * Where nobody said since when, those of a day; of an hour where all began within that.
 *
 * @param {import("../core/filters.js").Filter} filter
 * @param {AbortSignal} signal
 */
async function read(filter, signal) {
  const now = serverNow();
  const stats = await get("/v1/stats", statsQuery(filter, now), signal);
  if (filter.since !== "" || !isYoung(stats, now)) return stats;
  const hour = statsQuery({ ...filter, since: "1h" }, now);
  return get("/v1/stats", { ...hour, bucket: "1m" }, signal);
}

/** @param {{name: string, value: string, tone?: string}} props */
function Figure({ name, value, tone = "" }) {
  return html`<div><dd class=${`number ${tone}`}>${value}</dd><dt>${name}</dt></div>`;
}

/** The same as a table, newest first. @param {{stats: any, notes: string[], onClose: () => void}} props */
function Twin({ stats, notes, onClose }) {
  const row = (/** @type {any} */ slot) => html`
    <tr key=${slot.at}>
      <td>${dateTime(slot.at).slice(0, -7)}</td>
      ${[slot.started, slot.completed, slot.failed, slot.cancelled].map((value, at) => html`<td key=${at} class="number">${count(value)}</td>`)}
      <td class="number">${seconds(slot.p50)}</td>
      <td class="number">${seconds(slot.p95)}</td>
    </tr>
  `;
  const slots = stats.series.filter(
    (/** @type {any} */ slot) => slot.started + slot.completed + slot.failed + slot.cancelled > 0,
  );
  return html`
    <${Dialog} title="Figures" onClose=${onClose} isWide>
      <p class="muted">
        From ${dateTime(stats.since).slice(0, -7)} on, in spans of ${seconds(stats.bucket)}; spans in which nothing happened are left out.
        Times are those of executions that completed; success is their share in those that completed or failed.
      </p>
      ${notes.map((note) => html`<p key=${note}>⚠ ${note}</p>`)}
      <div class="scroll"><table>
        <thead><tr><th>from</th>${["started", "completed", "failed", "cancelled", "p50", "p95"].map((name) => html`<th key=${name} class="number">${name}</th>`)}</tr></thead>
        <tbody>${slots.reverse().map(row)}</tbody>
      </table></div>
    <//>
  `;
}

/** @param {boolean} isExact */
function exactly(isExact) {
  return isExact ? "" : "≥ ";
}

/**
 * Do something a while after *wants* has changed, however often it does.
 *
 * @param {() => void} run
 * @param {unknown} wants
 */
export function useSometimes(run, wants) {
  const [isDue, setDue] = useState(false);
  useEffect(() => setDue(wants !== 0), [wants]);
  useEffect(() => {
    if (!isDue) return undefined;
    const timer = setTimeout(() => {
      setDue(false);
      run();
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [isDue]);
}
