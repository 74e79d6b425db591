import assert from "node:assert/strict";
import { test } from "node:test";
import { errorOf, whyCancelled } from "../lib/job-error.js";

const PARENT = "0192aaaa-0000-7000-8000-000000000001";
const early = (error) => ({ state: "cancelled", status: "cancelled", attempt: 0, max_attempts: 5, error: { permanent: true, ...error } });

test("a job cancelled because of another one did not fail, and names the other", () => {
  for (const [outcome, ended] of [["cancelled", "was cancelled"], ["failed", "failed"], ["gone", "did not complete"]]) {
    const job = early({ type: "dependency_failed", parent_id: PARENT, message: `the required job build is ${outcome}` });
    const error = errorOf(job);
    assert.deepEqual([error.failed, error.text, error.parent], [false, "", { id: PARENT, name: "build", ended }]);
    assert.match(error.hint, /^It did not run\./);
    assert.equal(whyCancelled(job), `the job it waits for, build, ${ended}`);
  }
  assert.equal(errorOf(early({ type: "dependency_failed", parent_id: PARENT })).parent.name, PARENT);
  assert.equal(whyCancelled(early({ type: "dependency_failed", parent_id: PARENT, message: `the required job ${PARENT} is failed` })), "the job it waits for failed");
});

test("a job that expired or was not needed did not fail either", () => {
  assert.match(errorOf(early({ type: "expired", message: "no worker" })).title, /^Cancelled: no worker started it/);
  assert.equal(errorOf(early({ type: "skipped", message: "the job was not needed: none of its parents failed" })).text, "none of its parents failed");
  assert.equal(errorOf(early({ type: "other", message: "m" })).failed, false);
});

test("what is left of such an end is not shown once the job is live again", () => {
  assert.equal(errorOf({ ...early({ type: "dependency_failed" }), state: "available" }), null);
});

test("the error of an attempt is a failure; only the last one says that no other follows", () => {
  const job = { state: "failed", attempt: 3, max_attempts: 3, error: { type: "exit_code", message: "boom" } };
  assert.deepEqual([errorOf(job).title, errorOf(job).hint], ["Failed: exit_code", "No attempt is left (3 of 3)."]);
  assert.match(errorOf({ ...job, error: { ...job.error, permanent: true } }).hint, /^Permanent/);
  const cancelled = errorOf({ ...job, state: "cancelled", error: { message: "boom", permanent: true } });
  assert.deepEqual([cancelled.title, cancelled.hint, cancelled.failed], ["Last attempt failed", "", true]);
  assert.equal(errorOf({ ...job, state: "completed" }), null);
});
