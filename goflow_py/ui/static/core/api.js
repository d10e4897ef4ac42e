/** The HTTP API under /v1: the only thing that these pages talk to. */

import { computed, signal } from "../vendor/preact.js";
import { curlOf, urlOf } from "./calls.js";
import { noteServerTime } from "./clock.js";
import { readJson } from "./exact.js";

/** @typedef {import("./calls.js").Call} Call */
/** @typedef {{status: number, headers: Headers, body: any, text: string}} Answer `text` is the body as it came */

const STORED = "goflow.key";

/** The API key, if one was given. It is kept for this tab alone, and never stands in a URL. */
export const apiKey = signal(sessionStorage.getItem(STORED) ?? "");

/** Whether a call was refused for want of a (right) key: the shell asks for one. */
export const keyWanted = signal(false);

/** Whether the server answered the last call. */
export const reachable = signal(true);

export const needsKey = computed(() => apiKey.value !== "");

/** What the server said against a call (RFC 9457), or that it said nothing: then `status` is 0. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {any} body
   */
  constructor(status, body) {
    super(body.detail ?? body.title ?? `the server answered ${status}`);
    this.name = "Problem";
    this.status = status;
    /** @type {string} */
    this.code = body.code ?? "unknown";
    /** All that came: `findings`, `errors` with `pointer` and `message`, `awaiting`, `state`... */
    this.body = body;
  }
}

let refused = /** @type {{key: string, body: any} | null} */ (null);

/**
 * Whether the key (or that there is none) was refused. Pages that ask every few seconds would go on
 * sending it, and a server shuts out an address that sends ten wrong keys a minute.
 */
export function isRefused() {
  return refused?.key === apiKey.peek();
}

/** Ask for another key, and use this one no more. @param {string} key @param {any} [body] */
export function refuse(key, body = {}) {
  refused = { key, body };
  keyWanted.value = true;
}

/** @param {string} key */
export function useKey(key) {
  refused = null;
  const text = key.trim();
  if (text === "") sessionStorage.removeItem(STORED);
  else sessionStorage.setItem(STORED, text);
  apiKey.value = text;
  keyWanted.value = false;
}

/**
 * The headers that every call has.
 *
 * @returns {Record<string, string>}
 */
export function authorization() {
  return apiKey.peek() === "" ? {} : { Authorization: `Bearer ${apiKey.peek()}` };
}

/**
 * Make a call. Throws `Problem` for everything but a 2xx or 304.
 *
 * @param {Call} call
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer>}
 */
export async function send(call, signal) {
  const { method = "GET", headers = {} } = call;
  const sent = sentBy(call);
  const key = apiKey.peek();
  if (isRefused() && call.path.startsWith("/v1/")) throw new Problem(401, refused?.body);
  /** @type {Response} */
  let response;
  let text = "";
  try {
    response = await fetch(urlOf(call), {
      method,
      headers: {
        ...authorization(),
        ...(sent === null ? {} : { "Content-Type": sent.mediaType }),
        ...headers,
      },
      body: sent?.content,
      cache: "no-store",
      signal,
    });
    // An answer may also break off.
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    reachable.value = false;
    throw new Problem(0, { code: "unreachable", detail: "the server cannot be reached" });
  }
  reachable.value = true;
  noteServerTime(response.headers.get("Date"));
  const value = bodyOf(response, text);
  if (response.ok || response.status === 304) {
    return { status: response.status, headers: response.headers, body: value, text };
  }
  if (response.status === 401) refuse(key, value);
  throw new Problem(response.status, value ?? {});
}

/** What a call sends, if anything. @param {Call} call */
function sentBy({ body, text }) {
  if (text !== undefined) return text;
  return body === undefined
    ? null
    : { mediaType: "application/json", content: JSON.stringify(body) };
}

/**
 * Read something.
 *
 * @param {string} path
 * @param {import("./calls.js").Query} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(path, query, signal) {
  return (await send({ path, query }, signal)).body;
}

/**
 * The line of curl for a call.
 *
 * @param {Call} call
 */
export function curl(call) {
  return curlOf(call, { origin: location.origin, needsKey: needsKey.value });
}

/** A key for `Idempotency-Key`: made once for what a person decides, and sent again with it. */
export function newIdempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `ui-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** @param {Response} response @param {string} text */
function bodyOf({ status, headers }, text) {
  const type = headers.get("Content-Type") ?? "";
  // A page of something between here and the server says nothing to a person.
  if (text === "" || /html/.test(type)) return undefined;
  if (!/json/.test(type)) return { detail: text };
  try {
    return readJson(text);
  } catch {
    throw new Problem(status, { code: "no_json", detail: "what came as JSON is none; try again" });
  }
}
