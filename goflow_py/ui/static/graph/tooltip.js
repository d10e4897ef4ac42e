/** What a state or an edge is, beside it. */

import { html, useLayoutEffect, useRef, useState } from "../vendor/preact.js";

const GAP = 8;

/**
 * @param {{
 *   description: import("./describe.js").Description, box: import("./view.js").Box,
 *   view: import("./view.js").View, size: import("./view.js").Size,
 * }} props
 */
export function Tooltip({ description, box, view, size }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const [own, setOwn] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const { offsetWidth: width = 0, offsetHeight: height = 0 } = element.current ?? {};
    if (width !== own.width || height !== own.height) setOwn({ width, height });
  });
  const middle = view.x + box.x * view.scale;
  const [above, below] = [-1, 1].map(
    (side) => view.y + (box.y + (side * box.height) / 2) * view.scale + side * GAP,
  );
  const left = Math.min(Math.max(GAP, middle - own.width / 2), size.width - own.width - GAP);
  const lowest = Math.max(0, size.height - own.height);
  const top = below <= lowest || above < own.height ? Math.min(below, lowest) : above - own.height;
  const { title, kind, facts } = description;
  return html`<div
    ref=${element} class="graph-tip" role="tooltip"
    style=${{ left: `${Math.max(0, left)}px`, top: `${top}px` }}
  >
    <strong>${title}</strong> <small>${kind}</small>
    <dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
  </div>`;
}
