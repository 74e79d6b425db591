// The page of the operations: acts on all jobs that match, with what became of them. Must never start one: the form in
// operation-start.js does.

import { filterWords, skippedOf, titleOf } from "../lib/operation.js";
import { DataTable, Pager, pageIn } from "../ui/data-table.js";
import { html, useEffect, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { Empty, Link, Moment, PageHead, Shown } from "../ui/parts.js";
import { OperationState } from "../ui/operation-parts.js";

const WHILE_RUNNING = 2000; // milliseconds between two reads, because no event reports the progress of an operation

/** @param {PageProps} props */
export function Page({ query, navigate }) {
  const [runs, setRuns] = useState(false);
  /** @type {Live<Items<Api.OperationDocument>>} */
  const live = useResource(pageIn("/operations", query), "all=true", runs ? WHILE_RUNNING : null);
  useEffect(() => setRuns(live.data?.items.some((each) => each.state === "running") ?? false), [live.data]);
  return html`<div class="page">
    <${PageHead} title="Operations" live=${live}>
      <${Link} class="button" to="/operations/new">New operation</${Link}>
    </${PageHead}>
    <${Shown} live=${live}>${/** @param {Items<Api.OperationDocument>} page */ ({ items, next_cursor: next }) => items.length === 0
      ? html`<${Empty} title="No operations"><p>An operation cancels, retries, moves or deletes all jobs that match a filter, no faster than the given rate, and reports the outcome of each. Start one here, or from the list of jobs with its filter.</p></${Empty}>`
      : html`<${Operations} rows=${items} /><${Pager} path="/operations" query=${query} next=${next} navigate=${navigate} />`}</${Shown}>
  </div>`;
}

/** @param {{ rows: Api.OperationDocument[] }} props */
function Operations({ rows }) {
  /** @type {Column<Api.OperationDocument>[]} */
  const columns = [
    { word: "Operation", main: true, width: "230px", cell: (row) => html`<${Link} to=${`/operations/${row.id}`}>${titleOf(row)}</${Link}>` },
    { word: "Jobs", cell: (row) => html`<span title=${filterWords(row.filter)}>${filterWords(row.filter)}</span>` },
    { word: "State", width: "120px", cell: (row) => html`<${OperationState} operation=${row} />` },
    { word: "Done", width: "130px", end: true, cell: (row) => (row.expected === null || row.state === "done" ? row.done.toLocaleString("en") : `${row.done.toLocaleString("en")} of ${row.expected.toLocaleString("en")}`) },
    { word: "Skipped", width: "90px", end: true, cell: (row) => html`<span title=${skippedOf(row).reasons.join(", ") || null}>${skippedOf(row).count.toLocaleString("en")}</span>` },
    { word: "Failed", width: "80px", end: true, cell: (row) => row.failed.toLocaleString("en") },
    { word: "By", width: "110px", cell: (row) => html`<span title=${row.who}>${row.who}</span>` },
    { word: "Started", width: "100px", cell: (row) => html`<${Moment} at=${row.created_at} />` },
  ];
  return html`<${DataTable} caption="Operations" columns=${columns} rows=${rows} keyOf=${/** @param {Api.OperationDocument} row */ (row) => row.id} />`;
}
