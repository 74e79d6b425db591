import assert from "node:assert/strict";
import { test } from "node:test";
import { afterEvent, readAgain } from "../lib/job-state.js";

const at = (second) => `2026-11-22T12:00:${String(second).padStart(2, "0")}.000000Z`;
const running = { id: "j", state: "running", status: "running", queue: "q", attempt: 2, started_at: at(10), created_at: at(0), progress: { percent: 40, step: "link", seq: 9 } };
const event = (type, data) => ({ type, data: { job_id: "j", attempt: 2, ...data } });

test("progress moves forward only, and keeps what it does not name", () => {
  assert.equal(afterEvent(running, event("progress", { seq: 9, percent: 1, at: at(11) })), running);
  const moved = afterEvent(running, event("progress", { seq: 10, percent: 50, at: at(11) }));
  assert.deepEqual(moved.progress, { percent: 50, step: "link", data: null, seq: 10, updated_at: at(11) });
});

test("an event of an earlier attempt changes nothing", () => {
  assert.equal(afterEvent(running, event("retry", { seq: 3, attempt: 1, at: at(4) })), running);
  assert.equal(afterEvent(running, event("progress", { seq: 30, attempt: 1, percent: 99, at: at(4) })), running);
});

test("an event of a later attempt means that the job runs", () => {
  const waiting = { ...running, state: "available", status: "retrying" };
  const job = afterEvent(waiting, event("log", { seq: 12, attempt: 3, line: "hello", at: at(20) }));
  assert.deepEqual([job.state, job.status, job.attempt, job.started_at, job.progress], ["running", "running", 3, at(20), null]);
});

test("a retry gives the job back, a final event ends it, and nothing follows the end", () => {
  const back = afterEvent(running, event("retry", { seq: 10, at: at(12), run_at: at(30) }));
  assert.deepEqual([back.state, back.status, back.run_at], ["available", "retrying", at(30)]);
  const done = afterEvent(running, event("completed", { at: at(15), result: { size: 1 } }));
  assert.deepEqual([done.state, done.status, done.finished_at, done.result], ["completed", "completed", at(15), { size: 1 }]);
  assert.equal(afterEvent(done, event("progress", { seq: 99, percent: 1, at: at(16) })), done);
});

test("a snapshot replaces, nested or flat", () => {
  assert.equal(afterEvent(running, event("snapshot", { job: { state: "failed" } })).state, "failed");
  assert.equal(afterEvent(running, event("snapshot", { state: "failed", seq: 0, at: at(1) })).state, "failed");
  assert.equal(afterEvent(running, event("snapshot", { seq: 0, at: at(1) })).state, "running");
});

test("a stream that repeats old events never overrides the snapshot before them", () => {
  const retried = { ...running, state: "available", status: "available", attempt: 0, started_at: null, progress: null, cancel_requested_at: null };
  let job = afterEvent(retried, event("snapshot", { ...retried, seq: 0, at: at(30) }));
  const old = [["log", 1], ["progress", 1], ["cancel_requested", 0], ["retry", 0], ["snoozed", 1]];
  for (const [type, attempt] of old) job = afterEvent(job, event(type, { attempt, seq: 1, percent: 5, at: at(20) }));
  assert.deepEqual({ ...job, seen_at: undefined }, { ...retried, seen_at: undefined, job_id: job.job_id });
  job = readAgain(job, retried);
  assert.equal(afterEvent(job, event("cancel_requested", { attempt: 0, seq: 1, at: at(20) })).cancel_requested_at, null);
  assert.equal(afterEvent(job, event("cancel_requested", { attempt: 0, seq: 9, at: at(31) })).cancel_requested_at, at(31));
});
