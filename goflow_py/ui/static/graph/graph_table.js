/** The same graph as a table: for who reads, or listens, rather than looks. */

import { count } from "../core/format.js";
import { html } from "../vendor/preact.js";
import { partsOf } from "./api_graph.js";
import { describeState } from "./describe.js";
import { eventOf, keyOf } from "./drawing.js";
import { edgeMark, stateMark } from "./marks.js";

/**
 * @param {{
 *   graph: import("./api_graph.js").ApiGraph, marks: import("./marks.js").Marks, picked: import("./walk.js").Place | null,
 *   pick: (place: import("./walk.js").Place) => void, label: string,
 * }} props
 */
export function GraphTable({ graph, marks, picked, pick, label }) {
  const parts = partsOf(graph);
  return html`<div class="scroll graph-table">
    <table>
      <caption class="hidden">${label}, as a table</caption>
      <thead>
        <tr><th scope="col">State</th><th scope="col">What it is</th><th scope="col" class="number">Visits</th><th scope="col">Goes on</th></tr>
      </thead>
      ${parts.map(
        ([machine, part]) => html`<tbody key=${machine ?? ""}>
        ${machine !== null && html`<tr><th colspan="4" scope="rowgroup">machine ${machine}</th></tr>`}
        ${part.nodes.map(
          (node) => html`<${Row}
          key=${node.id} node=${node} machine=${machine} edges=${part.edges.filter(({ from }) => from === node.id)}
          marks=${marks} picked=${picked} pick=${pick}
        />`,
        )}
      </tbody>`,
      )}
    </table>
  </div>`;
}

/**
 * @param {{
 *   node: import("./api_graph.js").Node,
 *   machine: string | null,
 *   edges: import("./api_graph.js").Edge[],
 *   marks: import("./marks.js").Marks,
 *   picked: import("./walk.js").Place | null,
 *   pick: (place: import("./walk.js").Place) => void,
 * }} props
 */
function Row({ node, machine, edges, marks, picked, pick }) {
  const key = keyOf(machine, node.id);
  const mark = stateMark(marks, key);
  const { kind, facts } = describeState(node, mark);
  const isPicked = picked?.kind === "state" && picked.key === key;
  return html`<tr aria-current=${mark.isCurrent ? "step" : null} class=${isPicked ? "is-picked" : ""}>
    <td>
      <button type="button" class="quiet name" aria-pressed=${isPicked} onClick=${() => pick({ kind: "state", key })}>
        ${mark.isCurrent && html`<span aria-hidden="true">●</span>`}${node.id}
      </button>
    </td>
    <td>${kind}<br /><small>${facts.map(([name, value]) => `${name} ${value}`.trim()).join("; ")}</small></td>
    <td class="number">${mark.visits === undefined ? "–" : count(mark.visits)}</td>
    <td>
      <ul>${edges.map((edge) => html`<${Way} key=${edge.id} edge=${edge} node=${node} machine=${machine} marks=${marks} pick=${pick} />`)}</ul>
    </td>
  </tr>`;
}

/** @param {any} props */
function Way({ edge, node, machine, marks, pick }) {
  const key = keyOf(machine, edge.id);
  const { count: taken } = edgeMark(marks, key);
  return html`<li>
    <button type="button" class="quiet name" onClick=${() => pick({ kind: "edge", key })}>${eventOf(edge, node)}</button>
    ${edge.guard && html` <code>[${edge.guard}]</code>`}${edge.action !== "continue" && ` / ${edge.action}`}
    ${" → "}${edge.to}${taken !== undefined && html` <span class="number">×${count(taken)}</span>`}
  </li>`;
}
