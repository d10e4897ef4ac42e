/** The history: what happened, entry by entry, as it happens. */

import { count, dateTime, timeOfDay } from "../core/format.js";
import { route, setQuery } from "../core/router.js";
import { Json } from "../parts/json.js";
import { ProblemBox } from "../parts/problem.js";
import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { countKinds, KINDS, namesOf, ofKinds } from "./entries.js";
import { said } from "./sayings.js";
import { UnfoldingList } from "./unfolding.js";

/** @typedef {import("./types.js").Entry} Entry */

const ROW_HEIGHT = 30;
/** So far back an entry that an address names is looked for. */
const SOUGHT_MAX = 5_000;

/**
 * @param {object} props
 * @param {Entry[]} props.entries
 * @param {() => Promise<void>} props.readEarlier
 * @param {(verb: string, given?: Record<string, any>) => void} props.onVerb
 */
export function HistoryTab({ entries, readEarlier, onVerb }) {
  const { kinds: wanted = "", order = "newest", seq = null } = route.value.query;
  const kinds = wanted === "" ? [] : wanted.split(",");
  const isOldestFirst = order === "oldest";
  const counts = useMemo(() => countKinds(entries), [entries]);
  const names = useMemo(() => namesOf(entries), [entries]);
  const rows = useMemo(() => {
    const found = ofKinds(entries, kinds).map((entry) => ({ id: String(entry.seq), item: entry }));
    return isOldestFirst ? found : found.reverse();
  }, [entries, wanted, isOldestFirst]);
  const earlier = useEarlier(entries, readEarlier);
  const isWanted =
    seq !== null && Number(seq) < earlier.left && earlier.left - Number(seq) < SOUGHT_MAX;
  useEffect(() => {
    if (isWanted) void earlier.read();
  }, [isWanted, earlier.left]);
  const toggle = (/** @type {string} */ kind) => {
    const next = kinds.includes(kind) ? kinds.filter((one) => one !== kind) : [...kinds, kind];
    setQuery({ kinds: next.join(",") });
  };
  return html`
    <div class="row chips" role="group" aria-label="which entries">
      <button type="button" class="chip" aria-pressed=${kinds.length === 0} onClick=${() => setQuery({ kinds: "" })}>All ${count(entries.length)}</button>
      ${KINDS.filter(({ id }) => counts[id]).map(
        ({ id, label }) => html`
          <button key=${id} type="button" class="chip" aria-pressed=${kinds.includes(id)} onClick=${() => toggle(id)}>
            ${label} ${count(counts[id] ?? 0)}
          </button>
        `,
      )}
      <button type="button" class="quiet" onClick=${() => setQuery({ order: isOldestFirst ? "" : "oldest" })}>
        ${isOldestFirst ? "↑ oldest first" : "↓ newest first"}
      </button>
    </div>
    ${isOldestFirst && html`<${Earlier} ...${earlier} />`}
    <${UnfoldingList}
      rows=${rows} rowHeight=${ROW_HEIGHT} open=${seq} onOpen=${(/** @type {string | null} */ id) => setQuery({ seq: id })}
      line=${(/** @type {Entry} */ entry) => line(entry, names)} name=${(/** @type {Entry} */ entry) => spoken(entry, names)} label="history" onEnd=${isOldestFirst ? undefined : earlier.read}
      detail=${(/** @type {Entry} */ entry) => html`<${Detail} entry=${entry} onVerb=${onVerb} />`}
    />
    ${rows.length === 0 && html`<p class="empty">No entry of these kinds. <button type="button" onClick=${() => setQuery({ kinds: "" })}>Show all</button></p>`}
    ${!isOldestFirst && html`<${Earlier} ...${earlier} />`}
  `;
}

/**
 * @param {Entry[]} entries
 * @param {() => Promise<void>} readEarlier
 */
function useEarlier(entries, readEarlier) {
  const left = entries[0]?.seq ?? 0;
  const isBusy = useRef(false);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const read = async () => {
    if (left === 0 || isBusy.current) return;
    isBusy.current = true;
    await readEarlier().then(() => setError(null), setError);
    isBusy.current = false;
  };
  return { left, error, read };
}

/** @param {{left: number, error: Error | null, read: () => void}} props */
function Earlier({ left, error, read }) {
  if (left === 0) return null;
  return html`
    <${ProblemBox} error=${error} />
    <p class="row"><button type="button" onClick=${read}>Read the ${count(Math.min(500, left))} entries before these</button> <small>${count(left)} are not here yet</small></p>
  `;
}

/** @param {Entry} entry @param {Map<string, string>} names */
function line(entry, names) {
  const { sign, tone, text, more } = said(entry, names);
  return html`
    <span class="seq number">${entry.seq}</span>
    <time class="number" datetime=${entry.at} title=${dateTime(entry.at)}>${timeOfDay(entry.at)}</time>
    <span class=${`sign tone-${tone}`} aria-hidden="true">${sign}</span>
    <span class="what">${text}</span>
    <span class="more muted">${more}</span>
  `;
}

/** @param {Entry} entry @param {Map<string, string>} names */
function spoken(entry, names) {
  const { text, more = "" } = said(entry, names);
  return `${entry.seq}: ${text} ${more}`;
}

/** @param {{entry: Entry, onVerb: (verb: string, given?: Record<string, any>) => void}} props */
function Detail({ entry, onVerb }) {
  const { seq } = entry;
  return html`
    <div class="row">
      <button type="button" onClick=${() => setQuery({ tab: "context", seq })}>Context at ${seq}</button>
      <button type="button" onClick=${() => onVerb("fork", { at: seq })}>Fork here…</button>
    </div>
    <${Json} value=${entry} label=${`entry ${seq}`} />
  `;
}
