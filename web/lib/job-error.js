// A job's error for a person: the reason for the end of the job or of its last attempt. Pure; must never call a job
// failed if it did not run.

/**
 * Error types of jobs that were cancelled before their first attempt.
 * @type {Set<string | undefined>}
 */
const BEFORE_START = new Set(["dependency_failed", "skipped", "expired"]);

/**
 * `{title, parent, text, hint, failed}` or null if there is nothing to say. `parent` is the job whose end was the
 * reason: `{id, name, ended}`; it follows the title.
 * @param {Job} job
 */
export function errorOf(job) {
  const error = job.error;
  if (!error || job.state === "completed") return null;
  if (BEFORE_START.has(error.type)) return job.state === "cancelled" ? cancelledEarly(job, error) : null;
  if (job.state === "cancelled" && !job.attempt) return { title: titled("Cancelled", error.type), parent: null, text: messageOf(error), hint: "It did not run.", failed: false };
  const title = titled(job.state === "failed" ? "Failed" : "Last attempt failed", error.type);
  return { title, parent: null, text: messageOf(error), hint: hintOf(job, error), failed: true };
}

/**
 * The reason of a job that was cancelled before it started, in one sentence, or null.
 * @param {Job} job
 */
export function whyCancelled(job) {
  if (job.state !== "cancelled" || !job.error || !BEFORE_START.has(job.error.type)) return null;
  const { title, parent } = cancelledEarly(job, job.error);
  if (!parent) return title.replace(/^Cancelled: /, "");
  return parent.name === parent.id ? `the job it waits for ${parent.ended}` : `the job it waits for, ${parent.name}, ${parent.ended}`;
}

/**
 * @param {Job} job
 * @param {JobError} error
 */
function cancelledEarly(job, error) {
  const hint = job.attempt > 0 ? "" : "It did not run.";
  if (error.type === "expired") return { title: "Cancelled: no worker started it before it expired", parent: null, text: "", hint, failed: false };
  if (error.type === "skipped") return { title: "Cancelled: it was not needed", parent: null, text: afterColon(messageOf(error)), hint, failed: false };
  const [, name, outcome] = /^the required job (.*) is (\w+)$/s.exec(error.message ?? "") ?? [];
  const ended = { failed: "failed", cancelled: "was cancelled", skipped: "was skipped" }[outcome] ?? "did not complete";
  const parent = { id: error.parent_id ?? null, name: name ?? error.parent_id ?? "", ended };
  return { title: "Cancelled: the job it waits for,", parent, text: "", hint: [hint, "Retry runs it without that job."].filter(Boolean).join(" "), failed: false };
}

/**
 * @param {Job} job
 * @param {JobError} error
 */
function hintOf(job, error) {
  if (job.state !== "failed") return "";
  return error.permanent ? "Permanent: the handler reported an error that a retry cannot solve." : `No attempt is left (${job.attempt} of ${job.max_attempts}).`;
}

/** @param {JobError} error */
function messageOf(error) {
  return error.message ?? JSON.stringify(error);
}

/**
 * @param {string} word
 * @param {string} [type]
 */
function titled(word, type) {
  return type ? `${word}: ${type}` : word;
}

/** @param {string} message */
function afterColon(message) {
  return message.replace(/^the job was not needed: /, "");
}
