// The Status Center in a real Chromium before a real server: entries of jobs, reloads, other tabs, keys, and what axe says.

import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { Tidemill } from "tidemill";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { complaintsOf, launch } from "./browser.js";
import { gateIn, open as openGate } from "./gates.js";
import { until } from "./mill.js";
import { builtPage, Site } from "./site.js";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PICTURES = process.env.TIDEMILL_PICTURES; // a folder for those who want to see

const tidemill = new Tidemill({ url: inject("url") });
let site: Site;
let browser: Browser;
let context: BrowserContext;
let complaints: string[] = [];

beforeAll(async () => {
  const folder = await builtPage();
  site = await Site.start(inject("url"), folder);
  browser = await launch();
  if (PICTURES) await mkdir(PICTURES, { recursive: true });
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
});

beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 900, height: 700 } });
  context.setDefaultTimeout(120_000);
});

afterEach(async () => {
  await context.close();
  expect(complaints.splice(0)).toEqual([]);
});

async function open(user = "ann", style = ""): Promise<Page> {
  const page = await context.newPage();
  complaints = complaintsOf(page);
  await page.goto(`${site.url}/?show=center&user=${user}`);
  if (style) await page.addStyleTag({ content: style });
  await page.waitForFunction(() => window.test.center);
  return page;
}

// biome-ignore lint/suspicious/noExplicitAny: whatever an entry may have
const add = (page: Page, status: any): Promise<string> =>
  page.evaluate((status) => window.test.center.addStatus(status), status);

/** What axe finds, by rule and place. */
async function faults(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: AXE });
  return page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: axe brings no types into the page
    const { violations } = await (window as any).axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"],
    });
    // biome-ignore lint/suspicious/noExplicitAny: as above
    return violations.flatMap((rule: any) => rule.nodes.map((node: any) => `${rule.id}: ${node.html}`));
  });
}

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES) await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

const SOME = [
  { title: "Saving Will", description: "Syncing to secure vault...", status: "syncing", type: "sync" },
  { title: "Import of customers.csv", description: "2,310 of 9,240 rows", status: "processing", progress: 25 },
  {
    title: "Deploy",
    status: "processing",
    steps: [
      { label: "Build", status: "completed" },
      { label: "Test", status: "processing" },
      { label: "Release", status: "pending" },
    ],
  },
  { title: "Report", status: "completed", description: "Ready", href: "#report", dismissAfter: false },
  { title: "Payment", status: "failed", description: "The card was refused." },
];

