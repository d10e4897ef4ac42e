/** A list of executions that is read page by page, and follows the stream of what happens. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { serverNow } from "../core/clock.js";
import { fits, listQuery, streamQuery } from "../core/filters.js";
import { follow } from "../core/streams.js";
import { signal } from "../vendor/preact.js";
import { appended, EMPTY, opened, refreshed, told, unveiled, without } from "./listing.js";
import { reasonOf, withLocalTimes } from "./rows.js";

const PAGE = 100;
const PAGE_MAX = 500;
/** What is told within this time is taken in at once. */
const ROUND_MS = 400;
/** The pause after a round that failed. */
const REST_MS = 5_000;
/** Rows read one by one in a round; what is more waits for the next one. */
const READS_MAX = 6;
/** More that changed at the top than these are read as a page. */
const SINGLES_MAX = 3;
const MESSAGES_MAX = 5_000;
const WHYS_MAX = 500;

/** @typedef {import("../core/filters.js").Filter} Filter */

export class LiveList {
  listing = signal(EMPTY);
  error = signal(/** @type {Error | null} */ (null));
  isLoading = signal(true);
  isLive = signal(false);
  /** Counts the rounds in which something happened: figures are read again by it. */
  rounds = signal(0);
  /** Sentences of the server, by id and revision, where the list does not say why. */
  whys = signal(new Map(/** @type {[string, string][]} */ ([])));

  /** Whether new rows are shown at once. */
  isAtTop = () => true;

  #filter;
  #query;
  /** @type {any[]} */
  #messages = [];
  #isLost = false;
  #wanted = new Set(/** @type {string[]} */ ([]));
  #seen = { from: 0, to: 0 };
  #timer = 0;
  #stop = new AbortController();
  #unfollow = () => {};

  /**
   * @param {Filter} filter
   * @param {import("./listing.js").Listing} [before] what was read of it once: shown until it is anew
   */
  constructor(filter, before = EMPTY) {
    this.#filter = filter;
    this.listing.value = before;
    this.#query = listQuery(filter, serverNow());
  }

