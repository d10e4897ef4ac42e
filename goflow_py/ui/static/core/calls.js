/**
 * A call of the API as a value: its URL, and the line of curl that makes the same one. Pure.
 *
 * @typedef {Record<string, string | number | boolean | null | undefined>} Query
 * @typedef {object} Call
 * @property {string} [method]
 * @property {string} path
 * @property {Query} [query]
 * @property {unknown} [body] sent as JSON
 * @property {{file: string, mediaType: string, content: string}} [text] sent as it is, instead of a body; `file`
 *   is what a line of curl reads it from
 * @property {Record<string, string>} [headers]
 */

import { searchOf } from "./addresses.js";

/**
 * The path and query of a call.
 *
 * @param {Call} call
 */
export function urlOf({ path, query = {} }) {
  const search = searchOf(query);
  return search === "" ? path : `${path}?${search}`;
}

/**
 * The path of something below an execution, a blueprint...: each part is encoded.
 *
 * @param {TemplateStringsArray} strings
 * @param {...string | number} parts
 */
export function path(strings, ...parts) {
  return String.raw({ raw: strings }, ...parts.map((part) => encodeURIComponent(part)));
}

/**
 * The line for a terminal that makes this call. The key is a variable: a line is soon shared.
 *
 * @param {Call} call
 * @param {{origin: string, needsKey: boolean}} server
 */
export function curlOf(call, { origin, needsKey }) {
  const { method = "GET", body, text, headers = {} } = call;
  const words = ["curl"];
  if (method !== "GET") words.push("-X", method);
  if (needsKey) words.push("-H", '"Authorization: Bearer $GOFLOW_KEY"');
  for (const [name, value] of Object.entries(headers))
    words.push("-H", quoted(`${name}: ${value}`));
  if (body !== undefined) {
    words.push("-H", quoted("Content-Type: application/json"), "-d", quoted(JSON.stringify(body)));
  }
  if (text !== undefined) {
    words.push(
      "-H",
      quoted(`Content-Type: ${text.mediaType}`),
      "--data-binary",
      quoted(`@${text.file}`),
    );
  }
  words.push(quoted(origin + urlOf(call)));
  return words.join(" ");
}

/** @param {string} text */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
