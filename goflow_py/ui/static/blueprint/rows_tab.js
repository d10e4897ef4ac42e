/** The compiled table: every row, in the order of trying. */

import { count } from "../core/format.js";
import { href, route, setQuery } from "../core/router.js";
import { html, useMemo, useState } from "../vendor/preact.js";
import { effects, eventText, RULES, rowsWith } from "./words.js";

const SHOWN_MAX = 300;

/**
 * @param {{rows: {items: any[], machines: Record<string, any[]>}, graph: any, project: string, activity: string, version: number}} props
 */
export function RowsTab({ rows, graph, project, activity, version }) {
  const { q = "" } = route.value.query;
  const stateHref = (/** @type {string} */ state, /** @type {string} */ machine = "") =>
    href("blueprint", [project, activity], { version, tab: "graph", state, machine });
  return html`
    <div class="row tools">
      <input type="search" aria-label="search rows" placeholder="state, event, action" value=${q} onInput=${(/** @type {any} */ event) => setQuery({ q: event.target.value })} />
      <small>The first row of a state and event whose condition holds is taken.</small>
    </div>
    <${Table} title="The activity" rows=${rows.items} graph=${graph} text=${q} stateHref=${stateHref} />
    ${Object.entries(rows.machines).map(
      ([name, some]) => html`
        <${Table} key=${name} title=${`Machine ${name}`} rows=${some} graph=${graph.machines?.[name]} text=${q} stateHref=${(/** @type {string} */ state) => stateHref(state, name)} />
      `,
    )}
  `;
}

/** @param {{title: string, rows: any[], graph: any, text: string, stateHref: (state: string) => string}} props */
function Table({ title, rows, graph, text, stateHref }) {
  const [most, setMost] = useState(SHOWN_MAX);
  const some = useMemo(() => rowsWith(rows, text), [rows, text]);
  const timers = useMemo(() => timersOf(graph), [graph]);
  const state = (/** @type {string | undefined} */ name) =>
    name === undefined
      ? html`<em>stays</em>`
      : html`<a href=${stateHref(name)}><code>${name}</code></a>`;
  const line = (/** @type {any} */ row, /** @type {number} */ at) => html`
    <tr key=${row.id} class=${at > 0 && some[at - 1].current !== row.current ? "first" : ""}>
      <td>${state(row.current)}</td>
      <td><code>${eventText(row, timers)}</code></td>
      <td class="when">${row.when && html`<code>${row.when}</code>`}</td>
      <td>${row.action === "continue" ? html`<span class="muted">goes on</span>` : html`<code>${workOf(row)}</code>`}</td>
      <td class="next">${state(row.next)}</td>
      <td>
        ${effects(row).map((effect) => html`<code class="effect" key=${effect}>${effect}</code>`)}
        ${row.rule && html`<span class="rule" title=${RULES[row.rule]}>${row.rule}: ${RULES[row.rule] ?? "the language"}</span>`}
      </td>
    </tr>
  `;
  return html`
    <section class="card rows">
      <header><h2>${title}</h2><small>${some.length === rows.length ? count(rows.length) : `${count(some.length)} of ${count(rows.length)}`} rows</small></header>
      <div class="scroll">
        <table class="stacked">
          <thead><tr><th>state</th><th>event</th><th>when</th><th>does</th><th>next</th><th>and</th></tr></thead>
          <tbody>${some.slice(0, most).map(line)}</tbody>
        </table>
      </div>
      ${some.length === 0 && html`<p class="empty">No row has that in it.</p>`}
      ${some.length > most && html`<div class="body"><button type="button" onClick=${() => setMost(most + SHOWN_MAX)}>show more</button></div>`}
    </section>
  `;
}

/** @param {any} row */
function workOf({ action, tasks = [] }) {
  return action ?? tasks.map((/** @type {any} */ task) => task.name).join(", ");
}

/** @param {any} graph */
function timersOf(graph) {
  return new Map((graph?.nodes ?? []).map((/** @type {any} */ node) => [node.id, node.timers]));
}
