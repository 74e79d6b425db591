// Follows one event stream until it is stopped: resumes with Last-Event-ID, renews its token, detects a silent
// connection, reconnects with jitter. Must never skip or repeat a frame, nor reconnect to a stream that has ended.

import type { Http } from "./http.js";
import { backoff, pause } from "./pause.js";
import { ConnectionError, problemIn, TidemillError } from "./problem.js";
import { type Frame, SseReader } from "./sse.js";

const SILENCE = 40_000; // milliseconds; the server sends a comment every 15 s

/** The state of a stream; `error` is the reason for a reconnect. */
export type StreamState = "connecting" | "live" | "reconnecting";

export interface StreamOptions {
  /** The position after which to begin; by default the beginning. */
  lastEventId?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Called at each change; `failures` is the number of consecutive connections without a frame. */
  onState?(state: StreamState, failures: number, error?: TidemillError): void;
}

/** The frames of a stream until its end (204). @throws ProblemError if the server refuses permanently. */
export async function* follow(http: Http, path: string, options: StreamOptions = {}): AsyncGenerator<Frame, void> {
  const { signal, onState } = options;
  let lastEventId = options.lastEventId ?? "";
  let failures = 0;
  onState?.("connecting", 0);
  while (!signal?.aborted) {
    const connection = new Connection(signal);
    let why: TidemillError | undefined;
    try {
      const body = await connection.open(http, path, lastEventId);
      if (!body) return;
      onState?.("live", 0);
      for await (const frame of connection.frames(body, lastEventId)) {
        failures = 0;
        lastEventId = frame.id;
        if (frame.data !== "") yield frame;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (!(error instanceof TidemillError) || !error.passing) throw error;
      why = error;
    } finally {
      connection.close();
    }
    if (signal?.aborted) return;
    onState?.("reconnecting", failures, why);
    const asked = why && "retryAfter" in why ? Number(why.retryAfter ?? 0) : 0;
    await pause(Math.max(backoff(failures), asked * (1 + Math.random() / 4)), signal);
    failures += 1;
  }
}

/** One connection; it counts as dead after a long silence. */
class Connection {
  readonly #closed = new AbortController();
  readonly #outer: AbortSignal | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;

  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer;
    outer?.addEventListener("abort", this.close);
    // Without a network no error reports that the connection is dead.
    globalThis.addEventListener?.("offline", this.#cut);
  }

  /** The body, or nothing if the reader has seen the end. */
  async open(http: Http, path: string, lastEventId: string): Promise<ReadableStream<Uint8Array> | undefined> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (lastEventId) headers["Last-Event-ID"] = lastEventId;
    this.#listen();
    const response = await this.#passing(http.open(path, { headers, signal: this.#closed.signal }));
    if (response.status === 204) return undefined;
    if (!response.ok) throw await problemIn(response);
    return response.body ?? undefined;
  }

  async *frames(body: ReadableStream<Uint8Array>, lastEventId: string): AsyncGenerator<Frame, void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const parser = new SseReader(lastEventId);
    for (;;) {
      const { done, value } = await this.#passing(reader.read());
      if (done) return;
      this.#listen();
      for (const frame of parser.push(decoder.decode(value, { stream: true }))) yield frame;
    }
  }

  readonly close = (): void => {
    clearTimeout(this.#watchdog);
    this.#outer?.removeEventListener("abort", this.close);
    globalThis.removeEventListener?.("offline", this.#cut);
    this.#closed.abort();
  };

  readonly #cut = (): void => this.#closed.abort();

  #listen(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(this.#cut, SILENCE);
  }

  /** A broken connection does not end the stream. */
  async #passing<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      if (error instanceof TidemillError || this.#outer?.aborted) throw error;
      throw new ConnectionError(`The stream broke: ${error instanceof Error ? error.message : error}.`, {
        cause: error,
      });
    }
  }
}
