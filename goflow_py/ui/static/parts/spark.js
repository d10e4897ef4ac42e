/** Bars over time, as small as a line of text. */

import { html } from "../vendor/preact.js";

const BAR = 4;
const GAP = 1;
/** What is not nothing is seen. */
const LEAST = 1.5;

/** @typedef {{value: number, part?: number, says?: string}} Bar `part` of it is bad */

/**
 * @param {{values: (number | Bar)[], label: string, tone?: string, height?: number}} props
 *   `label` is what a person hears who does not see the bars
 */
export function Spark({ values, label, tone = "busy", height = 32 }) {
  const bars = values.map((value) => (typeof value === "number" ? { value } : value));
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const width = bars.length * BAR;
  const tall = (/** @type {number} */ value) =>
    value === 0 ? 0 : Math.max(LEAST, (value / most) * height);
  const rect = (
    /** @type {number} */ at,
    /** @type {number} */ value,
    /** @type {string} */ name,
  ) => html`
    <rect class=${name} x=${at * BAR} y=${height - tall(value)} width=${BAR - GAP} height=${tall(value)} />
  `;
  const bar = (/** @type {Bar} */ { value, part = 0, says }, /** @type {number} */ at) => html`
    <g key=${at}>
      <rect class="slot" x=${at * BAR} y="0" width=${BAR} height=${height} />
      ${rect(at, value, `tone-${tone}`)}${part > 0 && rect(at, part, "tone-bad")}
      ${says && html`<title>${says}</title>`}
    </g>
  `;
  return html`
    <svg class="spark" role="img" aria-label=${label} height=${height} viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none">
      ${bars.map(bar)}
      <line class="ground" x1="0" x2=${width} y1=${height} y2=${height} />
    </svg>
  `;
}
