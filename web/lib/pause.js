// Waits that can be aborted: for a time, as the client of users has them, and for the tab to become visible. Must never leave
// a listener behind.

export { backoff, pause } from "../vendor/stream.js";

/**
 * Ends as soon as the tab is visible, or when `signal` fires.
 *
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function untilVisible(signal) {
  return new Promise((resolve) => {
    if (!document.hidden || signal?.aborted) return resolve();
    document.addEventListener("visibilitychange", onChange);
    signal?.addEventListener("abort", done);
    function onChange() {
      if (!document.hidden) done();
    }
    function done() {
      document.removeEventListener("visibilitychange", onChange);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}
