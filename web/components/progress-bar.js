// The bar that shows how far a job is, and its percent as text. Must never make up a percent.

import { shownState } from "../lib/job-state.js";
import { html } from "../ui/html.js";

/**
 * Without a percent it shows activity only.
 * @param {{ label: string, job: Job, hidden?: boolean }} props
 */
export function ProgressBar({ label, job, hidden = false }) {
  const percent = percentOf(job);
  const name = percent === null && job.state === "running" ? "progress unknown" : "progress";
  return html`<div class=${name} role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" hidden=${hidden} data-state=${shownState(job)}
    aria-valuenow=${percent === null ? null : Math.round(percent)} aria-valuetext=${job.progress?.step}><span class="fill" style=${{ "--part": String((percent ?? 0) / 100) }}></span></div>`;
}

/**
 * The percent as text: `62 %`, or nothing.
 * @param {Job} job
 */
export function percentText(job) {
  const percent = percentOf(job);
  return percent === null ? "" : `${Math.floor(percent)} %`;
}

/**
 * The job's percent, or null.
 * @param {Job} job
 */
function percentOf(job) {
  if (job.state === "completed") return 100;
  const percent = job.progress?.percent;
  return typeof percent === "number" ? Math.min(100, Math.max(0, percent)) : null;
}
