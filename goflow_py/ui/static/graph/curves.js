/**
 * Smooth lines through points. Pure.
 *
 * @typedef {{x: number, y: number}} Point
 */

/** The length of an arrow's tip; a line ends in it. */
export const TIP = 7;
const TIP_HALF = 3.6;

/**
 * A curve through points that go down, or up, without ever turning back: it leaves and arrives
 * straight, and bulges nowhere (slopes as Fritsch and Carlson limit them).
 *
 * @param {Point[]} points
 */
export function line(points) {
  const slopes = slopesOf(points);
  const [first] = points;
  let path = `M${at(first.x, first.y)}`;
  for (let i = 1; i < points.length; i++) {
    const [a, b] = [points[i - 1], points[i]];
    const high = b.y - a.y;
    // A wide bend is rounder the farther it reaches; a third is what keeps a slope even.
    const isWide = Math.abs(b.x - a.x) > 2 * Math.abs(high);
    const reach = slopes[i - 1] || slopes[i] ? high / 3 : high * (isWide ? 0.85 : 0.55);
    const c = at(a.x + slopes[i - 1] * reach, a.y + reach);
    const d = at(b.x - slopes[i] * reach, b.y - reach);
    path += a.x === b.x ? `L${at(b.x, b.y)}` : `C${c} ${d} ${at(b.x, b.y)}`;
  }
  return path;
}

/** How much x changes with y at each point. @param {Point[]} points */
function slopesOf(points) {
  const secants = points
    .slice(1)
    .map((point, i) => (point.x - points[i].x) / (point.y - points[i].y || 1));
  return points.map((_, i) => {
    const [before, after] = [secants[i - 1], secants[i]];
    if (before === undefined || after === undefined || before * after <= 0) return 0;
    return (2 * before * after) / (before + after);
  });
}

/**
 * The arrow at the end of such a line: it points straight down, or up.
 *
 * @param {Point[]} points
 */
export function tipOf(points) {
  const end = points[points.length - 1];
  const back = points[points.length - 2].y < end.y ? -TIP : TIP;
  return `M${at(end.x, end.y - back)}L${at(end.x - TIP_HALF, end.y)}L${at(end.x + TIP_HALF, end.y)}Z`;
}

/**
 * A loop at the right side of a box.
 *
 * @param {Point} side
 * @param {number} ear how far it may stand out
 * @returns {{path: string, tip: string}}
 */
export function loop({ x, y }, ear) {
  const half = 5;
  const out = x + ear * 1.05;
  const path = `M${at(x, y - half)}C${at(out, y - half * 2.6)} ${at(out, y + half * 2.6)} ${at(x + TIP, y + half)}`;
  const tip = `M${at(x, y + half - 0.6)}L${at(x + TIP, y + half - TIP_HALF + 1)}L${at(x + TIP - 0.6, y + half + TIP_HALF)}Z`;
  return { path, tip };
}

/** @param {number} x @param {number} y */
function at(x, y) {
  return `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`;
}
