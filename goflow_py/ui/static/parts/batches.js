/** The batches of late, and how far they are. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { count, shortId } from "../core/format.js";
import { useEvery, useLoad } from "../core/load.js";
import { href } from "../core/router.js";
import { html, useEffect, useState } from "../vendor/preact.js";
import { Act } from "./act.js";
import { VERBS } from "./batch_verbs.js";
import { ProblemBox } from "./problem.js";
import { Status } from "./status.js";
import { Ago } from "./time.js";

const LIMIT = 20;
const PAUSE_MS = 700;
/** @type {Record<string, string>} */
const SIGNS = { running: "running", done: "completed", cancelled: "cancelled" };

/** @param {{onClose: () => void, newest: string | null}} props `newest`: a batch that has just begun */
export function Batches({ onClose, newest }) {
  const { value, error, reload } = useLoad(
    (signal) => get("/v1/batches", { limit: LIMIT }, signal),
    ["batches"],
  );
  const isRunning =
    value?.items.some((/** @type {any} */ one) => one.status === "running") ?? false;
  useEffect(() => {
    if (newest !== null) reload();
  }, [newest]);
  useEvery(reload, PAUSE_MS, isRunning);
  return html`
    <section class="card batches" aria-label="batches">
      <header>
        <h2 class="grow">Batches</h2>
        <button type="button" class="quiet" aria-label="close the batches" onClick=${onClose}>✕</button>
      </header>
      <div class="body">
        <${ProblemBox} error=${error} />
        ${value?.items.length === 0 && html`<p class="empty">No batch yet: choose executions below, and what to do with them.</p>`}
        ${value?.items.map((/** @type {any} */ batch) => html`<${Progress} key=${batch.id} batch=${batch} isOpen=${batch.id === newest} onStopped=${reload} />`)}
      </div>
    </section>
  `;
}

/** @param {{batch: any, isOpen: boolean, onStopped: () => void}} props */
function Progress({ batch, isOpen, onStopped }) {
  const { id, action, status, total, done, changed, skipped, failed, errors, reason } = batch;
  const [isStopping, setStopping] = useState(false);
  const parts = [
    `${count(changed)} changed`,
    `${count(skipped)} skipped`,
    `${count(failed)} failed`,
  ];
  return html`
    <article class="batch">
      <div class="row">
        <${Status} status=${SIGNS[status]} text=${status} />
        <strong>${VERBS[action]?.word ?? action}</strong>
        <progress max=${Math.max(1, total)} value=${done} aria-label=${`${done} of ${total} done`}></progress>
        <span class="number">${count(done)} of ${count(total)}</span>
        <span class="muted grow">${parts.join(", ")}${reason && ` · ${reason}`} · <${Ago} at=${batch.createdAt} /></span>
        ${status === "running" && html`<button type="button" onClick=${() => setStopping(true)}>Stop</button>`}
      </div>
      ${errors.length > 0 && html`<${Errors} errors=${errors} isOpen=${isOpen} />`}
      ${
        isStopping &&
        html`<${Act}
        title="Stop the batch" says="What it has done stays done." verb="Stop" isRepeatable=${false}
        call=${{ method: "DELETE", path: path`/v1/batches/${id}` }}
        onClose=${() => setStopping(false)}
        onDone=${() => {
          setStopping(false);
          onStopped();
        }}
      />`
      }
    </article>
  `;
}

/** @param {{errors: any[], isOpen: boolean}} props */
function Errors({ errors, isOpen }) {
  return html`
    <details open=${isOpen}>
      <summary>${errors.length === 1 ? "one that was not done" : `${errors.length} that were not done`}</summary>
      <ul>
        ${errors.map((one, at) => html`<li key=${at}><a href=${href("execution", [one.execution])}><code>${shortId(one.execution)}</code></a> <code>${one.code}</code> ${one.message}</li>`)}
      </ul>
    </details>
  `;
}
