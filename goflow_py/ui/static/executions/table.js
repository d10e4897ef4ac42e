/** The list itself: rows that change where they are, the keyboard, and what is chosen. */

import { serverNow } from "../core/clock.js";
import { fits } from "../core/filters.js";
import { count } from "../core/format.js";
import { go } from "../core/router.js";
import * as choice from "../core/selection.js";
import { useShortcuts } from "../core/shortcuts.js";
import { BatchDialog } from "../parts/batch.js";
import { FIRST_VERBS, VERBS } from "../parts/batch_verbs.js";
import { Menu } from "../parts/menu.js";
import { ProblemBox } from "../parts/problem.js";
import { VirtualList } from "../parts/virtual_list.js";
import { html, signal, useCallback, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { leave, left } from "./left.js";
import { whyKey } from "./live.js";
import { COLUMNS, ExecutionRow } from "./row.js";

const ROW_PX = 37;
const CARD_PX = 62;
const phone = matchMedia("(max-width: 640px)");
const isPhone = signal(phone.matches);
phone.addEventListener("change", () => {
  isPhone.value = phone.matches;
});

/**
 * @typedef {{verb: string, target: import("../parts/batch.js").Target}} Asked
 *
 * @param {{list: import("./live.js").LiveList, search: string, filter: import("../core/filters.js").Filter, onBatch: (batch: any) => void, onAll: () => void, allOf: () => Record<string, unknown>}} props
 */
export function Table({ list, search, filter, onBatch, onAll, allOf }) {
  const { rows, places, fresh, isBehind, next } = list.listing.value;
  const [selection, setSelection] = useState(choice.NOTHING);
  const [cursor, setCursor] = useState(left(search).cursor);
  const [asked, setAsked] = useState(/** @type {Asked | null} */ (null));
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const at = cursor === null ? -1 : (places.get(cursor) ?? -1);
  // Nothing moves below the hand of who is choosing.
  list.isAtTop = () => choice.isNothing(selection) && asked === null && isSeen(element.current);
  const ask = (/** @type {string} */ verb) => {
    const ids = choice.isNothing(selection) && cursor !== null ? [cursor] : [...selection.ids];
    if (selection.isAll) setAsked({ verb, target: { filter: allOf() } });
    else if (ids.length > 0) setAsked({ verb, target: { ids } });
  };
  useLayoutEffect(() => {
    scrollTo(0, left(search).scrolled);
  }, []);
  const open = (/** @type {string} */ id) => {
    leave(search, { cursor: id, scrolled: scrollY });
    go("execution", [id]);
  };
  useKeys({ list, rows, at, cursor, setCursor, selection, setSelection, ask, open });
  const done = (/** @type {any} */ batch) => {
    setAsked(null);
    setSelection(choice.NOTHING);
    onBatch(batch);
  };
  const unveil = () => {
    list.unveil();
    scrollTo(0, 0);
  };
  const now = serverNow();
  const render = (/** @type {import("./rows.js").Row} */ row, /** @type {number} */ index) => html`
    <${ExecutionRow}
      key=${row.id} row=${row} index=${index} isAt=${row.id === cursor} isChosen=${choice.isChosen(selection, row.id)}
      isPast=${!fits(filter, row, now)} why=${list.whys.value.get(whyKey(row))}
      onBox=${(event) => setSelection((event.shiftKey ? choice.stretched : choice.toggled)(selection, row.id, rows))}
      onOpen=${(event) =>
        pressed(
          event,
          () => open(row.id),
          () => setSelection(choice.stretched(selection, row.id, rows)),
        )}
    />
  `;
  return html`
    <${Chosen} selection=${selection} onPick=${setSelection} onVerb=${ask} />
    <${ProblemBox} error=${list.error.value} onRetry=${() => list.reload()} />
    <div class="x-list">
    <div class="x-fresh" role="status">
      ${(fresh.length > 0 || isBehind) && html`<button type="button" onClick=${unveil}>${newText(fresh.length, isBehind)}</button>`}
    </div>
    <div ref=${element} class="card x-table" role="grid" aria-label="executions" aria-multiselectable="true" tabindex="0"
      aria-rowcount=${next === null ? rows.length + 1 : -1} aria-activedescendant=${at < 0 ? null : `row-${cursor}`}>
      <${Heads} selection=${selection} rows=${rows} onPick=${setSelection} />
      <${VirtualList} role="rowgroup" label="executions" rows=${rows} rowHeight=${isPhone.value ? CARD_PX : ROW_PX} render=${render} at=${at}
        onEnd=${() => next !== null && list.more()} onSeen=${(from, to) => list.see(from, to)} />
    </div>
    </div>
    <${Foot} list=${list} filter=${filter} onAll=${onAll} />
    ${
      asked !== null &&
      html`<${BatchDialog} verb=${asked.verb} target=${asked.target} statusOf=${(id) => rows[places.get(id) ?? -1]?.status ?? null} onDone=${done} onClose=${() => setAsked(null)} />`
    }
  `;
}

/** @param {{selection: choice.Selection, rows: readonly any[], onPick: (selection: choice.Selection) => void}} props */
function Heads({ selection, rows, onPick }) {
  const isAll = selection.isAll || (rows.length > 0 && selection.ids.size === rows.length);
  return html`
    <div class="x-row x-heads" role="row" aria-rowindex="1">
      <span role="columnheader" class="x-box"><input type="checkbox" aria-label="choose all that are shown" checked=${isAll}
        onClick=${() => onPick(isAll ? choice.NOTHING : choice.every(rows))} /></span>
      ${COLUMNS.map((name) => html`<span key=${name} role="columnheader">${name}</span>`)}
    </div>
  `;
}

/** @param {{selection: choice.Selection, onPick: (selection: choice.Selection) => void, onVerb: (verb: string) => void}} props */
function Chosen({ selection, onPick, onVerb }) {
  if (choice.isNothing(selection)) return null;
  const others = Object.keys(VERBS).filter((verb) => !FIRST_VERBS.includes(verb));
  return html`
    <div class="x-chosen" role="region" aria-label="what is chosen">
      <strong>${selection.isAll ? "All that the filter finds" : `${count(selection.ids.size)} chosen`}</strong>
      ${!selection.isAll && html`<button type="button" class="quiet" onClick=${() => onPick(choice.ALL)}>all of the filter</button>`}
      <span class="grow"></span>
      ${FIRST_VERBS.map((verb) => html`<button key=${verb} type="button" onClick=${() => onVerb(verb)}>${VERBS[verb].word}…</button>`)}
      <${Menu} label="more ▾" name="more to do" items=${others.map((verb) => ({ label: `${VERBS[verb].word}…`, run: () => onVerb(verb), isDangerous: VERBS[verb].isDangerous }))} />
      <button type="button" class="quiet" aria-label="choose nothing" onClick=${() => onPick(choice.NOTHING)}>✕</button>
    </div>
  `;
}

/** @param {{list: import("./live.js").LiveList, filter: any, onAll: () => void}} props */
function Foot({ list, filter, onAll }) {
  const { rows, next } = list.listing.value;
  if (list.isLoading.value) return html`<p class="x-foot">…</p>`;
  if (rows.length > 0)
    return html`<p class="x-foot">${next === null ? `${count(rows.length)} in all` : `${count(rows.length)} read`}</p>`;
  if (list.error.value) return null;
  const isFiltered =
    JSON.stringify(filter) !==
    JSON.stringify({
      ...filter,
      project: "",
      activity: "",
      status: [],
      state: "",
      key: "",
      labels: {},
      since: "",
      q: "",
    });
  return isFiltered
    ? html`<div class="empty"><p>No execution fits these filters.</p><button type="button" onClick=${onAll}>Show all</button></div>`
    : html`<div class="empty"><p>Nothing has run yet.</p><p><a class="button primary" href="#/start">Start an execution</a> <a class="button" href="#/blueprints">See the blueprints</a></p></div>`;
}

/** @param {any} given */
function useKeys({ list, rows, at, cursor, setCursor, selection, setSelection, ask, open }) {
  const now = useRef(/** @type {any} */ (null));
  now.current = { rows, at, cursor, selection, ask, open };
  const move = useCallback((/** @type {number} */ step) => {
    const { rows, at } = now.current;
    const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
    if (next) setCursor(next.id);
  }, []);
  const withCursor = (/** @type {(id: string) => void} */ run) => () =>
    now.current.cursor !== null && run(now.current.cursor);
  const chosen = (/** @type {typeof choice.toggled} */ change) =>
    withCursor((id) => setSelection(change(now.current.selection, id, now.current.rows)));
  useShortcuts(
    [
      { keys: "j", does: "next execution", run: () => move(1) },
      { keys: "k", does: "previous execution", run: () => move(-1) },
      { keys: "Enter", does: "open the execution", run: withCursor((id) => now.current.open(id)) },
      { keys: "x", does: "choose the execution", run: chosen(choice.toggled) },
      { keys: "X", does: "choose up to here", run: chosen(choice.stretched) },
      { keys: "a", does: "choose all of the filter", run: () => setSelection(choice.ALL) },
      { keys: "Escape", does: "choose nothing", run: () => setSelection(choice.NOTHING) },
      { keys: "r", does: "retry what is chosen", run: () => now.current.ask("retry") },
      { keys: ".", does: "show what is new", run: () => list.unveil() },
    ],
    [list],
  );
}

/**
 * A click on a row opens it; with Shift it chooses up to there. Text may be marked, links are links.
 *
 * @param {any} event
 * @param {() => void} open
 * @param {() => void} stretch
 */
function pressed(event, open, stretch) {
  if (event.target.closest("a, button, input")) return;
  if (event.shiftKey) {
    getSelection()?.removeAllRanges();
    return stretch();
  }
  if (getSelection()?.toString() === "") open();
}

/** @param {HTMLElement | null} element */
function isSeen(element) {
  return element === null || element.getBoundingClientRect().top >= 0;
}

/** @param {number} number @param {boolean} isBehind */
function newText(number, isBehind) {
  if (isBehind) return "Much has happened: read the list again";
  return number === 1 ? "1 new execution" : `${count(number)} new executions`;
}
