/** The head of the page: which execution it is, how it stands, and what can be done. */

import { dateTime, shortId } from "../core/format.js";
import { href } from "../core/router.js";
import { Copy } from "../parts/copy.js";
import { Status } from "../parts/status.js";
import { Ago, Took } from "../parts/time.js";
import { html } from "../vendor/preact.js";
import { hasEnded, sendableEvents, whyNot } from "./verb_rules.js";
import { VerbMenu } from "./verbs.js";

/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("./types.js").Graph} Graph */

const CHILDREN_SHOWN_MAX = 12;

/**
 * @param {object} props
 * @param {Execution} props.execution
 * @param {Graph | null} props.graph
 * @param {string[]} props.children all that it started, also in states that it has left
 * @param {boolean} props.isLive
 * @param {(verb: string) => void} props.onVerb
 * @param {(execution?: Execution) => void} props.onDone
 */
export function Head({ execution, graph, children, isLive, onVerb, onDone }) {
  const { id, project, activity, version, status } = execution;
  const quick = [
    ["event", "✉ Send event"],
    ["pause", "❚❚ Pause"],
    ["resume", "▶ Resume"],
    ["retry", "↻ Retry"],
  ].filter(([verb = ""]) => {
    const isOffered = verb !== "event" || sendableEvents(execution, graph).length > 0;
    return isOffered && whyNot(verb, execution, graph) === null;
  });
  return html`
    <div class="head execution-head">
      <h1>
        <span class="muted">${project} / </span>${activity}
        ${" "}<a class="version" href=${href("blueprint", [project, activity], { version })}>v${version}</a>
      </h1>
      <${Status} status=${status} />
      <${Copy} text=${id} label="copy the id"><code title=${id}>${shortId(id)}</code><//>
      <${Following} isLive=${isLive} isOver=${hasEnded(execution)} />
      <div class="actions">
        ${quick.map(([verb, label]) => html`<button key=${verb} type="button" onClick=${() => onVerb(/** @type {string} */ (verb))}>${label}</button>`)}
        <${VerbMenu} execution=${execution} graph=${graph} onDone=${onDone} label="More ▾" />
      </div>
    </div>
    <${Facts} execution=${execution} started=${children} />
  `;
}

/** @param {{isLive: boolean, isOver: boolean}} props */
function Following({ isLive, isOver }) {
  if (isOver) return null;
  return isLive
    ? html`<small class="live" role="status"><i aria-hidden="true">●</i> live</small>`
    : html`<small class="live is-off" role="status"><i aria-hidden="true">○</i> connecting</small>`;
}

/** @param {{execution: Execution, started: string[]}} props */
function Facts({ execution, started }) {
  const {
    key,
    labels,
    parent,
    machine,
    children,
    state,
    visit,
    stage,
    businessStatus,
    startedAt,
    finishedAt,
    deadline,
  } = execution;
  const all = [...new Set([...started, ...children])];
  const label = (/** @type {string[]} */ [name = "", value = ""]) => html`
    <a key=${name} class="tag" href=${href("executions", [], { [`label.${name}`]: value })}>${name}=${value}</a>
  `;
  /** @type {[string, any][]} */
  const facts = [
    ["state", html`<code>${state}</code> <small>visit ${visit}</small>`],
    ["stage", stage],
    ["business status", businessStatus],
    [
      "key",
      key !== null && html`<${Copy} text=${key} label="copy the key"><span>${key}</span><//>`,
    ],
    ["labels", Object.keys(labels).length > 0 && Object.entries(labels).map(label)],
    [
      "parent",
      parent !== null &&
        html`<a href=${href("execution", [parent])}><code>${shortId(parent)}</code></a>${machine && html` <small>machine ${machine}</small>`}`,
    ],
    ["children", all.length > 0 && html`<${Children} ids=${all} />`],
    ["started", html`<span title=${dateTime(startedAt)}><${Ago} at=${startedAt} /></span>`],
    [
      finishedAt === null ? "running for" : "took",
      html`<${Took} from=${startedAt} to=${finishedAt} />`,
    ],
    ["ended", finishedAt !== null && html`<${Ago} at=${finishedAt} />`],
    ["deadline", deadline !== null && finishedAt === null && html`<${Ago} at=${deadline} />`],
  ];
  return html`
    <dl class="traits">
      ${facts.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
  `;
}

/** @param {{ids: string[]}} props */
function Children({ ids }) {
  const shown = ids.slice(-CHILDREN_SHOWN_MAX);
  return html`
    ${shown.map((id) => html`<a key=${id} href=${href("execution", [id])}><code>${shortId(id)}</code></a> `)}
    ${ids.length > shown.length && html`<small>and ${ids.length - shown.length} before</small>`}
  `;
}
