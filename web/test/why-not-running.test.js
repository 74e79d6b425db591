import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNotRunning } from "../lib/why-not-running.js";

test("why a job does not run", () => {
  const job = { state: "available", status: "available", queue: "q", kind: "k" };
  const worker = { queues: ["q"], kinds: ["k"] };
  assert.match(whyNotRunning(job, [{ name: "q", paused_at: "x", paused_by: "ann" }], [worker]), /paused by ann/);
  assert.match(whyNotRunning(job, [], []), /No worker/);
  assert.match(whyNotRunning(job, [], [{ queues: { other: 2 }, kinds: [] }]), /serves queue q/);
  assert.match(whyNotRunning(job, [], [{ queues: { other: 2, q: 0 }, kinds: [] }]), /serves queue q/);
  assert.match(whyNotRunning(job, [], [{ queues: { q: 2 }, kinds: ["x"] }]), /knows kind k/);
  assert.match(whyNotRunning(job, [{ name: "q", worker_slots: 2, running: 2 }], [worker]), /2 slots/);
  assert.equal(whyNotRunning(job, [{ name: "q", worker_slots: 2, running: 1 }], [worker]), null);
  assert.match(whyNotRunning(job, [{ name: "q", max_running: 3, running: 3 }], [worker]), /3 jobs over all workers/);
  const keyed = { ...job, state: "waiting", status: "waiting", concurrency_keys: ["tenant:7", "api"] };
  assert.match(whyNotRunning(keyed, [], [worker]), /tenant:7 and api/);
  assert.equal(whyNotRunning({ ...keyed, concurrency_keys: [] }, [], [worker]), null);
  assert.equal(whyNotRunning({ ...job, status: "scheduled" }, [], []), null);
});
