// Pauses that end early when there is a reason to. Must never throw.

const FIRST = 500; // milliseconds
// So that all clients reconnect within five seconds after the server is available again.
const LONGEST = 5_000;

/**
 * How long to wait after this many failures in a row, in milliseconds; randomly between half and all of it, so that
 * clients do not all reconnect at once.
 */
export function backoff(failures: number): number {
  const whole = Math.min(LONGEST, FIRST * 2 ** Math.max(0, failures));
  return whole * (0.5 + Math.random() / 2);
}

/** Waits; ends at once when `signal` is aborted or the browser comes online. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      globalThis.removeEventListener?.("online", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end);
    globalThis.addEventListener?.("online", end);
  });
}
