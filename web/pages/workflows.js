// The page of the workflows: the newest first, and how far each is. Must never load the jobs of a workflow to count them.

import { DataTable, Pager, pageIn } from "../ui/data-table.js";
import { html } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { Empty, Link, Moment, PageHead, Shown } from "../ui/parts.js";
import { StateTag } from "../ui/state-tag.js";

/** @param {PageProps} props */
export function Page({ query, navigate }) {
  /** @type {Live<Items<Api.WorkflowSummary>>} */
  const live = useResource(pageIn("/workflows", query), "all=true");
  return html`<div class="page">
    <${PageHead} title="Workflows" live=${live} />
    <${Shown} live=${live}>${/** @param {Items<Api.WorkflowSummary>} page */ ({ items, next_cursor: next }) => items.length === 0
      ? html`<${Empty} title="No workflows"><p>A workflow is a set of jobs that wait for one another; <code>POST /api/v1/workflows</code> makes one.</p></${Empty}>`
      : html`<${Workflows} rows=${items} /><${Pager} path="/workflows" query=${query} next=${next} navigate=${navigate} />`}</${Shown}>
  </div>`;
}

/** @param {{ rows: Api.WorkflowSummary[] }} props */
function Workflows({ rows }) {
  /** @type {Column<Api.WorkflowSummary>[]} */
  const columns = [
    { word: "Workflow", main: true, cell: (row) => html`<${Link} to=${`/workflows/${row.id}`} title=${row.name}>${row.name || row.id}</${Link}>` },
    { word: "State", width: "120px", cell: (row) => html`<${StateTag} state=${row.status} />` },
    { word: "Done", width: "120px", end: true, cell: (row) => `${row.done} of ${row.members}` },
    { word: "Created", width: "140px", cell: (row) => html`<${Moment} at=${row.created_at} />` },
    { word: "Finished", width: "140px", cell: (row) => html`<${Moment} at=${row.finished_at} />` },
  ];
  return html`<${DataTable} caption="Workflows" columns=${columns} rows=${rows} keyOf=${/** @param {Api.WorkflowSummary} row */ (row) => row.id} />`;
}
