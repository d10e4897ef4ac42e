/** The window upon the picture: what is pointed at, walked to, and said of it. */

import { ProblemBox } from "../parts/problem.js";
import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { Bar } from "./bar.js";
import { inWords, wordsOf } from "./describe.js";
import { boundsOf } from "./marks.js";
import { Picture } from "./picture.js";
import { Tooltip } from "./tooltip.js";
import { useView } from "./use_view.js";
import { READABLE } from "./view.js";
import { keyed } from "./walk.js";

const HEIGHT_MIN = 240;
const HEIGHT_MAX = 720;

/**
 * @typedef {import("./walk.js").Place} Place
 * @typedef {import("./layout.js").Scene} Scene
 *
 * @typedef {object} BoardProps
 * @property {import("./use_scene.js").Shown} shown
 * @property {import("./marks.js").Marks} marks
 * @property {Place | null} picked
 * @property {string | null} current the key of the state where it is
 * @property {(place: Place | null) => void} pick
 * @property {import("./graph.js").Options} options
 * @property {(patch: Partial<import("./graph.js").Options>) => void} choose
 * @property {number} states how many there are in all
 * @property {string} label
 * @property {number} [height]
 */

/** @param {BoardProps} props */
export function Board(props) {
  const { shown, marks, picked, options, label, height } = props;
  const { scene, drawing, error } = shown;
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const [hovered, setHovered] = useState(/** @type {Place | null} */ (null));
  const [cursor, setCursor] = useState(/** @type {Place | null} */ (null));
  const moving = useMoving(props, element, () => setHovered(null));
  const words = useMemo(() => wordsOf(shown.graph), [shown.graph]);
  const picture = useMemo(
    () => scene && html`<${Picture} ...${{ drawing, scene, marks, picked, cursor, hovered }} />`,
    [drawing, scene, marks, picked?.key, picked?.kind, cursor, hovered],
  );
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const next = keyed(event, { ...props, ...moving, cursor });
    if (next === undefined) return;
    event.preventDefault();
    setHovered(null);
    setCursor(next);
    const box = boxOf(next, scene);
    if (box) moving.show(box);
  };
  const { view, isGliding, size } = moving;
  const near = hovered ?? cursor;
  const box = boxOf(near, scene);
  return html`
    <${Bar} ...${props} moving=${moving} />
    <${ProblemBox} error=${error} />
    <div
      ref=${element} class=${`graph-window${options.isTakenOnly ? " only-taken" : ""}`}
      style=${{ height: `${height ?? heightOf(scene, size.width)}px` }}
      tabindex="0" role="application" aria-roledescription="state graph"
      aria-label=${`${label}. Arrows walk along the edges, Enter picks, plus and minus zoom.`}
      onKeyDown=${onKeyDown} onBlur=${() => setCursor(null)}
      onPointerOver=${(/** @type {PointerEvent} */ event) => setHovered(event.buttons === 0 ? placeOf(event.target) : null)}
      onPointerLeave=${() => setHovered(null)}
    >
      ${!scene && !error && html`<p class="loading" role="status">The graph is being laid out…</p>`}
      <svg aria-hidden="true">
        <g class=${isGliding ? "is-gliding" : ""} style=${view && { transform: transformOf(view) }}>
          ${view && picture}
        </g>
      </svg>
      ${box && view && near && html`<${Tooltip} key=${near.key} description=${words(near, marks)} ...${{ box, view, size }} />`}
      <p class="hidden" aria-live="polite">${cursor && boxOf(cursor, scene) && inWords(words(cursor, marks))}</p>
    </div>
  `;
}

/**
 * The view, and when it moves by itself.
 *
 * @param {BoardProps} props
 * @param {{current: HTMLElement | null}} element
 * @param {() => void} onMove
 */
function useMoving({ shown, marks, picked, current, options, choose, pick }, element, onMove) {
  const { scene, drawing } = shown;
  const { isTakenOnly, isFollowing } = options;
  const now = current === null ? undefined : scene?.nodes[current];
  const chosen = boxOf(picked, scene);
  const moving = useView(element, scene, {
    focus: chosen ?? now ?? scene?.nodes[drawing.parts[0].initial],
    onTap: (target) => pick(placeOf(target)),
    onMove: () => {
      onMove();
      if (isFollowing) choose({ isFollowing: false });
    },
  });
  const fit = () => scene && moving.fit(boundsOf(drawing, scene, isTakenOnly ? marks : null));
  useEffect(() => {
    if (isFollowing && now) moving.show(now);
  }, [current, isFollowing, scene]);
  useEffect(() => {
    if (chosen) moving.show(chosen);
  }, [picked?.key]);
  useEffect(() => {
    if (isTakenOnly) fit();
  }, [isTakenOnly]);
  return { ...moving, fit };
}

/** What an element is drawn for. @param {EventTarget | null} target @returns {Place | null} */
function placeOf(target) {
  const found = target instanceof Element ? target.closest("[data-key]") : null;
  if (!(found instanceof SVGElement)) return null;
  const { kind, key = "" } = found.dataset;
  return { kind: kind === "edge" ? "edge" : "state", key };
}

/** @param {Place | null} place @param {Scene | null} scene */
function boxOf(place, scene) {
  if (place === null || scene === null) return undefined;
  return place.kind === "state" ? scene.nodes[place.key] : scene.edges[place.key]?.label;
}

/** As high as the picture will be. @param {Scene | null} scene @param {number} width */
function heightOf(scene, width) {
  if (scene === null) return HEIGHT_MIN;
  const scale = Math.max(READABLE, Math.min(1, width / scene.width));
  return Math.min(HEIGHT_MAX, Math.max(HEIGHT_MIN, scene.height * scale));
}

/** @param {import("./view.js").View} view */
function transformOf({ x, y, scale }) {
  return `translate(${x}px, ${y}px) scale(${scale})`;
}
