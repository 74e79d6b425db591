// The page of the workers: what each serves, how much it runs, whether it is alive, and the button that drains it. Must
// never call a clean stop a loss.

import { call } from "../lib/api.js";
import { now } from "../lib/clock.js";
import { size } from "../lib/format-size.js";
import { namesOf, workerNames, workerState } from "../lib/worker-state.js";
import { DataTable } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { ActionButton, Empty, Moment, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";

/** @type {Record<string, string>} */
const TONES = { active: "good", running: "good", draining: "busy", late: "bad", lost: "bad" };
const TWO_HEARTBEATS = 11_000; // milliseconds: with one a worker learns what it was asked, with the next it says so
/** @type {Record<string, string>} */
const HINTS = {
  late: "No heartbeat for 15 s; its jobs go back when their leases expire.",
  lost: "No heartbeat for 90 s; its jobs go back when their leases expire.",
  stopped: "It ended cleanly and handed back its jobs.",
  draining: "It finishes what it runs and claims nothing new.",
};

export function Page() {
  /** @type {Live<Items<Api.WorkerDocument>>} */
  const live = useResource("/workers", "all=true");
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  return html`<div class="page">
    <${PageHead} title="Workers" live=${live} />
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Items<Api.WorkerDocument>} page */ ({ items }) => items.length === 0 ? html`<${NoWorkers} />` : html`<${Workers} rows=${items} live=${live} onProblem=${setProblem} />`}</${Shown}>
  </div>`;
}

/** @param {{ rows: Api.WorkerDocument[], live: Live<unknown>, onProblem: (problem: Problem | null) => void }} props */
function Workers({ rows, live, onProblem }) {
  const names = workerNames(rows);
  /** @type {Column<Api.WorkerDocument>[]} */
  const columns = [
    { word: "Worker", main: true, cell: (worker) => html`<span title=${worker.id}>${names[rows.indexOf(worker)]}</span>` },
    { word: "State", width: "110px", cell: (worker) => html`<${State} worker=${worker} />` },
    { word: "Running", width: "110px", end: true, cell: (worker) => `${running(worker)} of ${slots(worker)}` },
    { word: "Queues", cell: (worker) => html`<span title=${namesOf(worker.queues).join(", ")}>${namesOf(worker.queues).join(", ") || "none"}</span>` },
    { word: "Memory", width: "100px", end: true, cell: (worker) => (worker.memory_bytes ? size(worker.memory_bytes) : "–") },
    { word: "Version", width: "90px", cell: (worker) => worker.version ?? "–" },
    { word: "Seen", width: "110px", cell: (worker) => html`<${Moment} at=${worker.seen_at} />` },
    { word: "", width: "110px", end: true, cell: (worker) => html`<${Drain} worker=${worker} live=${live} onProblem=${onProblem} />` },
  ];
  return html`<${DataTable} caption="Workers" columns=${columns} rows=${rows} keyOf=${/** @param {Api.WorkerDocument} worker */ (worker) => worker.id} />`;
}

/** @param {{ worker: Api.WorkerDocument }} props */
function State({ worker }) {
  const state = workerState(worker, now());
  return html`<${Tag} tone=${TONES[state] ?? ""} title=${HINTS[state] ?? null}>${state}</${Tag}>`;
}

/** @param {{ worker: Api.WorkerDocument, live: Live<unknown>, onProblem: (problem: Problem | null) => void }} props */
function Drain({ worker, live, onProblem }) {
  const [isAsked, setAsked] = useState(false);
  if (!["active", "running"].includes(workerState(worker, now()))) return null;
  if (isAsked) return html`<span class="muted" title="The worker learns of it with its next heartbeat.">asked</span>`;
  const asked = () => {
    setAsked(true);
    setTimeout(live.refresh, TWO_HEARTBEATS);
  };
  const confirm = {
    title: `Drain ${worker.name ?? worker.id}?`,
    text: "It finishes its running jobs and claims no more. Only a restart of the worker ends this.",
    action: "Drain worker",
  };
  return html`<${ActionButton} class="quiet" needs="admin" confirm=${confirm} onProblem=${onProblem} onDone=${asked}
    act=${() => call("POST", `/workers/${encodeURIComponent(worker.id)}/drain`)}>Drain</${ActionButton}>`;
}

function NoWorkers() {
  return html`<${Empty} title="No worker is connected">
    <p>Jobs wait until a worker serves their queue. Start one with <code>tidemill worker</code>, or with <code>tidemill-worker</code> for tasks in Python.</p>
  </${Empty}>`;
}

/** @param {Api.WorkerDocument} worker */
function running(worker) {
  return Array.isArray(worker.running) ? worker.running.length : (worker.running ?? 0);
}

/** @param {Api.WorkerDocument} worker */
function slots(worker) {
  return Object.values(worker.queues ?? {}).reduce((sum, each) => sum + (typeof each === "number" ? each : 0), 0);
}
