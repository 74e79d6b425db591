// Waiting that can be called off: for a time, for the tab to be seen again.

/** Ends after `milliseconds`, or at once when `signal` fires. */
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

/** Ends as soon as the tab is in view, or when `signal` fires. */
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

/** How long to wait before try number `failures` + 1, in milliseconds: 0.5 s doubling to 15 s, of which half is chance. */
export function backoff(failures, chance = Math.random()) {
  const full = Math.min(15_000, 500 * 2 ** Math.max(0, failures - 1));
  return Math.round(full / 2 + (full / 2) * chance);
}
