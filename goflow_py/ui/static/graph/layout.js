/**
 * Where everything of a drawing stands: dagre for the layers, our own hand for what it does not
 * do well (where lines meet boxes, loops, tasks, machines). Pure: the same drawing is always
 * laid out alike.
 *
 * @typedef {import("./drawing.js").Drawing} Drawing
 * @typedef {import("./drawing.js").DrawnPart} DrawnPart
 * @typedef {import("./drawing.js").DrawnNode} DrawnNode
 * @typedef {import("./drawing.js").DrawnEdge} DrawnEdge
 * @typedef {import("./curves.js").Point} Point
 *
 * @typedef {{x: number, y: number, width: number, height: number}} Box x and y are its middle
 * @typedef {Box & {tasks: Record<string, Box>, taskLines: string[]}} NodeBox
 * @typedef {{path: string, tip: string, label: Box, kind: "on" | "back" | "loop"}} EdgeLine
 * @typedef {Box & {machine: string}} Frame around a machine
 * @typedef {object} Scene
 * @property {number} width
 * @property {number} height
 * @property {Record<string, NodeBox>} nodes by key
 * @property {Record<string, EdgeLine>} edges
 * @property {Frame[]} frames
 * @property {string[]} links lines from states to the machines that they run
 */

import { layout as dagre, Graph } from "../vendor/dagre.js";
import { line, loop, tipOf } from "./curves.js";
import { COUNT_ROOM } from "./drawing.js";
import { ports } from "./ports.js";
import { withTasks } from "./task_layout.js";

const MARGIN = 16;
const RANK_GAP = 38;
const NODE_GAP = 28;
const EDGE_GAP = 14;
const FRAME_PAD = 14;
const FRAME_HEAD = 30;
const PART_GAP = 48;
/** The room above the frames, when lines lead over them. */
const OVER = 24;
const BEND = 8;
/** How far a loop stands out of its box. */
const EAR = 20;
const LOOP_HEIGHT = 24;
/** Above this the exact way of ranking costs more than it shows. */
const EXACT_MAX = 60;

/**
 * @param {Drawing} drawing
 * @returns {Scene}
 */
export function layoutOf(drawing) {
  const [main, ...machines] = drawing.parts.map(layoutPart);
  const scene = main;
  const gutter = main.width + PART_GAP / 2;
  const head = machines.length > 1 ? OVER : 0;
  const below = Math.max(main.height, ...machines.map(({ height }) => height + FRAME_HEAD + head));
  let [x, y, widest] = [main.width + PART_GAP, head, 0];
  machines.forEach((part, at) => {
    const width = part.width + 2 * FRAME_PAD;
    const height = part.height + FRAME_HEAD + FRAME_PAD;
    if (y > head && y + height > below) [x, y, widest] = [x + widest + PART_GAP, head, 0];
    put(part, scene, { x: x + FRAME_PAD, y: y + FRAME_HEAD });
    const machine = String(drawing.parts[at + 1].machine);
    scene.frames.push({ machine, x: x + width / 2, y: y + height / 2, width, height });
    widest = Math.max(widest, width);
    scene.width = Math.max(scene.width, x + width + MARGIN);
    scene.height = Math.max(scene.height, y + height + MARGIN);
    y += height + PART_GAP / 2;
  });
  scene.links = drawing.links
    .map((link) => linkLine(link, scene, gutter))
    .filter((path) => path !== "");
  return scene;
}

/**
 * @param {DrawnPart} part
 * @returns {Scene}
 */
