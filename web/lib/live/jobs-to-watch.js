// Chooses the jobs of a list that the event stream follows. Pure.

/**
 * The ids to watch over one stream: running jobs first, then available and waiting ones, at most `limit`.
 * @param {Pick<Job, "id" | "state">[]} jobs
 * @param {number} limit
 */
export function jobsToWatch(jobs, limit) {
  /** @type {Record<string, number>} */
  const order = { running: 0, available: 1, waiting: 2 };
  const open = jobs.filter((job) => job.state in order);
  open.sort((a, b) => order[a.state] - order[b.state]);
  return [...new Set(open.map((job) => job.id))].slice(0, limit);
}
