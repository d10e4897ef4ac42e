/** What is read for a page, and whether it is there yet. */

import { useCallback, useEffect, useRef, useState } from "../vendor/preact.js";
import { apiKey, get, reachable } from "./api.js";

/**
 * @template T
 * @typedef {{value: T | null, error: Error | null, isLoading: boolean, reload: () => void}} Loaded
 */

/**
 * Read something when the page is shown, when *wants* change, when another key is used, when a
 * server that could not be reached is back, and on `reload`. What was read stays until there is something newer.
 *
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} read
 * @param {unknown[]} wants
 * @returns {Loaded<T>}
 */
export function useLoad(read, wants) {
  const [state, setState] = useState({
    value: /** @type {T | null} */ (null),
    error: /** @type {Error | null} */ (null),
    isLoading: true,
  });
  const [turn, setTurn] = useState(0);
  const reload = useCallback(() => setTurn((number) => number + 1), []);
  const wanted = JSON.stringify(wants);
  const shown = useRef(wanted);
  const key = apiKey.value;
  useEffect(() => {
    const stop = new AbortController();
    const isOther = shown.current !== wanted;
    shown.current = wanted;
    setState((old) => ({ ...old, value: isOther ? null : old.value, isLoading: true }));
    read(stop.signal).then(
      (value) => {
        if (!stop.signal.aborted) setState({ value, error: null, isLoading: false });
      },
      (error) => {
        if (!stop.signal.aborted) setState((old) => ({ ...old, error, isLoading: false }));
      },
    );
    return () => stop.abort();
  }, [wanted, turn, key]);
  const isThere = reachable.value;
  useEffect(() => {
    if (isThere && /** @type {any} */ (state.error)?.status === 0) reload();
  }, [isThere]);
  return { ...state, reload };
}

/**
 * Read again every so often, while the page is seen and there is something to wait for.
 *
 * @param {() => void} reload
 * @param {number} ms
 * @param {boolean} [isOn]
 */
export function useEvery(reload, ms, isOn = true) {
  useEffect(() => {
    if (!isOn) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, ms);
    return () => clearInterval(timer);
  }, [reload, ms, isOn]);
}

/** As many are read as one page of them has. */
export const BLUEPRINTS_MAX = 500;

/**
 * All blueprints.
 *
 * @returns {Loaded<{items: any[], next?: string}>}
 */
export function useBlueprints() {
  return useLoad((signal) => get("/v1/blueprints", { limit: BLUEPRINTS_MAX }, signal), []);
}