describe("an entry of a job", () => {
  it("is there before the request, then says what the server says, and goes by itself into what was earlier", async () => {
    const page = await open();
    const gate = gateIn(inject("folder"));
    await page.evaluate((gate) => {
      const { track } = window.test.center;
      track((idempotencyKey: string) => window.test.client.enqueue("steps", { gate, n: 2 }, { idempotencyKey }), {
        title: "Build the site",
        dismissAfter: 600,
      });
    }, gate);
    await page.waitForSelector(".tm-entry[data-status=pending]:has-text('Build the site')");
    await page.waitForSelector(".tm-entry[data-status=processing]");
    await openGate(gate, 1);
    await page.waitForSelector(".tm-entry:has-text('step 1 of 2') [role=progressbar][aria-valuenow='50']");
    expect(await faults(page)).toEqual([]);
    await picture(page, "job");
    await openGate(gate);
    await page.waitForSelector(".tm-entry[data-status=completed]");
    await page.waitForSelector(".tm-entry", { state: "detached" });
    await page.keyboard.press("F8");
    await page.waitForSelector("summary:has-text('Earlier (1)')");
  });

  it("survives a reload, and the end that came meanwhile is told", async () => {
    const gate = gateIn(inject("folder"));
    const { id } = await tidemill.enqueue("steps", { gate, n: 1, text: "secret" });
    const page = await open();
    await add(page, { title: "Long work", jobId: id, dismissAfter: false, description: "private words" });
    await page.waitForSelector(".tm-entry[data-status=processing]");
    const kept = await page.evaluate(() => JSON.stringify(localStorage));
    expect(kept).toContain("Long work");
    expect(kept).not.toMatch(/secret|private words/);
    await page.goto("about:blank");
    await openGate(gate);
    await tidemill.result(id);
    await page.goto(`${site.url}/?show=center&user=ann`);
    await page.waitForSelector(".tm-entry[data-status=completed]:has-text('Long work')");
    // Another user of the same browser sees nothing of it.
    const other = await open("bob");
    expect(await other.evaluate(() => window.test.center.statuses)).toEqual([]);
  });

  it("is the same in another tab, and closed in both", async () => {
    const gate = gateIn(inject("folder"));
    const { id } = await tidemill.enqueue("steps", { gate, n: 1 });
    const one = await open();
    const two = await open();
    await add(one, { title: "In both", jobId: id });
    await two.waitForSelector(".tm-entry[data-status=processing]:has-text('In both')");
    await two.click("text=Cancel");
    await one.waitForSelector(".tm-entry[data-status=failed]:has-text('Cancelled')");
    await two.click("[aria-label='Close: In both']");
    await one.waitForSelector(".tm-entry", { state: "detached" });
  });

  it("is there on a second device, without anything kept, also what ended meanwhile and what the backend began", async () => {
    const owner = `dana-${Date.now()}`;
    const device = async (user: string) => {
      const context = await browser.newContext();
      context.setDefaultTimeout(120_000);
      const page = await context.newPage();
      complaints = complaintsOf(page);
      await page.goto(`${site.url}/?show=center&user=${user}&owner=${owner}`);
      await page.waitForFunction(() => window.test.center);
      return page;
    };
    const gate = gateIn(inject("folder"));
    const phone = await device("phone");
    await phone.evaluate(
      ([gate, owner]) => {
        const work = (idempotencyKey: string) =>
          window.test.client.enqueue("steps", { gate, n: 2 }, { idempotencyKey, owner });
        window.test.center.track(work, { title: "Build the site" });
      },
      [gate, owner] as const,
    );
    await phone.waitForSelector(".tm-entry[data-status=processing]:has-text('Build the site')");
    const ended = await tidemill.enqueue("greet", {}, { owner });
    await tidemill.result(ended.id);
    await tidemill.enqueue("greet", {}, { owner: "somebody else" });
    const desk = await device("desk");
    await desk.waitForSelector(".tm-entry[data-status=processing]:has-text('steps')");
    expect(
      await desk.evaluate(() => window.test.center.earlier.map((entry: { jobId: string }) => entry.jobId)),
    ).toEqual([ended.id]);
    await openGate(gate, 1);
    for (const page of [phone, desk])
      await page.waitForSelector(".tm-entry:has-text('step 1 of 2') [role=progressbar][aria-valuenow='50']");
    await picture(desk, "second-device");
    // What somebody else began for this user comes too; what was closed does not come back.
    await desk.click("[aria-label='Close: steps']");
    const { id } = await tidemill.enqueue("greet", {}, { owner, delay: "1h" });
    for (const page of [phone, desk]) await page.waitForSelector(".tm-entry:has-text('greet')");
    await tidemill.cancel(id);
    for (const page of [phone, desk]) await page.waitForSelector(".tm-entry[data-status=failed]:has-text('Cancelled')");
    await openGate(gate);
    await phone.waitForSelector(".tm-entry[data-status=completed]:has-text('Build the site')");
    expect(await desk.locator(".tm-entry:has-text('steps')").count()).toBe(0);
    for (const page of [phone, desk]) await page.context().close();
  });

  it("says why it waits", async () => {
    const first = await tidemill.enqueue("steps", {}, { delay: "1h" });
    const { id } = await tidemill.enqueue("steps", {}, { after: [first.id] });
    const [reason] = (await tidemill.explain(id)).reasons;
    const page = await open();
    await add(page, { title: "Waits", jobId: id });
    await page.waitForFunction(
      (why) => document.querySelector(".tm-entry")?.textContent?.includes(why),
      reason!.message.slice(1),
      { timeout: 120_000 },
    );
    await tidemill.cancel(id);
    await tidemill.cancel(first.id);
    await page.waitForSelector(".tm-entry[data-status=failed]");
  });

  it("that failed is tried again from the entry; one that is not known any more says so", async () => {
    const { id } = await tidemill.enqueue("steps", { n: 1, fail: "no luck today" });
    const page = await open();
    await add(page, { title: "Fails", jobId: id });
    await page.waitForSelector(".tm-entry[data-status=failed]:has-text('no luck today')");
    await page.click("text=Try again");
    await until(async () => (await tidemill.get(id)).attempt > 1, "it was tried again");
    await page.waitForSelector(".tm-entry[data-status=failed]:has-text('no luck today')");
    await add(page, { title: "Gone", jobId: "01900000-0000-7000-8000-000000000000" });
    await page.waitForSelector(".tm-entry[data-status=failed]:has-text('No longer known')");
  });

  it("whose enqueue did not get through is sent again under the same key", async () => {
    const page = await open();
    await page.evaluate(() => {
      window.test.keys = [];
      window.test.center.track(
        async (key: string) => {
          window.test.keys.push(key);
          if (window.test.keys.length === 1) throw new Error("no connection");
          return window.test.client.enqueue("greet", {}, { idempotencyKey: key });
        },
        { title: "Order", dismissAfter: false },
      );
    });
    await page.waitForSelector(".tm-entry[data-status=failed]:has-text('no connection')");
    await page.click("text=Try again");
    await page.waitForSelector(".tm-entry[data-status=completed]");
    const keys = await page.evaluate(() => window.test.keys);
    expect(keys[0]).toBe(keys[1]);
  });
});

