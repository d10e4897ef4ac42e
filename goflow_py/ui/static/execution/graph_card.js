/** The state graph with the path of this execution; what is picked says what it is. */

import { count } from "../core/format.js";
import { setQuery } from "../core/router.js";
import { marksOfExecution } from "../graph/execution_marks.js";
import { Graph } from "../graph/graph.js";
import { html, useMemo, useRef, useState } from "../vendor/preact.js";
import { whyNot } from "./verb_rules.js";

/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("../graph/graph.js").Pick} Pick */

const VISITS_SHOWN_MAX = 20;

/**
 * @param {{execution: Execution, graph: any, onVerb: (verb: string, given?: Record<string, any>) => void}} props
 */
export function GraphCard({ execution, graph, onVerb }) {
  const [picked, setPicked] = useState(/** @type {Pick | null} */ (null));
  const drawn = useStill(graph);
  const marks = useMemo(() => (graph === null ? null : marksOfExecution(graph)), [graph]);
  return html`
    <section class="card graph-card" aria-label="state graph">
      <header><h2>State graph</h2></header>
      ${
        drawn === null
          ? html`<p class="empty loading">…</p>`
          : html`<${Graph} graph=${drawn} marks=${marks} picked=${picked} onPick=${setPicked} label=${`states of ${execution.activity}`} />`
      }
      ${picked !== null && graph !== null && html`<${Picked} picked=${picked} execution=${execution} graph=${graph} onVerb=${onVerb} />`}
    </section>
  `;
}

/**
 * The graph without what changes while it runs: the same value as long as the blueprint is the same.
 *
 * @param {any} graph
 */
function useStill(graph) {
  const kept = useRef({ text: "", graph: /** @type {any} */ (null) });
  return useMemo(() => {
    if (graph === null) return null;
    const still = {
      initial: graph.initial,
      nodes: graph.nodes.map(stillNode),
      edges: graph.edges.map((/** @type {any} */ { taken: _, ...edge }) => edge),
    };
    const text = JSON.stringify(still);
    if (text !== kept.current.text) kept.current = { text, graph: still };
    return kept.current.graph;
  }, [graph]);
}

/** @param {any} node */
function stillNode({ visits: _, current: __, tasks, ...node }) {
  if (tasks === undefined) return node;
  return {
    ...node,
    tasks: tasks.map((/** @type {any} */ { status: ___, items: ____, ...task }) => task),
  };
}

/**
 * @param {{picked: Pick, execution: Execution, graph: any, onVerb: (verb: string, given?: Record<string, any>) => void}} props
 */
function Picked({ picked: { kind, id, machine }, ...rest }) {
  // Machines are executions of their own: what they did stands on their pages.
  const {
    nodes = [],
    edges = [],
    path = [],
  } = machine === undefined ? rest.graph : rest.graph.machines[machine];
  const edge = edges.find((/** @type {any} */ one) => one.id === id);
  const node = nodes.find((/** @type {any} */ one) => one.id === id);
  return html`
    <div class="body picked">
      ${kind === "edge" && edge && html`<${PickedEdge} edge=${edge} path=${path} />`}
      ${kind === "state" && node && html`<${PickedState} node=${node} path=${path} isMachine=${machine !== undefined} ...${rest} />`}
    </div>
  `;
}

/** @param {{edge: any, path: any[]}} props */
function PickedEdge({ edge: { id, from, to, event, guard }, path }) {
  return html`
    <p><code>${from}</code> × <strong>${event}</strong> → <code>${to}</code>${guard && html` when <code>${guard}</code>`}</p>
    <${Steps} steps=${path.filter((step) => step.edge === id)} none="It was never taken." />
  `;
}

/**
 * @param {{node: any, path: any[], isMachine: boolean, execution: Execution, graph: any, onVerb: (verb: string, given?: Record<string, any>) => void}} props
 */
function PickedState({ node, path, isMachine, execution, graph, onVerb }) {
  const { id, kind } = node;
  const steps = path.filter((step) => step.to === id && step.entered !== false);
  const canGo = !isMachine && kind !== "initial" && whyNot("goto", execution, graph) === null;
  const canReplay = steps.length > 0 && whyNot("replay", execution, graph) === null;
  return html`
    <p class="row">
      <strong>${id}</strong> <span class="muted">${workOf(node)}</span>
      ${canGo && html`<button type="button" onClick=${() => onVerb("goto", { state: id })}>Go there…</button>`}
      ${canReplay && html`<button type="button" onClick=${() => onVerb("replay", { from: id })}>Replay from here…</button>`}
    </p>
    ${!isMachine && html`<${Steps} steps=${steps} none=${kind === "initial" ? "It began here." : "It was never here."} />`}
  `;
}

/** @param {any} node */
function workOf({ kind, work, final }) {
  if (work.length > 0)
    return work.map((/** @type {any} */ { action, type }) => `${action} (${type})`).join(", ");
  return final === null ? kind : `final: ${final}`;
}

/** @param {{steps: {seq: number}[], none: string}} props */
function Steps({ steps, none }) {
  if (steps.length === 0) return html`<p class="muted">${none}</p>`;
  const shown = steps.slice(-VISITS_SHOWN_MAX);
  return html`
    <p class="row">
      <span class="muted">${count(steps.length)} time${steps.length === 1 ? "" : "s"}, at seq</span>
      ${shown.length < steps.length && "…"}
      ${shown.map(
        ({ seq }) =>
          html`<button key=${seq} type="button" class="chip number" onClick=${() => setQuery({ tab: "context", seq })}>${seq}</button>`,
      )}
    </p>
  `;
}
