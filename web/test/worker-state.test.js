import assert from "node:assert/strict";
import { test } from "node:test";
import { workerNames, workerState } from "../lib/worker-state.js";

const at = (second) => `2026-11-22T12:00:${String(second).padStart(2, "0")}.000000Z`;

test("a worker that stopped cleanly is not late, however long ago that was", () => {
  const now = Date.parse(at(40));
  const seen = (state, second) => workerState({ state, seen_at: at(second) }, now);
  assert.deepEqual([seen("running", 39), seen("running", 10), seen("draining", 10), seen("stopped", 10)], ["running", "late", "late", "stopped"]);
});

test("a worker that stays away is lost, by the server's word or by its silence", () => {
  const now = Date.parse(at(40));
  assert.equal(workerState({ state: "running", seen_at: "2026-11-22T11:58:00Z" }, now), "lost");
  assert.equal(workerState({ state: "lost", seen_at: at(10) }, now), "lost");
});

test("workers of one name are distinguished by host and process", () => {
  const [a, b] = [{ id: "vm:1:x", name: "vm", host: "vm", pid: 1 }, { id: "vm:2:y", name: "vm", host: "vm", pid: 2 }];
  assert.deepEqual(workerNames([a, b, { id: "r", name: "remote" }]), ["vm:1", "vm:2", "remote"]);
  assert.deepEqual(workerNames([a]), ["vm"]);
  assert.deepEqual(workerNames([{ id: "r1", name: "r" }, { id: "r2", name: "r" }]), ["r1", "r2"]);
});
