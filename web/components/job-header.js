// The head of a job's page: kind, state, progress, times, and the reason for waiting or failing. Must never say that a job
// failed which did not run.

import { path } from "../lib/api.js";
import { between } from "../lib/clock.js";
import { errorOf } from "../lib/job-error.js";
import { finished } from "../lib/job-state.js";
import { html, useElement, useLayoutEffect } from "../ui/html.js";
import { Link, Moment } from "../ui/parts.js";
import { ProgressBar, percentText } from "./progress-bar.js";
import { ReasonsBox } from "./reasons-box.js";
import { withEdges } from "./scroll-edges.js";
import { StateBadge } from "./state-badge.js";

/**
 * `children` are what can be done with it.
 * @param {{ job: Job, explanation: Api.Explanation | null, children?: Child }} props
 */
export function JobHeader({ job, explanation, children }) {
  const error = errorOf(job);
  return html`<header class="panel job-head">
    <div class="row wrap"><div><div class="row wrap"><h1 tabindex="-1">${job.kind}</h1><${StateBadge} job=${job} /></div><p class="muted under">${underTitle(job)}</p></div>
      <span class="spacer"></span>${children}</div>
    <${ReasonsBox} job=${job} explanation=${explanation} />
    ${(job.progress || job.state === "running") && html`<${Progress} job=${job} />`}
    ${error && html`<${ErrorBlock} error=${error} />`}
  </header>`;
}

/** @param {Job} job */
function underTitle(job) {
  const parts = [`queue ${job.queue}`];
  if (job.attempt > 0 || !finished(job)) parts.push(job.attempt > 0 ? `attempt ${job.attempt} of ${job.max_attempts}` : `${job.max_attempts} attempts`);
  if (job.priority !== 5) parts.push(`priority ${job.priority}`);
  if (job.execution_id) parts.push(job.execution_id);
  return parts.join(" · ");
}

/** @param {{ job: Job }} props */
function Progress({ job }) {
  const [isOver, changed] = [finished(job), job.progress?.updated_at];
  const took = isOver && between(job.started_at, job.finished_at);
  return html`<div class="progress-box"><div class="row">
      <strong class="percent">${percentText(job)}</strong><span class="step">${job.state === "completed" ? "" : job.progress?.step}</span><span class="spacer"></span>
      ${changed && !isOver && html`<span class="muted small">changed <${Moment} at=${changed} /></span>`}
      ${took && html`<span class="muted">took ${took}</span>`}
      ${job.state === "running" && html`<${Moment} at=${job.started_at} form="elapsed" none="" />`}
    </div><${ProgressBar} label="Progress" job=${job} /></div>`;
}

/** @param {{ error: NonNullable<ReturnType<typeof errorOf>> }} props */
function ErrorBlock({ error }) {
  const box = useElement();
  useLayoutEffect(() => void withEdges(box.current), []);
  // The last line of a trace says what went wrong.
  useLayoutEffect(() => void (box.current.scrollTop = box.current.scrollHeight), [error.text]);
  return html`<div class="error-block" data-tone=${error.failed ? "bad" : "idle"}><strong>${titleOf(error)}</strong>
    <pre class="error-text" tabindex="0" aria-label="Error text" ref=${box} hidden=${error.text === ""}>${error.text}</pre>
    ${error.hint && html`<p class="small muted">${error.hint}</p>`}</div>`;
}

/**
 * @param {NonNullable<ReturnType<typeof errorOf>>} error
 * @returns {Child}
 */
function titleOf({ title, parent }) {
  if (!parent) return title;
  const name = parent.id ? html`<${Link} to=${path`/jobs/${parent.id}`}>${parent.name}</${Link}>` : parent.name;
  return [`${title} `, name, ` ${parent.ended}`];
}
