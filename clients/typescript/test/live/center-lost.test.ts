// The Status Center while nothing new can come: it says so, and never shows what is old as if it were new.

import type { Browser, Page } from "playwright-core";
import { Tidemill } from "tidemill";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { complaintsOf, launch } from "./browser.js";
import { gateIn, open as openGate } from "./gates.js";
import { Mill } from "./mill.js";
import { builtPage, Site } from "./site.js";

const NOTE = ".tm-note";
const LEAVE = "You can leave this page";

let mill: Mill;
let site: Site;
let browser: Browser;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  const folder = await builtPage();
  mill = await Mill.start({ config: '[worker]\nlease_ttl = "5s"\nheartbeat = "1s"\n' });
  site = await Site.start(mill.url, folder);
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
  await mill?.stop();
});

beforeEach(async () => {
  page = await (await browser.newContext({ viewport: { width: 900, height: 700 } })).newPage();
  page.setDefaultTimeout(120_000);
  complaints = complaintsOf(page);
});

afterEach(async () => {
  await page.context().close();
  expect(complaints).toEqual([]);
});

/** A page with an entry of a job that has done its first step. */
async function shown(query: string, token?: string): Promise<string> {
  const gate = gateIn(mill.folder);
  const { id } = await new Tidemill({ url: mill.url, ...(token && { token }) }).enqueue("steps", { gate, n: 2 });
  await page.goto(`${site.url}/?show=center&user=${id}${query}`);
  await page.waitForFunction(() => window.test.center);
  await page.evaluate((jobId) => window.test.center.addStatus({ title: "Report", jobId, dismissAfter: false }), id);
  await openGate(gate, 1);
  await page.waitForSelector(".tm-entry:has-text('step 1 of 2')");
  await page.waitForSelector(`${NOTE}:has-text("${LEAVE}")`);
  return gate;
}

it("says that it tries again while the server is away, also after a reload, and that all is well when it is back", async () => {
  const gate = await shown("");
  await mill.kill();
  await page.waitForSelector(`${NOTE}:has-text("Trying again")`);
  await page.context().setOffline(true);
  await page.waitForSelector(`${NOTE}:has-text("known last")`);
  expect(await page.textContent(".tm-entry")).toContain("step 1 of 2");
  await page.context().setOffline(false);
  await page.reload();
  await page.waitForSelector(`.tm-entry:has-text("Checking")`);
  await page.waitForSelector(`${NOTE}:has-text("Trying again")`);
  await mill.begin();
  await page.waitForSelector(`${NOTE}:has-text("${LEAVE}")`);
  await openGate(gate);
  await page.waitForSelector(".tm-entry[data-status=completed]:has-text('Done')");
  expect(await page.locator(NOTE).count()).toBe(0);
});

it("says at once that the page is offline, and shows what happened meanwhile", async () => {
  const gate = await shown("");
  await page.context().setOffline(true);
  await page.waitForSelector(`${NOTE}:has-text("known last")`, { timeout: 20_000 });
  await openGate(gate);
  await page.context().setOffline(false);
  await page.waitForSelector(".tm-entry[data-status=completed]:has-text('Done')");
});

it("says that the server refuses, when the token is worth nothing any more", async () => {
  const { key, id } = await mill.key("enqueue", "read");
  const gate = await shown(`&tokens=${encodeURIComponent(JSON.stringify([key, "none"]))}`, key);
  await mill.revoke(id);
  await page.waitForSelector(`${NOTE}:has-text("No access any more")`);
  await openGate(gate);
});
