// The jobs around a job in its workflow: those that it waits for, and those that wait for it. Must never hide the way to the
// whole workflow.

import { path } from "../lib/api.js";
import { html } from "./html.js";
import { Link } from "./parts.js";
import { StateTag } from "./state-tag.js";

const MOST = 20; // jobs of each side; the page of the workflow has all

/** @param {{ job: Job, workflow: Api.WorkflowDocument | null }} props */
export function NeighboursPanel({ job, workflow }) {
  const me = workflow?.jobs.find(({ id }) => id === job.id);
  if (!workflow || !me) return null;
  const side = (/** @type {string} */ word, /** @type {Api.WorkflowMember[]} */ jobs) => jobs.length > 0 && html`<p class="small muted">${word}</p>
    <ul class="plain" role="list">${jobs.slice(0, MOST).map(({ id, name, status }) => html`<li class="row wrap"><${Link} to=${path`/jobs/${id}`}>${name}</${Link}><${StateTag} state=${status} /></li>`)}</ul>`;
  return html`<section class="panel" aria-labelledby="workflow-title"><h2 id="workflow-title">Workflow</h2>
    <p><${Link} to=${path`/workflows/${workflow.id}`}>${workflow.name || workflow.id}</${Link}>: ${workflow.done} of ${workflow.members} done</p>
    ${side("It waits for", workflow.jobs.filter(({ name }) => me.after.includes(name)))}${side("Wait for it", workflow.jobs.filter(({ after }) => after.includes(me.name)))}
  </section>`;
}
