/** What expressions saw at any step, and what the step changed. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { timeOfDay } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { route, setQuery } from "../core/router.js";
import { useShortcuts } from "../core/shortcuts.js";
import { Diff } from "../parts/diff.js";
import { Json } from "../parts/json.js";
import { ProblemBox } from "../parts/problem.js";
import { say } from "../parts/toast.js";
import { html, useMemo, useRef } from "../vendor/preact.js";
import { stopAt, stopsOf } from "./entries.js";
import { said } from "./sayings.js";

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Execution} Execution */

const KEPT_MAX = 30;
/** Steps that were recorded at once have the same context: so many are gone back for another one. */
const BACK_MAX = 4;

/**
 * @param {object} props
 * @param {Execution} props.execution
 * @param {Entry[]} props.entries
 * @param {() => Promise<void>} props.readEarlier
 * @param {(verb: string, given?: Record<string, any>) => void} props.onVerb
 */
export function ContextTab({ execution, entries, readEarlier, onVerb }) {
  const asked = route.value.query.seq;
  const stops = useMemo(() => stopsOf(entries), [entries]);
  const wanted = asked === undefined || Number.isNaN(Number(asked)) ? null : Number(asked);
  const at = stopAt(stops, wanted);
  const seq = wanted ?? stops[at] ?? execution.revision;
  const before = stops.slice(Math.max(0, at - BACK_MAX), at + 1).filter((stop) => stop < seq);
  const hasEarlier = (entries[0]?.seq ?? 0) > 0;
  const moveTo = (/** @type {number} */ place) => {
    if (place < 0 && hasEarlier) void readEarlier().catch((error) => say(error.message));
    const next = stops[Math.min(stops.length - 1, Math.max(0, place))];
    // At the end it goes on with the execution.
    setQuery({ seq: next === stops.at(-1) ? null : next });
  };
  useShortcuts(
    [
      { keys: "j", does: "the next step", run: () => moveTo(at + 1) },
      { keys: "k", does: "the step before", run: () => moveTo(at - 1) },
    ],
    [at, stops],
  );
  if (stops.length === 0) return html`<p class="loading">…</p>`;
  return html`
    <div class="row steps">
      <button type="button" aria-label="the step before" disabled=${at === 0 && !hasEarlier} onClick=${() => moveTo(at - 1)}>◄</button>
      <input
        type="range" class="grow" min="0" max=${stops.length - 1} value=${at} aria-label="step"
        aria-valuetext=${`seq ${seq}, step ${at + 1} of ${stops.length}`} onInput=${(/** @type {any} */ event) => moveTo(Number(event.target.value))}
      />
      <button type="button" aria-label="the next step" disabled=${at === stops.length - 1} onClick=${() => moveTo(at + 1)}>►</button>
      <label class="row">
        seq
        <input
          type="number" min="0" max=${execution.revision} value=${seq}
          onChange=${(/** @type {any} */ event) => setQuery({ seq: event.target.value })}
        />
      </label>
      <button type="button" onClick=${() => onVerb("fork", { at: seq })}>Fork here…</button>
    </div>
    <${Step} id=${execution.id} seq=${seq} before=${before} revision=${execution.revision} entry=${entries.find((one) => one.seq === seq)} />
  `;
}

/** @param {{id: string, seq: number, before: number[], revision: number, entry: Entry | undefined}} props */
function Step({ id, seq, before, revision, entry }) {
  const read = useContextReader(id);
  const { value, error, isLoading, reload } = useLoad(
    async (signal) => {
      const now = await read(seq, signal);
      let then = /** @type {any} */ (null);
      for (
        let at = before.length - 1;
        at >= 0 && (then === null || then.seq === now.seq);
        at -= 1
      ) {
        then = await read(/** @type {number} */ (before[at]), signal);
      }
      return { now, then };
    },
    // The newest one changes with the execution.
    [id, seq, before, seq >= revision ? revision : -1],
  );
  // What was read stays until the next is there: stepping does not flicker.
  const shown = useRef(value);
  shown.current = value ?? shown.current;
  if (error !== null && !isLoading) return html`<${ProblemBox} error=${error} onRetry=${reload} />`;
  if (shown.current === null) return html`<p class="loading">…</p>`;
  const { now, then } = shown.current;
  const { sign, text } = entry === undefined ? { sign: "", text: "" } : said(entry);
  return html`
    <p aria-live="polite">
      ${entry && html`<span class="number muted">${timeOfDay(entry.at)}</span> <strong>${sign} ${text}</strong> · `}in <code>${now.state}</code>, visit ${now.visit}
      ${now.seq !== seq && html` <small>as of seq ${now.seq}, the end of that record</small>`}
    </p>
    <div class="pair-of">
      <section>
        <h3>${then === null ? (seq === 0 ? "The beginning" : "The step before is not here yet") : html`What this step changed <small>seq ${then.seq} → ${now.seq}</small>`}</h3>
        ${then !== null && html`<${Diff} before=${then.context} after=${now.context} />`}
      </section>
      <section><h3>Context</h3><${Json} value=${now.context} label="context" /></section>
    </div>
  `;
}

/**
 * Reads contexts; those of the past do not change.
 *
 * @param {string} id
 */
function useContextReader(id) {
  const kept = useRef(/** @type {Map<string, any>} */ (new Map()));
  return async (/** @type {number} */ seq, /** @type {AbortSignal} */ signal) => {
    const place = `${id} ${seq}`;
    const known = kept.current.get(place);
    if (known !== undefined) return known;
    const read = await get(path`/v1/executions/${id}/context`, { at: seq }, signal);
    kept.current.set(place, read);
    if (kept.current.size > KEPT_MAX)
      kept.current.delete(/** @type {string} */ (kept.current.keys().next().value));
    return read;
  };
}
