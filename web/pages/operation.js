// The page of one operation: how far it is, what it left as it was and why, and its end by hand: stop, undo. The address
// /operations/new is the form that starts one. Must never act unasked.

import { call } from "../lib/api.js";
import { FIELDS, filterWords, jobs, percentOf, skippedOf, titleOf } from "../lib/operation.js";
import { DataTable } from "../ui/data-table.js";
import { html, useEffect, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { OperationState } from "../ui/operation-parts.js";
import { ActionButton, Link, Moment, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";
import { StartForm } from "./operation-start.js";

const WHILE_RUNNING = 1000; // milliseconds between two reads, because no event reports the progress of an operation

/** @param {PageProps} props */
export function Page({ params, ...rest }) {
  return params.name === "new" ? html`<${StartForm} ...${rest} />` : html`<${Operation} id=${params.name} ...${rest} />`;
}

/** @param {{ id: string, navigate: Navigate }} props */
function Operation({ id, navigate }) {
  const path = `/operations/${encodeURIComponent(id)}`;
  const [runs, setRuns] = useState(false);
  /** @type {Live<Api.OperationReport>} */
  const live = useResource(path, "all=true", runs ? WHILE_RUNNING : null);
  useEffect(() => setRuns(live.data?.state === "running"), [live.data]);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const title = live.data ? titleOf(live.data) : "Operation";
  return html`<div class="page">
    <${PageHead} title=${title} back=${{ to: "/operations", word: "Operations" }} live=${live}>
      ${live.data && html`<${Acts} operation=${live.data} path=${path} onDone=${live.refresh} onProblem=${setProblem} navigate=${navigate} />`}
    </${PageHead}>
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Api.OperationReport} operation */ (operation) => html`<${Progress} operation=${operation} /><${Facts} operation=${operation} /><${Left} operation=${operation} />`}</${Shown}>
  </div>`;
}

/** @param {{ operation: Api.OperationReport, path: string, navigate: Navigate } & Outcome} props */
function Acts({ operation, path, onDone, onProblem, navigate }) {
  const stop = { title: "Stop this operation?", text: `${jobs(operation.done)} are done and stay done; the others stay as they are.`, action: "Stop operation", keep: "Let it run" };
  const undo = { title: "Undo this operation?", text: "Jobs that have not changed since are restored; all others are skipped and reported.", action: "Undo operation" };
  return html`
    ${operation.state === "running" && html`<${ActionButton} class="danger" needs="admin" confirm=${stop} act=${() => call("POST", `${path}/cancel`)} onDone=${onDone} onProblem=${onProblem}>Stop</${ActionButton}>`}
    ${operation.can_be_undone && html`<${ActionButton} needs="admin" confirm=${undo} act=${() => call("POST", `${path}/undo`)} onDone=${/** @param {{ id: string }} made */ (made) => navigate(`/operations/${made.id}`)} onProblem=${onProblem}>Undo</${ActionButton}>`}`;
}

/** @param {{ operation: Api.OperationReport }} props */
function Progress({ operation }) {
  const percent = percentOf(operation);
  const skipped = skippedOf(operation);
  /**
   * @param {string} word
   * @param {number} count
   * @param {string} tone
   */
  const number = (word, count, tone) => html`<div><dt>${word}</dt><dd class=${count > 0 ? tone : null}>${count.toLocaleString("en")}</dd></div>`;
  return html`<section class="panel" aria-label="Progress">
    <div class="row wrap"><${OperationState} operation=${operation} /><span>${left(operation)}</span></div>
    ${percent !== null && html`<div class="meter" role="progressbar" aria-label="Done" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(percent)}><span style=${{ width: `${percent}%` }} data-state=${operation.state}></span></div>`}
    <dl class="facts">
      ${number("Done", operation.done, "")}
      <div><dt>Skipped</dt><dd>${skipped.count.toLocaleString("en")}</dd>${skipped.reasons.map((reason) => html`<dd class="small muted plain-weight">${reason}</dd>`)}</div>
      ${number("Failed", operation.failed, "wrong")}
    </dl>
    ${operation.problem && html`<p class="notice" role="alert">The last batch failed and is tried again: ${operation.problem}</p>`}
  </section>`;
}

/**
 * What is to come, in words.
 * @param {Api.OperationReport} operation
 */
function left({ state, expected, done, failed }) {
  if (state !== "running") return "";
  if (expected === null) return "of more than 100,000 jobs";
  return `${jobs(Math.max(0, expected - done - failed))} to go`;
}

/** @param {{ operation: Api.OperationReport }} props */
function Facts({ operation }) {
  const query = new URLSearchParams(FIELDS.filter((field) => operation.filter[field]).map((field) => [field, String(operation.filter[field])]));
  /** @type {[string, Child][]} */
  const facts = [
    ["Jobs", html`<${Link} to=${`/jobs?${query}`}>${filterWords(operation.filter)}</${Link}>`],
    ["Rate", operation.rate ?? "as fast as it goes"],
    ["By", operation.who],
    ["Started", html`<${Moment} at=${operation.created_at} />`],
    ["Ended", html`<${Moment} at=${operation.ended_at} />`],
    ["Undoes", otherOf(operation.undoes)],
    ["Undone by", otherOf(operation.undone_by)],
  ];
  return html`<div class="panel"><dl class="facts">${facts.filter(([, value]) => value).map(([word, value]) => html`<div><dt>${word}</dt><dd class="plain-weight">${value}</dd></div>`)}</dl></div>`;
}

/** @param {string | null} id */
function otherOf(id) {
  return id && html`<${Link} to=${`/operations/${id}`}>this operation</${Link}>`;
}

/** @param {{ operation: Api.OperationReport }} props */
function Left({ operation }) {
  if (operation.left.length === 0) return null;
  /** @type {Column<Api.OperationJob>[]} */
  const columns = [
    { word: "Job", main: true, width: "330px", cell: (job) => html`<${Link} to=${`/jobs/${job.job_id}`} class="mono">${job.job_id}</${Link}>` },
    { word: "Outcome", width: "110px", cell: (job) => html`<${Tag} tone=${job.outcome === "failed" ? "bad" : ""}>${job.outcome}</${Tag}>` },
    { word: "Reason", cell: (job) => html`<span class="lines">${job.outcome === "skipped" ? job.reason?.replaceAll("_", " ") : job.reason}</span>` },
    { word: "When", width: "120px", cell: (job) => html`<${Moment} at=${job.at} />` },
  ];
  const all = operation.failed + skippedOf(operation).count;
  return html`<section><h2>Left as they were</h2>
    ${all > operation.left.length && html`<p class="muted">The first ${operation.left.length} of ${all.toLocaleString("en")}.</p>`}
    <${DataTable} caption="Jobs left as they were" columns=${columns} rows=${operation.left} keyOf=${/** @param {Api.OperationJob} job */ (job) => job.job_id} /></section>`;
}
