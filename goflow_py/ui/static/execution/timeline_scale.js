/**
 * From times to places on a line: wall time, or with the waits drawn together. Pure.
 *
 * @typedef {(at: number) => number} Scale from milliseconds to 0..1
 * @typedef {[number, number]} Stretch from and to, in milliseconds or as shares
 */

/** What all waits together may have of the line when they are drawn together. */
const WAITS_SHARE_MAX = 0.3;
const WAIT_SHARE = 0.03;
const ZOOM_MIN = 1e-6;

/**
 * @param {Stretch} whole
 * @returns {Scale}
 */
export function wallScale([from, to]) {
  const length = Math.max(1, to - from);
  return (at) => (at - from) / length;
}

/**
 * The waits, each as narrow as the others, and the work between them in proportion.
 *
 * @param {Stretch} whole
 * @param {Stretch[]} busy
 * @returns {Scale}
 */
export function netScale(whole, busy) {
  const work = merged(busy, whole);
  const total = work.reduce((sum, [from, to]) => sum + to - from, 0);
  if (total <= 0) return wallScale(whole);
  const pieces = piecesOf(whole, work);
  const waits = pieces.filter(({ isWork }) => !isWork);
  const share = waits.length === 0 ? 0 : Math.min(WAIT_SHARE, WAITS_SHARE_MAX / waits.length);
  const workShare = 1 - share * waits.length;
  /** @type {{at: number, x: number}[]} */
  const knots = [];
  let x = 0;
  for (const { from, to, isWork } of pieces) {
    knots.push({ at: from, x });
    x += isWork ? ((to - from) / total) * workShare : share;
  }
  knots.push({ at: whole[1], x: 1 });
  return (at) => between(knots, at);
}

/**
 * Stretches that touch or lie over each other as one, within the whole.
 *
 * @param {Stretch[]} stretches
 * @param {Stretch} whole
 * @returns {Stretch[]}
 */
export function merged(stretches, [first, last]) {
  /** @type {Stretch[]} */
  const found = [];
  for (const [from, to] of [...stretches].sort((a, b) => a[0] - b[0])) {
    const start = Math.max(first, from);
    const end = Math.min(last, to);
    const before = found.at(-1);
    if (end <= start) continue;
    if (before !== undefined && start <= before[1]) before[1] = Math.max(before[1], end);
    else found.push([start, end]);
  }
  return found;
}

/**
 * @param {Stretch} whole
 * @param {Stretch[]} work
 */
function piecesOf([first, last], work) {
  const pieces = [];
  let at = first;
  for (const [from, to] of work) {
    if (from > at) pieces.push({ from: at, to: from, isWork: false });
    pieces.push({ from, to, isWork: true });
    at = to;
  }
  if (at < last) pieces.push({ from: at, to: last, isWork: false });
  return pieces;
}

/**
 * @param {{at: number, x: number}[]} knots
 * @param {number} at
 */
function between(knots, at) {
  let low = 0;
  let high = knots.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (/** @type {{at: number}} */ (knots[middle]).at <= at) low = middle;
    else high = middle;
  }
  const a = /** @type {{at: number, x: number}} */ (knots[low]);
  const b = knots[high] ?? a;
  return b.at === a.at ? a.x : a.x + ((at - a.at) / (b.at - a.at)) * (b.x - a.x);
}

/**
 * A part of the line, drawn over all of it.
 *
 * @param {Scale} scale
 * @param {Stretch} view shares of the line
 * @returns {Scale}
 */
export function zoomed(scale, [a, b]) {
  return (at) => (scale(at) - a) / (b - a);
}

/**
 * Zoom by a factor around a place, within the line.
 *
 * @param {Stretch} view
 * @param {number} factor above 1: nearer
 * @param {number} [around] share of what is seen
 * @returns {Stretch}
 */
export function zoomedBy([a, b], factor, around = 0.5) {
  const width = Math.min(1, Math.max(ZOOM_MIN, (b - a) / factor));
  const fixed = a + (b - a) * around;
  return moved([fixed - width * around, fixed + width * (1 - around)], 0);
}

/**
 * Move what is seen by a share of itself, within the line.
 *
 * @param {Stretch} view
 * @param {number} by
 * @returns {Stretch}
 */
export function moved([a, b], by) {
  const width = b - a;
  const from = Math.min(1 - width, Math.max(0, a + width * by));
  return [from, from + width];
}

const STEPS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000,
].concat(
  [1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1_440, 2_880, 10_080].map(
    (minutes) => minutes * 60_000,
  ),
);

/**
 * Times at even spans since the beginning, for wall time.
 *
 * @param {Stretch} whole
 * @param {Stretch} view
 * @param {number} most
 * @returns {number[]} milliseconds since the beginning
 */
export function ticksOf([from, to], [a, b], most) {
  const length = to - from;
  const wanted = (length * (b - a)) / most;
  const step = STEPS_MS.find((ms) => ms >= wanted) ?? Math.ceil(wanted / 604_800_000) * 604_800_000;
  const ticks = [];
  for (let ms = Math.ceil((length * a) / step) * step; ms <= length * b; ms += step) ticks.push(ms);
  return ticks;
}
