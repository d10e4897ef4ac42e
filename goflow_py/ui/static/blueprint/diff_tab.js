/** Two versions side by side: what was added, removed and changed, and what runs on each. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { useLoad } from "../core/load.js";
import { setQuery } from "../core/router.js";
import { Diff, SIGNS } from "../parts/diff.js";
import { ProblemBox } from "../parts/problem.js";
import { html } from "../vendor/preact.js";
import { Counts } from "./counts.js";
import { rowText } from "./words.js";

/** @typedef {{project: string, activity: string}} Place */

/**
 * @param {Place & {versions: any[], from: string | undefined, to: string | undefined}} props
 */
export function DiffTab({ project, activity, versions, from, to }) {
  const numbers = versions.map(({ version }) => version);
  const after = Number(to ?? numbers[0]);
  const before = Number(from ?? numbers.find((number) => number < after) ?? after);
  const { value, error, reload } = useLoad(
    async (signal) => {
      const document = (/** @type {number} */ version) =>
        get(path`/v1/blueprints/${project}/${activity}/versions/${version}`, {}, signal);
      const [found, one, other] = await Promise.all([
        get(path`/v1/blueprints/${project}/${activity}/diff`, { from: before, to: after }, signal),
        document(before),
        document(after),
      ]);
      return { found, one: one.blueprint, other: other.blueprint };
    },
    [project, activity, before, after],
  );
  if (numbers.length < 2)
    return html`<p class="empty">There is one version alone. With the next upload, this says what differs and what runs on each.</p>`;
  const choose = (
    /** @type {string} */ label,
    /** @type {number} */ chosen,
    /** @type {(version: string) => void} */ pick,
  ) => html`
    <select aria-label=${label} value=${chosen} onChange=${(/** @type {any} */ event) => pick(event.target.value)}>
      ${numbers.map((number) => html`<option key=${number} value=${number}>version ${number}</option>`)}
    </select>
  `;
  return html`
    <div class="row tools">from ${choose("before", before, (version) => setQuery({ from: version }))} to ${choose("after", after, (version) => setQuery({ to: version }))}
      <button type="button" class="quiet" aria-label="the other way round" title="the other way round" onClick=${() => setQuery({ from: after, to: before })}>⇄</button>
    </div>
    <${ProblemBox} error=${error} onRetry=${reload} />
    ${value === null && !error && html`<p class="loading">…</p>`}
    ${value && html`<${Found} ...${value} project=${project} activity=${activity} />`}
  `;
}

/** @param {Place & {found: any, one: any, other: any}} props */
function Found({ found, one, other, project, activity }) {
  const side = (/** @type {any} */ version) => html`
    <section class="card grow">
      <header><h2>Runs on version ${version.version}</h2></header>
      <div class="body"><${Counts} version=${version} project=${project} activity=${activity} /></div>
    </section>
  `;
  return html`
    <div class="row sides">${side(found.from)}${side(found.to)}</div>
    <section class="card">
      <header><h2>What differs</h2></header>
      <div class="body">
        ${found.same ? html`<p>Nothing: they are the same.</p>` : html`<${Part} part=${found} />`}
        ${found.machines.changed.map((/** @type {any} */ machine) => html`<h3 key=${machine.name}>In machine ${machine.name}</h3><${Part} part=${machine} />`)}
      </div>
    </section>
    <details class="card documents">
      <summary>In the documents, field by field</summary>
      <div class="body"><${Diff} before=${one} after=${other} /></div>
    </details>
  `;
}

/** @param {{part: any}} props */
function Part({ part }) {
  const lines = ["states", "tasks", "actions", "workers", "machines"].flatMap((what) =>
    namedLines(part[what], what.replace(/s$/, "")),
  );
  for (const row of part.rows.removed)
    lines.push({ kind: "removed", what: "row", text: rowText(row) });
  for (const row of part.rows.added) lines.push({ kind: "added", what: "row", text: rowText(row) });
  const changed = part.rows.changed.map((/** @type {any} */ { from, to }) => ({
    kind: "changed",
    what: "row",
    text: `${rowsText(from)}  ⇒  ${rowsText(to)}`,
  }));
  const fields = part.fields.map((/** @type {string} */ field) => ({
    kind: "changed",
    what: "field",
    text: field,
  }));
  return html`<ul class="diff">${[...lines, ...changed, ...fields].map(lineOf)}</ul>`;
}

/** @param {{kind: string, what: string, text: string, before?: any, after?: any}} line @param {number} at */
function lineOf({ kind, what, text, before, after }, at) {
  return html`
    <li key=${at} class=${kind}>
      <span class="sign" title=${kind}><i aria-hidden="true">${SIGNS[kind]}</i></span>
      <span>${what} <span class="muted">${kind}</span></span>
      <code class="path">${text}</code>
      ${before !== undefined && html`<div class="inner"><${Diff} before=${before} after=${after} /></div>`}
    </li>
  `;
}

/**
 * @param {any} names
 * @param {string} what
 */
function namedLines(names, what) {
  /** @type {{kind: string, what: string, text: string, before?: any, after?: any}[]} */
  const lines = [];
  for (const text of names?.removed ?? []) lines.push({ kind: "removed", what, text });
  for (const text of names?.added ?? []) lines.push({ kind: "added", what, text });
  for (const { name, from, to } of names?.changed ?? []) {
    // What differs within a machine is told below.
    if (from !== undefined)
      lines.push({ kind: "changed", what, text: name, before: from, after: to });
  }
  return lines;
}

/** @param {any} rows */
function rowsText(rows) {
  return [rows].flat().map(rowText).join("; ");
}
