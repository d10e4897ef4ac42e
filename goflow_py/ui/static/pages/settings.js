/** Running it: version, health of the store, nodes, keys, limits of projects, and what an operator does. */

import { apiKey, needsKey, useKey } from "../core/api.js";
import { href } from "../core/router.js";
import { Health } from "../rooms/health.js";
import { Keys } from "../rooms/keys.js";
import { NodeTable } from "../rooms/node_table.js";
import { Projects } from "../rooms/projects.js";
import { html, useState } from "../vendor/preact.js";

export default function SettingsPage() {
  return html`
    <div class="head">
      <h1>Settings</h1>
      <div class="actions">
        <a class="button" href="/metrics">metrics</a>
        <a class="button" href="/docs">API</a>
        <a class="button" href=${href("executions", [], { batches: "1" })}>batches</a>
      </div>
    </div>
    <div class="pair">
      <${Health} />
      <${ThisTab} />
    </div>
    <${NodeTable} />
    <${Projects} />
    <${Keys} />
  `;
}

/** The key that this tab uses. */
function ThisTab() {
  const [text, setText] = useState("");
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    useKey(text);
    setText("");
  };
  return html`
    <section class="card">
      <header><h2>This tab</h2></header>
      <form class="body act" onSubmit=${submit}>
        <p class="says">
          ${needsKey.value ? html`Calls are made with the key <code>${apiKey.value.slice(0, 8)}…</code>.` : "Calls are made without a key."}
          ${" "}A key is kept until the tab is closed.
        </p>
        <label>Another key <input type="password" autocomplete="off" placeholder="gf_…" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
        <footer>
          <button type="button" disabled=${!needsKey.value} onClick=${() => useKey("")}>Forget it</button>
          <button type="submit" class="primary" disabled=${text.trim() === ""}>Use it</button>
        </footer>
      </form>
    </section>
  `;
}
