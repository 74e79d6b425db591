// The page of one queue: what waits and runs in it, its limits, and which key has the largest backlog. Must never count a
// backlog itself: the server does, within bounds.

import { call } from "../lib/api.js";
import { counted } from "../lib/format-size.js";
import { period } from "../lib/format-time.js";
import { DataTable } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useLive } from "../ui/live.js";
import { FactList, Link, Moment, NeedsScope, PageHead, ProblemBox, Shown } from "../ui/parts.js";
import { Actions, QueueState } from "./queues.js";
import { QueueForm } from "./queue-form.js";

const KEYS_COUNTED = 10_000; // the server counts the jobs of a key no further

/** @param {PageProps} props */
export function Page({ params }) {
  const path = `/queues/${encodeURIComponent(params.name)}`;
  /**
   * @param {AbortSignal} signal
   * @returns {Promise<{ queue: Api.QueueDocument, keys: Api.QueueKeyDocument[] }>}
   */
  const read = async (signal) => {
    const [queue, keys] = await Promise.all([call("GET", path, { signal }), call("GET", `${path}/keys`, { signal })]);
    return { queue, keys: keys.items };
  };
  const live = useLive(path, read, `queue=${encodeURIComponent(params.name)}`);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [edits, setEdits] = useState(false);
  const done = () => (setEdits(false), live.refresh());
  return html`<div class="page">
    <${PageHead} title=${params.name} back=${{ to: "/queues", word: "Queues" }} live=${live}>
      <${Link} class="button" to=${`/jobs?queue=${encodeURIComponent(params.name)}`}>Its jobs</${Link}>
      ${live.data && html`<${NeedsScope} scope="admin"><button type="button" onClick=${() => setEdits(true)}>Change limits</button></${NeedsScope}><${Actions} queue=${live.data.queue} plain onDone=${done} onProblem=${setProblem} />`}
    </${PageHead}>
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {{ queue: Api.QueueDocument, keys: Api.QueueKeyDocument[] }} seen */ ({ queue, keys }) => html`
      ${edits && html`<${QueueForm} queue=${queue} path=${path} onSaved=${done} onLeft=${() => setEdits(false)} />`}
      <${Facts} queue=${queue} /><${Keys} queue=${queue} keys=${keys} />`}</${Shown}>
  </div>`;
}

/** @param {{ queue: Api.QueueDocument }} props */
function Facts({ queue }) {
  const none = html`<span class="muted">none</span>`;
  /** @type {[string, Child][]} */
  const facts = [
    ["State", html`<${QueueState} queue=${queue} />`],
    ["Due", counted(queue.available, queue.counted_to)],
    ["Oldest due", html`<${Moment} at=${queue.oldest_due_at} />`],
    ["Waiting for a limit", counted(queue.waiting, queue.counted_to)],
    ["Running", `${queue.running} of ${queue.worker_slots ?? 0} slots`],
    ["At once, at most", queue.max_running ?? none],
    ["Starts", queue.rate === null ? none : `${queue.rate} every ${period((queue.per_seconds ?? 0) * 1000)}`],
    ["May wait, at most", queue.max_queued?.toLocaleString("en") ?? none],
    ["Priorities age", queue.priority_ageing_seconds === null ? "no" : `every ${period(queue.priority_ageing_seconds * 1000)}`],
  ];
  return html`<div class="panel"><${FactList} facts=${facts} /></div>`;
}

/** @param {{ queue: Api.QueueDocument, keys: Api.QueueKeyDocument[] }} props */
function Keys({ queue, keys }) {
  if (keys.length === 0) return html`<section><h2>By key</h2><p class="muted">No job of this queue waits under a fair key or a limit.</p></section>`;
  const most = Math.max(...keys.map((key) => key.waiting));
  /** @type {Column<Api.QueueKeyDocument>[]} */
  const columns = [
    { word: "Key", main: true, cell: (key) => html`<span title=${nameOf(key)}>${nameOf(key)}</span>` },
    { word: "Waiting", width: "110px", end: true, cell: (key) => counted(key.waiting, KEYS_COUNTED) },
    { word: "Share", width: "30%", cell: (key) => html`<span class="meter thin" aria-hidden="true"><span style=${{ width: `${(100 * key.waiting) / most}%` }}></span></span>` },
    { word: "Running", width: "90px", end: true, cell: (key) => key.running },
    { word: "Oldest due", width: "130px", cell: (key) => html`<${Moment} at=${key.oldest_due_at} none="waits for others" />` },
  ];
  return html`<section><h2>By key, the largest backlog first</h2>
    <${DataTable} caption=${`Keys of ${queue.name}`} columns=${columns} rows=${keys} keyOf=${nameOf} /></section>`;
}

/** @param {Api.QueueKeyDocument} key */
function nameOf({ fair_key: fair, concurrency_keys: limits }) {
  return [fair && `fair key ${fair}`, limits && limits.length > 0 && `limit ${limits.join(", ")}`].filter(Boolean).join("; ");
}
