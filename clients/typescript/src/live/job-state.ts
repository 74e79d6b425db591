// Applies events to the known state of a job. Pure; an older event must never undo a newer one.

import { FINAL, type Job, type JobEvent } from "../core/types.js";

/** The job after an event; the same object if nothing changes. Null means that nothing is known of the job yet. */
export function afterEvent(job: Job | null, event: JobEvent): Job | null {
  if (event.type === "snapshot") return afterDocument(job, event.job as Job);
  if (!job || event.attempt < job.attempt) return job;
  if (FINAL.has(event.type)) return ended(job, event);
  if (FINAL.has(job.state) && event.attempt === job.attempt) return job;
  switch (event.type) {
    case "progress":
      return withProgress(started(job, event), event);
    case "log":
    case "step":
      return started(job, event);
    case "cancel_requested":
      return job.cancel_requested_at ? job : { ...job, cancel_requested_at: event.at };
    default:
      return job;
  }
}

/** The job after its document was read; newer progress from the stream is kept. */
export function afterDocument(job: Job | null, document: Job): Job {
  const known = job?.progress;
  const isOlder = (document.progress?.seq ?? 0) < (known?.seq ?? 0) && job?.attempt === document.attempt;
  return isOlder ? { ...document, progress: known } : document;
}

function ended(job: Job, event: JobEvent): Job {
  const state = event.type as Job["state"];
  if (job.state === state && job.finished_at) return job;
  const { result = null, error = null } = event;
  return { ...job, state, status: state, attempt: event.attempt, finished_at: event.at, result, error };
}

/** The start of an attempt has no event of its own: an event of a later attempt means that the job runs. */
function started(job: Job, event: JobEvent): Job {
  if (event.attempt === job.attempt) return job;
  return { ...job, state: "running", status: "running", attempt: event.attempt, started_at: event.at, progress: null };
}

function withProgress(job: Job, event: JobEvent): Job {
  const before = job.progress;
  if (before && event.seq <= before.seq) return job;
  const { percent, step, data, seq, at } = event;
  return {
    ...job,
    progress: {
      percent: percent ?? before?.percent ?? null,
      step: step ?? before?.step ?? null,
      data: data ?? before?.data ?? null,
      seq,
      updated_at: at,
    },
  };
}
