/** The drawing as SVG: what is marked gets its colours here, nothing moves. */

import { html } from "../vendor/preact.js";
import { ICON, LINE } from "./drawing.js";
import { ICONS, iconOfStatus } from "./icons.js";
import { edgeMark, hasMarks, stateMark, times } from "./marks.js";
import { HEAD } from "./task_layout.js";

const GAP = 7;
const PAD = 12;
const SLANT = 12;
const BADGE = 16;
/** Text stands upon the heat. */
const HEAT_MAX = 0.4;
const WIDTH_MAX = 5.5;
const LOOP_WIDTH_MAX = 2.6;

/**
 * @typedef {import("./walk.js").Place} Place
 * @typedef {object} PictureProps
 * @property {import("./drawing.js").Drawing} drawing
 * @property {import("./layout.js").Scene} scene
 * @property {import("./marks.js").Marks} marks
 * @property {Place | null} picked
 * @property {Place | null} cursor where the arrows of the keyboard are
 * @property {Place | null} hovered
 *
 * @param {PictureProps} props
 */
export function Picture({ drawing, scene, marks, picked, cursor, hovered }) {
  const isMarked = hasMarks(marks);
  const near = hovered ?? cursor ?? picked;
  const nodes = drawing.parts.flatMap((part) => part.nodes);
  const edges = drawing.parts.flatMap((part) => part.edges);
  /** @param {Place | null} place @param {Place["kind"]} kind @param {string} key */
  const is = (place, kind, key) => place?.kind === kind && place.key === key;
  /** @param {Place["kind"]} kind @param {string} key */
  const look = (kind, key) =>
    `${is(picked, kind, key) ? " is-picked" : ""}${is(cursor, kind, key) ? " is-cursor" : ""}`;
  /** @param {import("./drawing.js").DrawnEdge} edge */
  const touches = ({ key, from, to }) =>
    near?.kind === "edge"
      ? near.key === key
      : near !== null && (near.key === from || near.key === to);
  return html`
    ${scene.frames.map((frame) => html`<${FrameBox} key=${frame.machine} frame=${frame} />`)}
    ${scene.links.map((path) => html`<path class="link" d=${path} />`)}
    ${edges.map(
      (edge) => html`<${EdgePath}
        key=${edge.key} edge=${edge} line=${scene.edges[edge.key]} mark=${edgeMark(marks, edge.key)}
        look=${look("edge", edge.key) + (touches(edge) ? " is-near" : "")} isMarked=${isMarked}
      />`,
    )}
    ${edges.map(
      (edge) => html`<${EdgeLabel}
        key=${edge.key} edge=${edge} line=${scene.edges[edge.key]} mark=${edgeMark(marks, edge.key)}
        look=${look("edge", edge.key) + (touches(edge) ? " is-near" : "")} isMarked=${isMarked}
      />`,
    )}
    ${nodes.map(
      (node) => html`<${NodeShape}
        key=${node.key} node=${node} box=${scene.nodes[node.key]} mark=${stateMark(marks, node.key)}
        look=${look("state", node.key)} isMarked=${isMarked}
      />`,
    )}
  `;
}

/** @param {{frame: import("./layout.js").Frame}} props */
function FrameBox({ frame: { machine, x, y, width, height } }) {
  const [left, top] = [x - width / 2, y - height / 2];
  return html`<g class="frame">
    <rect x=${left} y=${top} width=${width} height=${height} rx="12" />
    <path class="icon" transform=${`translate(${left + PAD} ${top + 8})`} d=${ICONS.activity} />
    <text x=${left + PAD + ICON + GAP} y=${top + 20}>${machine}</text>
  </g>`;
}

/**
 * @typedef {object} EdgeProps
 * @property {import("./drawing.js").DrawnEdge} edge
 * @property {import("./layout.js").EdgeLine} line
 * @property {import("./marks.js").EdgeMark} mark
 * @property {string} look
 * @property {boolean} isMarked
 */

