// The reason why a job of the list does not run yet, in a few words, from the state of its queue and of the workers.
// Pure; must never guess: for other reasons the job's own page asks the server.

import { shownState } from "./job-state.js";
import { namesOf } from "./worker-state.js";

const ASK_AFTER = 3000; // milliseconds that a due job may wait before the server is asked why

/**
 * A few words, or null if no reason is known; `asked` has the answers of the server (see `toAsk`).
 * @param {Job} job
 * @param {Api.QueueDocument[]} queues
 * @param {Api.WorkerDocument[]} workers
 * @param {Map<string, string | null>} asked
 */
export function whyNotRunning(job, queues, workers, asked = new Map()) {
  if (!["available", "waiting"].includes(job.state) || ["scheduled", "retrying"].includes(shownState(job))) return null;
  const isLimited = job.state === "waiting" && (job.concurrency_keys?.length > 0 || job.fair_key);
  if (job.state === "waiting" && !(isLimited && job.run_at)) return "waits for another job or a signal";
  const queue = queues.find((each) => each.name === job.queue);
  if (queue?.paused_at) return `queue ${job.queue} is paused${queue.paused_by ? ` by ${queue.paused_by}` : ""}`;
  const live = workers.filter(isLive);
  if (live.length === 0) return "no worker is connected";
  const able = live.filter((worker) => serves(namesOf(worker.kinds), job.kind));
  if (able.length === 0) return `no worker has kind ${job.kind}`;
  if (!listsQueue(able, job.queue)) return asked.get(nameOf(job)) ?? null;
  if (able.every((worker) => worker.state === "draining")) return "its workers are draining";
  if (queue?.worker_slots && queue.running >= queue.worker_slots) return `all ${queue.worker_slots} slots of its queue are busy`;
  if (queue && queue.max_running != null && queue.running >= queue.max_running) return `queue ${job.queue} is at its limit of ${queue.max_running}`;
  return isLimited ? `waits for its turn${job.concurrency_keys?.length > 0 ? ` in the limits of ${job.concurrency_keys.join(" and ")}` : ""}` : null;
}

/**
 * The jobs about which to ask the server, one of each kind and queue, by a key of both. A worker can claim from queues
 * that it does not list, so the lists do not show whether a queue is served.
 * @param {Job[]} jobs
 * @param {Api.WorkerDocument[]} workers
 * @param {number} now
 * @returns {Map<string, Job>}
 */
export function toAsk(jobs, workers, now) {
  const found = new Map();
  for (const job of jobs) {
    const able = workers.filter((worker) => isLive(worker) && serves(namesOf(worker.kinds), job.kind));
    const isDue = shownState(job) === "available" && now - Date.parse(job.run_at ?? "") > ASK_AFTER;
    if (isDue && able.length > 0 && !listsQueue(able, job.queue) && !found.has(nameOf(job))) found.set(nameOf(job), job);
  }
  return found;
}

/** @param {Job} job */
const nameOf = (job) => `${job.queue}\n${job.kind}`;

/** @param {Api.WorkerDocument} worker */
const isLive = (worker) => !["stopped", "lost"].includes(worker.state);

/**
 * @param {Api.WorkerDocument[]} workers
 * @param {string} queue
 */
const listsQueue = (workers, queue) => workers.some((worker) => serves(namesOf(worker.queues), queue));

/**
 * A worker without names serves every name.
 * @param {string[]} names
 * @param {string} name
 */
function serves(names, name) {
  return names.length === 0 || names.includes(name) || names.includes("*");
}
