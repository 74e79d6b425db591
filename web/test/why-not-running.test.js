import assert from "node:assert/strict";
import { test } from "node:test";
import { toAsk, whyNotRunning } from "../lib/why-not-running.js";

const job = { state: "available", status: "available", queue: "q", kind: "k", run_at: "2026-11-30T00:00:00Z" };
const worker = { queues: ["q"], kinds: ["k"] };

test("why a job does not run", () => {
  assert.match(whyNotRunning(job, [{ name: "q", paused_at: "x", paused_by: "ann" }], [worker]), /paused by ann/);
  for (const none of [[], [{ ...worker, state: "stopped" }, { ...worker, state: "lost" }]]) assert.match(whyNotRunning(job, [], none), /no worker is connected/);
  assert.match(whyNotRunning(job, [], [{ queues: { q: 2 }, kinds: ["x"] }]), /has kind k/);
  assert.match(whyNotRunning(job, [], [{ ...worker, state: "draining" }]), /draining/);
  assert.match(whyNotRunning(job, [{ name: "q", worker_slots: 2, running: 2 }], [worker]), /2 slots/);
  assert.equal(whyNotRunning(job, [{ name: "q", worker_slots: 2, running: 1 }], [worker]), null);
  assert.match(whyNotRunning(job, [{ name: "q", max_running: 3, running: 3 }], [worker]), /limit of 3/);
});

test("whether a queue that no worker lists is served, only the server knows", () => {
  const elsewhere = [{ queues: { other: 2, q: 0 }, kinds: ["k"] }];
  assert.equal(whyNotRunning(job, [], elsewhere), null);
  const due = Date.parse(job.run_at);
  assert.deepEqual([...toAsk([job, { ...job, id: 2 }], elsewhere, due + 4000).values()], [job]);
  assert.equal(toAsk([job], elsewhere, due + 1000).size + toAsk([job], [worker], due + 4000).size + toAsk([{ ...job, kind: "x" }], elsewhere, due + 4000).size, 0);
  const [name] = toAsk([job], elsewhere, due + 4000).keys();
  assert.equal(whyNotRunning(job, [], elsewhere, new Map([[name, "no worker claims from it"]])), "no worker claims from it");
});

test("a waiting job waits for its limits, or for something else; a scheduled or running one has no reason here", () => {
  const keyed = { ...job, state: "waiting", status: "waiting", concurrency_keys: ["tenant:7", "api"] };
  assert.match(whyNotRunning(keyed, [], [worker]), /tenant:7 and api/);
  assert.match(whyNotRunning({ ...keyed, run_at: null }, [], [worker]), /another job or a signal/);
  assert.match(whyNotRunning({ ...keyed, concurrency_keys: [] }, [], [worker]), /another job or a signal/);
  assert.equal(whyNotRunning({ ...job, status: "scheduled" }, [], []), null);
  assert.equal(whyNotRunning({ ...job, state: "running", status: "running" }, [], []), null);
});
