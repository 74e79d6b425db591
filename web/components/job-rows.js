// The rows and cards of jobs in lists. A text that can be cut must never be without its title.

import { path } from "../lib/api.js";
import { between } from "../lib/clock.js";
import { whyCancelled } from "../lib/job-error.js";
import { finished, shownState } from "../lib/job-state.js";
import { html } from "../ui/html.js";
import { Link, Moment } from "../ui/parts.js";
import { ProgressBar, percentText } from "./progress-bar.js";
import { StateBadge } from "./state-badge.js";

/**
 * A card of a running job: kind, step, bar, time.
 * @param {{ job: Job }} props
 */
export function JobCard({ job }) {
  const step = outcome(job) || (job.progress?.step ?? `queue ${job.queue}`);
  const title = [job.kind, job.execution_id ?? job.id, step].join("\n"); // the link covers the card
  return html`<li class="card job-card" data-finished=${finished(job) ? "" : null}>
    <div class="row"><${JobLink} job=${job} title=${title} /><${NameTag} job=${job} /><span class="spacer"></span>
      <${StateBadge} job=${job} hidden=${shownState(job) === "running" && !job.cancel_requested_at} /></div>
    <${ProgressBar} label=${`Progress of ${job.kind}`} job=${job} />
    <div class="row small"><span class="step">${step}</span><span class="spacer"></span>
      <span class="percent">${percentText(job)}</span><${Moment} at=${finished(job) ? null : job.started_at} form="elapsed" none="" /></div>
  </li>`;
}

/**
 * A row of the job table; \`why\` says why it does not run.
 * @param {{ job: Job, why: string | null }} props
 */
export function JobRow({ job, why }) {
  const runs = job.state === "running";
  const parts = [tryText(job), runs ? percentText(job) : outcome(job) || why, runs && job.progress?.step];
  const what = parts.filter(Boolean).join(" · ");
  return html`<tr role="row">
    <td role="cell" class="cell-state"><${StateBadge} job=${job} why=${why} /></td>
    <th role="rowheader" scope="row" class="cell-job"><${JobLink} job=${job} title=${job.kind} /><${NameTag} job=${job} /></th>
    <td role="cell" class="cell-queue muted" title=${job.queue}>${job.queue}</td>
    <td role="cell" class="cell-what"><${ProgressBar} label=${`Progress of ${job.kind}`} job=${job} hidden=${!runs} />
      <span class=${`what-text ${job.state === "failed" ? "wrong" : ""}`} title=${what}>${what}</span></td>
    <td role="cell" class="cell-when"><${Moment} at=${job.finished_at ?? (runs ? job.started_at : dueAhead(job) ?? job.created_at)} /></td>
  </tr>`;
}

/** @param {{ job: Job, title: string }} props */
function JobLink({ job, title }) {
  return html`<${Link} to=${path`/jobs/${job.id}`} class="job-link" title=${title}>${job.kind}</${Link}>`;
}

/** @param {{ job: Job }} props */
function NameTag({ job }) {
  return html`<span class="muted small" title=${job.execution_id ?? job.id}>${job.execution_id ?? shortId(job.id)}</span>`;
}

/** @param {Job} job */
function tryText(job) {
  return job.attempt > 1 ? `try ${job.attempt}/${job.max_attempts}` : "";
}

/** @param {Job} job */
function dueAhead(job) {
  return ["scheduled", "retrying"].includes(shownState(job)) ? job.run_at : null;
}

/**
 * The outcome of a job in a few words.
 * @param {Job} job
 */
function outcome(job) {
  const took = between(job.started_at, job.finished_at);
  switch (shownState(job)) {
    case "completed":
      return took ? `took ${took}` : "";
    case "failed":
      return firstLine(job.error?.message) || "failed";
    case "cancelled":
      return whyCancelled(job) ?? (took ? `cancelled after ${took}` : "cancelled before it started");
    case "retrying":
      return firstLine(job.error?.message) || `attempt ${job.attempt} failed`;
    default:
      return "";
  }
}

/** @param {string} [text] */
function firstLine(text) {
  return (text ?? "").split("\n", 1)[0].slice(0, 200);
}

/**
 * The end of an id, the part in which ids of the same minute differ.
 * @param {string} id
 */
function shortId(id) {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}
