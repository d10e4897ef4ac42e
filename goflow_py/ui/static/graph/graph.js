/** The state graph: a picture to move, to walk and to pick from, and the same as a table. */

import { ProblemBox } from "../parts/problem.js";
import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { describeEdge, describeState, inWords } from "./describe.js";
import { idOf, keyOf } from "./drawing.js";
import { GraphTable } from "./graph_table.js";
import { currentOf, edgeMark, hasMarks, NO_MARKS, stateMark } from "./marks.js";
import { Picture } from "./picture.js";
import { boundsOf } from "./bounds.js";
import { Tooltip } from "./tooltip.js";
import { useScene } from "./use_scene.js";
import { useView } from "./use_view.js";
import { READABLE } from "./view.js";
import { walk } from "./walk.js";

/**
 * @typedef {import("./marks.js").Marks} Marks
 * @typedef {import("./walk.js").Place} Place
 * @typedef {{kind: "state" | "edge", id: string, machine?: string}} Pick `machine` where it is in one
 *
 * @typedef {object} GraphProps
 * @property {any} graph the JSON of `GET .../graph`
 * @property {Marks} [marks] new ones lay nothing out
 * @property {(pick: Pick | null) => void} [onPick]
 * @property {Pick | null} [picked]
 * @property {string} label what it is a graph of, for who does not see it
 * @property {number} [height] in pixels; else as high as the picture, within bounds
 *
 * @param {GraphProps} props
 */
export function Graph({ graph, marks = NO_MARKS, onPick, picked = null, label, height }) {
  const [isTable, setTable] = useState(false);
  const [isWhole, setWhole] = useState(false);
  const [isTakenOnly, setTakenOnly] = useState(false);
  const [isFollowing, setFollowing] = useState(true);
  const place = picked && { kind: picked.kind, key: keyOf(picked.machine ?? null, picked.id) };
  const current = currentOf(marks);
  const wanted = picked?.kind === "state" && !picked.machine ? picked.id : current;
  const shown = useScene(graph, wanted, isWhole);
  const pick = (found) => onPick?.(found && pickOf(found));
  const part = shown.isPart && { near: shown.centre, shown: shown.graph.nodes.length, all: graph.nodes.length };
  const buttons = { part, setWhole, isTable, setTable, isTakenOnly, setTakenOnly, isFollowing, setFollowing };
  const common = { shown, marks, place, pick, label };
  return html`<section class="graph" aria-label=${label}>
    ${isTable
      ? html`<${Bar} ...${buttons} marks=${marks} /><${GraphTable} ...${common} graph=${graph} picked=${place} onPick=${pick} />`
      : html`<${Board} ...${common} ...${buttons} current=${current} height=${height} />`}
  </section>`;
}

/** @param {any} props */
function Board({ shown, marks, place, pick, label, height, current, ...buttons }) {
  const { scene, drawing, error } = shown;
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const [cursor, setCursor] = useState(/** @type {Place | null} */ (null));
  const [hovered, setHovered] = useState(/** @type {Place | null} */ (null));
  const { isFollowing, setFollowing, isTakenOnly } = buttons;
  const focus = scene?.nodes[(place?.kind === "state" && place.key) || current] ?? scene?.nodes[drawing.parts[0].initial];
  const moving = useView(element, scene, {
    focus,
    onTap: (target) => pick(placeOf(target)),
    onMove: () => {
      setHovered(null);
      if (isFollowing) setFollowing(false);
    },
  });
  const bounds = () => boundsOf(drawing, scene, isTakenOnly ? marks : null);
  useEffect(() => {
    if (isFollowing && scene && current && scene.nodes[current]) moving.show(scene.nodes[current]);
  }, [current, isFollowing, scene]);
  useEffect(() => {
    if (isTakenOnly && scene) moving.fit(bounds());
  }, [isTakenOnly]);
  const words = useMemo(() => wordsOf(shown.graph), [shown.graph]);
  const near = hovered ?? cursor;
  const picture = useMemo(
    () => scene && html`<${Picture} drawing=${drawing} scene=${scene} marks=${marks} picked=${place} cursor=${cursor} hovered=${hovered} />`,
    [drawing, scene, marks, place?.key, place?.kind, cursor, hovered],
  );
  const onKeyDown = (event) => {
    const next = keyed(event, { cursor, drawing, scene, pick, moving, current, fit: () => moving.fit(bounds()) });
    if (next === undefined) return;
    event.preventDefault();
    setHovered(null);
    setCursor(next);
    const box = next && boxOf(next, scene);
    if (box) moving.show(box);
  };
  const { view, isGliding, size } = moving;
  const box = near && scene && boxOf(near, scene);
  return html`
    <${Bar} ...${buttons} marks=${marks} current=${current} moving=${moving} onFit=${() => moving.fit(bounds())} />
    <${ProblemBox} error=${error} />
    <div
      ref=${element} class=${`graph-window${isTakenOnly ? " only-taken" : ""}`}
      style=${{ height: `${height ?? heightOf(scene, size.width)}px` }}
      tabindex="0" role="application" aria-roledescription="state graph"
      aria-label=${`${label}. Arrows walk along the edges, Enter picks, plus and minus zoom. There is a table, too.`}
      onKeyDown=${onKeyDown} onBlur=${() => setCursor(null)}
      onPointerOver=${(event) => setHovered(event.buttons === 0 ? placeOf(event.target) : null)}
      onPointerLeave=${() => setHovered(null)}
    >
      ${scene === null && error === null && html`<p class="loading" role="status">The graph is being laid out…</p>`}
      <svg aria-hidden="true" viewBox=${scene && view ? null : "0 0 1 1"}>
        <g class=${isGliding ? "is-gliding" : ""} style=${view && { transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})` }}>
          ${view && picture}
        </g>
      </svg>
      ${box && view && html`<${Tooltip} key=${near.key} description=${words(near, marks)} box=${box} view=${view} size=${size} />`}
      <p class="hidden" aria-live="polite">${cursor && inWords(words(cursor, marks))}</p>
    </div>
  `;
}

/** @param {any} props */
function Bar({ part, setWhole, isTable, setTable, isTakenOnly, setTakenOnly, isFollowing, setFollowing, marks, current, moving, onFit }) {
  return html`<div class="graph-bar" role="toolbar" aria-label="the graph">
    ${part &&
    html`<p class="graph-part">
      ${part.shown} of ${part.all} states: those near ${part.near}
      <button type="button" onClick=${() => setWhole(true)}>Show all</button>
    </p>`}
    ${moving &&
    html`
      <button type="button" class="quiet" aria-label="smaller" title="smaller (−, or Ctrl and the wheel)" onClick=${moving.smaller}>−</button>
      <button type="button" class="quiet" aria-label="larger" title="larger (+, or Ctrl and the wheel)" onClick=${moving.larger}>+</button>
      <button type="button" class="quiet" title="show the whole (0)" onClick=${onFit}>Fit</button>
      ${current && html`<${Switch} isOn=${isFollowing} set=${setFollowing} title="keep the current state in sight">Follow<//>`}
      ${hasMarks(marks) && html`<${Switch} isOn=${isTakenOnly} set=${setTakenOnly} title="hide what was never entered or taken">Only taken<//>`}
    `}
    <${Switch} isOn=${isTable} set=${setTable} title="states, visits and ways on as text">As table<//>
  </div>`;
}

