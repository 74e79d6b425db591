// The state of a worker and the names that it serves, from its row. Pure.

const LATE = 15_000; // milliseconds without a heartbeat (one comes every 5 s) until the worker is late

/** The state of a worker at a moment. A stopped worker sends no heartbeats and is never late. */
export function workerState(worker, now) {
  const isLate = worker.state !== "stopped" && now - new Date(worker.seen_at) > LATE;
  return isLate ? "late" : worker.state;
}

/** The names that a worker serves, from a list or from names with their slots; without those of 0 slots. */
export function namesOf(served) {
  const names = served ?? [];
  return Array.isArray(names) ? names.map((each) => each?.name ?? each) : Object.keys(names).filter((name) => names[name] !== 0);
}
