// The actions on one job as buttons: run now, retry, cancel, and enqueue a similar job. Must never offer one that the job's
// state refuses.

import { path, post } from "../lib/api.js";
import { finished, shownState } from "../lib/job-state.js";
import { html } from "../ui/html.js";
import { ActionButton } from "../ui/parts.js";

const NEEDED = "enqueue"; // the scope for acts on one job

/**
 * `onDone(answer, verb)` gets the answer, `onProblem(problem)` a refusal.
 * @param {{ job: Job, onDone: (answer: Job, verb: string) => void, onProblem: (problem: Problem | null) => void, onSimilar: () => void }} props
 */
export function JobActions({ job, onDone, onProblem, onSimilar }) {
  /**
   * @param {string} verb
   * @param {string} word
   * @param {object} [rest]
   */
  const button = (verb, word, rest) => html`<${ActionButton} key=${verb} needs=${NEEDED} act=${() => post(path`/jobs/${job.id}/` + verb)}
    onDone=${/** @param {Job} answer */ (answer) => onDone(answer, verb)} onProblem=${onProblem} ...${rest}>${word}</${ActionButton}>`;
  return html`<div class="row actions">
    ${["scheduled", "retrying"].includes(shownState(job)) && button("run-now", "Run now")}
    ${finished(job) && button("retry", job.state === "completed" ? "Run again" : "Retry", { confirm: job.state === "completed" && AGAIN })}
    ${!finished(job) && !job.cancel_requested_at && button("cancel", "Cancel", { class: "danger", confirm: cancelling(job) })}
    <${ActionButton} class="quiet" needs=${NEEDED} act=${onSimilar}>Enqueue similar</${ActionButton}>
  </div>`;
}

const AGAIN = { title: "Run this job again?", text: "It completed once. Running it again replaces its result.", action: "Run again" };

/** @param {Job} job */
function cancelling(job) {
  const text = job.state === "running" ? "Its handler is asked to stop now. Work that it has already done outside stays done." : "It will not run.";
  return { title: `Cancel this ${job.kind} job?`, text, action: "Cancel the job", danger: true, keep: "Keep it" };
}