/** @param {any} props */
function Switch({ isOn, set, title, children }) {
  return html`<button type="button" class="quiet" aria-pressed=${isOn} title=${title} onClick=${() => set(!isOn)}>${children}</button>`;
}

/**
 * What a key does: the place where the cursor is then, or undefined where it does nothing.
 *
 * @param {KeyboardEvent} event
 * @param {any} here
 * @returns {Place | null | undefined}
 */
function keyed(event, { cursor, drawing, scene, pick, moving, current, fit }) {
  if (event.ctrlKey || event.metaKey || event.altKey || scene === null) return undefined;
  const { key: name } = event;
  const start = { kind: "state", key: current !== null && scene.nodes[current] ? current : drawing.parts[0].initial };
  if (/^Arrow/.test(name)) return cursor === null ? start : walk(cursor, /** @type {any} */ (name), drawing.parts, scene);
  if (name === "Home") return start;
  const does = { "+": moving.larger, "-": moving.smaller, 0: fit, Enter: () => pick(cursor), " ": () => pick(cursor) }[name];
  if (name === "Escape" && cursor !== null) return null;
  if (does === undefined || ((name === "Enter" || name === " ") && cursor === null)) return undefined;
  does();
  return cursor;
}

/** @param {Place} place @returns {Pick} */
function pickOf({ kind, key: of }) {
  const { machine, id } = idOf(of);
  return machine === null ? { kind, id } : { kind, id, machine };
}

/** What an element is drawn for. @param {EventTarget | null} target @returns {Place | null} */
function placeOf(target) {
  const found = target instanceof Element ? target.closest("[data-key]") : null;
  if (found === null) return null;
  const { kind, key: of } = /** @type {any} */ (found).dataset;
  return { kind, key: of };
}

/** @param {Place} place @param {import("./layout.js").Scene} scene */
function boxOf(place, scene) {
  return place.kind === "state" ? scene.nodes[place.key] : scene.edges[place.key]?.label;
}

const HEIGHT_MIN = 240;
const HEIGHT_MAX = 720;

/** As high as the picture will be. @param {import("./layout.js").Scene | null} scene @param {number} width of the window */
function heightOf(scene, width) {
  if (scene === null) return HEIGHT_MIN;
  const scale = Math.max(READABLE, Math.min(1, width / scene.width));
  return Math.min(HEIGHT_MAX, Math.max(HEIGHT_MIN, scene.height * scale));
}

/**
 * Finds the words for a place.
 *
 * @param {any} graph
 * @returns {(place: Place, marks: Marks) => import("./describe.js").Description}
 */
function wordsOf(graph) {
  const nodes = new Map();
  const edges = new Map();
  for (const [machine, part] of [[null, graph], ...Object.entries(graph.machines ?? {})]) {
    for (const node of part.nodes) nodes.set(keyOf(machine, node.id), node);
    for (const edge of part.edges) edges.set(keyOf(machine, edge.id), { edge, from: keyOf(machine, edge.from) });
  }
  return ({ kind, key: of }, marks) => {
    if (kind === "state") return describeState(nodes.get(of), stateMark(marks, of));
    const { edge, from } = edges.get(of);
    return describeEdge(edge, nodes.get(from), edgeMark(marks, of));
  };
}
