/** An execution as it goes on: read once, then followed by its stream. */

import { apiKey, get } from "../core/api.js";
import { path } from "../core/calls.js";
import { follow } from "../core/streams.js";
import { useEffect, useRef, useState } from "../vendor/preact.js";
import { appended } from "./entries.js";
import { Pace } from "./pace.js";
import { hasEnded } from "./verb_rules.js";

/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Attempt} Attempt */
/** @typedef {import("./types.js").Graph} Graph */

/**
 * @typedef {object} Live
 * @property {Execution | null} execution
 * @property {any} why
 * @property {Graph | null} graph
 * @property {Attempt[]} attempts
 * @property {number | null} earlierAttempts
 * @property {boolean} hasAttempts whether they were read
 * @property {Entry[]} entries
 * @property {boolean} isLive
 * @property {Error | null} error
 */

const READ_MS_MIN = 500;
const SHOW_MS = 40;
/** An ended execution has no stream; whether somebody opened it again is looked at so often. */
const REOPENED_MS = 15_000;
/** The newest entries that are read at first; the ones before them when somebody asks. */
const ENTRIES_FIRST = 2_000;
const ENTRIES_KEPT_MAX = 50_000;
const PAGE = 500;

/** Entries after which the attempts, or the graph, are other ones. */
const OF_ATTEMPTS = /^(attempt|task|timer|lateIgnored|ended)/;
const OF_GRAPH = /^(started|transition|control|ended)/;

/** @returns {Live} */
function nothing() {
  return {
    execution: null,
    why: null,
    graph: null,
    attempts: [],
    earlierAttempts: 0,
    hasAttempts: false,
    entries: [],
    isLive: false,
    error: null,
  };
}

/**
 * Read an execution and follow it while it is shown.
 *
 * @param {string} id
 */
export function useExecution(id) {
  const [live, setLive] = useState(nothing);
  const follower = useRef(/** @type {Follower | null} */ (null));
  const key = apiKey.value;
  useEffect(() => {
    setLive(nothing());
    const mine = new Follower(id, setLive);
    follower.current = mine;
    mine.start();
    return () => mine.stop();
  }, [id, key]);
  return {
    live,
    /** Read it anew, now: something was done to it. @param {Execution} [answer] */
    refresh: (answer) => follower.current?.refresh(answer),
    /** Read the entries before the first one that is known. */
    readEarlier: () => follower.current?.readEarlier() ?? Promise.resolve(),
  };
}

class Follower {
  #id;
  #show;
  #now = nothing();
  #stop = new AbortController();
  #pace = new Pace(() => this.#read(), READ_MS_MIN);
  #unfollow = () => {};
  #timer = /** @type {any} */ (null);
  #poll = /** @type {any} */ (null);
  #isFollowing = false;
  /** @type {Entry[]} */
  #fresh = [];
  #wants = { attempts: true, graph: true };
  /** Up to which entry what was read is right. */
  #known = { attempts: -1, graph: -1 };

  /**
   * @param {string} id
   * @param {(live: Live) => void} show
   */
  constructor(id, show) {
    this.#id = id;
    this.#show = show;
  }

