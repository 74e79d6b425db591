// Why a job of the list does not run yet, in a few words, from the state of its queue and of the workers. Pure; must never
// guess: what the lists do not show, the job's own page asks the server.

import { shownState } from "./job-state.js";
import { namesOf } from "./worker-state.js";

/** A sentence, or null if nothing keeps the job from running. */
export function whyNotRunning(job, queues, workers) {
  if (!["available", "waiting"].includes(job.state) || ["scheduled", "retrying"].includes(shownState(job))) return null;
  const isLimited = job.state === "waiting" && (job.concurrency_keys?.length > 0 || job.fair_key);
  if (job.state === "waiting" && !(isLimited && job.run_at)) return "waits for another job or a signal";
  const queue = queues.find((each) => each.name === job.queue);
  if (queue?.paused_at) return `queue ${job.queue} is paused${queue.paused_by ? ` by ${queue.paused_by}` : ""}`;
  const live = workers.filter((worker) => !["stopped", "lost"].includes(worker.state));
  if (live.length === 0) return "no worker is connected";
  const serving = live.filter((worker) => serves(namesOf(worker.queues), job.queue));
  if (serving.length === 0) return `no worker serves queue ${job.queue}`;
  const able = serving.filter((worker) => serves(namesOf(worker.kinds), job.kind));
  if (able.length === 0) return `no worker of queue ${job.queue} has kind ${job.kind}`;
  if (able.every((worker) => worker.state === "draining")) return "its workers are draining";
  if (queue && queue.worker_slots > 0 && queue.running >= queue.worker_slots) return `all ${queue.worker_slots} slots of its queue are busy`;
  if (queue && (queue.max_running ?? null) !== null && queue.running >= queue.max_running) return `queue ${job.queue} is at its limit of ${queue.max_running}`;
  return isLimited ? `waits for its turn${job.concurrency_keys?.length > 0 ? ` in the limits of ${job.concurrency_keys.join(" and ")}` : ""}` : null;
}

/** A worker without names serves every name. */
function serves(names, name) {
  return names.length === 0 || names.includes(name) || names.includes("*");
}
