/** The timeline of attempts and waits: a row for each, on one line of time. */

import { serverNow } from "../core/clock.js";
import { count, span } from "../core/format.js";
import { useEvery } from "../core/load.js";
import { route, setQuery } from "../core/router.js";
import { VirtualList } from "../parts/virtual_list.js";
import { html, useCallback, useMemo, useRef, useState } from "../vendor/preact.js";
import { folded, timelineOf } from "./timeline.js";
import { moved, netScale, ticksOf, wallScale, zoomed, zoomedBy } from "./timeline_scale.js";

/** @typedef {import("./timeline.js").Row} Row */
/** @typedef {import("./timeline_scale.js").Stretch} Stretch */
/** @typedef {import("./timeline_scale.js").Scale} Scale */

const ROW_HEIGHT = 28;
const TICKS_MAX = 5;
const TICKS_MAX_NARROW = 2;
const NARROW = matchMedia("(max-width: 640px)");
/** Behind this there is no room for a word. */
const TICK_LAST = 0.86;
/** How often what runs is seen to grow; a mere wait grows more calmly. */
const TICK_MS = 200;
const WAIT_TICK_MS = 1_000;
const ZOOM = 2;

/** @type {Stretch} */
const WHOLE = [0, 1];

/** @type {Record<string, string>} */
const SIGNS = {
  success: "✓",
  error: "✗",
  timeout: "⧖",
  abandoned: "⤫",
  superseded: "⤳",
  open: "●",
};

/**
 * @param {object} props
 * @param {import("./types.js").Execution} props.execution
 * @param {import("./types.js").Attempt[]} props.attempts
 * @param {number | null} props.earlier
 * @param {import("./types.js").Entry[]} props.entries
 */
export function TimelineCard({ execution, attempts, earlier, entries }) {
  const isNet = route.value.query.time === "net";
  const [view, setView] = useState(WHOLE);
  const [unfolded, setUnfolded] = useState(/** @type {Set<string>} */ (new Set()));
  const isBusy = execution.status === "running" || attempts.at(-1)?.outcome === null;
  const tick = useTick(execution.finishedAt === null, isBusy ? TICK_MS : WAIT_TICK_MS);
  const line = useMemo(
    () => timelineOf({ execution, attempts, entries, now: serverNow() }),
    [execution, attempts, entries, tick],
  );
  const rows = useMemo(() => folded(line.rows, unfolded), [line, unfolded]);
  const whole = useMemo(
    () => (isNet ? netScale(line.whole, line.busy) : wallScale(line.whole)),
    [line, isNet],
  );
  const toggle = (/** @type {string} */ group) => {
    const next = new Set(unfolded);
    if (!next.delete(group)) next.add(group);
    setUnfolded(next);
  };
  const scale = zoomed(whole, view);
  const render = (/** @type {Row} */ row) =>
    html`<${TimelineRow} key=${row.id} row=${row} scale=${scale} onFold=${toggle} />`;
  return html`
    <section class="card timeline" aria-label="timeline">
      <header>
        <h2>Timeline</h2>
        <div class="switch" role="group" aria-label="which time">
          <button type="button" aria-pressed=${!isNet} onClick=${() => setQuery({ time: "" })}>whole time</button>
          <button type="button" aria-pressed=${isNet} title="waits are drawn together" onClick=${() => setQuery({ time: "net" })}>without waits</button>
        </div>
        <${Zoom} view=${view} onView=${setView} />
      </header>
      <div class="tracks">
        <${Ruler} line=${line} view=${view} isNet=${isNet} scale=${scale} onView=${setView} />
        <div class="rows" tabindex="0" role="group" aria-label="attempts and waits">
          ${
            rows.length === 0
              ? html`<p class="empty">Nothing was waited for yet.</p>`
              : html`<${VirtualList} rows=${rows} rowHeight=${ROW_HEIGHT} render=${render} label="attempts and waits" />`
          }
        </div>
      </div>
      ${earlier !== 0 && html`<p class="muted below">${earlier === null ? "The" : count(earlier)} earlier attempts are in the history only.</p>`}
    </section>
  `;
}

/**
 * A number that grows while something goes on and the page is seen.
 *
 * @param {boolean} isOpen
 * @param {number} ms
 */
