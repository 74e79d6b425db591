// Hooks and the shared stream in a real Chromium before a real server.

import type { Browser, BrowserContext, Page } from "playwright-core";
import { Tidemill } from "tidemill";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { complaintsOf, launch } from "./browser.js";
import { gateIn, open as openGate } from "./gates.js";
import { Mill, until } from "./mill.js";
import { builtPage, Site } from "./site.js";

// A worker that is killed loses its jobs after this.
const SHORT_LEASE = `
[worker]
lease_ttl = "6s"
heartbeat = "1s"
[keeper]
sweep = "1s"
`;

let mill: Mill;
let site: Site;
let browser: Browser;
let context: BrowserContext;
let tidemill: Tidemill;
const complaints: string[] = [];

beforeAll(async () => {
  const folder = await builtPage();
  [mill, browser] = await Promise.all([Mill.start({ config: SHORT_LEASE }), launch()]);
  site = await Site.start(mill.url, folder);
  tidemill = new Tidemill({ url: mill.url });
  context = await browser.newContext();
  context.setDefaultTimeout(120_000);
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
  await mill?.stop();
});

afterEach(async () => {
  for (const page of context.pages()) await page.close();
  await until(() => site.streams === 0, "no stream is left open");
  expect(complaints.splice(0)).toEqual([]);
});

async function open(query: string): Promise<Page> {
  const page = await context.newPage();
  const heard = complaintsOf(page);
  page.on("close", () => complaints.push(...heard));
  await page.goto(`${site.url}/?${query}`);
  return page;
}

const shows = (page: Page, id: string, words: string) =>
  page.waitForFunction(
    ([id, words]) => document.querySelector(`[data-job="${id}"] output`)?.textContent?.includes(words!),
    [id, words],
    { timeout: 120_000 },
  );

