/** The workers of an activity: who is asked, in which order. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { useLoad } from "../core/load.js";
import { href } from "../core/router.js";
import { Act } from "../parts/act.js";
import { JsonField } from "../parts/json.js";
import { ProblemBox } from "../parts/problem.js";
import { say } from "../parts/toast.js";
import { html, useState } from "../vendor/preact.js";
import { Findings } from "./findings.js";
import { byAction, manner } from "./words.js";

/** @param {{project: string, activity: string}} props */
export function WorkersTab({ project, activity }) {
  const [isEditing, setEditing] = useState(false);
  const [found, setFound] = useState(/** @type {any[]} */ ([]));
  const { value, error, reload } = useLoad(
    async (signal) => {
      const aliases = get("/v1/endpoints", {}, signal).catch(() => ({ items: [] }));
      const document = await get(path`/v1/blueprints/${project}/${activity}/workers`, {}, signal);
      const urls = new Map(
        (await aliases).items.map((/** @type {any} */ one) => [one.alias, one.url]),
      );
      return { workers: document.workers, urls };
    },
    [project, activity],
  );
  if (error) return html`<${ProblemBox} error=${error} onRetry=${reload} />`;
  if (value === null) return html`<p class="loading">…</p>`;
  const groups = byAction(value.workers);
  const done = (/** @type {any[]} */ findings) => {
    setEditing(false);
    setFound(findings);
    say("the workers are replaced");
    reload();
  };
  return html`
    <div class="row tools">
      <small class="grow">They are of all versions; running executions use them from their next attempt on. The lowest priority is asked first, equal ones share the work.</small>
      <a class="button" href=${href("workers", [], { project })}>Health</a>
      <button type="button" onClick=${() => setEditing(true)}>Edit</button>
    </div>
    ${found.length > 0 && html`<${Findings} findings=${found} />`}
    ${groups.length === 0 && html`<p class="empty">It has no workers: a start is refused until its actions have some. <button type="button" onClick=${() => setEditing(true)}>Add them</button></p>`}
    ${groups.length > 0 && html`<${Table} groups=${groups} urls=${value.urls} />`}
    ${isEditing && html`<${Edit} project=${project} activity=${activity} workers=${value.workers} onDone=${done} onClose=${() => setEditing(false)} />`}
  `;
}

/** @param {{groups: [string, any[]][], urls: Map<string, string>}} props */
function Table({ groups, urls }) {
  return html`
    <section class="card">
      <div class="scroll">
        <table class="worker-rows stacked">
          <thead><tr><th>action</th><th class="number">priority</th><th>endpoint</th><th>how</th></tr></thead>
          <tbody>
            ${groups.map(([action, some]) =>
              some.map(
                (worker, at) => html`
                  <tr key=${`${action} ${at}`} class=${at === 0 ? "first" : ""}>
                    <td>${at === 0 && html`<strong>${action}</strong>`}</td>
                    <td class="number priority">${worker.priority ?? 1}</td>
                    <td><code>${worker.workerEndpoint}</code>${urls.has(worker.workerEndpoint) && html` → <code>${urls.get(worker.workerEndpoint)}</code>`}</td>
                    <td>${manner(worker)}</td>
                  </tr>
                `,
              ),
            )}
          </tbody>
        </table>
      </div>
    </section>
  `;
}

/**
 * @param {{project: string, activity: string, workers: any[], onDone: (findings: any[]) => void, onClose: () => void}} props
 */
function Edit({ project, activity, workers, onDone, onClose }) {
  const [draft, setDraft] = useState({ value: /** @type {any} */ (workers), isValid: true });
  const isList = Array.isArray(draft.value);
  const call = {
    method: "PUT",
    path: path`/v1/blueprints/${project}/${activity}/workers`,
    body: { workers: draft.value },
  };
  return html`
    <${Act}
      title="Workers" verb="Replace" isWide isRepeatable=${false} onClose=${onClose}
      says="What stands here replaces all workers of the activity, at once."
      call=${draft.isValid && isList ? call : null} onDone=${(/** @type {any} */ { body }) => onDone(body.findings ?? [])}
    >
      <${JsonField}
        label="workers" value=${draft.value} error=${isList ? "" : "a list of workers, please"}
        onChange=${(/** @type {any} */ value, /** @type {boolean} */ isValid) => setDraft({ value, isValid })}
        hint=${html`each has <code>name</code> (of its action) and <code>workerEndpoint</code>; also <code>priority</code>, <code>retryCount</code>, <code>responseTimeout</code>`}
      />
    <//>
  `;
}
