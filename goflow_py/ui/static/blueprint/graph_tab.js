/** The graph of a version, and what is written about the state that was picked. */

import { setQuery } from "../core/router.js";
import { Graph } from "../graph/graph.js";
import { Json } from "../parts/json.js";
import { html, useMemo } from "../vendor/preact.js";
import { pointed, rowText } from "./words.js";

/** @typedef {{kind: "state" | "edge", id: string, machine?: string}} Pick */

/** @param {{graph: any, blueprint: any, query: Record<string, string>}} props */
export function GraphTab({ graph, blueprint, query }) {
  const { state, edge, machine } = query;
  const id = state ?? edge;
  const picked = useMemo(
    () =>
      id === undefined
        ? null
        : /** @type {Pick} */ ({ kind: state ? "state" : "edge", id, machine }),
    [state, edge, machine],
  );
  const pick = (/** @type {Pick | null} */ part) =>
    setQuery({
      state: part?.kind === "state" ? part.id : null,
      edge: part?.kind === "edge" ? part.id : null,
      machine: part?.machine,
    });
  const found = picked === null ? null : partOf(graph, picked);
  return html`
    <div class=${found === null ? "graph-tab" : "graph-tab has-picked"}>
      <section class="card"><div class="body"><${Graph} graph=${graph} picked=${picked} onPick=${pick} label=${`states of ${blueprint.activity}`} /></div></section>
      ${found && html`<${Picked} found=${found} blueprint=${blueprint} onClose=${() => pick(null)} />`}
    </div>
  `;
}

/**
 * A node or an edge of the activity, or of one of its machines.
 *
 * @param {any} graph
 * @param {Pick} picked
 */
function partOf(graph, { kind, id, machine }) {
  const whole = machine === undefined ? graph : graph.machines?.[machine];
  const list = kind === "state" ? whole?.nodes : whole?.edges;
  const part = list?.find((/** @type {any} */ one) => one.id === id);
  return part === undefined ? null : { kind, part, machine, whole };
}

/** @param {{found: any, blueprint: any, onClose: () => void}} props */
function Picked({ found, blueprint, onClose }) {
  const { kind, part, machine, whole } = found;
  // What a machine's parts come from is told from the machine on.
  const pointer = machine ? `/machines/${machine}${part.source}` : part.source;
  const source = pointed(blueprint, pointer ?? "");
  const isWhole = part.source === undefined || Array.isArray(source);
  return html`
    <section class="card picked" aria-label=${`about ${part.id}`}>
      <header>
        <h2 class="grow">${kind === "state" ? part.id : `${part.from} × ${part.event}`}</h2>
        ${machine && html`<small>of machine ${machine}</small>`}
        <button type="button" class="quiet" aria-label="close" onClick=${onClose}>✕</button>
      </header>
      <div class="body">
        ${kind === "state" ? html`<${StateFacts} node=${part} edges=${whole.edges} />` : html`<p>${edgeText(part)}</p>`}
        ${!isWhole && html`<h3>As it is written</h3><p class="muted"><code>${pointer}</code></p><${Json} value=${source} label="the source" />`}
      </div>
    </section>
  `;
}

/** @param {{node: any, edges: any[]}} props */
function StateFacts({ node, edges }) {
  const leaving = edges.filter((edge) => edge.from === node.id);
  const work = node.work.map((/** @type {any} */ one) => `${one.action} (${one.type})`);
  const facts = [
    ["does", work.join(", ")],
    ["takes", node.accepts.join(", ")],
    ["keeps for later", node.defers.join(", ")],
    ["ends the execution as", node.final],
    ["stage", node.stage],
    ["business status", node.businessStatus],
  ].filter(([, value]) => value);
  return html`
    <dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${leaving.length > 0 && html`<h3>Leads on</h3><ul class="plain">${leaving.map((edge) => html`<li key=${edge.id}>${edgeText(edge)}</li>`)}</ul>`}
  `;
}

/** @param {any} edge */
function edgeText(edge) {
  return rowText({ ...edge, current: edge.from, next: edge.to });
}
