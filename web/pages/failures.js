// The page of the failures by cause: a bad deploy is one row. Retries all jobs of a cause, after a count of what would be
// retried. Must never retry more than it named.

import { call } from "../lib/api.js";
import { DataTable } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useLive } from "../ui/live.js";
import { ActionButton, Empty, Link, Moment, PageHead, ProblemBox, Shown } from "../ui/parts.js";

/** @type {Record<string, string>} */
const SPANS = { "1h": "1 hour", "1d": "1 day", "7d": "7 days" };
/** @type {Record<string, number>} */
const HOURS = { "1h": 1, "1d": 24, "7d": 168 };
const MOST = 100_000; // jobs of one retry

/** @param {PageProps} props */
export function Page({ query, navigate }) {
  const given = query.get("since") ?? "";
  const span = SPANS[given] ? given : "1d";
  const kind = query.get("kind");
  const live = useLive(`${span} ${kind}`, /** @returns {Promise<Items<Api.Cause>>} */ (signal) => call("GET", `/failures?${asked(span, kind)}`, { signal }), "all=true");
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [done, setDone] = useState("");
  /** @param {Changed} event */
  const choose = (event) => navigate(address(event.target.value, kind));
  return html`<div class="page">
    <${PageHead} title="Failures" live=${live}>
      <label class="field inline">Of the last <select onChange=${choose}>${Object.entries(SPANS).map(([value, word]) => html`<option value=${value} selected=${value === span}>${word}</option>`)}</select></label>
    </${PageHead}>
    ${kind && html`<p>Only kind <strong>${kind}</strong>. <${Link} to=${address(span, null)}>All kinds</${Link}></p>`}
    <p role="status">${done}</p>
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Items<Api.Cause>} page */ ({ items }) => items.length === 0
      ? html`<${Empty} title="No failures"><p>No attempt failed within this time.</p></${Empty}>`
      : html`<${Causes} rows=${items} onDone=${/** @param {string} word */ (word) => (setDone(word), live.refresh())} onProblem=${setProblem} />`}</${Shown}>
  </div>`;
}

/**
 * @param {string} span
 * @param {string | null} kind
 */
function asked(span, kind) {
  const since = new Date(Date.now() - HOURS[span] * 3_600_000).toISOString();
  return new URLSearchParams(kind ? { since, kind } : { since });
}

/**
 * @param {string} span
 * @param {string | null} kind
 */
function address(span, kind) {
  return `/failures?${new URLSearchParams(kind ? { since: span, kind } : { since: span })}`;
}

/** @param {{ rows: Api.Cause[] } & Outcome} props */
function Causes({ rows, onDone, onProblem }) {
  /** @type {Column<Api.Cause>[]} */
  const columns = [
    { word: "Cause", main: true, cell: (cause) => html`<span class="lines">${cause.type && html`<strong>${cause.type}: </strong>`}${cause.message}</span>` },
    { word: "Kind", width: "130px", cell: (cause) => html`<span title=${cause.kind}>${cause.kind}</span>` },
    { word: "Attempts", width: "90px", end: true, cell: (cause) => cause.failures.toLocaleString("en") },
    { word: "First", width: "100px", cell: (cause) => html`<${Moment} at=${cause.first_at} />` },
    { word: "Last", width: "100px", cell: (cause) => html`<${Moment} at=${cause.last_at} />` },
    { word: "Sample", width: "90px", cell: (cause) => (cause.last_job_id ? html`<${Link} to=${`/jobs/${cause.last_job_id}`}>last job</${Link}>` : "–") },
    { word: "", width: "264px", end: true, cell: (cause) => html`<${Retry} cause=${cause} onDone=${onDone} onProblem=${onProblem} />` },
  ];
  return html`<${DataTable} caption="Causes" columns=${columns} rows=${rows} keyOf=${/** @param {Api.Cause} cause */ (cause) => cause.fingerprint} />`;
}

/**
 * Counts first, and asks with the number; without failed jobs it says so.
 * @param {{ cause: Api.Cause } & Outcome} props
 */
function Retry({ cause, onDone, onProblem }) {
  const [found, setFound] = useState(/** @type {number | null} */ (null));
  const filter = { fingerprint: cause.fingerprint, state: "failed" };
  const count = () => call("POST", "/jobs/retry", { body: { filter, dry_run: true, limit: MOST } });
  /** @param {Api.BulkAnswer} answer */
  const counted = (answer) => setFound(answer.matched);
  /** @param {Api.BulkAnswer} answer */
  const retried = (answer) => (setFound(null), onDone(`${jobs(answer.matched)} retried.`));
  if (found === null) return html`<${ActionButton} class="quiet" needs="admin" aria-label=${`Retry all of ${cause.message}`} act=${count} onDone=${counted} onProblem=${onProblem}>Retry all</${ActionButton}>`;
  if (found === 0) return html`<span class="muted">none failed for good</span>`;
  return html`<${Link} class="small" to=${`/operations/new?${new URLSearchParams({ action: "retry", ...filter })}`}>at a rate…</${Link}> <${ActionButton} class="primary" needs="admin" onDone=${retried} onProblem=${onProblem}
    act=${() => call("POST", "/jobs/retry", { body: { filter, limit: MOST } })}>Retry ${jobs(found)}</${ActionButton}>`;
}

/** @param {number} count */
function jobs(count) {
  return count === 1 ? "1 job" : `${count.toLocaleString("en")} jobs`;
}