describe("for everybody", () => {
  it("axe finds nothing in any state, light or dark, left to right or right to left", async () => {
    for (const scheme of ["light", "dark"] as const) {
      for (const dir of ["ltr", "rtl"]) {
        const page = await open(
          `${scheme}-${dir}`,
          `html { color-scheme: ${scheme}; background: ${scheme === "dark" ? "#111; color: #eee" : "#fff"} }`,
        );
        await page.evaluate((dir) => document.documentElement.setAttribute("dir", dir), dir);
        for (const status of SOME) await add(page, status);
        await page.click("text=Show all");
        await page.waitForFunction((count) => document.querySelectorAll(".tm-entry").length === count, SOME.length);
        expect(await faults(page)).toEqual([]);
        await picture(page, `all-${scheme}-${dir}`);
        await page.close();
      }
    }
  });

  it("says ends politely and failures at once, in regions that are there before, and no step of a progress but quarters", async () => {
    const page = await open();
    expect(await page.getAttribute(".tm-center", "aria-label")).toBe("Background work");
    expect(await page.locator("[role=status]").count()).toBe(1);
    await page.evaluate(() => {
      window.test.said = [];
      const watch = (role: string) => {
        const region = document.querySelector(`.tm-center > [role=${role}]`)!;
        new MutationObserver(() => window.test.said.push(`${role} ${region.textContent}`)).observe(region, {
          childList: true,
          characterData: true,
          subtree: true,
        });
      };
      watch("status");
      watch("alert");
    });
    const said = (words: string) => page.waitForFunction((words) => window.test.said.includes(words), words);
    const id = await add(page, { title: "Upload", status: "processing", progress: 1 });
    await said("status Upload: 0 %.");
    for (const progress of [5, 12, 19, 24])
      await page.evaluate(([id, progress]) => window.test.center.updateStatus(id, { progress }), [
        id,
        progress,
      ] as const);
    await page.evaluate((id) => window.test.center.updateStatus(id, { progress: 26 }), id);
    await said("status Upload: 25 %.");
    expect(await page.evaluate(() => window.test.said.length)).toBe(2);
    await page.evaluate(
      (id) => window.test.center.updateStatus(id, { status: "failed", description: "The disk is full" }),
      id,
    );
    await said("alert Upload: Failed, The disk is full.");
  });

  it("takes no focus, is reached by F8, closes by Escape and gives the focus back", async () => {
    const page = await open();
    await page.focus("text=Something else");
    await add(page, { title: "One", status: "failed" });
    await add(page, { title: "Two", status: "failed" });
    await page.waitForSelector(".tm-entry:has-text('Two')");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Something else");
    await page.keyboard.press("F8");
    expect(await page.evaluate(() => document.activeElement?.className)).toContain("tm-center");
    const order: (string | null)[] = [];
    for (let n = 0; n < 2; n++) {
      await page.keyboard.press("Tab");
      order.push(await page.evaluate(() => document.activeElement!.getAttribute("aria-label")));
    }
    expect(order).toEqual(["Close: Two", "Close: One"]);
    await picture(page, "focus");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelectorAll(".tm-entry").length === 1);
    expect(await page.evaluate(() => document.activeElement?.className)).toContain("tm-center");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.activeElement?.textContent === "Something else");
  });

  it("closes nothing while the pointer, the focus or an open panel holds it", async () => {
    const page = await open();
    await add(page, { title: "Held", status: "processing" });
    await page.hover(".tm-entry");
    const done = (title: string) =>
      page.evaluate((title) => {
        const { id } = window.test.center.statuses.find((entry: { title: string }) => entry.title === title);
        window.test.center.updateStatus(id, { status: "completed", dismissAfter: 50 });
      }, title);
    await done("Held");
    // Another entry whose time is over shows that time has passed, would it not be held.
    const passed = () => page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
    await passed();
    expect(await page.locator(".tm-entry").count()).toBe(1);
    await page.focus("[aria-label='Close: Held']");
    await page.mouse.move(5, 5);
    await passed();
    expect(await page.locator(".tm-entry").count()).toBe(1);
    await page.focus("text=Something else");
    await page.waitForSelector(".tm-entry", { state: "detached" });
  });

  it("moves nothing for those who asked for that", async () => {
    const moving = async (page: Page) => {
      await add(page, { title: "Goes on", status: "processing" });
      await page.waitForSelector(".tm-bar");
      return page.evaluate(
        () => document.getAnimations().filter((animation) => animation.playState === "running").length,
      );
    };
    expect(await moving(await open("moving"))).toBe(1);
    const page = await context.newPage();
    await page.emulateMedia({ reducedMotion: "reduce" });
    await page.goto(`${site.url}/?show=center&user=still`);
    await page.waitForFunction(() => window.test.center);
    expect(await moving(page)).toBe(0);
  });

  it("shows a thousand entries and long titles, and stays quick", async () => {
    const page = await open();
    const took = await page.evaluate(async () => {
      const began = performance.now();
      const ids: string[] = [];
      for (let n = 1; n <= 1000; n++)
        ids.push(window.test.center.addStatus({ title: `Work ${n}`, status: "processing", progress: n / 10 }));
      window.test.center.addStatus({
        title: `${"A title without an end ".repeat(20)}${"x".repeat(300)}`,
        description: "y".repeat(400),
        status: "failed",
      });
      for (const id of ids) window.test.center.updateStatus(id, { progress: 99 });
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - began;
    });
    expect(took).toBeLessThan(10_000);
    await page.waitForSelector("text=Show all (1,001)");
    await picture(page, "thousand");
    await page.click("text=Show all (1,001)");
    await page.waitForFunction(() => document.querySelectorAll(".tm-entry").length === 1001);
    const box = await page.evaluate(() => {
      const panel = document.querySelector(".tm-panel")!;
      return {
        wide: panel.scrollWidth - panel.clientWidth,
        bottom: panel.getBoundingClientRect().bottom,
        top: panel.getBoundingClientRect().top,
      };
    });
    expect(box.wide).toBe(0);
    expect(box.top).toBeGreaterThanOrEqual(0);
    expect(box.bottom).toBeLessThanOrEqual(700);
    await picture(page, "thousand-open");
  });
});
