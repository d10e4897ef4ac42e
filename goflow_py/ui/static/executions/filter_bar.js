/** What is looked at: project, activity, state, status, key, labels, time and text. */

import { labelsOf, SPANS, STATUSES } from "../core/filters.js";
import { count } from "../core/format.js";
import { Status } from "../parts/status.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";

const PAUSE_MS = 250;

/** @typedef {import("../core/filters.js").Filter} Filter */

/**
 * @param {{filter: Filter, onChange: (patch: Partial<Filter>) => void, blueprints: any[]}} props
 */
export function FilterBar({ filter, onChange, blueprints }) {
  const { project, activity, state, key, labels, since, q } = filter;
  const [isMore, setMore] = useState(key !== "" || state !== "" || Object.keys(labels).length > 0);
  const projects = [...new Set([...blueprints.map((one) => one.project), project])]
    .filter(Boolean)
    .sort();
  const mine = blueprints.filter((one) => project === "" || one.project === project);
  const states = mine
    .filter((one) => activity === "" || one.activity === activity)
    .flatMap(statesOf);
  const pickActivity = (/** @type {string} */ text) => {
    const [first = "", second] = text.split("/");
    onChange(second === undefined ? { activity: first } : { project: first, activity: second });
  };
  return html`
    <form class="x-filters" role="search" aria-label="filters" onSubmit=${(event) => event.preventDefault()}>
      <${Typed} type="search" label="Id or key has" value=${q} onInput=${(text) => onChange({ q: text })} />
      <${Choice} label="Project" value=${project} none="all projects" onPick=${(text) => onChange({ project: text, activity: "" })}
        options=${projects.map((name) => [name, name])} />
      <${Choice} label="Activity" value=${activity} none="all activities" onPick=${pickActivity} options=${activities(mine, filter)} />
      <${Choice} label="Since" value=${since} none="any time" onPick=${(text) => onChange({ since: text })} options=${spans(since)} />
      <button type="button" class="quiet" aria-expanded=${isMore} onClick=${() => setMore(!isMore)}>${isMore ? "fewer filters" : "more filters"}</button>
      ${
        isMore &&
        html`
        <${Typed} label="State" value=${state} list="filter-states" onInput=${(text) => onChange({ state: text })} />
        <datalist id="filter-states">${[...new Set(states)].sort().map((name) => html`<option key=${name} value=${name} />`)}</datalist>
        <${Typed} label="Business key" value=${key} onInput=${(text) => onChange({ key: text })} />
        <${Labels} labels=${labels} onChange=${(found) => onChange({ labels: found })} />
      `
      }
    </form>
  `;
}

/**
 * @param {{filter: Filter, counts: Record<string, {number: number, isLeast: boolean}>, onChange: (patch: Partial<Filter>) => void}} props
 */
export function StatusChips({ filter, counts, onChange }) {
  const { status } = filter;
  const flip = (/** @type {string} */ one) =>
    onChange({
      status: status.includes(one) ? status.filter((other) => other !== one) : [...status, one],
    });
  const chip = (/** @type {string} */ one) => {
    const { number, isLeast } = counts[one] ?? {};
    const says = isLeast ? "at least as many: counted among the rows that were read" : null;
    return html`
      <button key=${one} type="button" class="x-chip" aria-pressed=${status.includes(one)} title=${says} onClick=${() => flip(one)}>
        <${Status} status=${one} />${number !== undefined && html`<b class="number">${count(number)}${isLeast && "+"}</b>`}
      </button>
    `;
  };
  return html`<div class="x-chips" role="group" aria-label="status">
    ${STATUSES.map(chip)}
    ${status.length > 0 && html`<button type="button" class="quiet" aria-label="any status" title="any status" onClick=${() => onChange({ status: [] })}>✕</button>`}
  </div>`;
}

/** @param {{label: string, value: string, none: string, options: string[][], onPick: (text: string) => void}} props */
function Choice({ label, value, none, options, onPick }) {
  return html`
    <label><span class="hidden">${label}</span>
      <select class=${value && "is-set"} value=${value} onChange=${(event) => onPick(event.target.value)}>
        <option value="">${none}</option>
        ${options.map(([name, text]) => html`<option key=${name} value=${name} selected=${name === value}>${text}</option>`)}
      </select>
    </label>
  `;
}

/**
 * A field that tells what was typed when nothing more is.
 *
 * @param {{label: string, value: string, onInput: (text: string) => void, type?: string, list?: string, isWrong?: boolean}} props
 */
function Typed({ label, value, onInput, type = "text", list, isWrong }) {
  const [text, setText] = useState(value);
  // What this field told last: another value comes from elsewhere, and is shown.
  const told = useRef(value);
  useEffect(() => {
    if (value !== told.current) setText(value);
    told.current = value;
  }, [value]);
  useEffect(() => {
    if (text.trim() === value) return undefined;
    const timer = setTimeout(() => {
      told.current = text.trim();
      onInput(told.current);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`
    <label><span class="hidden">${label}</span>
      <input class=${value && "is-set"} type=${type} placeholder=${label} list=${list} maxlength="255" value=${text}
        aria-invalid=${isWrong ? "true" : null} spellcheck=${false} autocomplete="off" onInput=${(event) => setText(event.target.value)} />
    </label>
  `;
}

/** @param {{labels: Record<string, string>, onChange: (labels: Record<string, string>) => void}} props */
function Labels({ labels, onChange }) {
  const [isWrong, setWrong] = useState(false);
  const text = Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
  const input = (/** @type {string} */ typed) => {
    const found = labelsOf(typed);
    setWrong(found === null);
    if (found !== null) onChange(found);
  };
  return html`<${Typed} label="Labels: team=ops" value=${text} onInput=${input} isWrong=${isWrong} />`;
}

/** @param {any[]} blueprints @param {Filter} filter */
function activities(blueprints, { project, activity }) {
  const known = blueprints.map((one) =>
    project === "" && one.activity !== activity
      ? [`${one.project}/${one.activity}`, `${one.project}/${one.activity}`]
      : [one.activity, one.activity],
  );
  return known.some(([name]) => name === activity) || activity === ""
    ? known
    : [...known, [activity, activity]];
}

/** @param {string} since */
function spans(since) {
  const known = Object.entries(SPANS).map(([span, text]) => [span, `last ${text}`]);
  return since === "" || since in SPANS ? known : [...known, [since, `since ${since}`]];
}

/** @param {any} one */
function statesOf({ blueprint }) {
  return (blueprint?.states ?? [])
    .map((/** @type {any} */ state) => state.name)
    .filter((/** @type {any} */ name) => typeof name === "string");
}
