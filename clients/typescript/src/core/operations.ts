// Operations: one action on all jobs that match a filter, carried out by the server in the background, with a report. Must
// never start one twice: each start carries an idempotency key.

import type { Http } from "./http.js";
import { randomKey } from "./id.js";
import { repeated } from "./repeat.js";
import type { Operation, OperationPage, OperationPreview, OperationReport, OperationRequest } from "./types.js";

const ALL = "/api/v1/operations";

export interface OperationOptions {
  signal?: AbortSignal;
}

/** `tidemill.operations`; the token needs the scope of the action. */
export class Operations {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /**
   * Counts the jobs that the operation would change, and the jobs that it would skip, by reason. Changes nothing. In a long
   * history one call counts a part of them; pass `looked_to` as `after` to count the next part, until it is null.
   */
  preview(
    request: OperationRequest,
    { after, ...options }: OperationOptions & { after?: string | null } = {},
  ): Promise<OperationPreview> {
    const query = after ? `?after=${encodeURIComponent(after)}` : "";
    return this.#post(`${ALL}/preview${query}`, request, options);
  }

  /**
   * Cancels, retries, runs now, deletes, moves or sets the priority of all jobs that match `filter`, no faster than `rate`
   * (`200/min`). For every job set `all: true`. Without an answer the request is repeated with the same idempotency key.
   * @throws ProblemError if the server refuses, ConnectionError if it cannot be reached.
   */
  start(
    request: OperationRequest,
    { idempotencyKey = randomKey(), signal }: OperationOptions & { idempotencyKey?: string } = {},
  ): Promise<Operation> {
    const headers = { "Idempotency-Key": idempotencyKey };
    return repeated(() => this.#post(ALL, request, { signal, headers }), signal);
  }

  /** One operation, with the first jobs that it skipped. @throws ProblemError `operation-not-found`. */
  get(id: string, { signal }: OperationOptions = {}): Promise<OperationReport> {
    return this.#http.json(at(id), { signal: signal ?? null });
  }

  /**
   * A page of the operations of the last 30 days, newest first; pass `next_cursor` as `cursor` to get the next page.
   */
  list({ cursor, signal }: OperationOptions & { cursor?: string | null } = {}): Promise<OperationPage> {
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
    return this.#http.json(ALL + query, { signal: signal ?? null });
  }

  /** Stops the operation; jobs that it has already changed stay changed. */
  cancel(id: string, options?: OperationOptions): Promise<OperationReport> {
    return this.#post(`${at(id)}/cancel`, undefined, options);
  }

  /** Starts an operation that restores the jobs that this one cancelled, moved or gave another priority. */
  undo(id: string, { rate, ...options }: OperationOptions & { rate?: string } = {}): Promise<OperationReport> {
    return this.#post(`${at(id)}/undo`, { rate }, options);
  }

  #post<T>(
    path: string,
    body?: object,
    { signal, ...init }: OperationOptions & { headers?: Record<string, string> } = {},
  ): Promise<T> {
    const content = body && { body: JSON.stringify(body) };
    return this.#http.json(path, { method: "POST", ...content, ...init, signal: signal ?? null });
  }
}

function at(id: string): string {
  return `${ALL}/${encodeURIComponent(id)}`;
}
