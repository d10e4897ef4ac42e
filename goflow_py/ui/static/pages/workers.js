/** The workers: where they are, how they are, and where the aliases point. */

import { get } from "../core/api.js";
import { useEvery, useLoad } from "../core/load.js";
import { route, setQuery } from "../core/router.js";
import { ProblemBox } from "../parts/problem.js";
import { Aliases } from "../rooms/aliases.js";
import { WorkerTable } from "../rooms/worker_table.js";
import { groupsOf } from "../rooms/workers.js";
import { html } from "../vendor/preact.js";

const READ_MS = 3_000;

export default function WorkersPage() {
  const { project = "", q = "", trouble = "" } = route.value.query;
  const { value, error, reload } = useLoad(
    (signal) => get("/v1/workers", { project }, signal),
    [project],
  );
  useEvery(reload, READ_MS);
  const groups = groupsOf(value?.items ?? [], { q, onlyTrouble: trouble !== "" });
  return html`
    <div class="head">
      <h1>Workers</h1>
      <div class="actions">
        <input
          type="search" aria-label="search workers" placeholder="action, URL, activity"
          value=${q} onInput=${(event) => setQuery({ q: event.target.value })}
        />
        <label class="row">
          <input type="checkbox" checked=${trouble !== ""} onChange=${(event) => setQuery({ trouble: event.target.checked ? "1" : "" })} />
          only in trouble
        </label>
      </div>
    </div>
    <${ProblemBox} error=${error} onRetry=${reload} />
    ${value !== null && groups.length === 0 && html`<${NoWorkers} isFiltered=${value.items.length > 0} onlyTrouble=${trouble !== "" && q === ""} />`}
    ${groups.map((group) => html`<${WorkerTable} key=${group.name} group=${group} />`)}
    <${Aliases} />
  `;
}

/** @param {{isFiltered: boolean, onlyTrouble: boolean}} props */
function NoWorkers({ isFiltered, onlyTrouble }) {
  if (!isFiltered)
    return html`<p class="empty">There are no workers yet: they come with a blueprint.</p>`;
  return html`<p class="empty">${onlyTrouble ? "✓ No worker is in trouble." : "No worker fits these filters."}</p>`;
}
