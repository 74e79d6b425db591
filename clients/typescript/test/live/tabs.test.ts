// Tabs of one origin in a real Chromium: one stream for all, whoever is closed, frozen or put away.

import type { Browser, BrowserContext, Page } from "playwright-core";
import { Tidemill } from "tidemill";
import { afterAll, afterEach, beforeAll, expect, inject, it } from "vitest";
import { launch } from "./browser.js";
import { gateIn, open as openGate } from "./gates.js";
import { until } from "./mill.js";
import { builtPage, Site } from "./site.js";

const tidemill = new Tidemill({ url: inject("url") });
let site: Site;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  const folder = await builtPage();
  site = await Site.start(inject("url"), folder);
  // Playwright switches the back-forward cache off.
  browser = await launch({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
});

afterEach(async () => {
  await context.close();
  await until(() => site.streams === 0, "no stream is left open");
  site.most = 0;
});

async function open(query: string, fresh = false): Promise<Page> {
  if (fresh) context = await browser.newContext();
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  await page.goto(`${site.url}/?${query}`);
  return page;
}

const shows = (page: Page, words: string) =>
  page.waitForFunction((words) => document.querySelector("#root")?.textContent?.includes(words), words, {
    timeout: 120_000,
  });

it("eight tabs share one stream, also where each follows another job, and go on when the reader is closed", async () => {
  const gates = [gateIn(inject("folder")), gateIn(inject("folder"))];
  const jobs = await Promise.all(gates.map((gate) => tidemill.enqueue("steps", { gate, n: 3 })));
  const pages: Page[] = [];
  for (let n = 0; n < 8; n++) pages.push(await open(`job=${jobs[n % 2]!.id}`, n === 0));
  for (const gate of gates) await openGate(gate, 1);
  for (const page of pages) await shows(page, "step 1 of 3");
  expect(site.streams).toBe(1);
  expect(site.most).toBe(1);
  // A browser has six connections to an origin: the others' requests still get through.
  const states = await Promise.all(
    pages.map((page, n) => page.evaluate((id) => window.test.client.get(id), jobs[n % 2]!.id)),
  );
  expect(states.map(({ state }) => state)).toEqual(Array(8).fill("running"));

  await pages.shift()!.close();
  for (const gate of gates) await openGate(gate, 2);
  for (const page of pages) await shows(page, "step 2 of 3");
  expect(site.most).toBe(1);
  for (const gate of gates) await openGate(gate);
  for (const page of pages) await shows(page, "completed");
});

it("a log that is opened later, in another tab, is whole", async () => {
  const gate = gateIn(inject("folder"));
  const { id } = await tidemill.enqueue("steps", { gate, n: 3 });
  const first = await open(`job=${id}`, true);
  await openGate(gate, 1);
  await openGate(gate, 2);
  await shows(first, "step 2 of 3");
  const second = await open(`show=log&job=${id}`);
  await shows(second, "line 2");
  await openGate(gate);
  await second.waitForSelector("section[data-connection=ended]");
  expect((await second.textContent("#lines"))!.split("\n").map((line) => line.replace(/^\d+ /, ""))).toEqual([
    "line 1",
    "line 2",
    "line 3",
  ]);
  expect(site.most).toBe(1);
});

it("users of different scopes share nothing", async () => {
  const gate = gateIn(inject("folder"));
  const { id } = await tidemill.enqueue("steps", { gate, n: 1 });
  const ann = await open(`scope=ann&job=${id}`, true);
  const bob = await open(`scope=bob&job=${id}`);
  await shows(ann, "running");
  await shows(bob, "running");
  expect(site.streams).toBe(2);
  await openGate(gate);
  await Promise.all([shows(ann, "completed"), shows(bob, "completed")]);
});

it("a page that is frozen holds no connection, and reads the truth when it wakes", async () => {
  const gate = gateIn(inject("folder"));
  const { id } = await tidemill.enqueue("steps", { gate, n: 2 });
  const page = await open(`show=log&job=${id}`, true);
  await openGate(gate, 1);
  await shows(page, "line 1");
  // Without a window Chromium freezes no page; it gets the word all the same.
  await page.evaluate(() => document.dispatchEvent(new Event("freeze")));
  await until(() => site.streams === 0, "the frozen page lets go of its stream");
  await openGate(gate);
  await tidemill.result(id);
  expect(await page.textContent("#lines")).not.toContain("line 2");
  await page.evaluate(() => document.dispatchEvent(new Event("resume")));
  await page.waitForSelector("section[data-connection=ended]");
  expect(await page.textContent("#lines")).toMatch(/^\d+ line 1\n\d+ line 2$/);
});

it("a page that comes out of the back-forward cache shows what happened meanwhile", async () => {
  const gate = gateIn(inject("folder"));
  const { id } = await tidemill.enqueue("steps", { gate, n: 2 });
  const page = await open(`show=log&job=${id}`, true);
  await openGate(gate, 1);
  await shows(page, "line 1");
  await page.evaluate(() => {
    window.test.kept = "by the cache";
  });
  await page.goto(`${site.url}/?away`);
  await until(() => site.streams === 0, "the page that is put away lets go of its stream");
  await openGate(gate);
  await tidemill.result(id);
  await page.goBack({ waitUntil: "commit" });
  await page.waitForSelector("section[data-connection=ended]");
  expect(await page.evaluate(() => window.test.kept)).toBe("by the cache");
  expect(await page.textContent("#lines")).toMatch(/^\d+ line 1\n\d+ line 2$/);
});
