/** API keys: made, listed, revoked. The text of a key is shown once. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { useLoad } from "../core/load.js";
import { Act } from "../parts/act.js";
import { Copy } from "../parts/copy.js";
import { Dialog } from "../parts/dialog.js";
import { ProblemBox } from "../parts/problem.js";
import { Ago } from "../parts/time.js";
import { say } from "../parts/toast.js";
import { html, useState } from "../vendor/preact.js";

const SCOPES = [
  "execution:read",
  "execution:start",
  "execution:event",
  "execution:control",
  "task",
  "blueprint:write",
  "admin",
];

export function Keys() {
  const { value, error, reload } = useLoad((signal) => get("/v1/keys", {}, signal), []);
  const [isMaking, setMaking] = useState(false);
  const [revoked, setRevoked] = useState(/** @type {any} */ (null));
  const onRevoked = () => {
    setRevoked(null);
    reload();
    say("revoked");
  };
  return html`
    <section class="card">
      <header>
        <h2>API keys</h2>
        <span class="grow"></span>
        <button type="button" onClick=${() => setMaking(true)}>New key</button>
      </header>
      <${ProblemBox} error=${error} onRetry=${reload} />
      ${value?.items.length === 0 && html`<p class="empty">There is none. A server that listens on loopback only needs none.</p>`}
      ${
        value?.items.length > 0 &&
        html`<div class="scroll"><table>
        <thead><tr><th>id</th><th>description</th><th>project</th><th>scopes</th><th>made</th><th>expires</th><th></th></tr></thead>
        <tbody>${value.items.map((/** @type {any} */ one) => html`<${KeyRow} key=${one.id} one=${one} onRevoke=${() => setRevoked(one)} />`)}</tbody>
      </table></div>`
      }
      ${isMaking && html`<${NewKey} onMade=${reload} onClose=${() => setMaking(false)} />`}
      ${
        revoked &&
        html`<${Act}
        title=${`Revoke ${revoked.id}`} says=${`${revoked.description || "This key"} is refused at once from then on.`} verb="Revoke it"
        isDangerous isRepeatable=${false} call=${{ method: "DELETE", path: path`/v1/keys/${revoked.id}` }} onDone=${onRevoked} onClose=${() => setRevoked(null)}
      />`
      }
    </section>
  `;
}

/** @param {{one: any, onRevoke: () => void}} props */
function KeyRow({ one, onRevoke }) {
  return html`
    <tr>
      <td><code>${one.id}</code></td>
      <td>${one.description}</td>
      <td>${one.project ?? "all projects"}</td>
      <td>${one.scopes.length === SCOPES.length ? "all" : one.scopes.join(", ")}</td>
      <td><${Ago} at=${one.createdAt} /></td>
      <td>${one.expiresAt ? html`<${Ago} at=${one.expiresAt} />` : "never"}</td>
      <td><button type="button" class="danger-text" onClick=${onRevoke}>Revoke…</button></td>
    </tr>
  `;
}

/** @param {{onMade: () => void, onClose: () => void}} props */
function NewKey({ onMade, onClose }) {
  const [description, setDescription] = useState("");
  const [project, setProject] = useState("");
  const [expiresIn, setExpiresIn] = useState("");
  const [scopes, setScopes] = useState(["execution:read"]);
  const [made, setMade] = useState(/** @type {any} */ (null));
  const body = {
    scopes,
    ...(description && { description }),
    ...(project && { project }),
    ...(expiresIn && { expiresIn }),
  };
  const toggle = (/** @type {any} */ scope) =>
    setScopes(scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope]);
  const done = (/** @type {any} */ answer) => {
    setMade(answer.body);
    onMade();
  };
  if (made) {
    return html`<${Dialog} title="The new key" onClose=${onClose}>
      <p>Copy it now: it is shown here and never again.</p>
      <p><code class="made-key">${made.key}</code> <${Copy} text=${made.key} label="copy the key">copy<//></p>
    <//>`;
  }
  return html`
    <${Act}
      title="New key" verb="Make it" isRepeatable=${false}
      call=${scopes.length === 0 ? null : { method: "POST", path: "/v1/keys", body }} onDone=${done} onClose=${onClose}
    >
      <label>What it is for <input value=${description} onInput=${(event) => setDescription(event.target.value)} /></label>
      <label>Project (empty: all) <input value=${project} onInput=${(event) => setProject(event.target.value)} /></label>
      <label>Expires in (such as 30d; empty: never) <input value=${expiresIn} onInput=${(event) => setExpiresIn(event.target.value)} /></label>
      <fieldset>
        <legend>It may</legend>
        ${SCOPES.map(
          (scope) =>
            html`<label key=${scope} class="row"><input type="checkbox" checked=${scopes.includes(scope)} onChange=${() => toggle(scope)} /> <code>${scope}</code></label>`,
        )}
      </fieldset>
    <//>
  `;
}
