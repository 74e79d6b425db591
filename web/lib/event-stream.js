// Follows an event stream for as long as it is wanted: reads by fetch (EventSource sends no headers), resumes
// with Last-Event-ID, notices a silent connection, and rests while the tab is long out of sight.

import { open, Problem, problemOf } from "./api.js";
import { parseJson } from "./json.js";
import { backoff, pause, untilVisible } from "./pause.js";
import { EventParser } from "./sse-parser.js";

const SILENCE = 40_000; // milliseconds; the server sends a comment every 15 s
const HIDDEN_REST = 60_000; // milliseconds out of sight until the connection is given up

/**
 * Follows `address` from behind `lastId`. `onFrame({type, id, data})` answers true when the story is over; `onState(state, problem)`
 * hears `connecting`, `live`, `reconnecting`, `paused`, `ended`, `refused`. Answers a function that stops it.
 */
export function follow(address, { onFrame, onState = () => {}, lastId = null }) {
  const stop = new AbortController();
  const reader = { address, onFrame, onState, lastId, failures: 0 };
  keepFollowing(reader, stop.signal).catch((error) => {
    if (!stop.signal.aborted) onState("refused", error);
  });
  return () => stop.abort();
}

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
    if (outcome.over) return reader.onState("ended");
    if (outcome.problem && !outcome.problem.passing) return reader.onState("refused", outcome.problem);
    reader.failures = outcome.gotFrames ? 0 : reader.failures + 1;
    reader.onState("reconnecting", outcome.problem);
    // The server's `retry:` is for browsers that give up at a refusal; this reader does not.
    await pause(backoff(reader.failures), signal);
  }
}

/** One connection, until it ends or breaks; never throws for what the network does. */
async function readOnce(reader, signal) {
  const broken = new AbortController();
  const giveUp = () => broken.abort();
  signal.addEventListener("abort", giveUp, { once: true });
  const rest = restWhenHidden(giveUp);
  const outcome = { over: false, gotFrames: false, problem: null };
  try {
    const headers = { Accept: "text/event-stream" };
    if (reader.lastId !== null) headers["Last-Event-ID"] = reader.lastId;
    const response = await open(reader.address, { headers, signal: broken.signal });
    if (!response.ok) outcome.problem = await problemOf(response);
    else if (response.status === 204) outcome.over = true; // the reader has seen the end
    else await readBody(response.body, reader, outcome, broken);
  } catch (error) {
    outcome.problem = error instanceof Problem ? error : null;
  } finally {
    broken.abort();
    rest();
    signal.removeEventListener("abort", giveUp);
  }
  return outcome;
}

async function readBody(body, reader, outcome, broken) {
  const parser = new EventParser({
    onFrame: (frame) => !outcome.over && !broken.signal.aborted && take(frame, reader, outcome),
  });
  const chunks = body.getReader();
  const decoder = new TextDecoder();
  let watchdog = setTimeout(() => broken.abort(), SILENCE);
  try {
    while (!outcome.over) {
      const { done, value } = await chunks.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => broken.abort(), SILENCE);
      parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    clearTimeout(watchdog);
  }
}

function take(frame, reader, outcome) {
  if (!outcome.gotFrames) reader.onState("live");
  outcome.gotFrames = true;
  if (frame.id !== null) reader.lastId = frame.id;
  outcome.over = reader.onFrame({ type: frame.type, id: frame.id, data: contents(frame) }) === true;
}

function contents(frame) {
  if (frame.tooLong) return { too_long: true };
  try {
    return parseJson(frame.data) ?? {};
  } catch {
    return { text: frame.data };
  }
}

function restWhenHidden(giveUp) {
  let timer = null;
  const onChange = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(giveUp, HIDDEN_REST);
  };
  onChange();
  document.addEventListener("visibilitychange", onChange);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onChange);
  };
}