/** What an edge looks like by its marks. @param {EdgeProps} props */
function edgeLook({ edge, line, mark, look, isMarked }) {
  const isTaken = (mark.count ?? 0) > 0;
  const words = [
    line.kind === "back" && "is-back",
    edge.isQuiet && "is-quiet",
    isTaken && "is-taken",
  ];
  if (isMarked && !isTaken) words.push("is-not-taken");
  if (mark.count === 0) words.push("is-never");
  if (mark.tone) words.push(`tone-${mark.tone}`);
  return words.filter(Boolean).join(" ") + look;
}

/** @param {EdgeProps} props */
function EdgePath(props) {
  const { edge, line, mark } = props;
  const most = line.kind === "loop" ? LOOP_WIDTH_MAX : WIDTH_MAX;
  const width = mark.width === undefined ? null : { strokeWidth: 1.2 + mark.width * (most - 1.2) };
  return html`<g class=${`edge ${edgeLook(props)}`} data-kind="edge" data-key=${edge.key}>
    <path class="hit" d=${line.path} />
    <path class="line" d=${line.path} style=${width} />
    <path class="tip" d=${line.tip} style=${width && { strokeWidth: width.strokeWidth / 2 }} />
  </g>`;
}

/** @param {EdgeProps} props */
function EdgeLabel(props) {
  const { edge, line, mark } = props;
  const { x, y, width, height } = line.label;
  const { count = 0 } = mark;
  const counted = count > 1 || (count > 0 && mark.width !== undefined) ? times(count) : "";
  const before = line.kind === "back" ? 9 : 0;
  const extra = before + (counted === "" ? 0 : 6.2 * counted.length + 4);
  const left = line.kind === "loop" ? x - width / 2 : x - (width + extra) / 2;
  const middle = left + before + width / 2;
  return html`<g class=${`label ${edgeLook(props)}`} data-kind="edge" data-key=${edge.key}>
    <rect x=${left} y=${y - height / 2} width=${width + extra} height=${height} rx="7" />
    ${edge.lines.map(
      (text, at) => html`<text
        class=${at === 0 ? "event" : "guard"} x=${middle} text-anchor="middle"
        y=${y + LINE * (at - (edge.lines.length - 1) / 2) + 3.8}
      >${text}</text>`,
    )}
    ${before > 0 && html`<text class="event" x=${left + 5} y=${y + 3.8}>↑</text>`}
    ${counted && html`<text class="count" x=${left + before + width - 2} y=${y + 3.8}>${counted}</text>`}
  </g>`;
}

/**
 * @typedef {object} NodeProps
 * @property {import("./drawing.js").DrawnNode} node
 * @property {import("./layout.js").NodeBox} box
 * @property {import("./marks.js").StateMark} mark
 * @property {string} look
 * @property {boolean} isMarked
 */

/** @param {NodeProps} props */
function NodeShape({ node, box, mark, look, isMarked }) {
  const isSeen = (mark.visits ?? 0) > 0;
  const words = [`node shape-${node.shape}`, mark.isCurrent && "is-current", isSeen && "is-seen"];
  if (isMarked && !isSeen && !mark.isCurrent) words.push("is-unseen");
  if (mark.tone) words.push(`tone-${mark.tone}`);
  if (mark.heat !== undefined) words.push("is-hot");
  const { x, y, width, height } = box;
  const heads = node.tasks.length > 0 ? -height / 2 + HEAD / 2 : 0;
  const inset = -width / 2 + PAD + (node.shape === "choice" || node.shape === "wait" ? GAP : 0);
  const text = inset + ICON + GAP;
  const isTwo = node.subtitle !== "";
  return html`<g
    class=${words.filter(Boolean).join(" ") + look} data-kind="state" data-key=${node.key}
    transform=${`translate(${x} ${y})`}
  >
    ${mark.isCurrent && html`<${Outline} name="halo" shape=${node.shape} width=${width} height=${height} by=${5} />`}
    <${Outline} name="body" shape=${node.shape} width=${width} height=${height} by=${0} />
    ${
      mark.heat !== undefined &&
      html`<${Outline} name="heat" shape=${node.shape} width=${width} height=${height} by=${0} opacity=${mark.heat * HEAT_MAX} />`
    }
    ${
      ["final", "failed", "cancelled"].includes(node.shape) &&
      html`<${Outline} name="inner" shape=${node.shape} width=${width} height=${height} by=${-3} />`
    }
    <path class="icon" transform=${`translate(${inset} ${heads - ICON / 2})`} d=${ICONS[node.icon] ?? ICONS.sync} />
    <text class="title" x=${text} y=${heads + (isTwo ? -2 : 4.5)}>${node.title}</text>
    ${isTwo && html`<text class="subtitle" x=${text} y=${heads + 13}>${node.subtitle}</text>`}
    <${Tasks} node=${node} box=${box} marks=${mark.tasks} />
    <${Badge} mark=${mark} width=${width} height=${height} />
  </g>`;
}

