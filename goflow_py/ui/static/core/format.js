/** Values as people read them. Pure. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const KIB = 1_024;

const numbers = new Intl.NumberFormat("en");

/**
 * How long ago a time is, or how far ahead: "8 s ago", "in 2 h".
 *
 * @param {number} at milliseconds
 * @param {number} now milliseconds
 */
export function ago(at, now) {
  const ms = now - at;
  if (Math.abs(ms) < SECOND_MS) return "now";
  const text = rough(Math.abs(ms));
  return ms > 0 ? `${text} ago` : `in ${text}`;
}

/**
 * A span in its largest unit.
 *
 * @param {number} ms
 */
export function rough(ms) {
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  if (ms < 2 * DAY_MS) return `${Math.floor(ms / HOUR_MS)} h`;
  return `${Math.floor(ms / DAY_MS)} d`;
}

/**
 * How long something took: "180 ms", "7.9 s", "2 min 5 s", "3 h 20 min", "4 d 2 h".
 *
 * @param {number} ms
 */
export function span(ms) {
  // What is rounded may reach the next unit: there are no 1000 ms and no 60 s.
  if (Math.round(ms) < SECOND_MS) return `${Math.round(ms)} ms`;
  const tenths = (ms / SECOND_MS).toFixed(1);
  if (Number(tenths) < 10) return `${tenths} s`;
  const whole = Math.round(ms / SECOND_MS) * SECOND_MS;
  if (whole < MINUTE_MS) return `${whole / SECOND_MS} s`;
  if (whole < HOUR_MS) return pair(whole, MINUTE_MS, "min", SECOND_MS, "s");
  if (whole < DAY_MS) return pair(whole, HOUR_MS, "h", MINUTE_MS, "min");
  return pair(whole, DAY_MS, "d", HOUR_MS, "h");
}

/**
 * @param {number} ms
 * @param {number} large
 * @param {string} largeName
 * @param {number} small
 * @param {string} smallName
 */
function pair(ms, large, largeName, small, smallName) {
  const rest = Math.floor((ms % large) / small);
  const first = `${Math.floor(ms / large)} ${largeName}`;
  return rest === 0 ? first : `${first} ${rest} ${smallName}`;
}

/**
 * Seconds, as the API gives most figures; null has no figure.
 *
 * @param {number | null | undefined} value
 */
export function seconds(value) {
  return value === null || value === undefined ? "–" : span(value * SECOND_MS);
}

/** @param {number} value */
export function count(value) {
  return numbers.format(value);
}

/**
 * A share from 0 to 1.
 *
 * @param {number | null | undefined} share
 */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  const value = share * 100;
  // What is not whole never reads as if it were.
  if (value > 99 && value < 100) return `${Math.floor(value * 10) / 10} %`;
  return `${value === 0 || value === 100 ? value : value.toFixed(value < 10 ? 1 : 0)} %`;
}

/** @param {number} value */
export function bytes(value) {
  if (value < KIB) return `${value} B`;
  if (value < KIB ** 2) return `${(value / KIB).toFixed(1)} KiB`;
  if (value < KIB ** 3) return `${(value / KIB ** 2).toFixed(1)} MiB`;
  return `${(value / KIB ** 3).toFixed(1)} GiB`;
}

/**
 * A time of the API as this place's date and time, with milliseconds.
 *
 * @param {string} at RFC 3339
 */
export function dateTime(at) {
  const time = new Date(at);
  const parts = [time.getFullYear(), time.getMonth() + 1, time.getDate()];
  return `${parts.map(two).join("-")} ${timeOfDay(at)}`;
}

/** @param {string} at RFC 3339 */
export function timeOfDay(at) {
  const time = new Date(at);
  const parts = [time.getHours(), time.getMinutes(), time.getSeconds()];
  return `${parts.map(two).join(":")}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** @param {number} value */
function two(value) {
  return String(value).padStart(2, "0");
}

/**
 * The part of an id that tells it from others: ids of one moment begin alike.
 *
 * @param {string} id
 */
export function shortId(id) {
  return `${id.slice(0, 4)}..${id.slice(-6)}`;
}
