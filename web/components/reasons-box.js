// The box that says why a job does not run yet, with links to the jobs that hold it up. Must never say it of a job that
// runs.

import { path } from "../lib/api.js";
import { expectedStart, reasonsOf } from "../lib/explanation.js";
import { notStarted } from "../lib/job-state.js";
import { html } from "../ui/html.js";
import { Link, Moment } from "../ui/parts.js";

/**
 * `explanation` is one of the API, or null.
 * @param {{ explanation: Api.Explanation | null, job: Job }} props
 */
export function ReasonsBox({ explanation, job }) {
  const reasons = explanation && notStarted(job) ? reasonsOf(explanation, job) : [];
  const start = reasons.length > 0 ? expectedStart(explanation) : null;
  return html`<div class="hint-box" role="status" hidden=${reasons.length === 0} data-tone=${reasons.every((reason) => reason.usual) ? "idle" : "warn"}>
    ${reasons.map((reason) => html`<${Reason} ...${reason} />`)}
    ${start && html`<p class="small">Expected to start <${Moment} at=${start} />.</p>`}</div>`;
}

/** @param {ReturnType<typeof reasonsOf>[number]} props */
function Reason({ text, jobs, until, advice }) {
  return html`<p>${text}${jobs.map(({ id, name }, index) => html`${index > 0 ? ", " : " "}<${Link} to=${path`/jobs/${id}`}>${name}</${Link}>`)}
    ${until && html` (<${Moment} at=${until} />)`}${advice && ` ${advice}`}</p>`;
}
