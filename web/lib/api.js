// Calls the API: JSON in and out, problems as errors, a session if the server requires a key. Must never store a key.

import { withBasePath } from "./base-path.js";
import { learnServerTime } from "./clock.js";
import { parseJson } from "./json.js";

const BASE = withBasePath("/api/v1");
const TIMEOUT = 20_000; // milliseconds for one call

/** A refusal of the server, or no answer (status 0). */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {Partial<Api.Problem> & { job?: { id: string } }} document
   */
  constructor(status, document = {}) {
    super(document.detail || document.title || `The server answered ${status}.`);
    this.status = status;
    this.title = document.title ?? "";
    this.field = document.field ?? null;
    this.remedy = document.remedy ?? null;
    this.type = document.type ?? null;
    this.job = document.job ?? null; // the job that is in the way
  }

  /** Whether the same request can succeed later. */
  get temporary() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** @type {(refused: boolean) => Promise<string | null>} */
let askPerson = async () => null; // set by app.js: opens the dialog, resolves to a key or null
/** @type {Promise<boolean> | null} */
let asking = null;
let declined = false;
let session = 0; // rises with each sign-in and sign-out of this tab
/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * Sets the function that asks a person for a key; `ask(refused)`: `refused` is true if a key was just refused.
 * @param {(refused: boolean) => Promise<string | null>} ask
 */
export function onKeyNeeded(ask) {
  askPerson = ask;
}

/**
 * Calls `heard` after this tab has signed in or out.
 * @param {() => void} heard
 */
export function onSession(heard) {
  listeners.add(heard);
}

/**
 * Exchanges a key for a session in a cookie that no script can read; the key is not stored.
 * @param {string} key
 */
export async function signIn(key) {
  const response = await request("/session", { method: "POST", headers: { Authorization: `Bearer ${key}` } });
  if (!response.ok) throw await problemOf(response);
  changed();
}

/** Ends the session of this browser; succeeds if the session has already ended. */
export async function signOut() {
  const response = await request("/session", await withProof({ method: "DELETE" }));
  if (!response.ok && response.status !== 401) throw await problemOf(response);
  declined = false;
  changed();
}

function changed() {
  session += 1;
  for (const heard of listeners) heard();
}

/** Allows the dialog again after it was closed without a key. */
export function askAgain() {
  declined = false;
}

/**
 * A fetch in the session of this browser. After a 401 the person is asked for a key, once for all waiting calls.
 * @param {string} path
 * @param {RequestInit} options
 */
export async function open(path, options = {}) {
  for (;;) {
    const before = session;
    const response = await request(path, await withProof(options));
    learnServerTime(response.headers.get("date"));
    if (response.status !== 401) return response;
    if (session === before && !(await obtainSession())) return response;
  }
}

/**
 * A request that changes something also sends a value that only a page of this server can know (against CSRF).
 * @param {RequestInit} options
 * @returns {Promise<RequestInit>}
 */
async function withProof(options) {
  if ((options.method ?? "GET") === "GET") return options;
  const me = await request("/me", { signal: options.signal });
  const proof = me.ok ? (await me.json()).session?.csrf_token : null;
  return proof ? { ...options, headers: { ...options.headers, "X-CSRF-Token": proof } } : options;
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function request(path, options) {
  try {
    return await fetch(BASE + path, { ...options, cache: "no-store" });
  } catch (error) {
    if (options.signal?.aborted && options.signal.reason?.name !== "TimeoutError") throw error;
    throw new Problem(0, { detail: "The server does not answer.", remedy: "Check that tidemill is running." });
  }
}

async function obtainSession() {
  if (declined) return false;
  asking ??= askUntilAccepted().finally(() => (asking = null));
  const done = await asking;
  declined = !done;
  return done;
}

async function askUntilAccepted() {
  for (let refused = false; ; refused = true) {
    const key = await askPerson(refused);
    if (key === null) return false;
    try {
      await signIn(key);
      return true;
    } catch (problem) {
      if (problem.status !== 401) throw problem;
    }
  }
}

/**
 * One call. Returns the parsed body; throws a Problem.
 * @template T
 * @param {string} method
 * @param {string} path
 * @param {{ body?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} options
 * @returns {Promise<T>}
 */
export async function call(method, path, { body, headers = {}, signal } = {}) {
  const timeout = AbortSignal.timeout(TIMEOUT);
  const response = await open(path, {
    method,
    headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
  if (!response.ok) throw await problemOf(response);
  const text = await response.text();
  return parseJson(text === "" ? "null" : text);
}

/**
 * The problem in the body of a refused response.
 * @param {Response} response
 */
export async function problemOf(response) {
  try {
    return new Problem(response.status, await response.json());
  } catch {
    return new Problem(response.status);
  }
}

/**
 * Reads one resource.
 * @template T
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export const get = (path, signal) => call("GET", path, { signal });

/**
 * Sends one request that changes something.
 * @template T
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<T>}
 */
export const post = (path, body, headers) => call("POST", path, { body, headers });

/** The value of an Idempotency-Key: a request that is sent again with it does nothing twice. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * A path of the API with a name or id in it, escaped.
 * @param {TemplateStringsArray} strings
 * @param {string[]} values
 */
export function path(strings, ...values) {
  return strings.reduce((made, part, index) => made + encodeURIComponent(values[index - 1]) + part);
}
