/** The width of text where there is nothing to measure it with. Pure. */

/** Pixels of a usual letter. @type {Record<import("./drawing.js").Font, number>} */
const LETTERS = { title: 7.4, small: 6, mono: 6.3 };

/**
 * @param {string} text
 * @param {import("./drawing.js").Font} font
 */
export function estimate(text, font) {
  return text.length * LETTERS[font];
}