/**
 * The border of a node, larger or smaller *by* some pixels.
 *
 * @param {{name: string, shape: string, width: number, height: number, by: number, opacity?: number}} props
 */
function Outline({ name, shape, width, height, by, opacity }) {
  const [w, h] = [width / 2 + by, height / 2 + by];
  if (shape === "choice") {
    const flat = w - SLANT;
    const d = `M${-flat} ${-h}H${flat}L${w} 0L${flat} ${h}H${-flat}L${-w} 0Z`;
    return html`<path class=${name} d=${d} fill-opacity=${opacity} />`;
  }
  const round = shape === "wait" || shape === "initial" ? h : Math.max(4, 9 + by);
  return html`<rect class=${name} x=${-w} y=${-h} width=${2 * w} height=${2 * h} rx=${round} fill-opacity=${opacity} />`;
}

/** How often, and how long, at the upper right corner. @param {any} props */
function Badge({ mark, width, height }) {
  const words = [mark.visits > 1 && times(mark.visits), mark.figure].filter(Boolean).join(" · ");
  if (words === "") return null;
  const wide = 6 * words.length + 10;
  // Beside the last port of the upper side, where a line may come in.
  const left = width / 2 - 8;
  return html`<g class="badge" transform=${`translate(${left} ${-height / 2 - BADGE / 2})`}>
    <rect width=${wide} height=${BADGE} rx=${BADGE / 2} />
    <text x=${wide / 2} y="11.5" text-anchor="middle">${words}</text>
  </g>`;
}

/**
 * @param {{
 *   node: import("./drawing.js").DrawnNode,
 *   box: import("./layout.js").NodeBox,
 *   marks?: Map<string, import("./marks.js").TaskMark>,
 * }} props
 */
function Tasks({ node, box, marks }) {
  return html`
    ${box.taskLines.map((path) => html`<path class="task-line" d=${path} transform=${`translate(${-box.x} ${-box.y})`} />`)}
    ${node.tasks.map((task) => {
      const { x, y, width, height } = box.tasks[task.name];
      const mark = marks?.get(task.name);
      return html`<g
        key=${task.name} class=${`task${mark ? ` is-${mark.status}` : ""}`}
        transform=${`translate(${x - box.x - width / 2} ${y - box.y - height / 2})`}
      >
        ${task.icon === "each" && html`<rect class="behind" x="3" y="3" width=${width} height=${height} rx="6" />`}
        <rect width=${width} height=${height} rx="6" />
        <path class="icon" transform="translate(7 5)" d=${mark ? iconOfStatus(mark.status) : (ICONS[task.icon] ?? ICONS.sync)} />
        <text x=${GAP + ICON + GAP} y="17">${task.title}</text>
        ${mark?.figure && html`<text class="figure" x=${width - GAP} y="17" text-anchor="end">${mark.figure}</text>`}
      </g>`;
    })}
  `;
}
