// Follows an event stream until it is stopped: reads by fetch (EventSource sends no headers), resumes with
// Last-Event-ID, drops a silent connection, and disconnects while the tab is hidden for long. Must never give up after
// a temporary failure.

import { Problem as Refusal, open, problemOf } from "../api.js";
import { parseJson } from "../json.js";
import { backoff, pause, untilVisible } from "../pause.js";
import { EventParser } from "./sse-parser.js";

/**
 * @typedef {{ address: string, onFrame: (frame: Frame) => boolean | void, onState: Heard, lastId: string | null, failures: number }} Reader
 * @typedef {{ ended: boolean, isLive: boolean, gotFrames: boolean, problem: Problem | null }} Attempt One connection.
 */

const SILENCE_TIMEOUT = 40_000; // milliseconds; the server sends a comment every 15 s
const HIDDEN_TIMEOUT = 60_000; // milliseconds that a hidden tab keeps its connection

/**
 * Follows `address` after the event `lastId`. `onFrame({type, id, data})` returns true after the final event; `onState(state, problem)`
 * gets `connecting`, `live`, `reconnecting`, `paused`, `ended` or `refused`. Returns a function that stops it.
 * @param {string} address
 * @param {{ onFrame: (frame: Frame) => boolean | void, onState?: Heard, lastId?: string | null }} how
 */
export function follow(address, { onFrame, onState = () => {}, lastId = null }) {
  const stop = new AbortController();
  const reader = { address, onFrame, onState, lastId, failures: 0 };
  keepFollowing(reader, stop.signal).catch((error) => {
    if (!stop.signal.aborted) onState("refused", error);
  });
  return () => stop.abort();
}

/**
 * @param {Reader} reader
 * @param {AbortSignal} signal
 */
async function keepFollowing(reader, signal) {
  let first = true;
  while (!signal.aborted) {
    if (document.hidden) reader.onState("paused");
    await untilVisible(signal);
    if (signal.aborted) return;
    reader.onState(first ? "connecting" : "reconnecting");
    first = false;
        const outcome = await readOnce(reader, signal);
    if (signal.aborted) return;
    if (outcome.ended) return reader.onState("ended");
    if (outcome.problem && !outcome.problem.temporary) return reader.onState("refused", outcome.problem);
    reader.failures = outcome.gotFrames ? 0 : reader.failures + 1;
    reader.onState("reconnecting", outcome.problem);
    // The server's `retry:` is for an EventSource, which stops after a refusal; this reader does not stop.
    await pause(backoff(reader.failures), signal);
  }
}

/**
 * One connection, until it ends or breaks; a network error never throws.
 * @param {Reader} reader
 * @param {AbortSignal} signal
 */
async function readOnce(reader, signal) {
  const broken = new AbortController();
  const disconnect = () => broken.abort();
  signal.addEventListener("abort", disconnect, { once: true });
  const stopWatchingTab = disconnectWhenHidden(disconnect);
  /** @type {Attempt} */
  const outcome = { ended: false, isLive: false, gotFrames: false, problem: null };
  try {
    /** @type {Record<string, string>} */
    const headers = { Accept: "text/event-stream" };
    if (reader.lastId !== null) headers["Last-Event-ID"] = reader.lastId;
    const response = await open(reader.address, { headers, signal: broken.signal });
    if (!response.ok) outcome.problem = await problemOf(response);
    else if (response.status === 204) outcome.ended = true; // the reader has had the final event
    else await readBody(/** @type {ReadableStream<Uint8Array>} */ (response.body), reader, outcome, broken);
  } catch (error) {
    outcome.problem = error instanceof Refusal ? error : null;
  } finally {
    broken.abort();
    stopWatchingTab();
    signal.removeEventListener("abort", disconnect);
  }
  return outcome;
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {Reader} reader
 * @param {Attempt} outcome
 * @param {AbortController} broken
 */
async function readBody(body, reader, outcome, broken) {
  const parser = new EventParser({
    onFrame: (frame) => !outcome.ended && !broken.signal.aborted && handle(frame, reader, outcome),
  });
  const chunks = body.getReader();
  const decoder = new TextDecoder();
  let watchdog = setTimeout(() => broken.abort(), SILENCE_TIMEOUT);
  try {
    while (!outcome.ended) {
      const { done, value } = await chunks.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => broken.abort(), SILENCE_TIMEOUT);
      // The server begins with a comment, so a stream without events is live too.
      if (!outcome.isLive) reader.onState("live");
      outcome.isLive = true;
      parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    clearTimeout(watchdog);
  }
}

/**
 * @param {RawFrame} frame
 * @param {Reader} reader
 * @param {Attempt} outcome
 */
function handle(frame, reader, outcome) {
  outcome.gotFrames = true;
  if (frame.id !== null) reader.lastId = frame.id;
  outcome.ended = reader.onFrame({ type: frame.type, id: frame.id, data: contents(frame) }) === true;
}

/** @param {RawFrame} frame */
function contents(frame) {
  if (frame.tooLong) return { too_long: true };
  try {
    return parseJson(frame.data ?? "null") ?? {};
  } catch {
    return { text: frame.data };
  }
}

/** @param {() => void} disconnect */
function disconnectWhenHidden(disconnect) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const onChange = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(disconnect, HIDDEN_TIMEOUT);
  };
  onChange();
  document.addEventListener("visibilitychange", onChange);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onChange);
  };
}
