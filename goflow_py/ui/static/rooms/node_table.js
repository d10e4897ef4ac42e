/** The servers that share the data: who lives, who is late, and what waits where. */

import { get } from "../core/api.js";
import { count, seconds, shortId, span } from "../core/format.js";
import { useEvery, useLoad } from "../core/load.js";
import { ProblemBox } from "../parts/problem.js";
import { Status } from "../parts/status.js";
import { html } from "../vendor/preact.js";
import { aloneOf, leaseOf, leftOf, runningOf, statusOf } from "./nodes.js";

const READ_MS = 2_000;

export function NodeTable() {
  const { value, error, reload } = useLoad((signal) => get("/v1/admin/nodes", {}, signal), []);
  // One that is alone stays so for as long as it runs.
  useEvery(reload, READ_MS, value?.shared === true);
  const alone = value === null ? "" : aloneOf(value);
  return html`
    <section class="card nodes">
      <header><h2>Nodes</h2><span class="muted">${alone || "servers that share the data"}</span></header>
      <${ProblemBox} error=${error} onRetry=${reload} />
      ${value && !alone && html`<${Table} nodes=${value} />`}
    </section>
  `;
}

/** @param {{nodes: import("./nodes.js").Nodes}} props */
function Table({ nodes }) {
  const left = leftOf(nodes.unowned);
  const at = Date.parse(nodes.at);
  return html`
    <div class="scroll"><table>
      <thead><tr>
        <th>node</th><th>address</th><th>version</th><th class="number">up</th>
        <th class="number" title=${`of ${nodes.leaseSeconds} s`}>lease</th>
        <th class="number" title="of 256">shards</th>
        <th class="number" title="executions that are worked on">running</th>
        <th class="number" title="requests of other nodes that wait for this one">inbox</th>
        <th class="number" title="the oldest of them">oldest</th>
        <th>status</th>
      </tr></thead>
      <tbody>${nodes.items.map((node) => html`<${Row} key=${node.id} node=${node} at=${at} />`)}</tbody>
    </table></div>
    ${left && html`<p class="body danger-text" role="status">${left}</p>`}
  `;
}

/** @param {{node: import("./nodes.js").Node, at: number}} props */
function Row({ node, at }) {
  const { status, text, title } = statusOf(node.status);
  return html`
    <tr>
      <td><code title=${node.id}>${shortId(node.id)}</code>${node.self && html` <small>this one</small>`}</td>
      <td>${node.address ?? "–"}</td>
      <td>${node.version ?? "–"}</td>
      <td class="number">${span(Math.max(0, at - Date.parse(node.startedAt)))}</td>
      <td class="number">${leaseOf(node.leaseLeftSeconds)}</td>
      <td class="number">${count(node.shards)}</td>
      <td class="number">${runningOf(node.running)}</td>
      <td class="number">${count(node.inbox)}</td>
      <td class="number">${seconds(node.oldestSeconds)}</td>
      <td title=${title}><${Status} status=${status} text=${text} /></td>
    </tr>
  `;
}
