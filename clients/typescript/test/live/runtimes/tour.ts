// A program that uses the package as it is published, and runs in every runtime: it says what it sees, fact after fact, and the
// test that hears it lets its jobs go on. Must use nothing but the package and what the web has.

import { type JobEvent, JobFailedError, ProblemError, Tidemill } from "tidemill";
import { liveJobs } from "tidemill/live";
import { page } from "./page.js";

export interface Given {
  url: string;
  /** A gate of the kind `steps`; it stays closed for the job that is cancelled. */
  gate: string;
  never: string;
}

export interface Fact {
  is: string;
  [what: string]: unknown;
}

/** Each part of the package that a program without a page may use. */
export async function* tour({ url, gate, never }: Given): AsyncGenerator<Fact, void> {
  const tidemill = new Tidemill({ url, token: async () => null });
  const { id } = await tidemill.enqueue("greet", { name: "Ann" });
  yield { is: "result", result: await tidemill.result(id) };
  const unknown = await tidemill.get("execution:nobody").catch((error) => error);
  yield { is: "refused", slug: unknown instanceof ProblemError && unknown.slug };
  yield* followed(tidemill, gate);
  yield* cancelled(tidemill, never);
  yield { is: "watched", state: await watched(tidemill, id) };
  yield { is: "shown", html: page(url) };
}

/** A stream that is left at the first event of a step, and gone on with where it was left. */
async function* followed(tidemill: Tidemill, gate: string): AsyncGenerator<Fact, void> {
  const { id } = await tidemill.enqueue("steps", { n: 3, gate }, { max_attempts: 5 });
  const seen: JobEvent[] = [];
  yield { is: "enqueued", id };
  for await (const event of tidemill.events(id)) {
    seen.push(event);
    if (event.type === "progress") break;
  }
  yield { is: "left" };
  for await (const event of tidemill.events(id, { lastEventId: seen.at(-1)!.id })) {
    seen.push(event);
    if (event.type === "progress") yield { is: "step" };
  }
  // A snapshot is no event of its own: it comes with each connection.
  const events = seen.filter(({ type }) => type !== "snapshot");
  yield { is: "followed", id, events: events.map(({ type, seq }) => `${type} ${seq}`) };
}

async function* cancelled(tidemill: Tidemill, gate: string): AsyncGenerator<Fact, void> {
  const { id } = await tidemill.enqueue("steps", { gate });
  for await (const { type } of tidemill.events(id)) if (type === "snapshot") break;
  const stop = new AbortController();
  const left = tidemill.wait(id, { signal: stop.signal }).catch((error) => error.name);
  stop.abort();
  yield { is: "aborted", name: await left };
  const failed = tidemill.result(id).catch((error) => error);
  await tidemill.cancel(id, "not needed any more");
  const error = await failed;
  yield { is: "cancelled", state: error instanceof JobFailedError && error.job.state };
}

function watched(tidemill: Tidemill, id: string): Promise<unknown> {
  return new Promise((resolve) => {
    const stop = liveJobs(tidemill).watch(id, {
      onChange: ({ job, connection }) => {
        if (connection !== "ended") return;
        stop();
        resolve(job?.state);
      },
    });
  });
}
