// The ended attempts of a job: how each ended, its exit, memory and worker. Must never call an attempt failed by its colour
// alone.

import { between } from "../lib/clock.js";
import { size } from "../lib/format-size.js";
import { DataTable } from "./data-table.js";
import { html } from "./html.js";
import { Moment, Tag } from "./parts.js";

/** @type {Column<Api.AttemptRecord>[]} */
const COLUMNS = [
  { word: "Attempt", width: "80px", main: true, cell: ({ attempt }) => attempt },
  { word: "Outcome", width: "130px", cell: ({ outcome }) => html`<${Tag} tone=${outcome === "completed" ? "good" : outcome === "failed" || outcome === "lost" ? "bad" : ""}>${outcome.replaceAll("_", " ")}</${Tag}>` },
  { word: "Exit", width: "120px", cell: exitOf },
  { word: "Memory", width: "90px", end: true, cell: ({ peak_memory_bytes: bytes }) => (bytes ? size(bytes) : "–") },
  { word: "Took", width: "90px", end: true, cell: ({ started_at: start, finished_at: end }) => between(start, end) ?? "–" },
  { word: "Ended", width: "100px", cell: ({ finished_at: end }) => html`<${Moment} at=${end} />` },
  { word: "Worker", cell: ({ worker_id: worker }) => html`<span title=${worker}>${worker}</span>` },
];

/** @param {{ attempts: Api.AttemptRecord[] }} props */
export function AttemptsPanel({ attempts }) {
  if (attempts.length === 0) return null;
  return html`<section><h2>Attempts</h2><${DataTable} caption="Attempts" columns=${COLUMNS} rows=${attempts} keyOf=${(/** @type {Api.AttemptRecord} */ { attempt }) => attempt} /></section>`;
}

/** @param {Api.AttemptRecord} attempt */
function exitOf({ exit_code: code, signal, out_of_memory: isOut }) {
  return isOut ? "out of memory" : signal !== null ? `signal ${signal}` : code !== null ? `code ${code}` : "–";
}
