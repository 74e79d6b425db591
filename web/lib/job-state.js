// The states of a job, and how events change a job's document. Pure; an event that is older than the document must
// never change the document.

/**
 * The final states.
 * @type {Set<string>}
 */
export const FINAL = new Set(["completed", "failed", "cancelled"]);

/** The states by which lists can be filtered, in the order of the tabs. */
export const STATES = ["running", "available", "scheduled", "retrying", "waiting", "completed", "failed", "cancelled"];

/**
 * The meaning of each shown state, in a sentence.
 * @type {Record<string, string>}
 */
export const MEANING = {
  waiting: "Waits for other jobs, a signal or a limit.",
  available: "Ready: a free worker that serves its queue and kind takes it.",
  scheduled: "Starts at its time.",
  retrying: "An attempt failed; it will be tried again.",
  running: "A worker runs it.",
  completed: "Done.",
  failed: "No attempts left, or a permanent error.",
  cancelled: "Cancelled before it completed.",
};

/**
 * The state to show, which is more precise than the stored one: `scheduled` and `retrying` are stored as `available`.
 * @param {Job} job
 */
export function shownState(job) {
  return job.status ?? job.state;
}

/**
 * Whether the job has ended.
 * @param {Job} job
 */
export function finished(job) {
  return FINAL.has(job.state);
}

/**
 * Whether there may be a reason why it does not run.
 * @param {Job} job
 */
export function notStarted(job) {
  return ["available", "waiting"].includes(job.state);
}

/**
 * The job as it is after an event of its stream. A stream begins with a snapshot and then repeats events from before
 * it; `seen_at` is the time of that snapshot; the document already includes the events up to that time.
 * @param {Job} job
 * @param {Frame} event
 * @returns {Job}
 */
export function afterEvent(job, { type, data }) {
  if (type === "snapshot") return { ...job, ...(data.job ?? documentIn(data)), seen_at: data.at ?? job.seen_at };
  if (FINAL.has(type)) return ended(job, type, data);
  if (finished(job) || (data.attempt ?? 0) < (job.attempt ?? 0)) return job;
  const known = job.seen_at !== undefined && data.at <= job.seen_at;
  switch (type) {
    case "progress":
      return known && data.attempt > (job.attempt ?? 0) ? job : withProgress(started(job, data), data);
    case "log":
    case "step":
      return known ? job : started(job, data);
    case "cancel_requested":
      return known ? job : { ...job, cancel_requested_at: job.cancel_requested_at ?? data.at };
    case "retry":
    case "snoozed":
      return known ? job : givenBack(job, type === "retry" ? "retrying" : "scheduled", data);
    default:
      return job;
  }
}

/**
 * Applies a document that was read later; the time of the last snapshot is kept.
 * @param {Job | null | undefined} before
 * @param {Job} job
 * @returns {Job}
 */
export function readAgain(before, job) {
  return before?.seen_at === undefined ? job : { ...job, seen_at: before.seen_at };
}

/** @param {EventData} data */
function documentIn(data) {
  const { seq, at, ...fields } = data;
  return fields.state ? fields : {};
}

/**
 * @param {Job} job
 * @param {string} type
 * @param {EventData} data
 */
function ended(job, type, data) {
  /** @type {Job} */
  const known = { ...job, state: /** @type {Api.JobState} */ (type), status: type, finished_at: data.finished_at ?? job.finished_at ?? data.at ?? null };
  if (data.result !== undefined) known.result = data.result;
  if (data.error !== undefined) known.error = data.error;
  return known;
}

/**
 * An event of a later attempt means that the job runs now, because the start of an attempt has no event.
 * @param {Job} job
 * @param {EventData} data
 * @returns {Job}
 */
function started(job, data) {
  if (!(data.attempt > (job.attempt ?? 0))) return job;
  return { ...job, state: "running", status: "running", attempt: data.attempt, started_at: data.at, progress: null };
}

/**
 * The attempt ended and another one follows; an event of an earlier attempt changes nothing.
 * @param {Job} job
 * @param {string} status
 * @param {EventData} data
 * @returns {Job}
 */
function givenBack(job, status, data) {
  if (job.state !== "running" || data.at < (job.started_at ?? "")) return job;
  return { ...job, state: "available", status, attempt: data.attempt ?? job.attempt, run_at: data.run_at ?? job.run_at };
}

/**
 * @param {Job} job
 * @param {EventData} data
 * @returns {Job}
 */
function withProgress(job, data) {
  if (job.progress && data.seq <= job.progress.seq) return job;
  /** @type {Partial<Api.Progress>} */
  const before = job.progress ?? {};
  return {
    ...job,
    progress: {
      percent: data.percent ?? before.percent ?? null,
      step: data.step ?? before.step ?? null,
      data: data.data ?? before.data ?? null,
      seq: data.seq,
      updated_at: data.at,
    },
  };
}
