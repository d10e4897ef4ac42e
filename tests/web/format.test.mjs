import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../goflow_py/ui/static/core/format.js";

/**
 * Hold a function to a table of what it is given and what it says.
 *
 * @template T
 * @param {(value: T) => string} says
 * @param {[T, string][]} table
 */
function holds(says, table) {
  for (const [given, text] of table) assert.equal(says(given), text, String(given));
}

test("a time is so long ago, or so far ahead", () => {
  const now = 1_000_000_000;
  holds(
    (ms) => format.ago(now - ms, now),
    [
      [0, "now"],
      [999, "now"],
      [-999, "now"],
      [8_000, "8 s ago"],
      [59_999, "59 s ago"],
      [60_000, "1 min ago"],
      [7_200_000, "2 h ago"],
      [-7_200_000, "in 2 h"],
      [47 * 3_600_000, "47 h ago"],
      [48 * 3_600_000, "2 d ago"],
    ],
  );
});

test("a span has at most two units", () => {
  holds(format.span, [
    [0, "0 ms"],
    [180.4, "180 ms"],
    [7_900, "7.9 s"],
    [42_000, "42 s"],
    [120_000, "2 min"],
    [125_000, "2 min 5 s"],
    [12_000_000, "3 h 20 min"],
    [352_800_000, "4 d 2 h"],
  ]);
});

test("a span never shows the next unit's whole in the smaller one", () => {
  holds(format.span, [
    [999.6, "1.0 s"],
    [9_960, "10 s"],
    [59_600, "1 min"],
  ]);
});

test("a figure that is not there is a dash", () => {
  holds(format.seconds, [
    [null, "–"],
    [undefined, "–"],
    [0, "0 ms"],
    [1.25, "1.3 s"],
  ]);
  holds(format.percent, [
    [null, "–"],
    [0, "0 %"],
    [1, "100 %"],
    [0.034, "3.4 %"],
    [0.5, "50 %"],
    [0.9953, "99.5 %"],
    [0.99999, "99.9 %"],
  ]);
});

test("numbers are told in groups, bytes in the largest unit", () => {
  assert.equal(format.count(1_234_567), "1,234,567");
  holds(format.bytes, [
    [1_023, "1023 B"],
    [1_536, "1.5 KiB"],
    [5 * 1_024 ** 2, "5.0 MiB"],
    [2 * 1_024 ** 3, "2.0 GiB"],
  ]);
});

test("a time of the day has milliseconds", () => {
  const at = new Date(2026, 6, 9, 5, 4, 3, 21).toISOString();
  assert.equal(format.dateTime(at), "2026-07-09 05:04:03.021");
});

test("two ids of one moment differ when they are short", () => {
  const before = "01920000-aaaa-7000-8000-00000000000";
  assert.notEqual(format.shortId(`${before}1`), format.shortId(`${before}2`));
  assert.equal(format.shortId(`${before}1`), "0192..000001");
});
