// The state of a worker, its name, and the kinds and queues that it serves, from its row. Pure; must never show a clean
// stop as a lost worker.

const LATE = 15_000; // milliseconds without a heartbeat (one comes every 5 s) until the worker is late
const LOST = 90_000; // and until it is lost, if the server has not said so

/**
 * The state of a worker at a moment. A stopped worker sends no heartbeats and is never late; a worker without
 * heartbeats is late, and later lost.
 * @param {Pick<Api.WorkerDocument, "state" | "seen_at">} worker
 * @param {number} now
 */
export function workerState(worker, now) {
  const silence = now - Date.parse(worker.seen_at);
  if (["stopped", "lost"].includes(worker.state) || !(silence > LATE)) return worker.state;
  return silence > LOST ? "lost" : "late";
}

/**
 * The name of each worker: if several have the same name, the host and process id are added.
 * @param {Pick<Api.WorkerDocument, "id" | "name" | "host" | "pid">[]} workers
 */
export function workerNames(workers) {
  const names = workers.map((worker) => worker.name ?? worker.id);
  return workers.map((worker, index) => {
    const isShared = names.filter((name) => name === names[index]).length > 1;
    return isShared ? (worker.pid ? `${worker.host ?? names[index]}:${worker.pid}` : worker.id) : names[index];
  });
}

/**
 * The names that a worker serves, from a list or from names with their slots; without those of 0 slots.
 * @param {unknown} served
 * @returns {string[]}
 */
export function namesOf(served) {
  const names = /** @type {any} */ (served ?? []);
  return Array.isArray(names) ? names.map((each) => each?.name ?? each) : Object.keys(names).filter((name) => names[name] !== 0);
}
