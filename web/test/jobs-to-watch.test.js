import assert from "node:assert/strict";
import { test } from "node:test";
import { jobsToWatch } from "../lib/live/jobs-to-watch.js";

test("running jobs are watched first, finished ones never", () => {
  const jobs = [["1", "waiting"], ["2", "completed"], ["3", "running"], ["4", "available"], ["3", "running"]].map(([id, state]) => ({ id, state }));
  assert.deepEqual(jobsToWatch(jobs, 2), ["3", "4"]);
});
