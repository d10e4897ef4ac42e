/** The figures of a version as tables. */

import { count, percent, seconds } from "../core/format.js";
import { html } from "../vendor/preact.js";

/** @param {{rows: any[], isBare?: boolean}} props `isBare`: without figures */
export function RowTable({ rows, isBare = false }) {
  const most = Math.max(1, ...rows.map((row) => row.count));
  const sorted = isBare ? rows : [...rows].sort((a, b) => b.count - a.count);
  const figures = (/** @type {any} */ row) => html`
    <td class="number">${count(row.count)} <meter min="0" max=${most} value=${row.count} aria-hidden="true"></meter></td>
    <td class="number">${seconds(row.p50)}</td>
    <td class="number">${seconds(row.p95)}</td>
  `;
  return html`
    <div class="scroll"><table>
      <thead><tr>
        <th>state</th><th>event</th><th>action</th><th>next</th>
        ${!isBare && html`<th class="number">taken</th><th class="number" title="how long the state had lasted">p50</th><th class="number">p95</th>`}
      </tr></thead>
      <tbody>${sorted.map(
        (row) => html`<tr key=${row.id}>
          <td>${row.from}</td><td>${row.event}</td><td>${row.action}</td><td>${row.to}</td>${!isBare && figures(row)}
        </tr>`,
      )}</tbody>
    </table></div>
  `;
}

/** @param {{states: any[]}} props */
export function StateTable({ states }) {
  const slowest = [...states].sort((a, b) => (b.p95 ?? -1) - (a.p95 ?? -1));
  return html`
    <div class="scroll"><table>
      <thead><tr><th>state</th><th class="number">visits</th><th class="number">executions</th><th class="number">p50</th><th class="number">p95</th></tr></thead>
      <tbody>${slowest.map(
        (one) => html`<tr key=${one.state}>
          <td>${one.state}</td>
          <td class="number">${count(one.visits)}</td>
          <td class="number">${count(one.executions)}</td>
          <td class="number">${seconds(one.p50)}</td>
          <td class="number">${seconds(one.p95)}</td>
        </tr>`,
      )}</tbody>
    </table></div>
  `;
}

/** @param {{workers: any[]}} props */
export function FlakyTable({ workers }) {
  if (workers.length === 0) return html`<p class="empty">No worker was called.</p>`;
  return html`
    <div class="scroll"><table>
      <thead><tr>
        <th>worker</th><th>action</th><th class="number">attempts</th>
        <th class="number" title="errors and timeouts in what was answered or timed out">faulty</th>
        <th class="number">p50</th><th class="number">p95</th>
      </tr></thead>
      <tbody>${workers.map(
        (one) => html`<tr key=${`${one.worker} ${one.action}`}>
          <td>${one.worker}</td>
          <td>${one.action}</td>
          <td class="number">${count(one.attempts)}</td>
          <td class=${`number ${one.faulty > 0 ? "danger-text" : ""}`} title=${`${one.errors} errors, ${one.timeouts} timeouts`}>${percent(one.faulty)}</td>
          <td class="number">${seconds(one.p50)}</td>
          <td class="number">${seconds(one.p95)}</td>
        </tr>`,
      )}</tbody>
    </table></div>
  `;
}
