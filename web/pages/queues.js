// The page of the queues: what waits and runs in each, whether it starts jobs, and what stops it. Must never show a paused
// queue like one that flows.

import { call } from "../lib/api.js";
import { counted } from "../lib/format-size.js";
import { period } from "../lib/format-time.js";
import { DataTable } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { ActionButton, Empty, Link, Moment, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";

export function Page() {
  /** @type {Live<Items<Api.QueueDocument>>} */
  const live = useResource("/queues", "all=true");
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  return html`<div class="page">
    <${PageHead} title="Queues" live=${live} />
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Items<Api.QueueDocument>} page */ ({ items }) => items.length === 0
      ? html`<${Empty} title="No queues yet"><p>A queue appears when a job is enqueued into it or a worker serves it.</p></${Empty}>`
      : html`<${Queues} rows=${items} onDone=${live.refresh} onProblem=${setProblem} />`}</${Shown}>
  </div>`;
}

/** @param {{ rows: Api.QueueDocument[] } & Outcome} props */
function Queues({ rows, onDone, onProblem }) {
  /** @type {Column<Api.QueueDocument>[]} */
  const columns = [
    { word: "Queue", main: true, cell: (queue) => html`<${Link} to=${`/queues/${encodeURIComponent(queue.name)}`} title=${queue.name}>${queue.name}</${Link}>` },
    { word: "State", width: "120px", cell: (queue) => html`<${QueueState} queue=${queue} />` },
    { word: "Due", width: "90px", end: true, cell: (queue) => counted(queue.available, queue.counted_to) },
    { word: "Oldest due", width: "120px", cell: (queue) => html`<${Moment} at=${queue.oldest_due_at} />` },
    { word: "Waiting", width: "90px", end: true, cell: (queue) => counted(queue.waiting, queue.counted_to) },
    { word: "Running", width: "110px", end: true, cell: (queue) => `${queue.running} of ${queue.worker_slots ?? 0}` },
    { word: "Limits", cell: (queue) => html`<span title=${limitsOf(queue)}>${limitsOf(queue)}</span>` },
    { word: "", width: "210px", end: true, cell: (queue) => html`<${Actions} queue=${queue} onDone=${onDone} onProblem=${onProblem} />` },
  ];
  return html`<${DataTable} caption="Queues" columns=${columns} rows=${rows} keyOf=${/** @param {Api.QueueDocument} queue */ (queue) => queue.name} />`;
}

/** @param {{ queue: Api.QueueDocument }} props */
export function QueueState({ queue }) {
  if (queue.paused_at) return html`<${Tag} tone="bad" title=${`Paused by ${queue.paused_by ?? "someone"}: no job of it starts.`}>paused</${Tag}>`;
  if (queue.draining_at) return html`<${Tag} tone="busy" title="New jobs are refused; those that are in it run.">draining</${Tag}>`;
  if (queue.worker_slots === null && queue.available > 0) return html`<${Tag} tone="bad" title="No live worker serves it.">no worker</${Tag}>`;
  if (queue.worker_slots !== null && queue.worker_slots > 0 && queue.running >= queue.worker_slots) return html`<${Tag} tone="busy" title="All slots of its workers are taken.">full</${Tag}>`;
  return html`<${Tag} tone=${queue.running > 0 ? "good" : ""}>${queue.running > 0 ? "running" : "idle"}</${Tag}>`;
}

/**
 * What can be done with a queue; `plain` buttons stand alone and name it less.
 * @param {{ queue: Api.QueueDocument, plain?: boolean } & Outcome} props
 */
export function Actions({ queue, onDone, onProblem, plain = false }) {
  const look = plain ? "" : "quiet";
  /** @param {string} verb */
  const act = (verb) => () => call("POST", `/queues/${encodeURIComponent(queue.name)}/${verb}`);
  const stopped = queue.paused_at || queue.draining_at;
  const pause = { title: `Pause ${queue.name}?`, text: "None of its jobs starts until it is resumed. Running jobs continue.", action: "Pause queue" };
  const drain = { title: `Drain ${queue.name}?`, text: "New jobs are refused until it is resumed. Jobs that are already in it run.", action: "Drain queue" };
  if (stopped) return html`<${ActionButton} class=${look} needs="admin" aria-label=${`Resume ${queue.name}`} act=${act("resume")} onDone=${onDone} onProblem=${onProblem}>Resume</${ActionButton}>`;
  return html`
    <${ActionButton} class=${look} needs="admin" aria-label=${`Pause ${queue.name}`} confirm=${pause} act=${act("pause")} onDone=${onDone} onProblem=${onProblem}>Pause</${ActionButton}>
    <${ActionButton} class=${look} needs="admin" aria-label=${`Drain ${queue.name}`} confirm=${drain} act=${act("drain")} onDone=${onDone} onProblem=${onProblem}>Drain</${ActionButton}>`;
}

/** @param {Api.QueueDocument} queue */
function limitsOf(queue) {
  const parts = [
    queue.max_running !== null && `${queue.max_running} at once`,
    queue.rate !== null && `${queue.rate} every ${period((queue.per_seconds ?? 0) * 1000)}`,
    queue.max_queued !== null && `at most ${queue.max_queued} waiting`,
  ];
  return parts.filter(Boolean).join(", ") || "none";
}
