/** Is the server well: version, readiness, the store, and what an operator can have done. */

import { get, Problem } from "../core/api.js";
import { bytes, count } from "../core/format.js";
import { useEvery, useLoad } from "../core/load.js";
import { Act } from "../parts/act.js";
import { ProblemBox } from "../parts/problem.js";
import { Status } from "../parts/status.js";
import { say } from "../parts/toast.js";
import { html, useState } from "../vendor/preact.js";

const READ_MS = 5_000;

export function Health() {
  const { value, error, reload } = useLoad(readAll, []);
  const [act, setAct] = useState("");
  useEvery(reload, READ_MS);
  return html`
    <section class="card">
      <header>
        <h2>Server</h2>
        <span class="grow"></span>
        <button type="button" onClick=${() => setAct("verify")}>Verify…</button>
        <button type="button" onClick=${() => setAct("backup")}>Back up…</button>
        <button type="button" class="danger-text" onClick=${() => setAct("drain")}>Drain…</button>
      </header>
      <div class="body">
        <${ProblemBox} error=${error} onRetry=${reload} />
        ${value && html`<${Facts} ...${value} />`}
      </div>
      ${act === "verify" && html`<${Verify} onClose=${() => setAct("")} />`}
      ${act === "backup" && html`<${Backup} onClose=${() => setAct("")} />`}
      ${act === "drain" && html`<${Drain} onClose=${() => setAct("")} />`}
    </section>
  `;
}

/** @param {AbortSignal} signal */
async function readAll(signal) {
  const [version, ready, store] = await Promise.all([
    get("/version", {}, signal),
    get("/readyz", {}, signal).catch(problemOf),
    // Only a key of all projects may see it; the page shows the rest without.
    get("/v1/admin/store", {}, signal).catch(problemOf),
  ]);
  return { version: version.version, ready, store };
}

/** @param {unknown} error */
function problemOf(error) {
  if (!(error instanceof Problem) || error.status === 0) throw error;
  return { problem: error };
}

/** @param {{version: string, ready: any, store: any}} props */
function Facts({ version, ready, store }) {
  const health = ready.problem
    ? html`<${Status} status="failed" text=${ready.problem.code} /> ${ready.problem.message}`
    : html`<${Status} status="completed" text="ready" />`;
  return html`
    <dl class="facts">
      <div><dt>version</dt><dd>${version}</dd></div>
      <div><dt>health</dt><dd>${health}</dd></div>
      ${store.problem ? html`<div><dt>store</dt><dd class="muted">${store.problem.message}</dd></div>` : html`<${StoreFacts} store=${store} />`}
    </dl>
  `;
}

/** @param {{store: any}} props */
function StoreFacts({ store }) {
  const executions = Object.entries(store.executions ?? {});
  const tasks = Object.entries(store.tasks ?? {}).map(
    ([name, number]) => `${count(Number(number))} ${name}`,
  );
  return html`
    <div>
      <dt>executions</dt>
      <dd class="row">
        ${executions.length === 0 && "none"}
        ${executions.map(([status, number]) => html`<${Status} key=${status} status=${status} text=${`${count(Number(number))} ${status}`} />`)}
      </dd>
    </div>
    <div><dt>data</dt><dd>${bytes(store.bytes ?? 0)}, schema ${store.schema}</dd></div>
    <div><dt>tasks</dt><dd>${tasks.join(", ") || "none"}</dd></div>
    <div><dt>messages under way</dt><dd>${count(store.inbox ?? 0)}</dd></div>
    <div><dt>batches at work</dt><dd>${count(store.batches ?? 0)}</dd></div>
  `;
}

/** @param {{onClose: () => void}} props */
function Verify({ onClose }) {
  const [report, setReport] = useState(/** @type {any} */ (null));
  return html`
    <${Act}
      title="Verify" says="Every history is read and held against the rules that it must keep. It can take a while where there is much." verb="Verify all"
      isRepeatable=${false} call=${{ path: "/v1/admin/verify" }} onDone=${({ body }) => setReport(body)} onClose=${onClose}
    >
      ${report && html`<${Report} report=${report} />`}
    <//>
  `;
}

/** @param {{report: any}} props */
function Report({ report }) {
  const seen = `${count(report.executions)} executions with ${count(report.records)} records were checked`;
  if (report.ok)
    return html`<p role="status"><${Status} status="completed" text="sound" /> ${seen}.</p>`;
  return html`
    <p role="status"><${Status} status="failed" text=${`${count(report.breaches.length)} breaches`} /> ${seen}.</p>
    <pre class="report">${JSON.stringify(report.breaches, null, 2)}</pre>
  `;
}

/** @param {{onClose: () => void}} props */
function Backup({ onClose }) {
  const done = (/** @type {any} */ { body }) => {
    onClose();
    say(`${bytes(body.bytes)} written to ${body.path}`);
  };
  return html`<${Act}
    title="Back up" says="A consistent copy is written beside the data, while work goes on." verb="Write a copy"
    isRepeatable=${false} call=${{ method: "POST", path: "/v1/admin/backup", body: {} }} onDone=${done} onClose=${onClose}
  />`;
}

/** @param {{onClose: () => void}} props */
function Drain({ onClose }) {
  const done = (/** @type {any} */ { body }) => {
    onClose();
    say(`draining: ${count(body.callsInFlight)} calls are in flight`);
  };
  return html`<${Act}
    title="Drain" says="The server takes no new work and begins no calls from then on, until it is started again." verb="Drain it"
    isDangerous isRepeatable=${false} call=${{ method: "POST", path: "/v1/admin/drain" }} onDone=${done} onClose=${onClose}
  />`;
}
