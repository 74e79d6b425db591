// Waits that can be aborted: for a time, for the tab to become visible. Must never leave a timer or listener behind.

/**
 * Ends after `milliseconds`, or at once when `signal` fires.
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}

/**
 * Ends as soon as the tab is visible, or when `signal` fires.
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function untilVisible(signal) {
  return new Promise((resolve) => {
    if (!document.hidden || signal?.aborted) return resolve();
    document.addEventListener("visibilitychange", onChange);
    signal?.addEventListener("abort", done, { once: true });
    function onChange() {
      if (!document.hidden) done();
    }
    function done() {
      document.removeEventListener("visibilitychange", onChange);
      resolve();
    }
  });
}

/**
 * The delay before retry number `failures`, in milliseconds: 0.5 s doubling to 15 s, half of it random.
 * @param {number} failures
 * @param {number} random
 */
export function backoff(failures, random = Math.random()) {
  const full = Math.min(15_000, 500 * 2 ** Math.max(0, failures - 1));
  return Math.round(full / 2 + (full / 2) * random);
}
