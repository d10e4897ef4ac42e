/** A list of any length: only the rows that are seen are there. It scrolls with the page. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";

/** Rows above and below the window, so that a quick scroll shows no gap. */
const MORE_ROWS = 8;
/** This near to the end, more is asked for. */
const END_ROWS = 30;

/**
 * @template T
 * @typedef {object} VirtualListProps
 * @property {readonly T[]} rows each with an `id`
 * @property {number} rowHeight in pixels, the same for all
 * @property {(row: T, index: number) => any} render
 * @property {() => void} [onEnd] the last rows are near: read more
 * @property {(from: number, to: number) => void} [onSeen]
 * @property {string} label
 * @property {number} [at] a row that is to be seen
 * @property {string} [role] `rowgroup`: the rows have roles of their own
 */

/**
 * @template {{id: string}} T
 * @param {VirtualListProps<T>} props
 */
export function VirtualList({ rows, rowHeight, render, onEnd, onSeen, label, at, role = "list" }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const [{ from, to }, setRange] = useState({ from: 0, to: 40 });
  useLayoutEffect(() => {
    const look = () => {
      const range = rangeOf(element.current, rows.length, rowHeight);
      setRange((old) => (old.from === range.from && old.to === range.to ? old : range));
    };
    look();
    // Captured, for it may be another element than the page that scrolls.
    document.addEventListener("scroll", look, { capture: true, passive: true });
    addEventListener("resize", look);
    return () => {
      document.removeEventListener("scroll", look, { capture: true });
      removeEventListener("resize", look);
    };
  }, [rows.length, rowHeight]);
  useEffect(() => onSeen?.(from, to), [from, to, rows.length]);
  const isNearEnd = to + END_ROWS >= rows.length;
  useEffect(() => {
    if (isNearEnd) onEnd?.();
  }, [isNearEnd, rows.length]);
  useEffect(() => {
    if (at !== undefined && at >= 0) show(element.current, at, from, rowHeight);
  }, [at]);
  const seen = rows.slice(from, to);
  const item = (/** @type {T} */ row, /** @type {number} */ index) => html`
    <div key=${row.id} role="listitem" aria-setsize=${rows.length} aria-posinset=${from + index + 1}>${render(row, from + index)}</div>
  `;
  const space = {
    paddingTop: `${from * rowHeight}px`,
    paddingBottom: `${Math.max(0, rows.length - from - seen.length) * rowHeight}px`,
  };
  return html`
    <div ref=${element} class="virtual" role=${role} aria-label=${label} style=${space}>
      ${seen.map(role === "list" ? item : (row, index) => render(row, from + index))}
    </div>
  `;
}

/**
 * @param {HTMLElement | null} element
 * @param {number} length
 * @param {number} rowHeight
 */
function rangeOf(element, length, rowHeight) {
  const top = element === null ? 0 : element.getBoundingClientRect().top;
  const first = Math.floor(-top / rowHeight) - MORE_ROWS;
  const from = Math.min(Math.max(0, first), Math.max(0, length - 1));
  const to = Math.ceil((innerHeight - top) / rowHeight) + MORE_ROWS;
  return { from, to: Math.min(Math.max(to, from), length) };
}

/**
 * Scroll as little as shows the row.
 *
 * @param {HTMLElement | null} element
 * @param {number} at
 * @param {number} from the first row that is there
 * @param {number} rowHeight
 */
function show(element, at, from, rowHeight) {
  const row = element?.children[at - from];
  if (row !== undefined) row.scrollIntoView({ block: "nearest" });
  else if (element)
    scrollBy(0, element.getBoundingClientRect().top + at * rowHeight - innerHeight / 2);
}
