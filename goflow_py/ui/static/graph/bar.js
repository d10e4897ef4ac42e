/** The buttons above the picture. */

import { html } from "../vendor/preact.js";
import { hasMarks } from "./marks.js";

/** @param {any} props those of `Board`, and what moves the picture: without that it is a table */
export function Bar({ shown, states, options, choose, marks, current, moving }) {
  const { isTable, isTakenOnly, isFollowing } = options;
  return html`<div class="graph-bar" role="toolbar" aria-label="the graph">
    ${moving && shown.isPart && html`<${PartNote} shown=${shown} states=${states} choose=${choose} />`}
    ${moving && html`<${Zoom} moving=${moving} />`}
    ${
      moving &&
      current !== null &&
      html`<${Switch} isOn=${isFollowing} onClick=${() => choose({ isFollowing: !isFollowing })} title="keep the current state in sight">Follow<//>`
    }
    ${
      moving &&
      hasMarks(marks) &&
      html`<${Switch} isOn=${isTakenOnly} onClick=${() => choose({ isTakenOnly: !isTakenOnly })} title="hide what was never entered or taken">Only taken<//>`
    }
    <${Switch} isOn=${isTable} onClick=${() => choose({ isTable: !isTable })} title="states, visits and ways on as text">As table<//>
  </div>`;
}

/** @param {any} props */
function PartNote({ shown, states, choose }) {
  return html`<p class="graph-part">
    ${shown.graph.nodes.length} of ${states} states: those near ${shown.centre}
    <button type="button" onClick=${() => choose({ isWhole: true })}>Show all</button>
  </p>`;
}

/** @param {any} props */
function Zoom({ moving: { smaller, larger, fit } }) {
  return html`
    <button type="button" class="quiet" aria-label="smaller" title="smaller (−, or Ctrl and the wheel)" onClick=${smaller}>−</button>
    <button type="button" class="quiet" aria-label="larger" title="larger (+, or Ctrl and the wheel)" onClick=${larger}>+</button>
    <button type="button" class="quiet" title="show the whole (0)" onClick=${fit}>Fit</button>
  `;
}

/** @param {{isOn: boolean, onClick: () => void, title: string, children?: any}} props */
function Switch({ isOn, onClick, title, children }) {
  return html`<button type="button" class="quiet" aria-pressed=${isOn} title=${title} onClick=${onClick}>${children}</button>`;
}
