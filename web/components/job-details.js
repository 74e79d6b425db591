// The details of a job's row, as terms and values. Must never show a term without a value.

import { between } from "../lib/clock.js";
import { finished, shownState } from "../lib/job-state.js";
import { html } from "../ui/html.js";
import { Link, Moment } from "../ui/parts.js";
import { CopyButton } from "./copy-button.js";

/** @param {{ job: Job }} props */
export function JobDetails({ job }) {
  return html`<section class="panel" aria-labelledby="details-title"><h2 id="details-title">Details</h2>
    <dl class="job-details">${detailsOf(job).filter(([, value]) => value).map(([term, value]) => html`<div key=${term}><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>
  </section>`;
}

/**
 * @param {Job} job
 * @returns {[string, Child][]}
 */
function detailsOf(job) {
  const ahead = ["scheduled", "retrying"].includes(shownState(job));
  return [
    ["Id", html`<span class="id-box"><code>${job.id}</code><${CopyButton} text=${job.id} /></span>`],
    ["Execution id", job.execution_id && html`<code>${job.execution_id}</code>`],
    ["Origin", originOf(job)],
    ["Queue", html`<${Link} to=${`/queues/${encodeURIComponent(job.queue)}`}>${job.queue}</${Link}>`],
    ["Priority", String(job.priority)],
    ["Concurrency keys", tags(job.concurrency_keys)],
    ["Fair key", job.fair_key],
    ["Expires", !job.started_at && moment(job.expires_at)],
    ["Attempts", `${job.attempt} of ${job.max_attempts}`],
    ["Enqueued", moment(job.created_at)],
    ["Runs", ahead && moment(job.run_at)],
    ["Started", moment(job.started_at)],
    ["Finished", moment(job.finished_at)],
    ["Waited", between(job.created_at, job.started_at)],
    ["Took", finished(job) && between(job.started_at, job.finished_at)],
    ["Worker", job.worker_id && html`<code>${job.worker_id}</code>`],
    ["Tags", tags(job.tags)],
  ];
}

/**
 * The job from which it was enqueued again, with changes.
 *
 * @param {Job} job
 */
function originOf({ metadata }) {
  const id = /** @type {{ origin_job?: unknown } | null} */ (metadata)?.origin_job;
  return typeof id === "string" && html`<${Link} to=${`/jobs/${encodeURIComponent(id)}`}>${id}</${Link}>`;
}

/** @param {string | null} [at] */
const moment = (at) => at && html`<${Moment} at=${at} />`;
/** @param {string[]} [names] */
const tags = (names) => names && names.length > 0 && html`<span class="tags">${names.map((name) => html`<span class="tag">${name}</span>`)}</span>`;
