// The data of a page, read again when the event stream reports a change. Must never poll for changes that an event
// reports, and never read in a hidden tab: such changes are read once when the tab is visible again.

import { showConnection } from "../components/connection-status.js";
import { get } from "../lib/api.js";
import { follow } from "../lib/live/event-stream.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";

/**
 * @template T
 * @typedef {{ key: string | null, data: T | null, problem: Problem | null, reading: boolean }} Seen What a page holds of its last read.
 */

const LEAST_PAUSE = 1000; // milliseconds between two reads
const PAUSE_FACTOR = 10; // and at least this many times as long as the last one took

/**
 * Reads by `read(signal)` at once, whenever `key` changes, and after events of the stream `watch` (a query of
 * `/events`, such as `all=true`; null follows nothing). With `every` the data is also read again after this many
 * milliseconds, for values that change without an event. Returns `{data, problem, reading, refresh}`; if a read fails,
 * `data` of the last successful read stays.
 * @template T
 * @param {string} key
 * @param {(signal: AbortSignal) => T | Promise<T>} read
 * @param {string | null} watch
 * @param {number | null} every
 * @returns {Live<T>}
 */
export function useLive(key, read, watch = null, every = null) {
  const [shown, setShown] = useState(/** @type {Seen<T>} */ ({ key: null, data: null, problem: null, reading: true }));
  const reader = useRef(/** @type {ReturnType<typeof makeReader> | null} */ (null));
  useEffect(() => {
    const mine = makeReader(key, read, setShown);
    reader.current = mine;
    mine.wake();
    const stopFollowing = watch === null ? showIdle() : follow(`/events?${watch}&types=retry,settings`, {
      onFrame: () => mine.wake(),
      onState: (state, problem) => {
        showConnection(state, problem ?? "");
        if (state === "live") mine.wake();
      },
    });
    document.addEventListener("visibilitychange", mine.wake);
    const timer = every === null ? null : setInterval(mine.wake, every);
    return () => {
      if (timer !== null) clearInterval(timer);
      document.removeEventListener("visibilitychange", mine.wake);
      stopFollowing();
      mine.stop();
    };
  }, [key, watch, every]);
  const refresh = useCallback(() => void reader.current?.now(), []);
  const fresh = shown.key === key;
  return { data: fresh ? shown.data : null, problem: fresh ? shown.problem : null, reading: !fresh || shown.reading, refresh };
}

/**
 * Like `useLive`, for what one address of the API answers.
 *
 * @template T
 * @param {string} path
 * @param {string | null} [watch]
 * @param {number | null} [every]
 * @returns {Live<T>}
 */
export function useResource(path, watch, every) {
  return useLive(path, (signal) => get(path, signal), watch, every);
}

function showIdle() {
  showConnection("idle");
  return () => {};
}

/**
 * `wake()` reads soon, unless the tab is hidden; `now()` reads at once; reads never overlap.
 * @template T
 * @param {string} key
 * @param {(signal: AbortSignal) => T | Promise<T>} read
 * @param {(change: Seen<T> | ((before: Seen<T>) => Seen<T>)) => void} setShown
 */
function makeReader(key, read, setShown) {
  const stopped = new AbortController();
  let timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  let running = /** @type {Promise<void> | null} */ (null);
  let [again, next] = [false, 0];
  const wake = () => {
    if (stopped.signal.aborted || document.hidden || timer !== undefined) return;
    if (running) return void (again = true);
    timer = setTimeout(now, Math.max(0, next - Date.now()));
  };
  function now() {
    clearTimeout(timer);
    timer = undefined;
    if (running) {
      again = true;
      return running;
    }
    running = once().finally(() => {
      running = null;
      if (again) wake();
      again = false;
    });
    return running;
  }
  async function once() {
    const started = Date.now();
    setShown((before) => ({ ...(before.key === key ? before : { data: null, problem: null }), key, reading: true }));
    try {
      const data = await read(stopped.signal);
      if (!stopped.signal.aborted) setShown({ key, data, problem: null, reading: false });
    } catch (problem) {
      if (!stopped.signal.aborted) setShown((before) => ({ ...before, problem, reading: false }));
    }
    next = Date.now() + Math.max(LEAST_PAUSE, PAUSE_FACTOR * (Date.now() - started));
  }
  return { wake, now, stop: () => (stopped.abort(), clearTimeout(timer)) };
}
