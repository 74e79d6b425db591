import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, period, relative, stopwatch, utc } from "../lib/format-time.js";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const before = (seconds) => new Date(NOW - seconds * 1000).toISOString();

test("a set duration has no empty unit", () => {
  for (const [milliseconds, text] of [[1000, "1 s"], [60_000, "1 min"], [5_400_000, "1 h 30 min"], [7_200_000, "2 h"], [86_400_000, "1 d"], [840, "840 ms"], [1500, "1.5 s"]]) assert.equal(period(milliseconds), text);
});

test("durations use the unit that fits", () => {
  const cases = [[0, "0 ms"], [840.4, "840 ms"], [1000, "1.0 s"], [4249, "4.2 s"], [9949, "9.9 s"], [9960, "10 s"], [59_400, "59 s"],
    [59_600, "1 min 00 s"], [185_000, "3 min 05 s"], [3_599_600, "1 h 00 min"], [7_800_000, "2 h 10 min"], [442_800_000, "5 d 3 h"], [-5, "0 ms"], [NaN, ""]];
  for (const [milliseconds, text] of cases) assert.equal(duration(milliseconds), text, String(milliseconds));
});

test("a stopwatch ticks in whole seconds", () => {
  assert.deepEqual([-1, 4999, 760_000, 3_723_000].map(stopwatch), ["0:00", "0:04", "12:40", "1:02:03"]);
});

test("times are relative to now, past and future", () => {
  const cases = [[0, "just now"], [1, "just now"], [12, "12 s ago"], [-200, "in 3 min"], [-1, "now"], [59.9, "1 min ago"], [201, "3 min ago"], [18_000, "5 h ago"],
    [-7140, "in 1 h 59 min"], [-7199.9, "in 2 h"], [3600, "1 h ago"], [-86_399, "in 1 d"], [-100_000, "in 1 d 4 h"], [86_000, "1 d ago"], [10_799, "3 h ago"],
    [2 * 86_400, "2 d ago"], [40 * 86_400, "2026-10-13"]];
  for (const [seconds, text] of cases) assert.equal(relative(before(seconds), NOW), text, String(seconds));
  assert.equal(relative("never", NOW), "");
});

test("UTC keeps milliseconds of a time with microseconds", () => {
  assert.equal(utc("2026-11-22T21:04:05.123456Z"), "2026-11-22 21:04:05.123 UTC");
  assert.equal(utc("?"), "");
});
