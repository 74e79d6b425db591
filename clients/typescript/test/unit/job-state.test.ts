// What events change in a job.

import { describe, expect, it } from "vitest";
import type { Job, JobEvent } from "../../src/core/index.js";
import { afterDocument, afterEvent } from "../../src/live/job-state.js";

const job = {
  id: "j",
  state: "running",
  status: "running",
  attempt: 2,
  progress: null,
  started_at: "2026-01-01T00:00:01Z",
} as Job;
const event = (type: string, more: Partial<JobEvent> = {}): JobEvent => ({
  type,
  id: "5",
  job_id: "j",
  seq: 5,
  attempt: 2,
  at: "2026-01-01T00:00:02Z",
  ...more,
});

describe("afterEvent", () => {
  it("takes progress, and keeps what a later one leaves out", () => {
    const first = afterEvent(job, event("progress", { percent: 10, step: "one" }))!;
    const second = afterEvent(first, event("progress", { percent: 20, seq: 6 }))!;
    expect(second.progress).toMatchObject({ percent: 20, step: "one", seq: 6 });
    expect(afterEvent(second, event("progress", { percent: 10 }))).toBe(second);
  });

  it("passes over events of an earlier attempt, and of a job that is over", () => {
    expect(afterEvent(job, event("failed", { attempt: 1 }))).toBe(job);
    const over = afterEvent(job, event("completed", { result: 1 }))!;
    expect(over).toMatchObject({
      state: "completed",
      status: "completed",
      result: 1,
      finished_at: "2026-01-01T00:00:02Z",
    });
    expect(afterEvent(over, event("progress", { percent: 1 }))).toBe(over);
    expect(afterEvent(over, event("completed"))).toBe(over);
  });

  it("knows from news of a later attempt that it runs", () => {
    const waits = { ...job, state: "available", status: "retrying", attempt: 2 } as Job;
    expect(afterEvent(waits, event("log", { attempt: 3 }))).toMatchObject({
      state: "running",
      attempt: 3,
      progress: null,
    });
  });
});

describe("afterDocument", () => {
  it("keeps progress that is newer than the document", () => {
    const known = afterEvent(job, event("progress", { percent: 50 }))!;
    expect(afterDocument(known, job).progress?.percent).toBe(50);
    expect(afterDocument(known, { ...job, attempt: 3 }).progress).toBeNull();
  });
});
