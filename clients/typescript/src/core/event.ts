// Parses the frames of a stream into events of jobs. Must never throw because of a handler's data.

import type { Frame } from "./sse.js";
import { FINAL, type Job, type JobEvent } from "./types.js";

/**
 * The event in a frame; undefined if the frame is not about a job. The id is the position in the job, even in a stream
 * of many jobs.
 */
export function eventOf(frame: Frame): JobEvent | undefined {
  let data: Record<string, unknown>;
  try {
    data = JSON.parse(frame.data);
  } catch {
    return undefined;
  }
  const { job_id, seq, attempt, at, ...own } = data as Record<string, unknown> & JobEvent;
  if (typeof job_id !== "string" || typeof seq !== "number") return undefined;
  const id = FINAL.has(frame.type) ? `${seq}-end` : `${seq}`;
  const rest = frame.type === "snapshot" ? { job: { ...own, attempt } as unknown as Job } : own;
  return { ...rest, type: frame.type, id, job_id, seq, attempt, at };
}

/** The number in a position such as `12` or `12-end`. */
export function seqOf(lastEventId: string | null | undefined): number {
  return Number.parseInt(lastEventId ?? "0", 10) || 0;
}
