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
