/** What the check of a blueprint found, and what it proved. */

import { href } from "../core/router.js";
import { html } from "../vendor/preact.js";
import { boundText, either, sorted } from "./words.js";

const SHOWN_MAX = 200;

/** @type {Record<string, {sign: string, tone: string}>} */
const SEVERITIES = {
  error: { sign: "✗", tone: "is-error" },
  warning: { sign: "▲", tone: "is-waiting" },
  info: { sign: "ℹ", tone: "" },
};

/** @typedef {import("./words.js").Finding} Finding */

/**
 * @param {{findings: Finding[], stateHref?: (state: string) => string, none?: string}} props
 */
export function Findings({ findings, stateHref, none = "Nothing was found: it is in order." }) {
  if (findings.length === 0)
    return html`<p class="good-word"><i aria-hidden="true">✓</i> ${none}</p>`;
  const all = sorted(findings);
  return html`
    <ul class="findings">
      ${all.slice(0, SHOWN_MAX).map((finding, at) => html`<${One} key=${at} finding=${finding} stateHref=${stateHref} />`)}
    </ul>
    ${all.length > SHOWN_MAX && html`<p class="muted">${all.length - SHOWN_MAX} more are not shown.</p>`}
  `;
}

/** @param {{finding: Finding, stateHref?: (state: string) => string}} props */
function One({ finding, stateHref }) {
  const { code, severity, pointer, message, path = [], fix } = finding;
  const { sign, tone } = SEVERITIES[severity] ?? SEVERITIES.info;
  return html`
    <li>
      <span class=${`status ${tone}`}><i aria-hidden="true">${sign}</i>${severity}</span>
      <div class="grow">
        <p class="sentence">${message}</p>
        ${path.length > 0 && html`<p class="way"><span class="muted">shown by</span> <${Way} path=${path} stateHref=${stateHref} /></p>`}
        ${fix && html`<p class="fix"><span class="muted">to mend it:</span> ${fix}</p>`}
        <small><code>${code}</code> at <code>${pointer || "/"}</code></small>
      </div>
    </li>
  `;
}

/** States on the way. @param {{path: string[], stateHref?: (state: string) => string}} props */
export function Way({ path, stateHref }) {
  const state = (/** @type {string} */ name) =>
    stateHref ? html`<a href=${stateHref(name)}>${name}</a>` : name;
  return html`<span class="states">${path.map(
    (name, at) =>
      html`${at > 0 && html`<i aria-label="then">→</i>`}<code key=${at}>${state(name)}</code>`,
  )}</span>`;
}

/**
 * What holds for every execution: how long it can take, and what each state takes from outside.
 *
 * @param {{proof: {items: Finding[], accepts: Record<string, string[]>, bound: any}, project: string, activity: string, version: number | string}} props
 */
export function FindingsTab({ proof, project, activity, version }) {
  const stateHref = (/** @type {string} */ state) =>
    href("blueprint", [project, activity], { version, tab: "graph", state });
  const accepts = Object.entries(proof.accepts);
  return html`
    <section class="card">
      <header><h2>Findings</h2></header>
      <div class="body"><${Findings} findings=${proof.items} stateHref=${stateHref} /></div>
    </section>
    <section class="card">
      <header><h2>How long it can take</h2></header>
      <div class="body">
        <p>${boundText(proof.bound)}</p>
        ${
          proof.bound.path.length > 0 &&
          html`<p class="way"><span class="muted">the way that shows it</span> <${Way} path=${proof.bound.path} stateHref=${stateHref} /></p>`
        }
      </div>
    </section>
    <section class="card">
      <header><h2>What it takes from outside</h2></header>
      <div class="body">
        ${accepts.length === 0 && html`<p>No state waits for an event from outside.</p>`}
        <ul class="plain">
          ${accepts.map(
            ([state, events]) =>
              html`<li key=${state}>In <a href=${stateHref(state)}><code>${state}</code></a> it takes ${eventList(events)}.</li>`,
          )}
        </ul>
      </div>
    </section>
  `;
}

/** @param {string[]} events */
function eventList(events) {
  return html`<strong>${either(events)}</strong>`;
}
