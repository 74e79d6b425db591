// Follows an event stream until it is stopped, by the code of clients/typescript that users get, in the session of this
// browser; disconnects while the tab is hidden for long. Must never give up after a temporary failure.

import { follow as framesOf } from "../../vendor/stream.js";
import { open } from "../api.js";
import { parseJson } from "../json.js";
import { untilVisible } from "../pause.js";

/** @typedef {{ address: string, onFrame: (frame: Frame) => boolean | void, onState: Heard, lastId: string | null }} Reader */

const HIDDEN_TIMEOUT = 60_000; // milliseconds that a hidden tab keeps its connection

/**
 * Follows `address` after the event `lastId`. `onFrame({type, id, data})` returns true after the final event; `onState(state, problem)`
 * gets `connecting`, `live`, `reconnecting`, `paused`, `ended` or `refused`. Returns a function that stops it.
 *
 * @param {string} address
 * @param {{ onFrame: (frame: Frame) => boolean | void, onState?: Heard, lastId?: string | null }} how
 */
export function follow(address, { onFrame, onState = () => {}, lastId = null }) {
  const stop = new AbortController();
  keepFollowing({ address, onFrame, onState, lastId }, stop.signal).catch((error) => {
    if (!stop.signal.aborted) onState("refused", error);
  });
  return () => stop.abort();
}

/**
 * @param {Reader} reader
 * @param {AbortSignal} signal
 */
async function keepFollowing(reader, signal) {
  while (!signal.aborted) {
    if (document.hidden) reader.onState("paused");
    await untilVisible(signal);
    if (!signal.aborted && (await readUntilHidden(reader, signal))) return reader.onState("ended");
  }
}

/**
 * Reads until the stream ends, and then returns true, or until the tab is hidden for long or the reader is stopped.
 *
 * @param {Reader} reader
 * @param {AbortSignal} stop
 */
async function readUntilHidden(reader, stop) {
  const hidden = new AbortController();
  const stopWatching = whenHidden(() => hidden.abort());
  const signal = AbortSignal.any([stop, hidden.signal]);
  const onState = (/** @type {ConnectionState} */ state, /** @type {number} */ _failures, /** @type {Error | undefined} */ error) => reader.onState(state, error);
  const http = /** @type {any} */ ({ open });
  try {
    for await (const { type, id, data } of framesOf(http, reader.address, { lastEventId: reader.lastId ?? "", signal, onState })) {
      if (signal.aborted) return false;
      reader.lastId = id;
      if (reader.onFrame({ type, id, data: contents(data) }) === true) return true;
    }
    return !signal.aborted;
  } finally {
    stopWatching();
  }
}

/** @param {string} data */
function contents(data) {
  try {
    return parseJson(data) ?? {};
  } catch {
    return { text: data };
  }
}

/**
 * Calls `act` once the tab is hidden for long; returns a function that stops watching.
 *
 * @param {() => void} act
 */
function whenHidden(act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const onChange = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(act, HIDDEN_TIMEOUT);
  };
  onChange();
  document.addEventListener("visibilitychange", onChange);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onChange);
  };
}