describe("useJob", () => {
  it("shows a job from its queue to its end, the start too, over one stream for all", async () => {
    const gates = [gateIn(mill.folder), gateIn(mill.folder), gateIn(mill.folder)];
    const jobs = await Promise.all(gates.map((gate) => tidemill.enqueue("steps", { gate, n: 2 })));
    site.most = site.streams;
    const page = await open(jobs.map(({ id }) => `job=${id}`).join("&"));
    for (const [at, { id }] of jobs.entries()) {
      await shows(page, id, "running");
      await openGate(gates[at]!, 1);
      await shows(page, id, "running step 1 of 2");
      expect(await page.getAttribute(`[data-job="${id}"]`, "data-connection")).toBe("live");
    }
    expect(site.most).toBe(1);
    for (const [at, { id }] of jobs.entries()) {
      await openGate(gates[at]!);
      await shows(page, id, "completed");
      expect(await page.getAttribute(`[data-job="${id}"]`, "data-connection")).toBe("ended");
    }
    await until(() => site.streams === 0, "nothing is followed behind the end");
  });

  it("says that there is no such job, and shows the others all the same", async () => {
    const gate = gateIn(mill.folder);
    const { id } = await tidemill.enqueue("steps", { gate, n: 1 });
    const unknown = "01900000-0000-7000-8000-000000000000";
    const page = await open(`job=${unknown}&job=${id}`);
    await page.waitForSelector(`[data-job="${unknown}"][data-connection=ended] p:has-text("${unknown}")`);
    await openGate(gate);
    await shows(page, id, "completed");
  });

  it("stops and starts with `enabled`, and misses nothing", async () => {
    const gate = gateIn(mill.folder);
    const { id } = await tidemill.enqueue("steps", { gate, n: 3 });
    const page = await open(`job=${id}&events`);
    await openGate(gate, 1);
    await shows(page, id, "step 1 of 3");
    await page.click("text=stop");
    await until(() => site.streams === 0, "the stream is closed");
    expect(await page.getAttribute("article", "data-connection")).toBe("idle");
    await openGate(gate, 2);
    await until(async () => (await tidemill.get(id)).progress?.step === "step 2 of 3", "the second step is done");
    expect(await page.textContent("output")).toContain("step 1 of 3");
    await page.click("text=start");
    await shows(page, id, "step 2 of 3");
    await openGate(gate);
    await shows(page, id, "completed");
    await page.waitForFunction(() => window.test.events.some(({ type }: { type: string }) => type === "completed"));
    const events = await page.evaluate(() =>
      window.test.events.map((event: { type: string; seq: number }) => [event.type, event.seq]),
    );
    const seqs = events
      .filter(([type]: [string]) => !["snapshot", "completed"].includes(type))
      .map(([, seq]: [string, number]) => seq);
    expect(seqs).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("shows a retry by hand of a job that was over", async () => {
    const { id } = await tidemill.enqueue("steps", { n: 1, fail: "no luck" });
    const page = await open(`job=${id}`);
    await shows(page, id, "failed");
    await page.evaluate((id) => window.test.client.retry(id), id);
    await page.waitForSelector("article[data-finished=false]");
    await shows(page, id, "failed");
    expect((await tidemill.get(id)).attempt).toBeGreaterThan(1);
  });
});

describe("a server that is killed", () => {
  it("is come back to: nothing is missed and nothing comes twice", async () => {
    const gate = gateIn(mill.folder);
    const { id } = await tidemill.enqueue("steps", { gate, n: 4 }, { max_attempts: 5 });
    const page = await open(`show=log&job=${id}&job=${id}`);
    await openGate(gate, 1);
    await page.waitForFunction(() => document.querySelector("#lines")?.textContent?.includes("line 1"));
    await mill.kill();
    await page.waitForSelector('section[data-connection="reconnecting"], section[data-connection="offline"]');
    await openGate(gate);
    await mill.begin();
    const end = await tidemill.wait(id);
    expect(end.state).toBe("completed");
    await page.waitForFunction(() => document.querySelector("section")?.getAttribute("data-connection") === "ended");
    const shown = (await page.textContent("#lines"))!.split("\n");
    const stored: string[] = [];
    for await (const event of tidemill.events(id)) if (event.type === "log") stored.push(`${event.seq} ${event.line}`);
    expect(shown).toEqual(stored);
    // It came back behind what it had seen.
    expect(site.positions.at(-1)).not.toBe("");
    expect(site.positions.at(-1)).not.toBe("0");
  });
});

describe("a proxy that lets no stream through", () => {
  it("is no reason to show less: documents are read, and the stream is taken when it is let through", async () => {
    const gate = gateIn(mill.folder);
    const { id } = await tidemill.enqueue("steps", { gate, n: 3 });
    site.blocked = true;
    const page = await open(`job=${id}`);
    await page.waitForSelector('article[data-connection="polling"]', { timeout: 120_000 });
    await openGate(gate, 1);
    await shows(page, id, "step 1 of 3");
    site.blocked = false;
    await page.waitForSelector('article[data-connection="live"]', { timeout: 120_000 });
    await openGate(gate);
    await shows(page, id, "completed");
  });
});

describe("other hooks", () => {
  it("useEnqueue sends and follows", async () => {
    const page = await open("show=enqueue");
    await page.click("text=Go");
    await page.waitForFunction(() => document.querySelector("output")?.textContent === "completed 2");
    const keys = site.seen.filter((line) => line === "POST /api/v1/jobs");
    expect(keys).toHaveLength(1);
  });

  it("useTaskStatus shows the seed's words, told by the stream", async () => {
    const gate = gateIn(mill.folder);
    const { id } = await tidemill.enqueue("steps", { gate, n: 2 });
    const page = await open(`show=task&job=${id}`);
    await page.waitForSelector("output[data-connection=live]");
    // While the stream has no news nobody asks; one question may be on its way, and one follows from the stream being there.
    const asked = () => site.seen.filter((line) => line.includes("task-status")).length;
    const before = asked();
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 7_000)));
    expect(asked() - before).toBeLessThanOrEqual(2);
    await openGate(gate, 1);
    await page.waitForFunction(() => document.querySelector("output")?.textContent === "true BUILDING 50 step 1 of 2");
    await openGate(gate);
    await page.waitForFunction(
      () => document.querySelector("output")?.textContent === "false SUCCESS 100 Completed successfully",
    );
  });

  it("useJobs keeps a list true, and its rows where they are while it is held", async () => {
    const tag = `list-${Date.now()}`;
    const enqueue = (n: number) => tidemill.enqueue("steps", { n }, { tags: [tag] });
    for (const n of [1, 2, 3, 4]) await enqueue(n);
    const page = await open(`show=list&tag=${tag}&hold`);
    await page.waitForFunction(
      () => document.querySelector("ol")?.innerText === "4 completed\n3 completed\n2 completed",
    );
    await page.click("#more");
    await page.waitForFunction(() => document.querySelector("ol")?.innerText.endsWith("1 completed"));
    await enqueue(5);
    await page.waitForSelector("text=1 new");
    expect(await page.innerText("ol")).toMatch(/^4 completed/);
    await page.click("#new");
    await page.waitForFunction(() => document.querySelector("ol")?.innerText.startsWith("5 completed\n4 completed"));
  });
});
