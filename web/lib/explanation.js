// The reasons why a job does not run, from the API's explanation, as sentences for the page. Pure.

import { utc } from "./format-time.js";

/** @typedef {Api.Reason & { details: { [field: string]: any } }} Detailed */

const NO_REASON = new Set(["starting", "running", "finished"]);
const USUAL = new Set(["waits_for_jobs", "waits_for_signal", "not_due", "retrying", "workers_busy", "takes_turns", "expires", "limit_full", "rate_reached"]);

/**
 * The reasons in the order in which to resolve them: `{text, jobs: [{id, name}], until, advice, usual}`; `usual`
 * reasons resolve themselves.
 * @param {Api.Explanation | null} explanation
 * @param {Partial<Job>} job
 */
export function reasonsOf(explanation, job) {
  const reasons = (explanation?.reasons ?? []).filter((reason) => !NO_REASON.has(reason.code));
  return reasons.map((reason) => ({
    text: sentenceOf(reason),
    jobs: jobsOf(reason),
    until: reason.until ?? null,
    advice: adviceFor(reason, job),
    usual: USUAL.has(reason.code),
  }));
}

/**
 * The estimated start, if it adds something to the reasons; otherwise null.
 * @param {Api.Explanation | null} explanation
 */
export function expectedStart(explanation) {
  const reasons = explanation?.reasons ?? [];
  const known = reasons.length === 1 && ["not_due", "retrying"].includes(reasons[0].code);
  return known || reasonsOf(explanation, {}).length === 0 ? null : (explanation?.expected_start_at ?? null);
}

/** @param {Detailed} reason */
function sentenceOf({ code, message, details }) {
  if (code === "waits_for_jobs") return `It waits for ${details.open === 1 ? "another job" : `${details.open} other jobs`}:`;
  if (code === "limit_full" && details.held_by?.length > 0) return `${sentence(message)} Held by`;
  // The head of the page already shows its error.
  if (code === "retrying") return sentence(message.slice(message.lastIndexOf("; ") + 2));
  return sentence(message);
}

/**
 * The message as a sentence about “it”, with times in the format of the page.
 * @param {string} message
 */
export function sentence(message) {
  const text = message.replace(/^the job\b/, "it").replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, (time) => utc(time).replace(".000", ""));
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/**
 * The jobs of a reason; if the job waits for them, the message has their names in the same order.
 * @param {Detailed} reason
 */
function jobsOf({ code, message, details }) {
  const ids = details?.jobs ?? details?.held_by ?? [];
  const names = code === "waits_for_jobs" ? message.slice(message.indexOf(": ") + 2).replace(/, …$/, "").split(", ") : [];
  return /** @type {string[]} */ (ids).map((id, index) => ({ id, name: names.length === ids.length ? names[index] : id }));
}

/**
 * @param {Detailed} reason
 * @param {Partial<Job>} job
 */
function adviceFor({ code, details }, job) {
  switch (code) {
    case "no_worker":
      return details?.last_seen_at ? "Start a worker that has this kind." : "No worker ever had this kind: is it spelt right?";
    case "no_worker_in_queue":
      return `Start one with “tidemill worker --queue ${job.queue}=1”.`;
    case "workers_draining":
      return "Start another one.";
    case "queue_paused":
      return "Resume it on the page of the queue, which Details names.";
    case "breaker_open":
      return `It can be closed at once with “tidemill kinds reset-breaker ${job.kind}”.`;
    default:
      return "";
  }
}
