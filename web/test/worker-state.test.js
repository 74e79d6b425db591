import assert from "node:assert/strict";
import { test } from "node:test";
import { workerState } from "../lib/worker-state.js";

const at = (second) => `2026-11-22T12:00:${String(second).padStart(2, "0")}.000000Z`;

test("a worker that stopped cleanly is not late, however long ago that was", () => {
  const now = Date.parse(at(40));
  const seen = (state, second) => workerState({ state, seen_at: at(second) }, now);
  assert.deepEqual([seen("running", 39), seen("running", 10), seen("draining", 10), seen("stopped", 10)], ["running", "late", "late", "stopped"]);
});
