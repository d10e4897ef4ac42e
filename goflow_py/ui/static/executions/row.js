/** One execution as a row; on a phone as a card of two lines. */

import { shortId } from "../core/format.js";
import { href } from "../core/router.js";
import { Status } from "../parts/status.js";
import { Ago, Took } from "../parts/time.js";
import { html } from "../vendor/preact.js";
import { reasonOf } from "./rows.js";

/** What stands above the columns; the first is that of the boxes. */
export const COLUMNS = ["status", "execution", "activity", "state", "started", "took", "why"];

/**
 * @typedef {object} RowProps
 * @property {import("./rows.js").Row} row
 * @property {number} index
 * @property {boolean} isAt the keyboard is here
 * @property {boolean} isChosen
 * @property {boolean} isPast it is none of the filter's any more
 * @property {string | undefined} why the sentence of the server, where it was asked
 * @property {(event: any) => void} onBox
 * @property {(event: any) => void} onOpen
 */

/** @param {RowProps} props */
export function ExecutionRow({ row, index, isAt, isChosen, isPast, why, onBox, onOpen }) {
  const {
    id,
    project,
    activity,
    version,
    key,
    status,
    state,
    visit,
    businessStatus,
    machine,
    labels,
  } = row;
  const names = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const name = `x-row ${isAt ? "is-at" : ""} ${isPast ? "is-past" : ""}`;
  return html`
    <div key=${id} id=${`row-${id}`} class=${name} role="row" aria-rowindex=${index + 2} aria-selected=${isChosen} onClick=${onOpen}>
      <span role="gridcell" class="x-box"><input type="checkbox" tabindex="-1" aria-label=${`choose ${shortId(id)}`} checked=${isChosen} onClick=${onBox} /></span>
      <span role="gridcell" class="x-status"><${Status} status=${status} /></span>
      <span role="gridcell" class="x-id" title=${[id, ...names].join("\n")}>
        <a href=${href("execution", [id])}><code>${shortId(id)}</code></a>${key && html` <b>${key}</b>`}${names.length > 0 && html` <small>${names.join(" ")}</small>`}
      </span>
      <span role="gridcell" class="x-activity" title=${`${project}/${activity} v${version}`}>
        <i>${project}/</i>${activity} <small>v${version}${machine && ` · ${machine}`}</small>${key && html` <b class="x-key">${key}</b>`}
      </span>
      <span role="gridcell" class="x-state" title=${[businessStatus, `visit ${visit}`].filter(Boolean).join(" · ")}>${state}${businessStatus && html` <small>${businessStatus}</small>`}</span>
      <span role="gridcell" class="x-started"><${Ago} at=${row.startedAt} /></span>
      <span role="gridcell" class="x-took"><${Took} from=${row.startedAt} to=${row.finishedAt} /></span>
      <span role="gridcell" class="x-why"><${Why} row=${row} why=${why} /></span>
    </div>
  `;
}

/** @param {{row: import("./rows.js").Row, why: string | undefined}} props */
function Why({ row, why }) {
  const reason = reasonOf(row);
  if (reason === null) return html`<span title=${why}>${why}</span>`;
  const { text, code, until, by } = reason;
  return html`
    ${code && html`<code class="danger-text">${code}</code> `}<span title=${text}>${text}</span>
    ${until && html`<small> · times out <${Ago} at=${until} /></small>`}${by && html`<small> <${Ago} at=${by} /></small>`}
  `;
}
