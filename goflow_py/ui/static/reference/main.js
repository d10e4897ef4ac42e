/** The page of all calls, made of the server's own OpenAPI document. */

import { get, keyWanted } from "../core/api.js";
import { useLoad } from "../core/load.js";
import { toggleTheme } from "../core/theme.js";
import { KeyDialog } from "../parts/key_dialog.js";
import { ProblemBox } from "../parts/problem.js";
import { html, render, useEffect, useMemo, useState } from "../vendor/preact.js";
import { byTag, found, operationsOf } from "./document.js";
import { OperationCard } from "./operation.js";

function Reference() {
  const { value, error, reload } = useLoad((signal) => get("/openapi.json", {}, signal), []);
  const [text, setText] = useState("");
  const operations = useMemo(() => (value === null ? [] : operationsOf(value)), [value]);
  const groups = byTag(found(operations, text));
  useEffect(() => {
    // The place in the address could not be shown before the calls were there.
    if (value !== null) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }, [value]);
  return html`
    <header class="bar">
      <a class="brand" href="/ui/">goflow</a>
      <nav aria-label="pages"><a href="/ui/">Pages</a><a href="/docs" aria-current="page">API</a><a href="/openapi.json">openapi.json</a></nav>
      <input type="search" aria-label="search calls" placeholder="search calls" value=${text} onInput=${(event) => setText(event.target.value)} />
      <button type="button" class="quiet" aria-label="light or dark" onClick=${toggleTheme}>◐</button>
    </header>
    <main class="reference">
      <${ProblemBox} error=${error} onRetry=${reload} />
      ${value !== null && html`<${Contents} groups=${groups} />`}
      <div class="calls">
        ${value !== null && html`<${Head} info=${value.info} />`}
        ${groups.map(
          ([tag, mine]) => html`<section key=${tag} aria-label=${tag}>
            <h2>${tag}</h2>
            ${mine.map((one) => html`<${OperationCard} key=${one.id} operation=${one} document=${value} />`)}
          </section>`,
        )}
        ${value !== null && groups.length === 0 && html`<p class="empty">No call has these words.</p>`}
      </div>
    </main>
    ${keyWanted.value && html`<${KeyDialog} />`}
  `;
}

/** @param {{info: any}} props */
function Head({ info }) {
  return html`
    <h1>${info.title} ${info.version}</h1>
    <p class="muted">
      Every call of this server, made of its own declarations. Errors are <code>application/problem+json</code> with a stable${" "}
      <code>code</code>. What holds for all calls is in the documentation of the API.
    </p>
  `;
}

/** @param {string} path */
function shortened(path) {
  return path.replace("/v1/", "").replace("{project}/{activity}", "…");
}

/** @param {{groups: [string, import("./document.js").Operation[]][]}} props */
function Contents({ groups }) {
  return html`
    <nav class="contents" aria-label="calls">
      ${groups.map(
        ([tag, mine]) => html`<details key=${tag} open>
          <summary>${tag}</summary>
          ${mine.map((one) => html`<a key=${one.id} href=${`#${one.id}`}><b class=${`method ${one.method}`}>${one.method}</b>${shortened(one.path)}</a>`)}
        </details>`,
      )}
    </nav>
  `;
}

const root = document.getElementById("app");
if (root) render(html`<${Reference} />`, root);
