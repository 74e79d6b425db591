// The page of one workflow: its jobs as a graph and as a table, live, with the buttons that cancel it and retry what
// failed. Must never hide that a failed job was the cause of those that never ran.

import { call } from "../lib/api.js";
import { DataTable } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { ActionButton, Link, Moment, PageHead, ProblemBox, Shown } from "../ui/parts.js";
import { StateTag } from "../ui/state-tag.js";
import { WorkflowGraph } from "../ui/workflow-graph.js";

/** @param {PageProps} props */
export function Page({ params }) {
  const path = `/workflows/${encodeURIComponent(params.name)}`;
  /** @type {Live<Api.WorkflowDocument>} */
  const live = useResource(path, "all=true");
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const workflow = live.data;
  /** @param {string} verb */
  const act = (verb) => () => call("POST", `${path}/${verb}`, verb === "cancel" ? { body: {} } : {});
  const cancel = { title: "Cancel this workflow?", text: "Its jobs that have not finished are cancelled.", action: "Cancel workflow", danger: true };
  return html`<div class="page">
    <${PageHead} title=${workflow?.name || "Workflow"} back=${{ to: "/workflows", word: "Workflows" }} live=${live}>
      ${workflow && !workflow.finished_at && html`<${ActionButton} class="danger" needs="enqueue" confirm=${cancel} act=${act("cancel")} onDone=${live.refresh} onProblem=${setProblem}>Cancel</${ActionButton}>`}
      ${workflow && ["failed", "cancelled"].includes(workflow.status) && html`<${ActionButton} needs="enqueue" act=${act("retry")} onDone=${live.refresh} onProblem=${setProblem}>Retry what failed</${ActionButton}>`}
    </${PageHead}>
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Api.WorkflowDocument} shown */ (shown) => html`
      <div class="row wrap"><${StateTag} state=${shown.status} /><span>${shown.done} of ${shown.members} done</span>
        <span class="muted">created <${Moment} at=${shown.created_at} /></span></div>
      <${WorkflowGraph} jobs=${shown.jobs} />
      <${Jobs} rows=${shown.jobs} />`}</${Shown}>
  </div>`;
}

/** @param {{ rows: Api.WorkflowMember[] }} props */
function Jobs({ rows }) {
  /** @type {Column<Api.WorkflowMember>[]} */
  const columns = [
    { word: "Job", main: true, cell: (job) => html`<${Link} to=${placeOf(job)} title=${job.name}>${job.name}</${Link}>` },
    { word: "State", width: "120px", cell: (job) => html`<${StateTag} state=${job.status} />` },
    { word: "Kind", width: "180px", cell: (job) => html`<span title=${job.kind}>${job.kind}</span>` },
    { word: "Progress", width: "90px", end: true, cell: (job) => (job.percent === null ? "–" : `${Math.round(job.percent)} %`) },
    { word: "Waits for", cell: (job) => html`<span title=${job.after.join(", ")}>${job.after.join(", ") || "–"}</span>` },
    { word: "Error", cell: (job) => html`<span title=${job.error}>${job.error ?? ""}</span>` },
  ];
  return html`<${DataTable} caption="Jobs of the workflow" columns=${columns} rows=${rows} keyOf=${/** @param {Api.WorkflowMember} job */ (job) => job.id} />`;
}

/**
 * The page of a job of a workflow; one that is a workflow itself has a page like this.
 * @param {Api.WorkflowMember} job
 */
export function placeOf(job) {
  return job.kind === "tidemill.workflow" ? `/workflows/${job.id}` : `/jobs/${job.id}`;
}
