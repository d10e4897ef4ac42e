/** What the editor begins with: a stored version and its workers, a template, or a kept draft. */

import { get, Problem, send } from "../core/api.js";
import { path } from "../core/calls.js";
import { draftName, draftOf } from "./drafts.js";
import { along, read } from "./json_places.js";
import { laidOut } from "./layout_json.js";
import { textsOf } from "./templates.js";

/**
 * @typedef {import("./documents.js").Texts} Texts
 *
 * @typedef {object} Opened
 * @property {string} name of its draft
 * @property {Texts} stored
 * @property {Texts} texts a draft, or the same
 * @property {{project: string, activity: string, version: number} | null} base null: it is new
 * @property {any} schema
 */

/**
 * @param {{project?: string, activity?: string, version?: string}} place
 * @param {AbortSignal} signal
 * @returns {Promise<Opened>}
 */
export async function opened({ project, activity, version }, signal) {
  const schema = await get("/v1/schemas/blueprint.json", {}, signal);
  if (!project || !activity) return begun("new", textsOf(undefined), null, schema);
  const place = path`/v1/blueprints/${project}/${activity}`;
  const [found, workers] = await Promise.all([
    send({ path: place, query: { version } }, signal),
    send({ path: `${place}/workers` }, signal).catch(none),
  ]);
  const stored = {
    blueprint: laidOut(partOf(found.text, "blueprint"), { isOrdered: true }) ?? "",
    workers: workers === null ? "" : (laidOut(workers.text, { isOrdered: true }) ?? ""),
  };
  const base = { project, activity, version: found.body.version };
  return begun(draftName(base), stored, base, schema);
}

/**
 * @param {string} name
 * @param {Texts} stored
 * @param {Opened["base"]} base
 * @param {any} schema
 * @returns {Opened}
 */
function begun(name, stored, base, schema) {
  return { name, stored, texts: draftOf(name) ?? stored, base, schema };
}

/**
 * A part of an answer as it is written there: reading it would round its long numbers.
 *
 * @param {string} text
 * @param {string} name
 */
function partOf(text, name) {
  const { place } = along(read(text).root, [name]);
  return place === null ? "" : text.slice(place.from, place.to);
}

/** @param {Error} error */
function none(error) {
  if (error instanceof Problem && error.status === 404) return null;
  throw error;
}
