/**
 * Something that is done soon when asked for, but not too often. Pure.
 *
 * @typedef {{now: () => number, later: (run: () => void, ms: number) => any, drop: (timer: any) => void}} Timing
 */

/** @type {Timing} */
const REAL = {
  now: () => performance.now(),
  later: (run, ms) => setTimeout(run, ms),
  drop: (timer) => clearTimeout(timer),
};

/** What takes long is done more rarely: it may have at most this share of the time. */
const SHARE = 4;

/** Runs one at a time; what is asked for meanwhile is done by one more run. */
export class Pace {
  #run;
  #msMin;
  #timing;
  #timer = /** @type {any} */ (null);
  #isBusy = false;
  #isAsked = false;
  #isStopped = false;
  #next = 0;

  /**
   * @param {() => Promise<void>} run must not reject
   * @param {number} msMin between the beginnings of two runs
   * @param {Timing} [timing]
   */
  constructor(run, msMin, timing = REAL) {
    this.#run = run;
    this.#msMin = msMin;
    this.#timing = timing;
  }

  ask() {
    if (this.#isStopped) return;
    this.#isAsked = true;
    if (this.#isBusy || this.#timer !== null) return;
    const wait = Math.max(0, this.#next - this.#timing.now());
    this.#timer = this.#timing.later(() => void this.#go(), wait);
  }

  stop() {
    this.#isStopped = true;
    this.#timing.drop(this.#timer);
  }

  async #go() {
    this.#timer = null;
    this.#isAsked = false;
    this.#isBusy = true;
    const begun = this.#timing.now();
    await this.#run();
    this.#isBusy = false;
    const took = this.#timing.now() - begun;
    this.#next = begun + Math.max(this.#msMin, took * SHARE);
    if (this.#isAsked) this.ask();
  }
}
