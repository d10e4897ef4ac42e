/** What it waits for, in a sentence; of a failed one the error, and what to do about it. */

import { now } from "../core/clock.js";
import { ago, timeOfDay } from "../core/format.js";
import { href } from "../core/router.js";
import { html } from "../vendor/preact.js";
import { hasEnded, remedyOf, whyNot } from "./verb_rules.js";
import { partsOf } from "./why_text.js";

/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("./types.js").Graph} Graph */

/**
 * @param {{execution: Execution, why: any, graph: Graph | null, onVerb: (verb: string, given?: Record<string, any>) => void}} props
 */
export function WhyCard({ execution, why, graph, onVerb }) {
  if (execution.status === "failed") {
    return html`<${Failed} execution=${execution} why=${why} graph=${graph} onVerb=${onVerb} />`;
  }
  return html`
    <section class=${`card why is-${execution.status}`} aria-label="why">
      <p class="sentence"><${Sentence} text=${why?.why ?? ""} /></p>
      ${hasEnded(execution) || html`<${Next} execution=${execution} onVerb=${onVerb} />`}
      ${!hasEnded(execution) && execution.error !== null && html`<p class="last"><${ErrorLine} error=${execution.error} /></p>`}
    </section>
  `;
}

/** @param {{text: string}} props */
function Sentence({ text }) {
  return partsOf(text).map(({ kind, text: part }) => {
    if (kind === "execution")
      return html`<a href=${href("execution", [part])}><code>${part}</code></a>`;
    if (kind === "text") return part;
    return html`<time datetime=${part} title=${part}>${timeOfDay(part).slice(0, 8)} (${ago(Date.parse(part), now.value)})</time>`;
  });
}

/**
 * What one can do about the wait: an event that is accepted, a task of the inbox, a resume.
 *
 * @param {{execution: Execution, onVerb: (verb: string, given?: Record<string, any>) => void}} props
 */
function Next({ execution, onVerb }) {
  const events = execution.awaiting.map(
    ({ event, task, role }) => html`
      <button
        key=${`${event} ${task}`} type="button" title=${role && `for the role ${role}`}
        onClick=${() => onVerb("event", { name: task === undefined ? event : `${event} ${task}` })}
      >
        ✉ ${event}${task && html` <small>${task}</small>`}
      </button>
    `,
  );
  const isForPeople = execution.tasks.some(
    ({ type, outcome }) => type === "human" && outcome === null,
  );
  return html`
    <div class="row next">
      ${execution.status === "paused" && html`<button type="button" class="primary" onClick=${() => onVerb("resume")}>▶ Resume</button>`}
      ${events.length > 0 && html`<span class="muted">it accepts</span>`}${events}
      ${isForPeople && html`<a class="button" href=${href("inbox")}>Open the inbox</a>`}
      ${whyNot("retry", execution) === null && html`<button type="button" class="primary" onClick=${() => onVerb("retry")}>Retry</button>`}
    </div>
  `;
}

/** @param {{execution: Execution, why: any, graph: Graph | null, onVerb: (verb: string, given?: Record<string, any>) => void}} props */
function Failed({ execution, why, graph, onVerb }) {
  const { error } = execution;
  const remedy = remedyOf(execution, graph);
  const others = ["skip", "goto", "replay", "data"].filter(
    (verb) => verb !== remedy?.verb && whyNot(verb, execution, graph) === null,
  );
  const words = /** @type {Record<string, string>} */ ({
    skip: "Skip the work",
    goto: "Go to a state",
    replay: "Replay from a state",
    data: "Change variables",
  });
  return html`
    <section class="card why is-failed" role="alert" aria-label="the error">
      <h2><span aria-hidden="true">✗</span> ${error?.message ?? why?.why ?? "It failed."}</h2>
      <${ErrorFacts} execution=${execution} />
      <div class="row next">
        ${remedy !== null && html`<button type="button" class="primary" onClick=${() => onVerb(remedy.verb, remedy.given)}>${remedy.label}</button>`}
        ${others.map((verb) => html`<button key=${verb} type="button" onClick=${() => onVerb(verb)}>${words[verb]}</button>`)}
        ${execution.parent !== null && html`<a class="button" href=${href("execution", [execution.parent])}>Open the parent</a>`}
      </div>
    </section>
  `;
}

/** @param {{execution: Execution}} props */
function ErrorFacts({ execution: { id, error, state } }) {
  if (error === null) return null;
  const { code, state: where, action, task, worker, status, attempts } = error;
  const facts = [
    ["code", html`<code>${code}</code>`],
    ["in", where && html`<code>${where}</code>`],
    ["task", (task ?? action) && html`<code>${task ?? action}</code>`],
    ["worker", worker && html`<code>${worker}</code>`],
    ["answered", status && `HTTP ${status}`],
    [
      "attempts",
      attempts && html`<a href=${href("execution", [id], { tab: "attempts" })}>${attempts}</a>`,
    ],
    ["ended in", where !== state && html`<code>${state}</code>`],
  ];
  return html`
    <dl class="traits">
      ${facts.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
  `;
}

/** @param {{error: import("./types.js").Failure}} props */
function ErrorLine({ error }) {
  return html`<span class="muted">The last error:</span> ${error.message} <code>${error.code}</code>${error.worker && html` <code>${error.worker}</code>`}`;
}
