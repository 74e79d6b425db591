// Calls the API: JSON in and out, problems as errors, the API key where the server asks for one. Must never put the key
// into an address.

import { withBasePath } from "./base-path.js";
import { learnServerTime } from "./clock.js";
import { parseJson } from "./json.js";

const BASE = withBasePath("/api/v1");
const KEY = "tidemill-key";
const TIMEOUT = 20_000; // milliseconds for one call

/** A refusal of the server, or its silence (status 0). */
export class Problem extends Error {
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

let askPerson = async () => null; // set by app.js: opens the dialog, resolves to a key or null
let asking = null;
let declined = false;

/** Sets how a person is asked for a key; `ask(refused)` gets whether one was just refused. */
export function onKeyNeeded(ask) {
  askPerson = ask;
}

/** The key of this tab, or null. */
export function storedKey() {
  return sessionStorage.getItem(KEY);
}

/** Forgets the key of this tab. */
export function forgetKey() {
  sessionStorage.removeItem(KEY);
}

/** Allows the dialog again after it was closed without a key. */
export function askAgain() {
  declined = false;
}

/** A fetch with the stored key. After a 401 a person is asked for another one, once for all waiting calls. */
export async function open(path, options = {}) {
  for (;;) {
    const key = storedKey();
    const response = await fetchWithKey(path, options, key);
    learnServerTime(response.headers.get("date"));
    if (response.status !== 401) return response;
    if (storedKey() === key && !(await obtainKey(key !== null))) return response;
  }
}

async function fetchWithKey(path, options, key) {
  const headers = new Headers(options.headers);
  if (key) headers.set("Authorization", `Bearer ${key}`);
  try {
    return await fetch(BASE + path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (options.signal?.aborted && options.signal.reason?.name !== "TimeoutError") throw error;
    throw new Problem(0, { detail: "The server does not answer.", remedy: "Check that tidemill is running." });
  }
}

async function obtainKey(refused) {
  if (declined) return false;
  asking ??= askPerson(refused).finally(() => (asking = null));
  const key = await asking;
  declined = key === null;
  if (key !== null) sessionStorage.setItem(KEY, key);
  return key !== null;
}

/** One call. Returns the parsed body; throws a Problem. */
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
  return text === "" ? null : parseJson(text);
}

/** The bytes of a file, as a Blob; throws a Problem. */
export async function fetchFile(path) {
  const response = await open(path);
  if (!response.ok) throw await problemOf(response);
  return response.blob();
}

/** The problem in the body of a refused response. */
export async function problemOf(response) {
  try {
    return new Problem(response.status, await response.json());
  } catch {
    return new Problem(response.status);
  }
}

/** Reads one resource. */
export const get = (path, signal) => call("GET", path, { signal });

/** Sends one request that changes something. */
export const post = (path, body, headers) => call("POST", path, { body, headers });

/** A path of the API with a name or id in it, escaped. */
export function path(strings, ...values) {
  return strings.reduce((made, part, index) => made + encodeURIComponent(values[index - 1]) + part);
}
