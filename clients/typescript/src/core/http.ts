// One request to the server, with its token, and the answer. Must never send a token to another origin than the
// server's, nor repeat a request more than once because of an expired token.

import { ConnectionError, problemIn } from "./problem.js";

/** Returns a token, or nothing if none is needed; `expired` is true if the server refused the previous token. */
export type TokenSource = (expired: boolean) => string | null | undefined | Promise<string | null | undefined>;

/** How to reach a server. */
export interface ConnectionOptions {
  /** The server, such as `https://jobs.example.org`; by default the page's own origin. */
  url?: string;
  /**
   * Sent as `Authorization: Bearer …`. A function is called at the first request, and again when the server answers
   * 401.
   */
  token?: string | TokenSource;
  /** Used instead of the global `fetch`. */
  fetch?: typeof fetch;
  /** Cookies: as in `fetch`. */
  credentials?: RequestCredentials;
  /** The token is in a cookie (`credentials: "include"`): requests that change something also send its CSRF value. */
  csrf?: boolean;
}

/** Whether `fetch` accepts the option `cache`: older Cloudflare Workers refuse it. */
const CACHES = typeof Request === "undefined" || "cache" in Request.prototype;

export class Http {
  readonly url: string;
  readonly #options: ConnectionOptions;
  #token: Promise<string | null | undefined> | undefined;
  #csrf: Promise<string> | undefined;

  constructor(options: ConnectionOptions) {
    this.url = (options.url ?? "").replace(/\/+$/, "");
    this.#options = options;
  }

  /**
   * The answer with any status; after a 401 the token is renewed first, if possible.
   * @throws ConnectionError if none came.
   */
  async open(path: string, init: RequestInit = {}): Promise<Response> {
    if (!this.#options.csrf || (init.method ?? "GET") === "GET") return this.#renewed(path, init);
    const send = async (known?: Promise<string>) => {
      const value = known ?? this.#ofCookie();
      this.#csrf = value;
      value.catch(() => {
        this.#csrf = undefined;
      });
      const headers = new Headers(init.headers);
      headers.set("X-CSRF-Token", await value);
      return this.#renewed(path, { ...init, headers });
    };
    const first = await send(this.#csrf);
    if (first.status !== 403) return first;
    // The cookie may have a newer token by now.
    await first.body?.cancel();
    return send();
  }

  async #ofCookie(): Promise<string> {
    return (await this.json<{ csrf_token: string }>("/api/v1/tokens/csrf")).csrf_token;
  }

  async #renewed(path: string, init: RequestInit): Promise<Response> {
    const used = this.#token ?? this.#ask(false);
    const first = await this.#send(path, init, await this.#told(used));
    if (first.status !== 401 || typeof this.#options.token !== "function") return first;
    await first.body?.cancel();
    // Several requests may get a 401 for the same expired token: only one of them asks for a new one.
    const renewed = this.#token === used ? this.#ask(true) : (this.#token ?? this.#ask(true));
    return this.#send(path, init, await this.#told(renewed));
  }

  /**
   * The answer if its status is a success.
   * @throws ProblemError if the server refuses, ConnectionError if no answer came.
   */
  async good(path: string, init?: RequestInit): Promise<Response> {
    const response = await this.open(path, init);
    if (!response.ok) throw await problemIn(response);
    return response;
  }

  /** The answer's body as JSON. @throws ProblemError if the server refuses, ConnectionError if no answer came. */
  async json<T>(path: string, init: RequestInit & { body?: string } = {}): Promise<T> {
    const headers = { ...(init.body !== undefined && { "Content-Type": "application/json" }), ...init.headers };
    const response = await this.good(path, { ...init, headers });
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw this.#failed(path, error, init.signal);
    }
  }

  #ask(expired: boolean): Promise<string | null | undefined> {
    const { token } = this.#options;
    this.#token = Promise.resolve().then(() => (typeof token === "function" ? token(expired) : token));
    return this.#token;
  }

  /**
   * The token of the source. If the source fails, the next request calls it again; the same holds if the Cloudflare
   * Worker's request that called it has ended.
   */
  async #told(asked: Promise<string | null | undefined>): Promise<string | null | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (this.#token === asked) this.#token = undefined;
      throw error;
    }
  }

  async #send(path: string, init: RequestInit, token: string | null | undefined): Promise<Response> {
    const headers = new Headers(init.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    const { fetch = globalThis.fetch, credentials } = this.#options;
    const asked = {
      ...(CACHES && { cache: "no-store" as const }),
      ...(credentials && { credentials }),
      ...init,
      headers,
    };
    try {
      return await fetch(this.url + path, asked);
    } catch (error) {
      throw this.#failed(path, error, init.signal);
    }
  }

  #failed(path: string, cause: unknown, signal?: AbortSignal | null): unknown {
    if (signal?.aborted) return signal.reason;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new ConnectionError(
      `No answer from ${this.url || "the page's own server"}${path}: ${why}. Is it up, and does it allow this origin?`,
      { cause },
    );
  }
}
