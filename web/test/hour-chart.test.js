// The minutes of the chart: always sixty, in order, with nothing made up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byMinute } from "../ui/hour-chart.js";

const NOW = Date.parse("2026-11-22T12:00:30Z");

test("each minute of the hour is there, also those without jobs", () => {
  const bars = byMinute([{ at: "2026-11-22T11:58:00Z", enqueued: 3, completed: 2, failed: 1 }, { at: "2026-11-22T11:00:00Z", enqueued: 9, completed: 9, failed: 9 }], NOW);
  assert.equal(bars.length, 60);
  assert.deepEqual(bars[57], { at: Date.parse("2026-11-22T11:58:00Z"), enqueued: 3, completed: 2, failed: 1 });
  assert.deepEqual(bars[0], { at: Date.parse("2026-11-22T11:01:00Z"), enqueued: 0, completed: 0, failed: 0 }, "11:00 is 61 minutes back");
});

test("a server whose clock is ahead loses no minute", () => {
  assert.deepEqual(byMinute([{ at: "2026-11-22T12:01:00Z", enqueued: 1, completed: 1, failed: 0 }], NOW)[59], { at: Date.parse("2026-11-22T12:01:00Z"), enqueued: 1, completed: 1, failed: 0 });
});
