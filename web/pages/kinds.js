// The page of the kinds: the rules of each, what it did in the last day, and its circuit breaker. Must never count jobs:
// the numbers are those of the statistics.

import { call } from "../lib/api.js";
import { now } from "../lib/clock.js";
import { duration, period } from "../lib/format-time.js";
import { DataTable } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useLive } from "../ui/live.js";
import { ActionButton, Empty, Link, Moment, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";

/** @typedef {Api.KindDocument & { counts: Api.KindCounts | null }} Kind */

export function Page() {
  const live = useLive("kinds", read, "all=true");
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  return html`<div class="page">
    <${PageHead} title="Kinds" live=${live} />
    <p class="muted">Numbers of the last 24 hours.</p>
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Kind[]} kinds */ (kinds) => kinds.length === 0
      ? html`<${Empty} title="No kinds yet"><p>A kind is a type of job. It appears here when a worker that serves it starts.</p></${Empty}>`
      : html`<${Kinds} rows=${kinds} onDone=${live.refresh} onProblem=${setProblem} />`}</${Shown}>
  </div>`;
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<Kind[]>}
 */
async function read(signal) {
  /** @type {[Items<Api.KindDocument>, Items<Api.KindCounts>]} */
  const [kinds, counts] = await Promise.all([call("GET", "/kinds", { signal }), call("GET", "/stats/kinds?hours=24", { signal })]);
  const byKind = new Map(counts.items.map((each) => [each.kind, each]));
  return kinds.items.map((kind) => ({ ...kind, counts: byKind.get(kind.name) ?? null }));
}

/** @param {{ rows: Kind[] } & Outcome} props */
function Kinds({ rows, onDone, onProblem }) {
  /** @type {Column<Kind>[]} */
  const columns = [
    { word: "Kind", main: true, cell: (kind) => html`<${Link} to=${`/jobs?kind=${encodeURIComponent(kind.name)}`} title=${kind.name}>${kind.name}</${Link}>` },
    { word: "Run by", width: "100px", cell: (kind) => kind.source },
    { word: "Queue", cell: (kind) => html`<${Link} to=${`/jobs?queue=${encodeURIComponent(kind.queue)}`}>${kind.queue}</${Link}>` },
    { word: "Completed", width: "100px", end: true, cell: (kind) => kind.counts?.completed ?? 0 },
    { word: "Failed", width: "90px", end: true, cell: (kind) => html`<${Failed} kind=${kind} />` },
    { word: "Mean run", width: "100px", end: true, cell: (kind) => seconds(kind.counts?.average_run_seconds) },
    { word: "Attempts", width: "90px", end: true, cell: (kind) => kind.max_attempts },
    { word: "Time limit", width: "110px", end: true, cell: (kind) => period(kind.hard_timeout_seconds * 1000) },
    { word: "Breaker", width: "170px", cell: (kind) => html`<${Breaker} kind=${kind} onDone=${onDone} onProblem=${onProblem} />` },
    { word: "Served", width: "110px", cell: (kind) => html`<${Moment} at=${kind.last_seen_at} />` },
  ];
  return html`<${DataTable} caption="Kinds" columns=${columns} rows=${rows} keyOf=${/** @param {Kind} kind */ (kind) => kind.name} />`;
}

/** @param {{ kind: Kind }} props */
function Failed({ kind }) {
  const failed = kind.counts?.failed ?? 0;
  return failed > 0 ? html`<${Link} to=${`/failures?kind=${encodeURIComponent(kind.name)}`}>${failed}</${Link}>` : 0;
}

/** @param {{ kind: Kind } & Outcome} props */
function Breaker({ kind, onDone, onProblem }) {
  if (kind.breaker_after === null) return html`<span class="muted">none</span>`;
  if (!kind.breaker_open_until || Date.parse(kind.breaker_open_until) <= now()) return `closed, ${kind.breaker_crashes} of ${kind.breaker_after}`;
  return html`<${Tag} tone="bad" title="No job of this kind starts until then.">open</${Tag}>
    <${ActionButton} class="quiet" needs="admin" aria-label=${`Close the breaker of ${kind.name}`} onDone=${onDone} onProblem=${onProblem}
      act=${() => call("POST", `/kinds/${encodeURIComponent(kind.name)}/reset-breaker`)}>Close</${ActionButton}>`;
}

/** @param {number | null} [value] */
function seconds(value) {
  return value === null || value === undefined ? "–" : duration(value * 1000);
}