function layoutPart(part) {
  const loops = loopsOf(part.edges);
  const sized = part.nodes.map((node) =>
    withTasks(node, loops.get(node.key)?.length ?? 0, LOOP_HEIGHT),
  );
  const graph = new Graph({ multigraph: true });
  graph.setGraph({
    rankdir: "TB",
    ranksep: RANK_GAP,
    nodesep: NODE_GAP,
    edgesep: EDGE_GAP,
    marginx: MARGIN,
    marginy: MARGIN,
    ranker: sized.length > EXACT_MAX ? "tight-tree" : "network-simplex",
  });
  for (const { key, width, height } of inOrder(part, sized)) graph.setNode(key, { width, height });
  for (const edge of part.edges) {
    if (edge.from === edge.to) continue;
    const label = { width: edge.width + COUNT_ROOM, height: edge.height, labelpos: "c" };
    graph.setEdge(edge.from, edge.to, { ...label, weight: edge.isQuiet ? 1 : 4 }, edge.key);
  }
  for (const [key, mine] of loops) {
    const width = Math.max(...mine.map((edge) => edge.width)) + COUNT_ROOM + EAR - NODE_GAP;
    graph.setEdge(key, key, { width, height: 1, labelpos: "c", weight: 1 }, "loop");
  }
  dagre(graph);
  return sceneOf(part, sized, graph, loops);
}

/**
 * @param {DrawnPart} part
 * @param {import("./task_layout.js").Sized[]} sized
 * @param {any} graph laid out
 * @param {Map<string, DrawnEdge[]>} loops
 * @returns {Scene}
 */
function sceneOf(part, sized, graph, loops) {
  const { width, height } = graph.graph();
  /** @type {Scene} */
  const scene = { width, height, nodes: {}, edges: {}, frames: [], links: [] };
  for (const { key, tasks, taskLines } of sized) {
    const { x, y, width: wide, height: high } = graph.node(key);
    const inner = Object.entries(tasks).map(([name, box]) => [name, moved(box, x, y)]);
    const lines = taskLines.map((points) => line(points.map((point) => moved(point, x, y))));
    scene.nodes[key] = {
      x,
      y,
      width: wide,
      height: high,
      tasks: Object.fromEntries(inner),
      taskLines: lines,
    };
  }
  const straight = part.edges.filter(({ from, to }) => from !== to);
  const routes = straight.map((edge) => routeOf(edge, graph, scene));
  const shapes = new Map(part.nodes.map(({ key, shape }) => [key, shape]));
  ports(routes, (key) => ({ box: scene.nodes[key], shape: shapes.get(key) }));
  for (const { edge, points, label, isBack } of routes) {
    scene.edges[edge.key] = {
      path: line(points),
      tip: tipOf(points),
      label,
      kind: isBack ? "back" : "on",
    };
  }
  for (const [key, mine] of loops) addLoops(mine, scene.nodes[key], scene);
  return scene;
}

/**
 * @param {DrawnEdge} edge
 * @param {any} graph
 * @param {Scene} scene
 * @returns {import("./ports.js").Route}
 */
function routeOf(edge, graph, scene) {
  const found = graph.edge(edge.from, edge.to, edge.key);
  const isBack = scene.nodes[edge.to].y < scene.nodes[edge.from].y;
  const label = { x: found.x, y: found.y, width: edge.width, height: edge.height };
  return { edge, points: found.points.map(pointOf), label, isBack };
}

/** @param {Point} point @returns {Point} */
function pointOf({ x, y }) {
  return { x, y };
}

/**
 * @param {DrawnEdge[]} loops
 * @param {NodeBox} box
 * @param {Scene} scene
 */
function addLoops(loops, box, scene) {
  const right = box.x + box.width / 2;
  loops.forEach((edge, at) => {
    const y = box.y + (at - (loops.length - 1) / 2) * LOOP_HEIGHT;
    const label = { x: right + EAR + edge.width / 2, y, width: edge.width, height: edge.height };
    scene.edges[edge.key] = { ...loop({ x: right, y }, EAR), label, kind: "loop" };
    scene.width = Math.max(scene.width, right + EAR + edge.width + COUNT_ROOM + MARGIN);
  });
}

/** @param {DrawnEdge[]} edges */
function loopsOf(edges) {
  /** @type {Map<string, DrawnEdge[]>} */
  const found = new Map();
  for (const edge of edges) {
    if (edge.from === edge.to) found.set(edge.from, [...(found.get(edge.from) ?? []), edge]);
  }
  return found;
}

