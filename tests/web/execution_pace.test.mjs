import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "../../goflow_py/ui/static/execution/pace.js";

/** Time that is moved by hand; a run takes as long as its turn says. */
class Hand {
  at = 0;
  /** @type {{at: number, run: () => void}[]} */
  timers = [];
  now = () => this.at;
  later = (/** @type {() => void} */ run, /** @type {number} */ ms) => {
    const timer = { at: this.at + ms, run };
    this.timers.push(timer);
    return timer;
  };
  drop = (/** @type {any} */ timer) => {
    this.timers = this.timers.filter((one) => one !== timer);
  };
  async move(/** @type {number} */ ms) {
    for (let left = ms; left >= 0; left -= 1) {
      const due = this.timers.filter(({ at }) => at <= this.at);
      this.timers = this.timers.filter(({ at }) => at > this.at);
      for (const { run } of due) run();
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      if (left > 0) this.at += 1;
    }
  }
}

test("what is asked for once is done at once", async () => {
  const hand = new Hand();
  const runs = /** @type {number[]} */ ([]);
  new Pace(async () => void runs.push(hand.at), 500, hand).ask();
  await hand.move(0);
  assert.deepEqual(runs, [0]);
});

test("a burst of askings is one run now, and one more after the shortest span", async () => {
  const hand = new Hand();
  const runs = /** @type {number[]} */ ([]);
  const pace = new Pace(async () => void runs.push(hand.at), 500, hand);
  for (let turn = 0; turn < 100; turn += 1) {
    pace.ask();
    await hand.move(3);
  }
  await hand.move(2_000);
  assert.deepEqual(runs, [0, 500]);
});

test("what is asked for while it runs is done by another run, and never at the same time", async () => {
  const hand = new Hand();
  const ends = /** @type {(() => void)[]} */ ([]);
  let atOnce = 0;
  let most = 0;
  const pace = new Pace(
    async () => {
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => ends.push(() => resolve(undefined)));
      atOnce -= 1;
    },
    10,
    hand,
  );
  pace.ask();
  await hand.move(20);
  pace.ask();
  pace.ask();
  await hand.move(20);
  assert.equal(ends.length, 1);
  ends[0]?.();
  await hand.move(500);
  assert.equal(ends.length, 2);
  assert.equal(most, 1);
});

test("what takes long is done more rarely", async () => {
  const hand = new Hand();
  const runs = /** @type {number[]} */ ([]);
  const pace = new Pace(
    async () => {
      runs.push(hand.at);
      await new Promise((resolve) => hand.later(() => resolve(undefined), 1_000));
    },
    500,
    hand,
  );
  pace.ask();
  await hand.move(1_100);
  pace.ask();
  await hand.move(5_000);
  assert.deepEqual(runs, [0, 4_000]);
});

test("nothing is done after it was stopped", async () => {
  const hand = new Hand();
  let runs = 0;
  const pace = new Pace(
    async () => {
      runs += 1;
    },
    500,
    hand,
  );
  pace.ask();
  pace.stop();
  pace.ask();
  await hand.move(1_000);
  assert.equal(runs, 0);
});
