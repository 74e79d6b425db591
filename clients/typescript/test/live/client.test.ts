// The client against a real server, from Node.

import { ConnectionError, type JobEvent, JobFailedError, ProblemError, Tidemill } from "tidemill";
import { liveJobs } from "tidemill/live";
import { describe, expect, inject, it } from "vitest";
import { gateIn, open } from "./gates.js";
import { until } from "./mill.js";

const url = inject("url");
const folder = inject("folder");

describe("verbs", () => {
  const tidemill = new Tidemill<{ greet: { args: { name: string }; result: { greeting: string } } }>({ url });

  it("enqueues, waits and gets the result, with types by kind", async () => {
    const job = await tidemill.enqueue("greet", { name: "Ann" }, { priority: "high", tags: ["new"] });
    expect(job).toMatchObject({ kind: "greet", args: { name: "Ann" }, priority: 3, tags: ["new"] });
    const result = await tidemill.result<{ greeting: string }>(job.id);
    expect(result.greeting).toBe("hello");
    expect((await tidemill.get(job.id)).state).toBe("completed");
  });

  it("answers the same job for the same idempotency key", async () => {
    const first = await tidemill.enqueue("greet", { name: "Bob" }, { idempotencyKey: "order-7" });
    const again = await tidemill.enqueue("greet", { name: "Bob" }, { idempotencyKey: "order-7" });
    expect(again.id).toBe(first.id);
    const other = tidemill.enqueue("greet", { name: "Eve" }, { idempotencyKey: "order-7" });
    await expect(other).rejects.toMatchObject({ slug: "idempotency-key-reused", status: 409 });
  });

  it("lists page after page, each job once", async () => {
    const jobs = await Promise.all(
      ["a", "b", "c", "d", "e"].map((name) => tidemill.enqueue("greet", { name }, { tags: ["paged"] })),
    );
    const seen: string[] = [];
    for await (const job of tidemill.all({ tag: "paged", limit: 2 })) seen.push(job.id);
    expect(seen.sort()).toEqual(jobs.map(({ id }) => id).sort());
    const page = await tidemill.list({ tag: "paged", limit: 2 });
    expect(page.items).toHaveLength(2);
  });

  it("enqueues many in one request, and answers what became of each", async () => {
    const unique = { key: `once-${Date.now()}` };
    const later = { kind: "greet", delay: "1h" } as const;
    const jobs = [
      { ...later, args: { name: "Ann" } },
      { ...later, unique },
      { ...later, unique },
      { ...later, priority: 12 },
    ];
    const answers = await tidemill.enqueueMany(jobs, { idempotencyKey: unique.key });
    expect(answers.map(({ status }) => status)).toEqual(["created", "created", "existing", "refused"]);
    expect(answers[2]!.id).toBe(answers[1]!.id);
    expect(answers[3]).toMatchObject({ id: null, problem: { field: "/3/priority" } });
    expect(await tidemill.get(answers[0]!.id!)).toMatchObject({ args: { name: "Ann" }, status: "scheduled" });
    expect(await tidemill.enqueueMany(jobs, { idempotencyKey: unique.key })).toEqual(answers);
    await expect(tidemill.enqueueMany([])).rejects.toBeInstanceOf(ProblemError);
  });

  it("gets many jobs in order, in as few requests as there can be, and tells those who listen", async () => {
    const made = await tidemill.enqueueMany(
      Array.from({ length: 205 }, (_, n) => ({ kind: "greet", delay: "1h", tags: [`n${n}`] })),
    );
    let requests = 0;
    const counting = new Tidemill({
      url,
      fetch: (...words) => {
        requests += 1;
        return fetch(...words);
      },
    });
    const seen: string[] = [];
    counting.observe((job) => seen.push(job.id));
    const found = await counting.getMany([...made.map(({ id }) => id!), "execution:nobody"]);
    expect(found.map((job) => job?.tags[0] ?? null)).toEqual([...made.map((_, n) => `n${n}`), null]);
    expect(requests).toBe(2);
    expect(seen).toEqual(made.map(({ id }) => id));
    expect(await counting.getMany([])).toEqual([]);
  });

  it("cancels, retries and says why a job waits", async () => {
    const job = await tidemill.enqueue("greet", { name: "later" }, { delay: "1h" });
    expect(JSON.stringify(await tidemill.explain(job.id))).toContain("not_due");
    expect(await tidemill.cancel(job.id, "not needed")).toMatchObject({ state: "cancelled" });
    await expect(tidemill.result(job.id)).rejects.toBeInstanceOf(JobFailedError);
    expect(["available", "running", "completed"]).toContain((await tidemill.retry(job.id)).state);
    expect((await tidemill.wait(job.id)).state).toBe("completed");
  });

  it("sends a signal", async () => {
    const job = await tidemill.enqueue("greet", { name: "signal" }, { delay: "1h" });
    expect(await tidemill.signal(job.id, "approved", { by: "Ann" })).toEqual({ outcome: "delivered", count: 1 });
    expect(await tidemill.signal(job.id, "approved", { by: "Bob" })).toEqual({ outcome: "ignored", count: 1 });
    await tidemill.cancel(job.id);
  });

  it("lists and reads the files of a job", async () => {
    const { id } = await tidemill.enqueue("report" as "greet");
    await tidemill.result(id);
    const [file, ...more] = await tidemill.files(id);
    expect(more).toEqual([]);
    expect(file).toMatchObject({ name: "a.csv", content_type: "text/csv", bytes: 4 });
    const answer = await tidemill.file(id, file!.name);
    expect(answer.headers.get("content-length")).toBe("4");
    let text = "";
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece;
    expect(text).toBe("a;b\n");
    await expect(tidemill.file(id, "none/../a.csv")).rejects.toMatchObject({ slug: "not-found", status: 404 });
    await expect(tidemill.files("execution:nobody")).rejects.toMatchObject({ slug: "job-not-found" });
  });

  it("makes errors of problem documents, and of a server that is not there", async () => {
    const unknown = tidemill.get("01900000-0000-7000-8000-000000000000");
    await expect(unknown).rejects.toBeInstanceOf(ProblemError);
    await expect(unknown).rejects.toMatchObject({ slug: "job-not-found", passing: false, problem: { status: 404 } });
    await expect(tidemill.enqueue("no such kind!" as "greet")).rejects.toMatchObject({ problem: { field: "/kind" } });
    const nowhere = new Tidemill({ url: "http://127.0.0.1:9" });
    await expect(nowhere.get("x")).rejects.toBeInstanceOf(ConnectionError);
  });

  it("stops waiting when it is told to", async () => {
    const job = await tidemill.enqueue("greet", { name: "never" }, { delay: "1h" });
    const stop = new AbortController();
    const waiting = tidemill.wait(job.id, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await tidemill.cancel(job.id);
  });
});

describe("liveJobs", () => {
  const tidemill = new Tidemill({ url });

  it("gives a watcher what is behind its position, or only what happens from now on", async () => {
    const name = gateIn(folder);
    const { id } = await tidemill.enqueue("steps", { gate: name, n: 3 });
    const heard = { all: [] as number[], behind: [] as number[], latest: [] as number[] };
    const live = liveJobs(tidemill);
    const hear = (list: number[], ready?: () => void) => (event: JobEvent) => {
      if (event.type === "snapshot") ready?.();
      else list.push(event.seq);
    };
    live.watch(id, { onEvent: hear(heard.all) });
    await open(name, 1);
    await until(() => heard.all.length === 2, "the first step is heard");
    live.watch(id, { lastEventId: "1", onEvent: hear(heard.behind) });
    await new Promise<void>((ready) => live.watch(id, { from: "latest", onEvent: hear(heard.latest, ready) }));
    await open(name);
    const lengths = () => [heard.all, heard.behind, heard.latest].map(({ length }) => length).join();
    await until(() => lengths() === "7,6,5", `each heard all of its own, not ${lengths()}`);
    // The last one is the end, which has the number of the last event.
    expect(heard).toEqual({ all: [1, 2, 3, 4, 5, 6, 6], behind: [2, 3, 4, 5, 6, 6], latest: [3, 4, 5, 6, 6] });
    live.close();
  });

  it("watches a hundred jobs and more, those that one stream has no place for too", async () => {
    const jobs = await Promise.all(Array.from({ length: 120 }, () => tidemill.enqueue("greet", { name: "many" })));
    const ended = new Set<string>();
    const live = liveJobs(tidemill);
    for (const { id } of jobs)
      live.watch(id, {
        onChange: ({ connection, job }) => connection === "ended" && job?.state === "completed" && ended.add(id),
      });
    await until(() => ended.size === jobs.length, "all ends are heard", 200_000);
    live.close();
  });
});

describe("events", () => {
  const tidemill = new Tidemill({ url });

  async function follow(id: string, lastEventId?: string): Promise<JobEvent[]> {
    const events: JobEvent[] = [];
    for await (const event of tidemill.events(id, { lastEventId })) events.push(event);
    return events;
  }

  it("come each once and in order to the end", async () => {
    const events = await follow((await tidemill.enqueue("steps", { n: 5 })).id);
    const types = events.map(({ type }) => type);
    expect([types[0], types.at(-1)]).toEqual(["snapshot", "completed"]);
    expect(events.filter(({ type }) => type === "log").map(({ line }) => line)).toEqual(
      [1, 2, 3, 4, 5].map((n) => `line ${n}`),
    );
    expect(events.filter(({ type }) => type === "progress").map(({ percent }) => percent)).toEqual([
      20, 40, 60, 80, 100,
    ]);
    expect(events.slice(1, -1).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(events.at(-1)).toMatchObject({ id: "10-end", result: { steps: 5 } });
  });

  it("go on behind the position that a reader comes back with, and not at all behind the end", async () => {
    const { id } = await tidemill.enqueue("steps", { n: 3 });
    const all = await follow(id);
    const rest = await follow(id, all[3]!.id);
    expect(rest.filter(({ type }) => type !== "snapshot")).toEqual(all.slice(4));
    expect(await follow(id, all.at(-1)!.id)).toEqual([]);
  });

  it("are left by who has enough", async () => {
    const name = gateIn(folder);
    const { id } = await tidemill.enqueue("steps", { gate: name });
    await open(name, 1);
    for await (const event of tidemill.events(id, { types: ["progress"] })) {
      if (event.type !== "snapshot") {
        expect(event).toMatchObject({ type: "progress", step: "step 1 of 3" });
        break;
      }
    }
    await open(name);
    expect(await tidemill.result(id)).toEqual({ steps: 3 });
  });

  it("of an unknown job are refused", async () => {
    await expect(follow("01900000-0000-7000-8000-000000000000")).rejects.toMatchObject({ slug: "job-not-found" });
  });
});