  start() {
    this.#unfollow = follow({
      path: "/v1/stream",
      query: streamQuery(this.#filter),
      onEntry: (message) => this.#hear(message),
      onReset: () => this.#lose(),
      onLive: (isLive) => {
        this.isLive.value = isLive;
      },
    });
    void this.reload();
  }

  stop() {
    this.#unfollow();
    this.#stop.abort();
    clearTimeout(this.#timer);
  }

  /** Read the list again, from its beginning. */
  async reload() {
    this.isLoading.value = true;
    try {
      const limit = Math.min(Math.max(PAGE, this.listing.peek().rows.length), PAGE_MAX);
      this.listing.value = opened(await this.#get("/v1/executions", { ...this.#query, limit }));
      this.error.value = null;
    } catch (error) {
      if (!this.#stop.signal.aborted) this.error.value = /** @type {Error} */ (error);
    } finally {
      this.isLoading.value = false;
      this.#plan();
    }
  }

  /** Read the next page. */
  async more() {
    const { next } = this.listing.peek();
    if (next === null || this.isLoading.peek()) return;
    this.isLoading.value = true;
    try {
      const page = await this.#get("/v1/executions", { ...this.#query, limit: PAGE, cursor: next });
      // The list may have been read again meanwhile: then this page is not behind its rows.
      if (this.listing.peek().next === next)
        this.listing.value = appended(this.listing.peek(), page);
    } catch (error) {
      if (!this.#stop.signal.aborted) this.error.value = /** @type {Error} */ (error);
    } finally {
      this.isLoading.value = false;
    }
  }

  /** Show what is new; where too much is, read the list again. */
  unveil() {
    if (this.listing.peek().isBehind) return void this.reload();
    const now = serverNow();
    this.listing.value = unveiled(
      this.listing.peek(),
      (row) => row.isStale || fits(this.#filter, row, now),
    );
  }

  /**
   * Say which rows are seen: only of those is read what the stream does not tell.
   *
   * @param {number} from
   * @param {number} to
   */
  see(from, to) {
    this.#seen = { from, to };
    this.#plan();
  }

  /** @param {any} message */
  #hear(message) {
    if (this.#messages.length < MESSAGES_MAX) this.#messages.push(message);
    else this.#isLost = true;
    this.#plan();
  }

  #lose() {
    this.#isLost = true;
    this.#plan();
  }

  /** @param {number} [ms] */
  #plan(ms = ROUND_MS) {
    if (this.#timer !== 0 || this.#stop.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#round(), ms);
  }

  async #round() {
    let pause = ROUND_MS;
    if (!this.isLoading.peek()) {
      const messages = this.#messages.splice(0);
      const isLost = this.#isLost;
      this.#isLost = false;
      // What a round that fails leaves out is stale still, and is read by a later one.
      await (isLost ? this.reload() : this.#take(messages)).catch(() => {
        pause = REST_MS;
      });
      if (messages.length > 0 || isLost) this.rounds.value += 1;
    }
    this.#timer = 0;
    const isMore = this.#messages.length + this.#wanted.size + this.#stale().length > 0;
    if (isMore || this.isLoading.peek()) this.#plan(pause);
  }

  /** @param {any[]} messages */
  async #take(messages) {
    const { listing, unknown } = told(this.listing.peek(), messages);
    if (messages.length > 0) this.listing.value = listing;
    const stale = this.#stale();
    const isTop =
      [...unknown.values()].some(({ isStart }) => isStart) || stale.length > SINGLES_MAX;
    if (isTop) await this.#readTop();
    this.#want(unknown);
    const left = isTop ? this.#stale() : stale;
    const ids = [...new Set([...left, ...this.#wanted])].slice(0, READS_MAX);
    await Promise.all(ids.map((id) => this.#readOne(id)));
    await this.#readWhys();
    if (this.listing.peek().fresh.length > 0 && this.isAtTop()) this.unveil();
  }

  /** The ids of rows that are seen, and not known as they are now. */
  #stale() {
    const { rows } = this.listing.peek();
    return rows
      .slice(this.#seen.from, this.#seen.to)
      .filter((row) => row.isStale)
      .map((row) => row.id);
  }

  /**
   * Remember executions that may have come to fit: they began before, so no page from the top has
   * them.
   *
   * @param {Map<string, any>} unknown
   */
  #want(unknown) {
    const { status, state } = this.#filter;
    if (status.length === 0 && state === "") return;
    const { places, fresh } = this.listing.peek();
    for (const [id, message] of unknown) {
      const isKnown = places.has(id) || fresh.some((row) => row.id === id);
      const mayFit = status.length === 0 || status.includes(message.status);
      if (!isKnown && mayFit && this.#wanted.size < PAGE_MAX) this.#wanted.add(id);
    }
  }

  async #readTop() {
    const page = await this.#get("/v1/executions", { ...this.#query, limit: PAGE });
    const before = this.listing.peek();
    const isApart =
      page.next !== null &&
      before.rows.length > 0 &&
      !page.items.some((/** @type {any} */ item) => before.places.has(item.id));
    const after = refreshed(before, page.items);
    this.listing.value = isApart ? { ...after, isBehind: true } : after;
  }

  /** @param {string} id */
  async #readOne(id) {
    this.#wanted.delete(id);
    try {
      const one = await this.#get(path`/v1/executions/${id}`);
      const listing = this.listing.peek();
      if (!listing.places.has(id) && !fits(this.#filter, one, serverNow())) return;
      this.listing.value = refreshed(listing, [one]);
    } catch (error) {
      if (/** @type {any} */ (error).status !== 404) throw error;
      this.listing.value = without(this.listing.peek(), id);
    }
  }

  async #readWhys() {
    const { rows } = this.listing.peek();
    const asked = rows
      .slice(this.#seen.from, this.#seen.to)
      .filter((row) => !row.isStale && reasonOf(row) === null && !this.whys.peek().has(whyKey(row)))
      .slice(0, READS_MAX);
    if (asked.length === 0) return;
    const found = await Promise.all(asked.map((row) => this.#why(row)));
    this.whys.value = new Map([...this.whys.peek(), ...found].slice(-WHYS_MAX));
    this.#plan();
  }

  /**
   * @param {import("./rows.js").Row} row
   * @returns {Promise<[string, string]>} an empty sentence where there is none: it is asked for once
   */
  async #why(row) {
    const answer = await this.#get(path`/v1/executions/${row.id}/why`).catch(() => null);
    return [whyKey(row), withLocalTimes(answer?.why ?? "")];
  }

  /**
   * @param {string} address
   * @param {import("../core/calls.js").Query} [query]
   */
  #get(address, query) {
    return get(address, query, this.#stop.signal);
  }
}

/** @param {{id: string, revision: number}} row */
export function whyKey({ id, revision }) {
  return `${id}:${revision}`;
}
