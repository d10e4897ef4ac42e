/** A stream of history entries that is followed over broken connections: nothing is missed. */

import { apiKey, authorization, isRefused, reachable, refuse } from "./api.js";
import { urlOf } from "./calls.js";
import { EventReader } from "./events.js";
import { readJson } from "./exact.js";

const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 15_000;
/** The server sends a heartbeat every 15 s: a connection that is silent for longer is dead. */
const SILENCE_MS_MAX = 40_000;

/**
 * @typedef {object} Follower
 * @property {string} path
 * @property {import("./calls.js").Query} [query]
 * @property {string | null} [after] the id of the last event that is known already
 * @property {(data: any, id: string | null) => void} onEntry
 * @property {(reason: string) => void} [onReset] entries were left out: read anew what is shown
 * @property {(data: any) => void} [onEnd] nothing more comes
 * @property {(isLive: boolean) => void} [onLive] whether the connection stands
 *
 * @typedef {{last: string | null}} Place the id of the last event that came
 */

/**
 * Follow a stream until the function that is returned is called. While the page is hidden there is
 * no connection (a browser has six for all tabs of a server); what happened comes afterwards.
 *
 * @param {Follower} follower
 * @returns {() => void}
 */
export function follow(follower) {
  const place = { last: follower.after ?? null };
  let current = new AbortController();
  const turn = () => {
    current.abort();
    if (document.hidden) return;
    current = new AbortController();
    void run(follower, place, current.signal);
  };
  document.addEventListener("visibilitychange", turn);
  turn();
  return () => {
    document.removeEventListener("visibilitychange", turn);
    current.abort();
  };
}

/**
 * @param {Follower} follower
 * @param {Place} place
 * @param {AbortSignal} stopped
 */
async function run(follower, place, stopped) {
  let pause = PAUSE_MS;
  while (!stopped.aborted) {
    const outcome = await connect(follower, place, stopped);
    follower.onLive?.(false);
    if (outcome.done) return;
    pause = outcome.lived ? PAUSE_MS : Math.min(pause * 2, PAUSE_MS_MAX);
    await waited(outcome.retryMs ?? pause, stopped);
  }
}

/**
 * @param {Follower} follower
 * @param {Place} place
 * @param {AbortSignal} stopped
 * @returns {Promise<{done: boolean, lived: boolean, retryMs: number | null}>}
 */
async function connect(follower, place, stopped) {
  if (isRefused()) return { done: true, lived: false, retryMs: null };
  const key = apiKey.peek();
  const once = new AbortController();
  const cut = () => once.abort();
  stopped.addEventListener("abort", cut);
  let silence = setTimeout(cut, SILENCE_MS_MAX);
  const reader = new EventReader();
  let lived = false;
  try {
    const response = await fetch(urlOf(follower), {
      headers: {
        ...authorization(),
        ...(place.last === null ? {} : { "Last-Event-ID": place.last }),
      },
      cache: "no-store",
      signal: once.signal,
    });
    reachable.value = true;
    if (response.status === 401) refuse(key);
    const isOver = response.status === 204 || [401, 403, 404].includes(response.status);
    if (isOver || !response.ok || response.body === null) {
      if (response.status === 204) follower.onEnd?.(null);
      return { done: isOver, lived, retryMs: null };
    }
    follower.onLive?.(true);
    const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await pieces.read();
      if (done) break;
      lived = true;
      clearTimeout(silence);
      silence = setTimeout(cut, SILENCE_MS_MAX);
      for (const event of reader.read(value)) {
        if (tell(follower, place, event)) return { done: true, lived, retryMs: null };
      }
    }
  } catch {
    if (!stopped.aborted && !lived) reachable.value = false;
  } finally {
    clearTimeout(silence);
    stopped.removeEventListener("abort", cut);
    once.abort();
  }
  return { done: stopped.aborted, lived, retryMs: reader.retryMs };
}

/**
 * Hand an event on; true when it was the last one.
 *
 * @param {Follower} follower
 * @param {Place} place
 * @param {import("./events.js").ServerEvent} event
 */
function tell(follower, place, { id, name, data }) {
  if (id !== null) place.last = id;
  if (data === "") return false;
  const value = readJson(data);
  if (name === "reset") follower.onReset?.(value.reason);
  else if (name === "end") follower.onEnd?.(value);
  else follower.onEntry(value, id);
  return name === "end";
}

/**
 * @param {number} ms
 * @param {AbortSignal} stopped
 */
function waited(ms, stopped) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stopped.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
