/** One blueprint: its graph, its table, what was found, its workers and its versions. */

import { Counts } from "../blueprint/counts.js";
import { DiffTab } from "../blueprint/diff_tab.js";
import { FindingsTab } from "../blueprint/findings.js";
import { GraphTab } from "../blueprint/graph_tab.js";
import { RowsTab } from "../blueprint/rows_tab.js";
import { VersionsTab } from "../blueprint/versions_tab.js";
import { WorkersTab } from "../blueprint/workers_tab.js";
import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { useLoad } from "../core/load.js";
import { go, href, route, setQuery } from "../core/router.js";
import { useTitle } from "../core/title.js";
import { Json } from "../parts/json.js";
import { ProblemBox } from "../parts/problem.js";
import { Tabs } from "../parts/tabs.js";
import { Ago } from "../parts/time.js";
import { html } from "../vendor/preact.js";

export default function Blueprint() {
  const [project = "", activity = ""] = route.value.args;
  const { version } = route.value.query;
  const { value, error, reload } = useLoad(
    async (signal) => {
      const [shown, { items }] = await Promise.all([
        get(path`/v1/blueprints/${project}/${activity}`, { version }, signal),
        get(path`/v1/blueprints/${project}/${activity}/versions`, {}, signal),
      ]);
      return { shown, versions: items };
    },
    [project, activity, version],
  );
  useTitle(`${project}/${activity}`);
  if (error) {
    return html`
      <h1>${project} / ${activity}</h1>
      <${ProblemBox} error=${error} onRetry=${reload} />
      <p><a href=${href("blueprints")}>All blueprints</a></p>
    `;
  }
  if (value === null) return html`<p class="loading">…</p>`;
  return html`<${Shown} ...${value} reload=${reload} />`;
}

/** @typedef {{shown: any, versions: any[], reload: () => void}} ShownProps */

/** @param {ShownProps} props */
function Shown({ shown, versions, reload }) {
  const { project, activity, version, findings } = shown;
  const { tab = "graph" } = route.value.query;
  const grave = findings.filter((/** @type {any} */ finding) => finding.severity !== "info");
  const tabs = [
    { id: "graph", label: "Graph" },
    { id: "rows", label: "Rows" },
    {
      id: "findings",
      label:
        grave.length === 0 ? "Findings" : html`Findings <span class="badge">${grave.length}</span>`,
    },
    { id: "workers", label: "Workers" },
    { id: "json", label: "JSON" },
    {
      id: "versions",
      label: html`Versions <span class="badge is-plain">${versions.length}</span>`,
    },
    { id: "diff", label: "Diff" },
  ];
  const pick = (/** @type {string} */ id) =>
    setQuery(
      { tab: id, state: null, edge: null, machine: null, q: null, from: null, to: null },
      { push: true },
    );
  return html`
    <${Head} shown=${shown} versions=${versions} />
    ${shown.blueprint.description && html`<p class="about">${shown.blueprint.description}</p>`}
    <${Tabs} tabs=${tabs} current=${tab} onPick=${pick} label="parts of the blueprint" />
    <div class="tab-body" role="tabpanel" aria-label=${tab}>
      <${Tab} tab=${tab} shown=${shown} versions=${versions} reload=${reload} key=${`${project}/${activity}/${version}/${tab}`} />
    </div>
  `;
}

/** @param {{shown: any, versions: any[]}} props */
function Head({ shown, versions }) {
  const { project, activity, version, createdAt } = shown;
  const counts = versions.find((one) => one.version === version) ?? {};
  const latest = versions[0]?.version;
  const query = { version: version === latest ? null : version };
  return html`
    <div class="head">
      <h1><a href=${href("blueprints", [], { q: project })}>${project}</a> / ${activity}</h1>
      <select aria-label="version" value=${version} onChange=${(/** @type {any} */ event) => setQuery({ version: event.target.value, state: null, edge: null, machine: null }, { push: true })}>
        ${versions.map((one) => html`<option key=${one.version} value=${one.version}>version ${one.version}${one.version === latest ? " (latest)" : ""}</option>`)}
      </select>
      <small><${Ago} at=${createdAt} /></small>
      <${Counts} version=${counts} project=${project} activity=${activity} />
      <div class="actions">
        <a class="button" href=${href("insights", [project, activity], query)}>Insights</a>
        <a class="button" href=${href("editor", [project, activity], query)}>Edit</a>
        <a class="button primary" href=${href("start", [project, activity], query)}>Start</a>
      </div>
    </div>
  `;
}

/** @param {ShownProps & {tab: string}} props */
function Tab({ tab, shown, versions, reload }) {
  const { project, activity, version, blueprint } = shown;
  const { query } = route.value;
  const place = { project, activity, version };
  const deleted = (/** @type {number} */ number) => {
    if (versions.length === 1) go("blueprints");
    else if (number === version) go("blueprint", [project, activity], { tab: "versions" });
    else reload();
  };
  if (tab === "workers") return html`<${WorkersTab} ...${place} />`;
  if (tab === "json")
    return html`<section class="card"><div class="body"><${Json} value=${blueprint} label="the blueprint" /></div></section>`;
  if (tab === "versions")
    return html`<${VersionsTab} versions=${versions} shown=${version} ...${place} onChange=${deleted} />`;
  if (tab === "diff")
    return html`<${DiffTab} ...${place} versions=${versions} from=${query.from} to=${query.to} />`;
  if (tab === "rows")
    return html`<${Read} parts=${["rows", "graph"]} ...${place} View=${RowsTab} />`;
  if (tab === "findings")
    return html`<${Read} parts=${["findings"]} ...${place} View=${FindingsView} />`;
  return html`<${Read} parts=${["graph"]} ...${place} View=${GraphTab} blueprint=${blueprint} query=${query} />`;
}

/** @param {any} props */
function FindingsView({ findings, ...place }) {
  return html`<${FindingsTab} proof=${findings} ...${place} />`;
}

/**
 * Show a view of what stands below a version.
 *
 * @param {{parts: string[], View: any, project: string, activity: string, version: number, [name: string]: any}} props
 */
function Read({ parts, View, ...rest }) {
  const { project, activity, version } = rest;
  const { value, error, reload } = useLoad(
    (signal) =>
      Promise.all(
        parts.map((part) =>
          get(`${path`/v1/blueprints/${project}/${activity}/`}${part}`, { version }, signal),
        ),
      ),
    [project, activity, version],
  );
  if (error) return html`<${ProblemBox} error=${error} onRetry=${reload} />`;
  if (value === null) return html`<p class="loading">…</p>`;
  const read = Object.fromEntries(parts.map((part, at) => [part, value[at]]));
  return html`<${View} ...${rest} ...${read} />`;
}
