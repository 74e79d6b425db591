// The overview: one verdict with its reasons first, then what flows, the last hour, and what failed. Must never look
// healthy when the verdict is not known.

import { call } from "../lib/api.js";
import { counted } from "../lib/format-size.js";
import { sentence } from "../lib/explanation.js";
import { duration } from "../lib/format-time.js";
import { HourChart } from "../ui/hour-chart.js";
import { html } from "../ui/html.js";
import { useLive } from "../ui/live.js";
import { Empty, Link, Moment, PageHead, Shown, Tag } from "../ui/parts.js";

const EVERY = 30_000; // milliseconds: no event reports that nothing starts
/** @type {Record<string, string>} */
const WORDS = { ok: "All is well", attention: "Needs attention", unknown: "Not known" };
/** @type {Record<string, string>} */
const TONES = { ok: "good", attention: "bad", unknown: "warn" };
/** @type {Record<string, string>} */
const SEVERITIES = { attention: "bad", info: "" };
/** @type {Record<string, string>} */
const PARTS = { flow: "starting work", execution: "success of work", liveness: "freshness of what is known" };
/** @type {Record<string, string>} */
const PLACES = { worker: "/workers", limit: "/limits", alert: "/alerts" };

export function Page() {
  const live = useLive("overview", read, "all=true", EVERY);
  return html`<div class="page">
    <${PageHead} title="Overview" live=${live} />
    <${Shown} live=${live}>${/** @param {Awaited<ReturnType<typeof read>>} seen */ (seen) => html`
      ${seen.isNew && html`<${Empty} title="No jobs yet"><${Link} class="button primary" to="/jobs">Enqueue the first one</${Link}></${Empty}>`}
      <${Verdict} report=${seen.report} />
      <${Tiles} stats=${seen.stats} />
      <${HourChart} minutes=${seen.minutes} depth=${seen.stats.system.queued} />
      <div class="halves"><${Queues} queues=${seen.stats.queues} /><${Causes} causes=${seen.causes} /></div>`}</${Shown}>
  </div>`;
}

/** @param {AbortSignal} signal */
async function read(signal) {
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
  /** @type {[Api.HealthReport, Api.StatsDocument, Items<Api.Point>, Items<Api.Cause>, Items<Job>]} */
  const [report, stats, trends, failures, jobs] = await Promise.all([
    call("GET", "/health/report", { signal }),
    call("GET", "/stats", { signal }),
    call("GET", "/stats/trends?hours=1", { signal }),
    call("GET", `/failures?${new URLSearchParams({ since: hourAgo, limit: "5" })}`, { signal }),
    call("GET", "/jobs?limit=1", { signal }),
  ]);
  return { report, stats, minutes: trends.items, causes: failures.items, isNew: jobs.items.length === 0 };
}

/**
 * Where the cause of a finding is seen, and what can be done about it.
 * @param {Api.ReportFinding} finding
 */
function placeOf({ code, object: { type, name } }) {
  if (type === "queue") return `/queues/${encodeURIComponent(name)}`;
  if (type === "kind") return code === "failing" ? failuresOf(name) : code === "slow" || code === "breaker_open" ? "/kinds" : "/workers";
  return PLACES[type];
}

/** @param {string} kind */
const failuresOf = (kind) => `/failures?${new URLSearchParams({ since: "1h", kind })}`;

/** @param {{ report: Api.HealthReport }} props */
function Verdict({ report }) {
  return html`<section class="panel verdict" aria-labelledby="verdict-title" data-verdict=${report.verdict}>
    <div class="row wrap"><h2 id="verdict-title">${WORDS[report.verdict] ?? report.verdict}</h2>
      ${Object.entries(report.parts).map(([part, verdict]) => html`<${Tag} tone=${TONES[verdict] ?? ""} title=${PARTS[part]}>${part}: ${verdict}</${Tag}>`)}</div>
    ${report.findings.length === 0 ? html`<p>${sentence(report.message)}</p>` : html`<ul class="plain findings" role="list">${report.findings.map((finding) => html`<${Finding} finding=${finding} />`)}</ul>`}
  </section>`;
}

/** @param {{ finding: Api.ReportFinding }} props */
function Finding({ finding }) {
  const place = placeOf(finding);
  return html`<li>
    <div class="row wrap"><${Tag} tone=${SEVERITIES[finding.severity] ?? ""}>${finding.severity}</${Tag}>
      <span>${sentence(finding.message)}</span>${place && html`<${Link} to=${place} class="small">look at it</${Link}>`}</div>
    ${finding.remedy?.advice && html`<p class="muted small">${finding.remedy.advice}${finding.remedy.command && html`: <code>${finding.remedy.command}</code>`}</p>`}
  </li>`;
}

/** @param {{ stats: Api.StatsDocument }} props */
function Tiles({ stats: { system, last_hour: hour } }) {
  /** @type {[string, Child, string?][]} */
  const tiles = [
    ["Ready and waiting", system.queued.toLocaleString("en"), "/queues"],
    ["Running", `${system.active} of ${system.slots} slots`, "/jobs?state=running"],
    ["Workers", system.workers, "/workers"],
    ["Completed in the last hour", hour.completed.toLocaleString("en"), "/jobs?state=completed&since=1h"],
    ["Failed in the last hour", hour.failed.toLocaleString("en"), "/failures?since=1h"],
    ["Mean wait", seconds(hour.average_wait_seconds)],
    ["Mean run", seconds(hour.average_run_seconds)],
  ];
  return html`<dl class="panel facts">${tiles.map(([word, value, to]) => html`<div><dt>${word}</dt><dd>${to ? html`<${Link} to=${to}>${value}</${Link}>` : value}</dd></div>`)}</dl>`;
}

/** @param {{ queues: Api.QueueDocument[] }} props */
function Queues({ queues }) {
  const busy = queues.filter((queue) => queue.available + queue.waiting > 0).sort((one, other) => other.available - one.available).slice(0, 5);
  return html`<section class="panel" aria-labelledby="busy-title"><h2 id="busy-title">Queues with a backlog</h2>
    ${busy.length === 0 ? html`<p class="muted">No job waits.</p>` : html`<ul class="plain" role="list">${busy.map((queue) => html`<li class="strip-row">
      <${Link} to=${`/queues/${encodeURIComponent(queue.name)}`}>${queue.name}</${Link}>
      <span class="small muted"> ${counted(queue.available, queue.counted_to)} due, ${counted(queue.waiting, queue.counted_to)} waiting, oldest <${Moment} at=${queue.oldest_due_at} /></span></li>`)}</ul>`}
  </section>`;
}

/** @param {{ causes: Api.Cause[] }} props */
function Causes({ causes }) {
  return html`<section class="panel" aria-labelledby="causes-title"><h2 id="causes-title">Failures of the last hour</h2>
    ${causes.length === 0 ? html`<p class="muted">No attempt failed.</p>` : html`<ul class="plain" role="list">${causes.map((cause) => html`<li class="strip-row">
      <${Link} to=${failuresOf(cause.kind)}>${cause.kind}</${Link}>
      <span class="small"> ${cause.failures.toLocaleString("en")} × ${cause.message}</span></li>`)}</ul>`}
  </section>`;
}

/** @param {number | null} value */
function seconds(value) {
  return value === null ? "–" : duration(value * 1000);
}
