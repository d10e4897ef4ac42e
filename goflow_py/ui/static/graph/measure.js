/** The width of text as this browser draws it; each text is measured once. */

/** @typedef {import("./drawing.js").Font} Font */

/** As in `css/graph.css`. @type {Record<Font, {font: string, family: string}>} */
const FONTS = {
  title: { font: "600 13px", family: "--sans" },
  small: { font: "11px", family: "--sans" },
  mono: { font: "10.5px", family: "--mono" },
};
/** Pixels of a usual letter. @type {Record<Font, number>} */
const LETTERS = { title: 7.4, small: 6, mono: 6.3 };
const KEPT_MAX = 5_000;

/** @type {Map<string, number>} */
const known = new Map();
/** @type {CanvasRenderingContext2D | null | undefined} */
let canvas;

/**
 * @param {string} text
 * @param {Font} font
 */
export function measure(text, font) {
  const key = `${font} ${text}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  canvas ??= document.createElement("canvas").getContext("2d");
  const width = canvas === null ? estimate(text, font) : drawn(canvas, text, font);
  if (known.size >= KEPT_MAX) known.clear();
  known.set(key, width);
  return width;
}

/**
 * The width of text where there is nothing to measure it with.
 *
 * @param {string} text
 * @param {Font} font
 */
export function estimate(text, font) {
  return text.length * LETTERS[font];
}

/** @param {CanvasRenderingContext2D} on @param {string} text @param {Font} font */
function drawn(on, text, font) {
  const { font: size, family } = FONTS[font];
  const families = getComputedStyle(document.documentElement).getPropertyValue(family);
  on.font = `${size} ${families}`;
  return on.measureText(text).width;
}
