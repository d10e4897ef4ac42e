/** What changed between two JSON values: sign, word and colour. */

import { changes, pathText } from "../core/diff.js";
import { count } from "../core/format.js";
import { brief } from "../core/json_lines.js";
import { html, useMemo, useState } from "../vendor/preact.js";
import { Json } from "./json.js";

const SHOWN_MAX = 200;
const BRIEF_MAX = 160;

/** @typedef {import("../core/diff.js").Change} Change */

/** @type {Record<string, string>} */
export const SIGNS = { added: "+", removed: "−", changed: "~" };

/** @param {{before: any, after: any}} props */
export function Diff({ before, after }) {
  const all = useMemo(() => changes(before, after), [before, after]);
  const [most, setMost] = useState(SHOWN_MAX);
  if (all.length === 0) return html`<p class="muted">Nothing changed.</p>`;
  return html`
    <ul class="diff">
      ${all.slice(0, most).map((change) => html`<${Row} key=${pathText(change.path)} change=${change} />`)}
    </ul>
    ${all.length > most && html`<button type="button" class="add" onClick=${() => setMost(most + SHOWN_MAX)}>show more of ${count(all.length)} changes</button>`}
  `;
}

/** @param {{change: Change}} props */
function Row({ change }) {
  const { path, kind, before, after } = change;
  const [isWhole, setWhole] = useState(false);
  const isLong = [before, after].some((value) => brief(value, BRIEF_MAX).endsWith("…"));
  const side = (/** @type {any} */ value, /** @type {string} */ name) =>
    value !== undefined &&
    (isWhole
      ? html`<${Json} value=${value} label=${name} />`
      : html`<code class=${name}>${brief(value, BRIEF_MAX)}</code>`);
  return html`
    <li class=${kind}>
      <span class="sign" title=${kind}><i aria-hidden="true">${SIGNS[kind]}</i><span class="hidden">${kind}</span></span>
      <code class="path">${pathText(path)}</code>
      <span class="sides">
        ${side(before, "before")}${kind === "changed" && html`<span aria-label="to">→</span>`}${side(after, "after")}
        ${isLong && html`<button type="button" class="fold" aria-expanded=${isWhole} onClick=${() => setWhole(!isWhole)}>${isWhole ? "less" : "all of it"}</button>`}
      </span>
    </li>
  `;
}
