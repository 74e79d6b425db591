import assert from "node:assert/strict";
import { test } from "node:test";
import { expectedStart, reasonsOf } from "../lib/explanation.js";

const job = { queue: "q", kind: "k" };
const of = (...reasons) => reasonsOf({ reasons: reasons.map((reason) => ({ details: {}, until: null, ...reason })) }, job);

test("a wait for other jobs links each of them by its name", () => {
  const [reason] = of({ code: "waits_for_jobs", message: "the job waits for 2 of its jobs: build, test", details: { open: 2, jobs: ["1", "2"] } });
  assert.deepEqual([reason.text, reason.jobs, reason.usual], ["It waits for 2 other jobs:", [{ id: "1", name: "build" }, { id: "2", name: "test" }], true]);
  const [many] = of({ code: "waits_for_jobs", message: "the job waits for 9 of its jobs: a,b, c, …", details: { open: 9, jobs: ["1"] } });
  assert.deepEqual(many.jobs, [{ id: "1", name: "1" }]);
});

test("a full limit names the jobs that hold it", () => {
  const [reason] = of({ code: "limit_full", message: "the limit api is full: 1 of 1 jobs run", details: { held_by: ["7"] } });
  assert.deepEqual([reason.text, reason.jobs], ["The limit api is full: 1 of 1 jobs run. Held by", [{ id: "7", name: "7" }]]);
});

test("times are written as on the rest of the page, and what a person can do follows", () => {
  const [due] = of({ code: "not_due", message: "the job is not due until 2026-11-30T04:21:01Z", until: "2026-11-30T04:21:01.2Z" });
  assert.deepEqual([due.text, due.until], ["It is not due until 2026-11-30 04:21:01 UTC.", "2026-11-30T04:21:01.2Z"]);
  const [again] = of({ code: "retrying", message: "attempt 1 failed (a; b); the next attempt is due at 2026-11-30T04:21:01Z" });
  assert.equal(again.text, "The next attempt is due at 2026-11-30 04:21:01 UTC.");
  const [spelling, queue] = of({ code: "no_worker", message: "no live worker serves the kind k", details: { last_seen_at: null } }, { code: "no_worker_in_queue", message: "x" });
  assert.deepEqual([spelling.usual, /spelt/.test(spelling.advice), queue.advice], [false, true, "Start one with “tidemill worker --queue q=1”."]);
});

test("a job that starts or runs has no reason, and a known time is not estimated again", () => {
  assert.deepEqual(of({ code: "starting", message: "x" }, { code: "running", message: "x" }), []);
  const explained = (code) => ({ reasons: [{ code, message: "x", details: {} }], expected_start_at: "t" });
  assert.deepEqual([expectedStart(explained("not_due")), expectedStart(explained("workers_busy")), expectedStart(explained("starting"))], [null, "t", null]);
});
