/** The workers of one activity. */

import { count, percent, span } from "../core/format.js";
import { href } from "../core/router.js";
import { Status } from "../parts/status.js";
import { Ago } from "../parts/time.js";
import { html } from "../vendor/preact.js";

/** @type {Record<string, {status: string, text: string}>} */
const HEALTH = {
  up: { status: "success", text: "up" },
  failing: { status: "waiting", text: "failing" },
  down: { status: "failed", text: "down" },
  unknown: { status: "unknown", text: "not called" },
};

/** @param {{group: {name: string, workers: import("./workers.js").Worker[]}}} props */
export function WorkerTable({ group }) {
  return html`
    <section class="card workers">
      <header>
        <h2><a href=${href("blueprint", group.name.split("/"), { tab: "workers" })}>${group.name}</a></h2>
        <a class="muted" href=${href("insights", group.name.split("/"))}>insights</a>
      </header>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>action</th>
              <th class="number" title="1 is called first; the next one takes over">priority</th>
              <th>endpoint</th>
              <th>health</th>
              <th>breaker</th>
              <th class="number" title="half of the newest 100 attempts took at most this long">p50</th>
              <th class="number" title="19 of 20 of the newest 100 attempts took at most this long">p95</th>
              <th class="number">errors</th>
              <th class="number">in flight</th>
              <th>answered</th>
            </tr>
          </thead>
          <tbody>
            ${group.workers.map((worker) => html`<${Row} key=${keyOf(worker)} worker=${worker} />`)}
          </tbody>
        </table>
      </div>
    </section>
  `;
}

/** @param {{worker: any}} props */
function Row({ worker }) {
  const health = HEALTH[worker.health] ?? HEALTH.unknown;
  const { lastError } = worker;
  return html`
    <tr>
      <td><strong>${worker.action}</strong></td>
      <td class="number">${worker.priority}</td>
      <td class="endpoint">
        ${worker.url !== worker.endpoint && html`<span>${worker.endpoint} → </span>`}
        ${worker.url ? html`<code>${worker.url}</code>` : html`<em class="danger-text">an alias that points nowhere</em>`}
        ${lastError && html`<br /><small>last error <${Ago} at=${lastError.at} />: ${lastError.code} ${lastError.message}</small>`}
      </td>
      <td><${Status} status=${health.status} text=${health.text} /></td>
      <td>${worker.breaker === "closed" ? "closed" : html`<${Status} status="failed" text=${worker.breaker} />`}</td>
      <td class="number">${milliseconds(worker.p50Ms)}</td>
      <td class="number">${milliseconds(worker.p95Ms)}</td>
      <td class=${`number ${(worker.errorShare ?? 0) > 0 ? "danger-text" : ""}`} title=${`of the newest ${worker.recentAttempts} attempts`}>${percent(worker.errorShare)}</td>
      <td class="number">${count(worker.inFlight)}</td>
      <td>${worker.lastSeenAt && html`<${Ago} at=${worker.lastSeenAt} />`}</td>
    </tr>
  `;
}

/** @param {number | null} value */
function milliseconds(value) {
  return value === null ? "–" : span(value);
}

/** @param {import("./workers.js").Worker} worker */
function keyOf({ action, priority, endpoint }) {
  return `${action} ${priority} ${endpoint}`;
}
