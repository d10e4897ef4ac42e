/**
 * The servers that share the data, in words. Pure.
 *
 * @typedef {{shards: number, running: number | null, inbox: number, oldestSeconds: number | null}} Work
 * @typedef {Work & {
 *   id: string, self: boolean, address: string | null, version: string | null, startedAt: string,
 *   leaseLeftSeconds: number | null, status: string,
 * }} Node
 * @typedef {{items: Node[], unowned: Work, at: string, shared: boolean, leaseSeconds: number | null}} Nodes
 */

import { count, seconds } from "../core/format.js";

/** @type {Record<string, {status: string, text: string, title: string}>} */
const STATUSES = {
  ok: { status: "success", text: "ok", title: "it renews its lease in time" },
  late: { status: "waiting", text: "late", title: "less than half of its lease is left" },
  draining: { status: "paused", text: "draining", title: "it is about to end" },
  lost: { status: "failed", text: "lost", title: "others have not taken all of its shards yet" },
};

/** @param {string} name */
export function statusOf(name) {
  return STATUSES[name] ?? { status: "unknown", text: name, title: "" };
}

/** @param {number | null} left seconds */
export function leaseOf(left) {
  if (left === null) return "–";
  return left > 0 ? seconds(left) : `over for ${seconds(-left)}`;
}

/** @param {number | null} running */
export function runningOf(running) {
  return running === null ? "many" : count(running);
}

/**
 * What nobody does, in a sentence; nothing when there is no such thing.
 *
 * @param {Work} left
 */
export function leftOf(left) {
  if (left.shards === 0) return "";
  const oldest =
    left.oldestSeconds === null ? "" : `, the oldest for ${seconds(left.oldestSeconds)}`;
  const shards = left.shards === 1 ? "1 shard has" : `${count(left.shards)} shards have`;
  return `${shards} no owner: ${runningOf(left.running)} running, ${count(left.inbox)} in the inbox${oldest}.`;
}

/**
 * Say of a server that is the only one, and will be, where its work is.
 *
 * @param {Nodes} nodes
 */
export function aloneOf({ items, shared }) {
  return items.length === 1 && !shared ? "This server has the data for itself." : "";
}
