/** What the newest executions of a version did: paths by frequency and time, on the graph. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { useBlueprints, useLoad } from "../core/load.js";
import { go, href, route, setQuery } from "../core/router.js";
import { Graph } from "../graph/graph.js";
import { marksOfInsights } from "../graph/insight_marks.js";
import { Activities } from "../parts/activities.js";
import { ProblemBox } from "../parts/problem.js";
import { Ago } from "../parts/time.js";
import { FlakyTable, RowTable, StateTable } from "../rooms/insight_tables.js";
import { html, useMemo } from "../vendor/preact.js";

const SPANS = [
  ["", "the newest 500"],
  ["3600", "the last hour"],
  ["86400", "the last day"],
  ["604800", "the last week"],
];

export default function InsightsPage() {
  const { args } = route.value;
  const [project = "", activity = ""] = args;
  const all = useBlueprints();
  const names = (all.value?.items ?? []).map((one) => `${one.project}/${one.activity}`);
  const onPick = (/** @type {any} */ event) => go("insights", event.target.value.split("/"));
  return html`
    <div class="head">
      <h1>Insights</h1>
      <select aria-label="activity" value=${activity ? `${project}/${activity}` : ""} onChange=${onPick}>
        <option value="" disabled>choose an activity</option>
        ${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
    </div>
    ${activity === "" && html`<p class="muted">What the newest executions of an activity did: which ways they take, where they are slow, who fails.</p>`}
    ${activity === "" ? html`<${Activities} page="insights" all=${all} />` : html`<${Figures} project=${project} activity=${activity} />`}
  `;
}

/** @param {{project: string, activity: string}} props */
function Figures({ project, activity }) {
  const { version = "", span = "" } = route.value.query;
  const base = path`/v1/blueprints/${project}/${activity}`;
  const since = () =>
    span === "" ? "" : new Date(Date.now() - Number(span) * 1_000).toISOString();
  const versions = useLoad((signal) => get(`${base}/versions`, {}, signal), [base]);
  const { value, error, reload } = useLoad(
    async (signal) => {
      const [insights, graph] = await Promise.all([
        get(`${base}/insights`, { version, since: since() }, signal),
        get(`${base}/graph`, { version }, signal),
      ]);
      return { insights, graph };
    },
    [base, version, span],
  );
  return html`
    <div class="row filters">
      <label class="row">
        version
        <select value=${version} onChange=${(event) => setQuery({ version: event.target.value })}>
          <option value="">latest</option>
          ${versions.value?.items.map((/** @type {any} */ one) => html`<option key=${one.version} value=${String(one.version)}>v${one.version}</option>`)}
        </select>
      </label>
      <label class="row">
        of
        <select value=${span} onChange=${(event) => setQuery({ span: event.target.value })}>
          ${SPANS.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
        </select>
      </label>
      <button type="button" onClick=${reload}>Read again</button>
      <a class="button" href=${href("blueprint", [project, activity], { version })}>its blueprint</a>
    </div>
    <${ProblemBox} error=${error} onRetry=${reload} />
    ${value !== null && html`<${Shown} insights=${value.insights} graph=${value.graph} />`}
  `;
}

/** @param {{insights: any, graph: any}} props */
function Shown({ insights, graph }) {
  const marks = useMemo(() => marksOfInsights(insights), [insights]);
  const { looked, neverTaken, besides } = insights;
  const never = insights.rows.filter((/** @type {any} */ row) => neverTaken.includes(row.id));
  if (looked.executions === 0) {
    return html`<p class="empty">No execution of this version began in that time; there is nothing to learn from yet.</p>`;
  }
  return html`
    <p class="muted">
      From ${looked.executions} executions, the oldest of which began <${Ago} at=${looked.oldest} />.
      ${looked.unreadable > 0 && ` ${looked.unreadable} could not be read.`}
      ${besides > 0 && ` ${besides} transitions were no rows, such as an operator's jump.`}
    </p>
    <section class="card"><header><h2>Paths</h2><span class="muted">width: how often; colour: the slowest states</span></header>
      <${Graph} graph=${graph} marks=${marks} label="paths by frequency and time" />
    </section>
    <div class="pair">
      <section class="card"><header><h2>States</h2></header><${StateTable} states=${insights.states} /></section>
      <section class="card"><header><h2>Flakiest workers</h2></header><${FlakyTable} workers=${insights.workers} /></section>
    </div>
    <section class="card">
      <header><h2>Transitions never taken</h2></header>
      ${never.length === 0 ? html`<p class="empty">Every row was taken.</p>` : html`<${RowTable} rows=${never} isBare />`}
    </section>
    <section class="card"><header><h2>Transitions</h2></header><${RowTable} rows=${insights.rows} /></section>
  `;
}