function useTick(isOpen, ms) {
  const [tick, setTick] = useState(0);
  const next = useCallback(() => setTick((old) => old + 1), []);
  useEvery(next, ms, isOpen);
  return tick;
}

/** @param {{view: Stretch, onView: (view: Stretch) => void}} props */
function Zoom({ view, onView }) {
  const isWhole = view[1] - view[0] >= 1;
  return html`
    <div class="row zoom" role="group" aria-label="zoom">
      <button type="button" aria-label="earlier" disabled=${view[0] <= 0} onClick=${() => onView(moved(view, -0.5))}>◄</button>
      <button type="button" aria-label="zoom out" disabled=${isWhole} onClick=${() => onView(zoomedBy(view, 1 / ZOOM))}>−</button>
      <button type="button" aria-label="zoom in" onClick=${() => onView(zoomedBy(view, ZOOM))}>+</button>
      <button type="button" aria-label="later" disabled=${view[1] >= 1} onClick=${() => onView(moved(view, 0.5))}>►</button>
      <button type="button" disabled=${isWhole} onClick=${() => onView(WHOLE)}>fit</button>
    </div>
  `;
}

/**
 * The times over the rows. Ctrl and the wheel zoom where the pointer is; what is dragged moves.
 *
 * @param {{line: import("./timeline.js").Timeline, view: Stretch, isNet: boolean, scale: Scale, onView: (view: Stretch) => void}} props
 */
