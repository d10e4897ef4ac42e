/** The width of text as this browser draws it; each text is measured once. */

import { estimate } from "./estimate.js";

/** @typedef {import("./drawing.js").Font} Font */

/** As in `css/graph.css`. @type {Record<Font, {font: string, family: string}>} */
const FONTS = {
  title: { font: "600 13px", family: "--sans" },
  small: { font: "11px", family: "--sans" },
  mono: { font: "10.5px", family: "--mono" },
};
const KEPT_MAX = 5_000;

/** @type {Map<string, number>} */
const known = new Map();
const context = document.createElement("canvas").getContext("2d");
const style = getComputedStyle(document.documentElement);

/**
 * @param {string} text
 * @param {Font} font
 */
export function measure(text, font) {
  const key = `${font} ${text}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const width = context === null ? estimate(text, font) : drawn(context, text, font);
  if (known.size >= KEPT_MAX) known.clear();
  known.set(key, width);
  return width;
}

/** @param {CanvasRenderingContext2D} on @param {string} text @param {Font} font */
function drawn(on, text, font) {
  const { font: size, family } = FONTS[font];
  on.font = `${size} ${style.getPropertyValue(family)}`;
  return on.measureText(text).width;
}
