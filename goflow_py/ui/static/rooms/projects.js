/** Projects: what they use, and their limits. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { bytes, count } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { href } from "../core/router.js";
import { Act } from "../parts/act.js";
import { ProblemBox } from "../parts/problem.js";
import { say } from "../parts/toast.js";
import { html, useState } from "../vendor/preact.js";

/** @type {{name: string, label: string, uses: string | null, show: (value: number) => string}[]} */
const LIMITS = [
  { name: "maxRunning", label: "running", uses: "running", show: count },
  { name: "startsPerSecond", label: "starts a second", uses: null, show: count },
  { name: "maxOpenCalls", label: "open calls", uses: "openCalls", show: count },
  { name: "maxStoredBytes", label: "stored", uses: "storedBytes", show: bytes },
];

export function Projects() {
  const { value, error, reload } = useLoad((signal) => get("/v1/projects", {}, signal), []);
  const [edited, setEdited] = useState(/** @type {any} */ (null));
  const done = () => {
    setEdited(null);
    reload();
    say("they hold from now on");
  };
  return html`
    <section class="card">
      <header><h2>Projects</h2><span class="muted">in use, and the limit</span></header>
      <${ProblemBox} error=${error} onRetry=${reload} />
      ${value?.items.length === 0 && html`<p class="empty">There is none yet: a project comes with its first blueprint.</p>`}
      ${
        value?.items.length > 0 &&
        html`<div class="scroll"><table>
        <thead><tr><th>project</th>${LIMITS.map(({ name, label }) => html`<th key=${name} class="number">${label}</th>`)}<th></th></tr></thead>
        <tbody>${value.items.map((/** @type {any} */ one) => html`<${ProjectRow} key=${one.project} one=${one} onEdit=${() => setEdited(one)} />`)}</tbody>
      </table></div>`
      }
      ${edited && html`<${EditLimits} one=${edited} onDone=${done} onClose=${() => setEdited(null)} />`}
    </section>
  `;
}

/** @param {{one: any, onEdit: () => void}} props */
function ProjectRow({ one, onEdit }) {
  const cell = (/** @type {any} */ { name, uses, show }) => /** @type {any} */ {
    const limit = one.limits[name];
    const used = uses === null ? null : one.use[uses];
    const isFull = limit !== null && used !== null && used >= limit;
    const bound =
      limit === null ? html`<small>no limit</small>` : html`<small>of ${show(limit)}</small>`;
    return html`<td key=${name} class=${`number ${isFull ? "danger-text" : ""}`}>${used === null ? "" : show(used)} ${bound}</td>`;
  };
  return html`
    <tr>
      <td><a href=${href("executions", [], { project: one.project })}>${one.project}</a></td>
      ${LIMITS.map(cell)}
      <td><button type="button" onClick=${onEdit}>Limits…</button></td>
    </tr>
  `;
}

/** @param {{one: any, onDone: () => void, onClose: () => void}} props */
function EditLimits({ one, onDone, onClose }) {
  const [texts, setTexts] = useState(() => ({ ...one.limits }));
  const given = LIMITS.map(({ name }) => [name, texts[name]]).filter(
    ([, text]) => text !== null && text !== "",
  );
  const call = {
    method: "PUT",
    path: path`/v1/projects/${one.project}/limits`,
    body: Object.fromEntries(given.map(([name, text]) => [name, Number(text)])),
  };
  return html`
    <${Act}
      title=${`Limits of ${one.project}`} says="What is left empty is as the server's settings have it." verb="Set them"
      isRepeatable=${false} call=${call} onDone=${onDone} onClose=${onClose}
    >
      ${LIMITS.map(
        ({ name, label }) => html`<label key=${name}>
          ${label} (${name})
          <input type="number" min="0" value=${texts[name] ?? ""} onInput=${(event) => setTexts({ ...texts, [name]: event.target.value })} />
        </label>`,
      )}
    <//>
  `;
}