/**
 * The nodes as they are reached from the first one, what goes well first: then dagre turns the
 * edges around that lead back, and no others.
 *
 * @template {{key: string}} T
 * @param {DrawnPart} part
 * @param {T[]} nodes
 * @returns {T[]}
 */
function inOrder(part, nodes) {
  /** @type {Map<string, string[]>} */
  const next = new Map();
  const loudFirst = [...part.edges].sort(
    (one, other) => Number(one.isQuiet) - Number(other.isQuiet),
  );
  for (const { from, to } of loudFirst) next.set(from, [...(next.get(from) ?? []), to]);
  const seen = new Set([part.initial]);
  for (const key of seen) for (const to of next.get(key) ?? []) seen.add(to);
  const place = new Map([...seen].map((key, at) => [key, at]));
  /** @param {T} node */
  const placeOf = ({ key }) => place.get(key) ?? seen.size;
  return [...nodes].sort((one, other) => placeOf(one) - placeOf(other));
}

/**
 * Put a part into the scene.
 *
 * @param {Scene} part
 * @param {Scene} scene
 * @param {Point} by
 */
function put(part, scene, by) {
  for (const [key, node] of Object.entries(part.nodes)) {
    const tasks = Object.entries(node.tasks).map(([name, box]) => [name, moved(box, by.x, by.y)]);
    const taskLines = node.taskLines.map((path) => movedPath(path, by));
    scene.nodes[key] = { ...moved(node, by.x, by.y), tasks: Object.fromEntries(tasks), taskLines };
  }
  for (const [key, { path, tip, label, kind }] of Object.entries(part.edges)) {
    const at = moved(label, by.x, by.y);
    scene.edges[key] = { path: movedPath(path, by), tip: movedPath(tip, by), label: at, kind };
  }
}

/**
 * @template {Point} T
 * @param {T} box
 * @param {number} dx
 * @param {number} dy
 * @returns {T}
 */
function moved(box, dx, dy) {
  return { ...box, x: box.x + dx, y: box.y + dy };
}

/** Paths are pairs of numbers behind letters. @param {string} path @param {Point} by */
function movedPath(path, by) {
  return path.replace(
    /(-?[\d.]+) (-?[\d.]+)/g,
    (_, x, y) => `${round(Number(x) + by.x)} ${round(Number(y) + by.y)}`,
  );
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/**
 * A line to the frame of a machine: straight to one that stands beside, over the top of others.
 *
 * @param {import("./drawing.js").Link} link
 * @param {Scene} scene
 * @param {number} gutter between the states and the machines
 */
function linkLine({ from, machine }, scene, gutter) {
  const node = scene.nodes[from];
  const frame = scene.frames.find((one) => one.machine === machine);
  if (node === undefined || frame === undefined) return "";
  const [x, y] = [node.x + node.width / 2, node.y];
  const [left, top] = [frame.x - frame.width / 2, frame.y - frame.height / 2];
  const title = top + FRAME_HEAD / 2;
  /** @param {number} dx @param {number} dy @param {number} toX @param {number} toY */
  const goes = (dx, dy, toX, toY) => `Q${pair(dx, dy)} ${pair(toX, toY)}`;
  const start = `M${pair(x, y)}L${pair(gutter - BEND, y)}`;
  const isBeside = left - gutter <= PART_GAP;
  const up = isBeside ? title : OVER / 2;
  if (Math.abs(up - y) < 2 * BEND || x > gutter) return `M${pair(x, y)}L${pair(left, title)}`;
  const turn = up < y ? -BEND : BEND;
  const over = `${start}${goes(gutter, y, gutter, y + turn)}L${pair(gutter, up - turn)}${goes(gutter, up, gutter + BEND, up)}`;
  if (isBeside) return `${over}L${pair(left, title)}`;
  const into = left + FRAME_PAD + 2 * BEND;
  return `${over}L${pair(into - BEND, up)}${goes(into, up, into, up + BEND)}L${pair(into, top)}`;
}

/** @param {number} x @param {number} y */
function pair(x, y) {
  return `${round(x)} ${round(y)}`;
}