  start() {
    this.#pace.ask();
    this.#poll = setInterval(() => {
      const { execution } = this.#now;
      if (execution !== null && hasEnded(execution) && !document.hidden) this.#pace.ask();
    }, REOPENED_MS);
  }

  stop() {
    this.#stop.abort();
    this.#pace.stop();
    this.#unfollow();
    clearTimeout(this.#timer);
    clearInterval(this.#poll);
  }

  /** @param {Execution} [answer] */
  refresh(answer) {
    if (answer?.id === this.#id) this.#take(answer);
    this.#wants = { attempts: true, graph: true };
    this.#pace.ask();
  }

  async readEarlier() {
    const first = this.#now.entries[0]?.seq ?? 0;
    /** @type {Entry[]} */
    let earlier = [];
    let after = /** @type {number | null} */ (Math.max(-1, first - 1 - PAGE));
    while (after !== null && (earlier.at(-1)?.seq ?? after) < first - 1) {
      const page = await this.#get("/history", { limit: PAGE, ...(after < 0 ? {} : { after }) });
      earlier = appended(earlier, page.items, ENTRIES_KEPT_MAX);
      after = page.next === null ? null : Number(page.next);
    }
    const before = earlier.filter(({ seq }) => seq < first);
    this.#set({ entries: [...before, ...this.#now.entries] });
  }

  /**
   * @param {string} part
   * @param {import("../core/calls.js").Query} [query]
   */
  #get(part, query) {
    return get(path`/v1/executions/${this.#id}` + part, query, this.#stop.signal);
  }

  async #read() {
    const wants = this.#wants;
    this.#wants = { attempts: false, graph: false };
    try {
      /** @type {Execution} */
      const execution = await this.#get("");
      this.#take(execution);
      // What is asked for from now on is as new as this, or newer.
      if (wants.attempts) this.#known.attempts = execution.revision;
      if (wants.graph) this.#known.graph = execution.revision;
      await Promise.all([
        this.#get("/why").then((why) => this.#set({ why })),
        wants.graph && this.#get("/graph").then((graph) => this.#set({ graph })),
        wants.attempts && this.#get("/attempts").then((answer) => this.#takeAttempts(answer)),
      ]);
    } catch (error) {
      this.#wants = {
        attempts: this.#wants.attempts || wants.attempts,
        graph: this.#wants.graph || wants.graph,
      };
      this.#set({ error: /** @type {Error} */ (error) });
    }
  }

  /** @param {{items: Attempt[], earlier: number | null}} answer */
  #takeAttempts({ items, earlier }) {
    this.#set({ attempts: items, earlierAttempts: earlier, hasAttempts: true });
  }

  /**
   * Answers may overtake each other: an older one is left out.
   *
   * @param {Execution} execution
   */
  #take(execution) {
    const known = this.#now.execution;
    if (known !== null && execution.revision < known.revision) return;
    const hasMoved = known !== null && execution.revision > known.revision;
    this.#set({ execution, error: null });
    if (known === null) this.#follow(execution.revision - ENTRIES_FIRST);
    else if (hasMoved && !this.#isFollowing) this.#follow(this.#now.entries.at(-1)?.seq ?? -1);
  }

  /** @param {number} after */
  #follow(after) {
    this.#unfollow();
    this.#isFollowing = true;
    this.#unfollow = follow({
      path: path`/v1/executions/${this.#id}/stream`,
      after: after < 0 ? null : String(after),
      onEntry: (entry) => this.#onEntry(entry),
      onReset: () => {
        this.#fresh = [];
        this.#set({ entries: [] });
        this.refresh();
      },
      onEnd: () => {
        this.#isFollowing = false;
        this.#pace.ask();
      },
      onLive: (isLive) => this.#set({ isLive }),
    });
  }

  /** @param {Entry} entry */
  #onEntry(entry) {
    this.#fresh.push(entry);
    this.#showSoon();
    const { attempts, graph } = this.#known;
    if (entry.seq > attempts && OF_ATTEMPTS.test(entry.type)) this.#wants.attempts = true;
    if (entry.seq > graph && OF_GRAPH.test(entry.type)) this.#wants.graph = true;
    const isNews = entry.seq > (this.#now.execution?.revision ?? -1);
    if (isNews || this.#wants.attempts || this.#wants.graph) this.#pace.ask();
  }

  /** @param {Partial<Live>} change */
  #set(change) {
    if (this.#stop.signal.aborted) return;
    this.#now = { ...this.#now, ...change };
    this.#showSoon();
  }

  #showSoon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#fresh.length > 0) {
        const entries = appended(this.#now.entries, this.#fresh, ENTRIES_KEPT_MAX);
        this.#now = { ...this.#now, entries };
        this.#fresh = [];
      }
      this.#show(this.#now);
    }, SHOW_MS);
  }
}
