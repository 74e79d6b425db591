import assert from "node:assert/strict";
import { test } from "node:test";
import { timelineEntries } from "../lib/timeline-entries.js";

const at = (second) => `2026-11-22T12:00:${String(second).padStart(2, "0")}.000000Z`;
const running = { id: "j", state: "running", status: "running", queue: "q", attempt: 2, started_at: at(10), created_at: at(0), progress: { percent: 40, step: "link", seq: 9 } };
const event = (type, data) => ({ type, data: { job_id: "j", attempt: 2, ...data } });

test("the entries are in order of time, the final state last", () => {
  const job = { ...running, state: "failed", status: "failed", finished_at: at(20), error: { message: "boom" } };
  const titles = timelineEntries(job, [event("attempt_failed", { attempt: 1, at: at(5), error: { message: "a" } }), event("half_way", { at: at(12), n: 1 })]);
  assert.deepEqual(titles.map((entry) => entry.title), ["Enqueued", "Attempt 1 failed", "Attempt 2 started", "Half way", "Failed"]);
  assert.equal(titles[3].text, '{"n":1}');
});

test("events of the engine are sentences, and say whether a person acted", () => {
  const shown = (type, data) => {
    const entry = timelineEntries({ ...running, started_at: null }, [event(type, { at: at(5), seq: 1, ...data })])[1];
    return entry.text ? `${entry.title} / ${entry.text}` : entry.title;
  };
  assert.equal(shown("snoozed", { by: "ann", run_at: at(30) }), "Put off by ann / until 2026-11-22 12:00:30 UTC");
  assert.match(shown("snoozed", { run_at: at(30) }), /^Snoozed by its handler/);
  assert.match(shown("retry", { by: "ann", was_due_at: at(30) }), /^Run now by ann \/ It was due at/);
  assert.equal(shown("retry", { by: "ann" }), "Retried by ann");
  assert.match(shown("retry", { run_at: at(30) }), /^Will be retried \/ until/);
  assert.equal(shown("cancel_requested", { by: "ann", reason: "too late" }), "Cancel requested / by ann: too late");
  assert.equal(shown("replaced", { by: "ann", fields: ["args", "run_at"] }), "Changed by ann / args, time");
  assert.equal(shown("signal", { name: "go", by: "ann" }), "Signal go received / by ann");
  assert.equal(shown("extended", { by_seconds: 300, hard_timeout_seconds: 900 }), "Given 5 min 00 s more / The attempt may now take 15 min 00 s.");
  assert.equal(shown("spawned", { name: "child" }), "Enqueued another job / child");
  assert.equal(shown("waits", { for: { signal: "go" } }), "Waits / for the signal go");
  for (const type of ["replaced", "signal", "extended", "spawned", "waits", "forked", "expired", "released", "snoozed", "retry", "reset"]) {
    assert.doesNotMatch(shown(type, { lease_id: "x" }), /[{}]|undefined|null/, type);
  }
});

test("the end names a failure once, and none that did not happen", () => {
  const job = { ...running, state: "cancelled", status: "cancelled", attempt: 0, started_at: null, finished_at: at(9), error: { type: "dependency_failed", parent_id: "p", message: "the required job p is failed" } };
  assert.equal(timelineEntries(job, []).at(-1).text, "the job it waits for failed");
  const failed = { ...running, state: "cancelled", status: "cancelled", finished_at: at(20), error: { message: "boom" } };
  const entries = timelineEntries(failed, [event("attempt_failed", { at: at(11), error: { message: "boom" } }), event("cancel_requested", { at: at(12), by: "ann" })]);
  assert.equal(entries.at(-1).text, "");
});
