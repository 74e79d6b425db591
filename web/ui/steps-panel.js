// The stored steps of a job, with what each gave and the job that it made. Must never show more of an output than a line.

import { path } from "../lib/api.js";
import { DataTable } from "./data-table.js";
import { html } from "./html.js";
import { Link, Moment } from "./parts.js";

/** @type {Column<Api.StepRecord>[]} */
const COLUMNS = [
  { word: "Step", main: true, cell: ({ name }) => html`<span title=${name}>${name}</span>` },
  { word: "Output", cell: ({ output, spawned_id: child }) => (child ? html`<${Link} to=${path`/jobs/${child}`}>its job</${Link}>` : html`<code>${JSON.stringify(output)?.slice(0, 200) ?? "–"}</code>`) },
  { word: "Attempt", width: "80px", end: true, cell: ({ attempt }) => attempt },
  { word: "Stored", width: "100px", cell: ({ created_at: at }) => html`<${Moment} at=${at} />` },
];

/** @param {{ steps: Api.StepRecord[] }} props */
export function StepsPanel({ steps }) {
  if (steps.length === 0) return null;
  return html`<section><h2>Steps</h2><${DataTable} caption="Steps" columns=${COLUMNS} rows=${steps} keyOf=${(/** @type {Api.StepRecord} */ { name }) => name} /></section>`;
}
