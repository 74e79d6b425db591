// What a worker's row means: how the worker is, and what it serves. Pure.

const LATE = 15_000; // milliseconds without a heartbeat (one comes every 5 s) until we say so

/** How a worker is at a moment. One that said goodbye sends no heartbeats, and need not. */
export function workerState(worker, now) {
  const isLate = worker.state !== "stopped" && now - new Date(worker.seen_at) > LATE;
  return isLate ? "late" : worker.state;
}

/** The names of what a worker serves, whether they come as a list or as names with their slots; none of 0 slots. */
export function namesOf(served) {
  const names = served ?? [];
  return Array.isArray(names) ? names.map((each) => each?.name ?? each) : Object.keys(names).filter((name) => names[name] !== 0);
}
