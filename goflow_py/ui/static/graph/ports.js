/**
 * Where lines meet boxes: each at a place of its own, in the order in which they come, and as
 * straight as there is room. Pure.
 *
 * @typedef {import("./layout.js").Box} Box
 * @typedef {import("./curves.js").Point} Point
 * @typedef {object} Route
 * @property {import("./drawing.js").DrawnEdge} edge
 * @property {Point[]} points
 * @property {Box} label
 * @property {boolean} isBack it leads upwards
 *
 * @typedef {{route: Route, end: Point, toward: Point, isArrival: boolean}} Port
 */

import { TIP } from "./curves.js";

const APART_MAX = 22;
/** What is round or slanted at the ends of a side. */
const CORNER = 12;
const SLANT = 22;

/**
 * Move the first and last point of each route to its port.
 *
 * @param {Route[]} routes
 * @param {(key: string) => {box: Box, shape: string | undefined}} nodeOf
 */
export function ports(routes, nodeOf) {
  /** @type {Map<string, Port[]>} */
  const sides = new Map();
  /** @param {string} key @param {string} side @param {Port} port */
  const add = (key, side, port) =>
    sides.set(`${side} ${key}`, [...(sides.get(`${side} ${key}`) ?? []), port]);
  for (const route of routes) {
    const { points, edge, isBack } = route;
    const last = points.length - 1;
    const leaves = { route, end: points[0], toward: points[1], isArrival: false };
    const arrives = { route, end: points[last], toward: points[last - 1], isArrival: true };
    add(edge.from, isBack ? "top" : "bottom", leaves);
    add(edge.to, isBack ? "bottom" : "top", arrives);
  }
  for (const [name, all] of sides) {
    const [side, key] = [name.slice(0, name.indexOf(" ")), name.slice(name.indexOf(" ") + 1)];
    const { box, shape } = nodeOf(key);
    spread(all, box, shape === "choice" || shape === "wait" ? SLANT : CORNER);
    const edge = box.y + (side === "top" ? -box.height / 2 : box.height / 2);
    const away = side === "top" ? -TIP : TIP;
    for (const { end, isArrival } of all) end.y = isArrival ? edge + away : edge;
  }
}

/**
 * @param {Port[]} all on one side of a box
 * @param {Box} box
 * @param {number} corner
 */
function spread(all, box, corner) {
  const half = box.width / 2 - corner;
  const apart = all.length > 1 ? Math.min(APART_MAX, (2 * half) / (all.length - 1)) : 0;
  all.sort((one, other) => one.toward.x - other.toward.x || order(one, other));
  const wanted = all.map(({ toward }) => Math.min(Math.max(toward.x, box.x - half), box.x + half));
  // From the left each one keeps its distance; from the right what is too far is pushed back.
  for (let i = 1; i < wanted.length; i++) wanted[i] = Math.max(wanted[i], wanted[i - 1] + apart);
  wanted[wanted.length - 1] = Math.min(wanted[wanted.length - 1], box.x + half);
  for (let i = wanted.length - 2; i >= 0; i--)
    wanted[i] = Math.min(wanted[i], wanted[i + 1] - apart);
  all.forEach(({ end }, i) => {
    end.x = wanted[i];
  });
}

/** @param {Port} one @param {Port} other */
function order(one, other) {
  return one.route.edge.key < other.route.edge.key ? -1 : 1;
}
