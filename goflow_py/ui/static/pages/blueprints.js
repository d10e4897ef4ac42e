/** All blueprints: what there is, and what runs of it. */

import { Counts } from "../blueprint/counts.js";
import { Upload } from "../blueprint/upload.js";
import { byProject, tally } from "../blueprint/words.js";
import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { count } from "../core/format.js";
import { BLUEPRINTS_MAX, useBlueprints } from "../core/load.js";
import { href, route, setQuery } from "../core/router.js";
import { useShortcuts } from "../core/shortcuts.js";
import { ProblemBox } from "../parts/problem.js";
import { Ago } from "../parts/time.js";
import { html, useEffect, useMemo, useState } from "../vendor/preact.js";

const SHOWN_MAX = 100;
/** So many counts are asked for at a time. */
const LANES = 4;

export default function Blueprints() {
  const { q = "" } = route.value.query;
  const [isUploading, setUploading] = useState(false);
  const [most, setMost] = useState(SHOWN_MAX);
  const { value, error, reload } = useBlueprints();
  const groups = useMemo(() => byProject(value?.items ?? [], q), [value, q]);
  const shown = useMemo(() => firstOf(groups, most), [groups, most]);
  const all = shown.flatMap(([, some]) => some);
  const counts = useCounts(all);
  useShortcuts(
    [
      { keys: "j", does: "next blueprint", run: () => step(1) },
      { keys: "k", does: "previous blueprint", run: () => step(-1) },
    ],
    [],
  );
  const total = groups.reduce((sum, [, some]) => sum + some.length, 0);
  return html`
    <div class="head">
      <h1>Blueprints</h1>
      <input type="search" aria-label="search blueprints" placeholder="project, activity, what it is for" value=${q} onInput=${(/** @type {any} */ event) => setQuery({ q: event.target.value })} />
      <div class="actions">
        <a class="button" href=${href("editor")}>New</a>
        <button type="button" class="primary" onClick=${() => setUploading(true)}>Upload</button>
      </div>
    </div>
    <${ProblemBox} error=${error} onRetry=${reload} />
    ${value === null && !error && html`<p class="loading">…</p>`}
    ${value !== null && total === 0 && html`<${Empty} isSearched=${q !== ""} onUpload=${() => setUploading(true)} />`}
    ${shown.map(([project, some]) => html`<${Project} key=${project} project=${project} blueprints=${some} counts=${counts} />`)}
    ${total > all.length && html`<button type="button" onClick=${() => setMost(most + SHOWN_MAX)}>show more of ${count(total)}</button>`}
    ${value?.next && html`<p class="muted">There are more than ${BLUEPRINTS_MAX} blueprints: these are the first by name.</p>`}
    ${isUploading && html`<${Upload} onClose=${() => setUploading(false)} />`}
  `;
}

/** @param {{isSearched: boolean, onUpload: () => void}} props */
function Empty({ isSearched, onUpload }) {
  if (isSearched)
    return html`<p class="empty">No blueprint has that in its name or description. <a href=${href("blueprints")}>Show all</a></p>`;
  return html`
    <div class="empty">
      <p>There is no blueprint yet. It says which states an activity has, and which workers do its work.</p>
      <p><button type="button" onClick=${onUpload}>Upload a file</button> or <a href=${href("editor")}>write one here</a></p>
    </div>
  `;
}

/**
 * @param {{project: string, blueprints: Record<string, any>[], counts: Map<string, any>}} props
 */
function Project({ project, blueprints, counts }) {
  return html`
    <section class="card blueprint-list" aria-label=${project}>
      <header><h2>${project}</h2><small>${count(blueprints.length)}</small></header>
      <ul>
        ${blueprints.map((one) => html`<${One} key=${one.activity} one=${one} counts=${counts.get(nameOf(one))} />`)}
      </ul>
    </section>
  `;
}

/** @param {{one: Record<string, any>, counts: Record<string, any> | undefined}} props */
function One({ one, counts }) {
  const { project, activity, version, createdAt, blueprint, findings = [] } = one;
  const grave = findings.filter((/** @type {any} */ finding) => finding.severity !== "info");
  return html`
    <li>
      <div class="what">
        <a class="name" href=${href("blueprint", [project, activity])}>${activity}</a>
        <small>v${version} · <${Ago} at=${createdAt} /></small>
        ${grave.length > 0 && html`<a class="status is-waiting" href=${href("blueprint", [project, activity], { tab: "findings" })}><i aria-hidden="true">▲</i>${tally(grave)}</a>`}
        ${blueprint?.description && html`<p class="about" title=${blueprint.description}>${blueprint.description}</p>`}
      </div>
      <div class="runs">${counts === undefined ? html`<span class="muted">…</span>` : html`<${Counts} version=${counts} project=${project} activity=${activity} />`}</div>
      <a class="button" href=${href("start", [project, activity])} aria-label=${`start ${project}/${activity}`}>Start</a>
    </li>
  `;
}

/** @param {Record<string, any>} one */
function nameOf({ project, activity }) {
  return `${project}/${activity}`;
}

/**
 * The first blueprints, in their groups.
 *
 * @param {[string, Record<string, any>[]][]} groups
 * @param {number} most
 */
function firstOf(groups, most) {
  /** @type {[string, Record<string, any>[]][]} */
  const shown = [];
  let left = most;
  for (const [project, some] of groups) {
    if (left <= 0) break;
    shown.push([project, some.slice(0, left)]);
    left -= some.length;
  }
  return shown;
}

/**
 * What runs of the latest version of each that is shown; asked for by the way, a few at a time.
 *
 * @param {Record<string, any>[]} blueprints
 */
function useCounts(blueprints) {
  const [counts, setCounts] = useState(/** @type {Map<string, any>} */ (new Map()));
  const wanted = blueprints.map(nameOf).join("\n");
  useEffect(() => {
    const stop = new AbortController();
    const waiting = blueprints.filter((one) => !counts.has(nameOf(one)));
    const lane = async () => {
      for (
        let one = waiting.shift();
        one !== undefined && !stop.signal.aborted;
        one = waiting.shift()
      ) {
        const name = nameOf(one);
        const found = await get(
          path`/v1/blueprints/${one.project}/${one.activity}/versions`,
          {},
          stop.signal,
        ).catch(() => null);
        if (!stop.signal.aborted) setCounts((old) => new Map(old).set(name, found?.items[0] ?? {}));
      }
    };
    for (let number = 0; number < LANES; number++) void lane();
    return () => stop.abort();
  }, [wanted]);
  return counts;
}

/** @param {number} by */
function step(by) {
  const all = /** @type {HTMLElement[]} */ ([
    ...document.querySelectorAll(".blueprint-list .name"),
  ]);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))]?.focus();
}
