// The package as `npm pack` makes it, in a real Deno and in a real workerd, against a real server that is killed meanwhile. Each
// is left out only where its package has no program for this machine.

import { rm } from "node:fs/promises";
import { Tidemill } from "tidemill";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Packed, packed } from "../package/packed.js";
import { runsHere } from "../package/runs-here.js";
import { gateIn, open } from "./gates.js";
import { Mill } from "./mill.js";
import { type Day, deno, Workerd } from "./runtimes/start.js";
import type { Fact, Given } from "./runtimes/tour.js";

let mill: Mill;
let published: Packed;

beforeAll(async () => {
  published = await packed();
  // What a killed worker ran is given to another one soon.
  mill = await Mill.start({ config: '[worker]\nlease_ttl = "5s"\nheartbeat = "1s"\n' });
});

afterAll(async () => {
  await mill?.stop();
  if (published) await rm(published.folder, { recursive: true, force: true });
});

/** Hears a tour to its end: lets its job go on, and kills the server while the first step is all that was seen. */
async function hear(given: Given, facts: AsyncGenerator<Fact, void>): Promise<Record<string, Fact>> {
  const heard: Record<string, Fact> = {};
  let steps = 0;
  for await (const fact of facts) {
    heard[fact.is] = fact;
    if (fact.is === "enqueued") await open(given.gate, 1);
    if (fact.is === "left") await open(given.gate, 2);
    if (fact.is !== "step" || ++steps > 1) continue;
    await mill.kill();
    await mill.begin();
    await open(given.gate);
  }
  return heard;
}

const given = (): Given => ({ url: mill.url, gate: gateIn(mill.folder), never: gateIn(mill.folder) });

async function proves(heard: Record<string, Fact>): Promise<void> {
  expect(heard).toMatchObject({
    result: { result: { greeting: "hello" } },
    refused: { slug: "job-not-found" },
    aborted: { name: "AbortError" },
    cancelled: { state: "cancelled" },
    watched: { state: "completed" },
  });
  expect(heard.shown!.html).toContain('aria-valuenow="30"');
  const { id, events } = heard.followed as unknown as { id: string; events: string[] };
  const stored: string[] = [];
  for await (const { type, seq } of new Tidemill({ url: mill.url }).events(id))
    if (type !== "snapshot") stored.push(`${type} ${seq}`);
  expect(events).toEqual(stored);
  expect(events.length).toBeGreaterThanOrEqual(7);
}

it.skipIf(!runsHere("deno"))("enqueues, waits, follows, resumes and cancels in Deno", async () => {
  const tour = given();
  await proves(await hear(tour, deno(published, tour)));
});

// The second is the day before which `fetch` of a Worker refused to be told of caches.
describe.skipIf(!runsHere("workerd")).each<Day>(["2026-11-01", "2023-01-01"])(
  "in workerd by the rules of %s",
  (day) => {
    let worker: Workerd;

    beforeAll(async () => {
      worker = await Workerd.start(published, day);
    });
    afterAll(() => worker?.stop());

    it("enqueues, waits, follows, resumes and cancels", async () => {
      const tour = given();
      await proves(await hear(tour, worker.tour(tour)));
    });

    it("uses a client of the module for one request after the other, and asks for its token once", async () => {
      for (let request = 1; request <= 3; request++) {
        const answer = await worker.ask("/kept", given());
        expect(await answer.json()).toEqual({ result: { greeting: "hello" }, asked: 1 });
      }
    });
  },
);

it.skipIf(!runsHere("workerd"))("comes over a token that was asked for by a request that has ended", async () => {
  const worker = await Workerd.start(published, "2026-11-01");
  try {
    await worker.ask("/forgotten", given());
    const answers = [];
    for (let request = 1; request <= 3; request++) answers.push((await worker.ask("/kept", given())).status);
    expect(answers.slice(1)).toEqual([200, 200]);
  } finally {
    await worker.stop();
  }
});
