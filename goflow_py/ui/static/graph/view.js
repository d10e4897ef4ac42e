/**
 * What part of a picture is seen: `scale`, and where its corner is. Pure.
 *
 * @typedef {{x: number, y: number, scale: number}} View a point p is shown at p * scale + (x, y)
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number, width: number, height: number}} Box x and y are its middle
 */

export const SCALE_MIN = 0.08;
export const SCALE_MAX = 3;
/** What is smaller than this cannot be read. */
export const READABLE = 0.7;
const EDGE = 24;

/**
 * The whole picture in the middle, never larger than it is.
 *
 * @param {Size} picture
 * @param {Size} window
 * @returns {View}
 */
export function fit(picture, window) {
  return fitBox({ x: picture.width / 2, y: picture.height / 2, ...picture }, window);
}

/** @param {Box} box @param {Size} window @returns {View} */
export function fitBox(box, window) {
  const room = Math.min(window.width / (box.width || 1), window.height / (box.height || 1));
  const scale = limited(Math.min(1, room));
  return { scale, x: window.width / 2 - box.x * scale, y: window.height / 2 - box.y * scale };
}

/**
 * The whole picture where it can be read so; else what is around *focus*, from the top.
 *
 * @param {Size} picture
 * @param {Size} window
 * @param {Box | undefined} focus
 * @returns {View}
 */
export function first(picture, window, focus) {
  const whole = fit(picture, window);
  if (whole.scale >= READABLE || focus === undefined) return whole;
  const view = { ...whole, scale: READABLE };
  return kept(centred(view, window, focus), picture, window);
}

/** @param {View} view @param {Size} window @param {Box} box @returns {View} */
export function centred({ scale }, window, box) {
  return { scale, x: window.width / 2 - box.x * scale, y: window.height / 2 - box.y * scale };
}

/**
 * The same view, moved only as far as *box* is to be seen.
 *
 * @param {View} view
 * @param {Size} window
 * @param {Box} box
 * @returns {View}
 */
export function shown(view, window, box) {
  /** @param {number} at @param {number} middle @param {number} length @param {number} room */
  const move = (at, middle, length, room) => {
    const [low, high] = [
      at + (middle - length / 2) * view.scale,
      at + (middle + length / 2) * view.scale,
    ];
    if (high - low > room - 2 * EDGE) return room / 2 - middle * view.scale;
    return at + Math.max(0, EDGE - low) - Math.max(0, high - (room - EDGE));
  };
  return {
    scale: view.scale,
    x: move(view.x, box.x, box.width, window.width),
    y: move(view.y, box.y, box.height, window.height),
  };
}

/**
 * Zoom so that what is at a point of the window stays there.
 *
 * @param {View} view
 * @param {number} factor
 * @param {{x: number, y: number}} at
 * @returns {View}
 */
export function zoomed(view, factor, at) {
  const scale = limited(view.scale * factor);
  const by = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * by, y: at.y - (at.y - view.y) * by };
}

/**
 * The view without empty room beside a picture that is larger than the window.
 *
 * @param {View} view
 * @param {Size} picture
 * @param {Size} window
 * @returns {View}
 */
function kept({ scale, x, y }, picture, window) {
  /** @param {number} at @param {number} length @param {number} room */
  const hold = (at, length, room) => {
    const whole = length * scale;
    return whole <= room ? (room - whole) / 2 : Math.min(0, Math.max(room - whole, at));
  };
  return {
    scale,
    x: hold(x, picture.width, window.width),
    y: hold(y, picture.height, window.height),
  };
}

/** @param {number} scale */
function limited(scale) {
  return Math.min(SCALE_MAX, Math.max(SCALE_MIN, scale));
}
