// Repeats requests while the server is unavailable. Must only be used for requests that may arrive twice: reads, and
// requests with an idempotency key.

import { backoff, pause } from "./pause.js";
import { TidemillError } from "./problem.js";

const TRIES = 4;

/** The answer, after several tries if necessary. */
export async function repeated<T>(send: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await send();
    } catch (error) {
      if (tries === TRIES || !(error instanceof TidemillError) || !error.passing || signal?.aborted) throw error;
      await pause(backoff(tries - 2), signal);
    }
  }
}
