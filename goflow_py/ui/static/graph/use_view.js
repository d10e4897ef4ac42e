/** Moving a picture by hand: drag, touch, wheel, and the buttons. */

import { useEffect, useRef, useState } from "../vendor/preact.js";
import { first, fitBox, shown, zoomed } from "./view.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./view.js").Box} Box */

/** A hand trembles: what moves less is a click. */
const STILL = 4;
const WHEEL = 0.0022;
const STEP = 1.25;

/**
 * @param {{current: HTMLElement | null}} element the window upon the picture
 * @param {{width: number, height: number} | null} picture null: there is none yet
 * @param {{focus: Box | undefined, onTap: (target: Element) => void, onMove: () => void}} options
 */
export function useView(element, picture, { focus, onTap, onMove }) {
  const [view, setView] = useState(/** @type {View | null} */ (null));
  const [isGliding, setGliding] = useState(false);
  const size = useSize(element);
  /** @param {View | Change} next */
  const glide = (next) => {
    setGliding(true);
    setView(next);
  };
  useEffect(() => {
    setGliding(false);
    setView(picture !== null && size.width > 0 ? first(picture, size, focus) : null);
  }, [picture, size.width, size.height]);
  /** @param {Change} next */
  const byHand = (next) => {
    setGliding(false);
    setView(next);
  };
  useHands(element, { setView: byHand, onTap, onMove });
  const middle = { x: size.width / 2, y: size.height / 2 };
  return {
    view,
    size,
    isGliding,
    larger: () => glide((old) => old && zoomed(old, STEP, middle)),
    smaller: () => glide((old) => old && zoomed(old, 1 / STEP, middle)),
    /** @param {Box} box */
    fit: (box) => glide(fitBox(box, size)),
    /** @param {Box} box */
    show: (box) => glide((old) => old && shown(old, size, box)),
  };
}

/** @param {{current: HTMLElement | null}} element */
function useSize(element) {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    if (element.current === null) return undefined;
    const watch = new ResizeObserver(([{ contentRect }]) =>
      setSize({ width: contentRect.width, height: contentRect.height }),
    );
    watch.observe(element.current);
    return () => watch.disconnect();
  }, [element.current]);
  return size;
}

/**
 * @typedef {(old: View | null) => View | null} Change
 * @typedef {{setView: (next: Change) => void, onTap: (target: Element) => void, onMove: () => void}} Does
 * @param {{current: HTMLElement | null}} element
 * @param {Does} does
 */
function useHands(element, does) {
  const latest = useRef(does);
  latest.current = does;
  useEffect(() => {
    const on = element.current;
    if (on === null) return undefined;
    const hands = new Hands(on, latest);
    const stop = new AbortController();
    const { signal } = stop;
    on.addEventListener("pointerdown", (event) => hands.down(event), { signal });
    on.addEventListener("pointermove", (event) => hands.move(event), { signal });
    on.addEventListener("pointerup", (event) => hands.up(event), { signal });
    on.addEventListener("pointercancel", (event) => hands.up(event, false), { signal });
    on.addEventListener("wheel", (event) => hands.wheel(event), { signal, passive: false });
    return () => stop.abort();
  }, [element.current]);
}

/** The pointers that are down: one drags, two pinch. */
class Hands {
  /** @type {Map<number, {x: number, y: number}>} */
  #points = new Map();
  #moved = 0;

  /** @param {HTMLElement} on @param {{current: Does}} latest */
  constructor(on, latest) {
    this.on = on;
    this.latest = latest;
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (event.button !== 0) return;
    if (this.#points.size === 0) this.#moved = 0;
    this.#points.set(event.pointerId, this.#at(event));
  }

  /** @param {PointerEvent} event */
  move(event) {
    const before = this.#points.get(event.pointerId);
    if (before === undefined) return;
    if (event.buttons === 0) {
      // It was let go outside, where nobody saw it.
      this.#points.delete(event.pointerId);
      return;
    }
    const now = this.#at(event);
    this.#moved += Math.hypot(now.x - before.x, now.y - before.y);
    if (this.#moved < STILL) return;
    this.on.setPointerCapture(event.pointerId);
    this.#points.set(event.pointerId, now);
    const other = [...this.#points].find(([id]) => id !== event.pointerId)?.[1];
    const { setView, onMove } = this.latest.current;
    onMove();
    setView(
      (view) => view && (other ? pinched(view, before, now, other) : dragged(view, before, now)),
    );
  }

  /** @param {PointerEvent} event @param {boolean} [isTap] */
  up(event, isTap = true) {
    if (!this.#points.delete(event.pointerId) || this.#points.size > 0) return;
    if (isTap && this.#moved < STILL)
      this.latest.current.onTap(/** @type {Element} */ (event.target));
  }

  /**
   * Without a key the wheel moves the page, as everywhere. A pinch on a pad comes with ctrl.
   *
   * @param {WheelEvent} event
   */
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const { setView, onMove } = this.latest.current;
    const at = this.#at(event);
    const lines = event.deltaMode === 1 ? 16 : 1;
    const speed = Math.abs(event.deltaY) < 20 ? 4 : 1;
    onMove();
    setView((view) => view && zoomed(view, Math.exp(-event.deltaY * lines * speed * WHEEL), at));
  }

  /** @param {MouseEvent} event */
  #at(event) {
    const { left, top } = this.on.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }
}

/**
 * @typedef {{x: number, y: number}} Point
 * @param {View} view
 * @param {Point} before
 * @param {Point} now
 */
function dragged(view, before, now) {
  return { ...view, x: view.x + now.x - before.x, y: view.y + now.y - before.y };
}

/** @param {View} view @param {Point} before @param {Point} now @param {Point} other */
function pinched(view, before, now, other) {
  /** @param {Point} point */
  const far = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
  return zoomed(view, far(now) / far(before), other);
}
