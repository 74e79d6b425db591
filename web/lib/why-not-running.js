// Why a job does not run yet, from the state of its queue and of the workers. Pure.

import { shownState } from "./job-state.js";
import { namesOf } from "./worker-state.js";

/** A sentence, or null if nothing keeps the job from running. */
export function whyNotRunning(job, queues, workers) {
  const isLimited = job.state === "waiting" && (job.concurrency_keys?.length > 0 || job.fair_key);
  if ((job.state !== "available" && !isLimited) || ["scheduled", "retrying"].includes(shownState(job))) return null;
  const queue = queues.find((each) => each.name === job.queue);
  if (queue?.paused_at) return `Queue ${job.queue} is paused${queue.paused_by ? ` by ${queue.paused_by}` : ""}: resume it on the first page.`;
  if (workers.length === 0) return "No worker is connected. Start one with “tidemill worker”.";
  const serving = workers.filter((worker) => serves(namesOf(worker.queues), job.queue));
  if (serving.length === 0) return `No connected worker serves queue ${job.queue}. Start one with “tidemill worker --queue ${job.queue}=1”.`;
  if (!serving.some((worker) => serves(namesOf(worker.kinds), job.kind))) return `No connected worker of queue ${job.queue} knows kind ${job.kind}.`;
  if (queue && queue.worker_slots > 0 && queue.running >= queue.worker_slots) return `All ${queue.worker_slots} slots of queue ${job.queue} are busy.`;
  if (queue && queue.max_running !== null && queue.running >= queue.max_running) return `Queue ${job.queue} runs ${queue.max_running} jobs over all workers, which is its limit.`;
  return isLimited ? `It waits for a free slot in the limits of ${[...(job.concurrency_keys ?? [])].join(" and ") || "its queue"}.` : null;
}

/** A worker without names serves every name. */
function serves(names, name) {
  return names.length === 0 || names.includes(name) || names.includes("*");
}
