/** A long list of which one row is unfolded: what is behind it stands below it. */

import { useShortcuts } from "../core/shortcuts.js";
import { VirtualList } from "../parts/virtual_list.js";
import { html, useEffect, useState } from "../vendor/preact.js";

/**
 * @template T
 * @typedef {object} UnfoldingProps
 * @property {{id: string, item: T}[]} rows
 * @property {string | null} open the id of the row that is unfolded
 * @property {(id: string | null) => void} onOpen
 * @property {(item: T) => any} line what is seen of a row
 * @property {(item: T) => any} detail what is behind it
 * @property {(item: T) => string} name for who does not see the line
 * @property {number} rowHeight
 * @property {() => void} [onEnd]
 * @property {string} label
 */

/**
 * Rows with j and k, Enter unfolds.
 *
 * @template T
 * @param {UnfoldingProps<T>} props
 */
export function UnfoldingList({ rows, open, onOpen, line, detail, name, rowHeight, onEnd, label }) {
  const at = open === null ? -1 : rows.findIndex(({ id }) => id === open);
  const [cursor, setCursor] = useState(at);
  useEffect(() => setCursor(at), [at]);
  const step = (/** @type {number} */ by) =>
    setCursor((old) => Math.min(rows.length - 1, Math.max(0, old + by)));
  const toggle = (/** @type {string | undefined} */ id) =>
    id !== undefined && onOpen(id === open ? null : id);
  useShortcuts(
    [
      { keys: "j", does: "the next row", run: () => step(1) },
      { keys: "k", does: "the row before", run: () => step(-1) },
      { keys: "Enter", does: "unfold the row", run: () => toggle(rows[cursor]?.id) },
      { keys: "Escape", does: "fold it", run: () => onOpen(null) },
    ],
    [rows, cursor, open],
  );
  const render = (/** @type {{id: string, item: T}} */ { id, item }) => html`
    <button
      key=${id} type="button" class=${rows[cursor]?.id === id ? "line is-at" : "line"} style=${{ height: `${rowHeight}px` }}
      aria-expanded=${id === open} aria-label=${name(item)} onClick=${() => toggle(id)}
    >
      ${line(item)}
    </button>
  `;
  const list = (
    /** @type {{id: string, item: T}[]} */ some,
    /** @type {number} */ first,
    /** @type {(() => void) | undefined} */ end,
  ) =>
    some.length > 0 &&
    html`<${VirtualList} rows=${some} rowHeight=${rowHeight} render=${render} onEnd=${end} label=${label} at=${cursor - first} />`;
  const opened = rows[at];
  if (opened === undefined) return list(rows, 0, onEnd);
  return html`
    ${list(rows.slice(0, at + 1), 0, undefined)}
    <div class="unfolded" role="group" aria-label=${name(opened.item)}>${detail(opened.item)}</div>
    ${list(rows.slice(at + 1), at + 1, onEnd)}
  `;
}
