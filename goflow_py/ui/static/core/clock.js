/** The time of the server, as far as this browser knows it. */

import { signal } from "../vendor/preact.js";

/** A `Date` header has whole seconds; a smaller difference is none. */
const SKEW_MS_MIN = 2_000;
const TICK_MS = 1_000;

let skewMs = 0;

/** The time in milliseconds, anew every second while the page is seen. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = serverNow();
}, TICK_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) now.value = serverNow();
});

/** The server's time in milliseconds. */
export function serverNow() {
  return Date.now() + skewMs;
}

/**
 * Learn from a `Date` header how far the clocks are apart.
 *
 * @param {string | null} header
 */
export function noteServerTime(header) {
  const at = header === null ? Number.NaN : Date.parse(header);
  if (Number.isNaN(at)) return;
  const difference = at - Date.now();
  skewMs = Math.abs(difference) < SKEW_MS_MIN ? 0 : difference;
}
