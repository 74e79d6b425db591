// The queues and the workers beside the list of jobs. Must never pause a queue without a click, and never show two
// workers under one name.

import { call } from "../lib/api.js";
import { counted } from "../lib/format-size.js";
import { now } from "../lib/clock.js";
import { namesOf, workerNames, workerState } from "../lib/worker-state.js";
import { html, useState } from "./html.js";
import { ActionButton, Link, Moment, ProblemBox, Tag } from "./parts.js";

/** @param {{ queues: Api.QueueDocument[], workers: Api.WorkerDocument[], onDone: () => void }} props */
export function SidePanels({ queues, workers, onDone }) {
  return html`<${Queues} queues=${queues} onDone=${onDone} /><${Workers} workers=${workers} />`;
}

/** @param {{ queues: Api.QueueDocument[], onDone: () => void }} props */
function Queues({ queues, onDone }) {
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  return html`<section class="panel" aria-labelledby="queues-title"><h2 id="queues-title">Queues</h2>
    <${ProblemBox} problem=${problem} />
    <ul class="plain" role="list">${queues.length === 0
      ? html`<li class="muted">None yet. The first job creates its queue.</li>`
      : queues.map((queue) => html`<${Queue} key=${queue.name} queue=${queue} onDone=${onDone} onProblem=${setProblem} />`)}</ul>
  </section>`;
}

/** @param {{ queue: Api.QueueDocument } & Outcome} props */
function Queue({ queue, onDone, onProblem }) {
  const stopped = queue.paused_at ? "paused" : queue.draining_at ? "draining" : null;
  const verb = stopped ? "resume" : "pause";
  const confirm = stopped ? null : { title: `Pause ${queue.name}?`, text: "Running jobs continue; workers claim no more from this queue until it is resumed.", action: "Pause" };
  const most = queue.max_running ?? queue.slots;
  return html`<li class="strip-row">
    <div class="row">
      <${Link} to=${`/jobs?${new URLSearchParams({ queue: queue.name })}`} class="strip-name" title=${queue.name}>${queue.name}</${Link}>
      ${stopped && html`<${Tag} tone="warn" title=${queue.paused_by && `by ${queue.paused_by}`}>${stopped}</${Tag}>`}<span class="spacer"></span>
      <${ActionButton} class="quiet" needs="admin" aria-label=${`${verb} queue ${queue.name}`} confirm=${confirm} onDone=${onDone} onProblem=${onProblem}
        act=${() => call("POST", `/queues/${encodeURIComponent(queue.name)}/${verb}`)}>${stopped ? "Resume" : "Pause"}</${ActionButton}>
    </div>
    <div class="small muted numbers">${queue.running ?? 0}${most ? ` of ${most}` : ""} running · ${counted(queue.available, queue.counted_to)} ready${queue.waiting > 0 && ` · ${counted(queue.waiting, queue.counted_to)} waiting`}${queue.oldest_due_at && queue.available > 0 && html` · oldest <${Moment} at=${queue.oldest_due_at} />`}</div>
  </li>`;
}

/** @param {{ workers: Api.WorkerDocument[] }} props */
function Workers({ workers }) {
  const names = workerNames(workers);
  const states = workers.map((worker) => workerState(worker, now()));
  const isShedding = workers.some((worker, index) => worker.shedding && !["late", "lost", "stopped"].includes(states[index]));
  return html`<section class="panel" aria-labelledby="workers-title"><h2 id="workers-title">Workers</h2>
    ${isShedding && html`<div class="notice small" role="status"><p><strong>Progress is stored every 5 s at most: </strong>an old transaction keeps dead rows in the database. <code>tidemill doctor</code> says which.</p></div>`}
    <ul class="plain" role="list">${workers.length === 0
      ? html`<li class="muted">No worker is connected: jobs wait. Start one with <code>tidemill worker</code>.</li>`
      : workers.map((worker, index) => html`<${Worker} key=${worker.id} worker=${worker} name=${names[index]} state=${states[index]} />`)}</ul>
  </section>`;
}

/** @param {{ worker: Api.WorkerDocument, name: string, state: string }} props */
function Worker({ worker, name, state }) {
  const { host, pid, version, running = 0 } = worker;
  const title = [worker.name, worker.id, host && `host ${host}`, pid && `process ${pid}`, version && `version ${version}`].filter(Boolean).join("\n");
  return html`<li class="strip-row">
    <div class="row"><span class="dot" data-state=${state} aria-hidden="true"></span><span class="strip-name" title=${title}>${name}</span>
      ${!["running", "active"].includes(state) && html`<${Tag}>${state}</${Tag}>`}<span class="spacer"></span>
      <span class="small numbers">${Array.isArray(running) ? running.length : (running ?? 0)} running</span></div>
    <div class="small muted">${namesOf(worker.queues).join(", ") || "no queues"} · seen <${Moment} at=${worker.seen_at} /></div>
  </li>`;
}
