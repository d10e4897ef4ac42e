/** Endpoint aliases: names of workers, and the URLs behind them. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { useLoad } from "../core/load.js";
import { Act } from "../parts/act.js";
import { ProblemBox } from "../parts/problem.js";
import { say } from "../parts/toast.js";
import { html, useState } from "../vendor/preact.js";

export function Aliases() {
  const { value, error, reload } = useLoad((signal) => get("/v1/endpoints", {}, signal), []);
  const [edited, setEdited] = useState(/** @type {{alias: string, url: string} | null} */ (null));
  const [removed, setRemoved] = useState(/** @type {string | null} */ (null));
  const done = (/** @type {any} */ word) => () => {
    setEdited(null);
    setRemoved(null);
    reload();
    say(word);
  };
  return html`
    <section class="card">
      <header>
        <h2>Endpoint aliases</h2>
        <span class="grow muted">names that blueprints use; the URL behind one can change at any time</span>
        <button type="button" onClick=${() => setEdited({ alias: "", url: "" })}>New alias</button>
      </header>
      <${ProblemBox} error=${error} />
      ${value?.items.length === 0 && html`<p class="empty">There is none. Mock workers, where the server was started with them, play every name that has none.</p>`}
      ${
        value?.items.length > 0 &&
        html`<div class="scroll"><table>
        <thead><tr><th>alias</th><th>URL</th><th>said by</th><th></th></tr></thead>
        <tbody>${value.items.map((/** @type {any} */ item) => html`<${AliasRow} key=${item.alias} item=${item} onEdit=${setEdited} onRemove=${setRemoved} />`)}</tbody>
      </table></div>`
      }
      ${edited && html`<${EditAlias} alias=${edited} onDone=${done("the next attempts use it")} onClose=${() => setEdited(null)} />`}
      ${
        removed &&
        html`<${Act}
        title=${`Forget ${removed}`} says="Attempts of workers that use it fail from then on." verb="Forget it"
        isDangerous isRepeatable=${false} call=${{ method: "DELETE", path: path`/v1/endpoints/${removed}` }}
        onDone=${done("forgotten")} onClose=${() => setRemoved(null)}
      />`
      }
    </section>
  `;
}

/** @param {any} props */
function AliasRow({ item, onEdit, onRemove }) {
  const bySettings = item.source === "settings";
  return html`
    <tr>
      <td>${item.alias}</td>
      <td><code>${item.url}</code></td>
      <td>${item.source}</td>
      <td class="row">
        <button type="button" disabled=${bySettings} title=${bySettings ? "the settings of the server say it" : null} onClick=${() => onEdit(item)}>Change</button>
        <button type="button" disabled=${bySettings} onClick=${() => onRemove(item.alias)}>Forget</button>
      </td>
    </tr>
  `;
}

/** @param {any} props */
function EditAlias({ alias, onDone, onClose }) {
  const [name, setName] = useState(alias.alias);
  const [url, setUrl] = useState(alias.url);
  const isWhole = name.trim() !== "" && url.trim() !== "";
  const call = isWhole
    ? { method: "PUT", path: path`/v1/endpoints/${name.trim()}`, body: { url: url.trim() } }
    : null;
  return html`
    <${Act} title="Endpoint alias" verb="Save" isRepeatable=${false} call=${call} onDone=${onDone} onClose=${onClose}>
      <label>Alias <input value=${name} readonly=${alias.alias !== ""} onInput=${(event) => setName(event.target.value)} /></label>
      <label>URL <input type="url" value=${url} onInput=${(event) => setUrl(event.target.value)} /></label>
    <//>
  `;
}