function Ruler({ line, view, isNet, scale, onView }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const drag = useRef(/** @type {{x: number, view: Stretch} | null} */ (null));
  const widthOf = () => element.current?.clientWidth || 1;
  const onWheel = (/** @type {any} */ event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = element.current?.getBoundingClientRect();
    onView(
      zoomedBy(
        view,
        event.deltaY < 0 ? ZOOM : 1 / ZOOM,
        box ? (event.clientX - box.left) / box.width : 0.5,
      ),
    );
  };
  const onPointerDown = (/** @type {any} */ event) => {
    drag.current = { x: event.clientX, view };
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const onPointerMove = (/** @type {any} */ event) => {
    if (drag.current !== null)
      onView(moved(drag.current.view, (drag.current.x - event.clientX) / widthOf()));
  };
  const end = () => {
    drag.current = null;
  };
  const isInside = (/** @type {number} */ ms) => scale(line.whole[0] + ms) <= TICK_LAST;
  const most = NARROW.matches ? TICKS_MAX_NARROW : TICKS_MAX;
  const ticks = isNet ? [] : ticksOf(line.whole, view, most).filter(isInside);
  return html`
    <div class="timeline-row ruler" aria-hidden="true">
      <span class="name muted">${isNet ? "waits drawn together" : span(line.whole[1] - line.whole[0])}</span>
      <div
        ref=${element} class="track" onWheel=${onWheel} onPointerDown=${onPointerDown}
        onPointerMove=${onPointerMove} onPointerUp=${end} onPointerCancel=${end}
      >
        ${ticks.map((ms) => html`<span key=${ms} class="tick" style=${{ left: percent(scale(line.whole[0] + ms)) }}>${ms === 0 ? "0" : span(ms).replace(".0", "")}</span>`)}
        ${line.paused.map(([from, to]) => html`<span key=${from} class="paused" title="paused" style=${placed(scale(from), scale(to))}>❚❚</span>`)}
      </div>
    </div>
  `;
}

/** @param {{row: Row, scale: Scale, onFold: (group: string) => void}} props */
function TimelineRow({ row, scale, onFold }) {
  const { kind, label, note, status, isFailover, segments, marks, group, isFolded } = row;
  const open = () => {
    if (kind === "group") onFold(group);
    else if (kind === "attempt") setQuery({ tab: "attempts", attempt: row.id, failed: "" });
    else if (row.seq !== undefined) setQuery({ tab: "history", seq: row.seq, kinds: "" });
  };
  const sign = SIGNS[status] ?? "";
  const took = tookOf(row);
  const now = kind === "attempt" ? "running" : "";
  const said = [label, status === "open" ? now : status, took, note].filter(Boolean).join(", ");
  return html`
    <button
      type="button" class=${`timeline-row of-${kind}`} style=${{ height: `${ROW_HEIGHT}px` }} title=${said} aria-label=${said}
      aria-expanded=${kind === "group" ? !isFolded : null} onClick=${open}
    >
      <span class="name">${kind === "group" && html`<i class="twist" aria-hidden="true">${isFolded ? "▸" : "▾"}</i>`}${label}${row.visit !== undefined && html` <small title="visit">v${row.visit}</small>`}</span>
      <span class="track">
        ${kind === "group" ? html`<${Strip} segments=${segments} scale=${scale} />` : segments.map((segment, at) => html`<${Bar} key=${at} segment=${segment} scale=${scale} />`)}
        ${marks.map((mark) => html`<${Pin} key=${mark.at} mark=${mark} scale=${scale} />`)}
      </span>
      <span class="outcome"><i class=${`tone-${status}`} aria-hidden="true">${sign}</i> <span class="number">${took}</span> ${isFailover && html`<b class="failover" title="another worker than before">⤳</b>`} <span class="muted">${note}</span></span>
    </button>
  `;
}

/** @param {Row} row */
function tookOf({ kind, segments }) {
  const last = segments.at(-1);
  if (last === undefined || kind === "group") return "";
  return kind === "next"
    ? `in ${span(Math.max(0, last.to - serverNow()))}`
    : span(last.to - last.from);
}

/** @param {{segment: import("./timeline.js").Segment, scale: Scale}} props */
function Bar({ segment: { kind, from, to, tone, isOpen }, scale }) {
  const a = scale(from);
  const b = scale(to);
  if (b < 0 || a > 1) return null;
  const what = {
    pause: "pause before the next attempt",
    queue: "waited for a slot",
    run: "ran",
    wait: "waited",
  }[kind];
  return html`<span class=${`seg is-${kind} tone-${tone}${isOpen ? " is-now" : ""}`} title=${`${what} ${span(to - from)}`} style=${placed(a, b)}></span>`;
}

/** @param {{mark: import("./timeline.js").Mark, scale: Scale}} props */
function Pin({ mark: { at, kind, text }, scale }) {
  const x = scale(at);
  if (x < 0) return null;
  const isBeyond = x > 1;
  return html`<span class=${`pin is-${kind}${isBeyond ? " is-beyond" : ""}`} title=${`${text}: ${new Date(at).toLocaleString()}`} style=${{ left: percent(Math.min(1, x)) }}></span>`;
}

/** The width of a strip in units of its drawing: finer than what is seen. */
const UNITS = 1_000;
const UNITS_MIN = 2;

/**
 * All that a folded row did: one path a colour, however many there are.
 *
 * @param {{segments: import("./timeline.js").Segment[], scale: Scale}} props
 */
function Strip({ segments, scale }) {
  /** @type {Map<string, {d: string[], end: number}>} */
  const paths = new Map();
  for (const { kind, tone, from, to } of segments) {
    const a = Math.max(0, scale(from));
    const b = Math.min(1, scale(to));
    if (b < 0 || a > 1) continue;
    const name = kind === "run" ? `tone-${tone}` : `is-${kind}`;
    const path = paths.get(name) ?? { d: [], end: -1 };
    const last = Math.round(b * UNITS);
    paths.set(name, path);
    // What would lie behind another one is not drawn.
    if (last <= path.end) continue;
    const start = Math.max(path.end, Math.round(a * UNITS));
    path.end = Math.max(start + UNITS_MIN, last);
    path.d.push(`M${start} 0H${path.end}V1H${start}z`);
  }
  return html`
    <svg class="strip" viewBox=${`0 0 ${UNITS} 1`} preserveAspectRatio="none" aria-hidden="true">
      ${[...paths].map(([name, { d }]) => html`<path key=${name} class=${name} d=${d.join("")} />`)}
    </svg>
  `;
}

/**
 * @param {number} a
 * @param {number} b
 */
function placed(a, b) {
  const from = Math.max(-0.01, a);
  return { left: percent(from), width: percent(Math.max(0, Math.min(1.01, b) - from)) };
}

/** @param {number} share */
function percent(share) {
  return `${(share * 100).toFixed(3)}%`;
}
