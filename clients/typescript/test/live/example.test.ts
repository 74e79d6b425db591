// examples/react as it is built and served, in a real Chromium before a real server.

import { copyFile, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { Tidemill } from "tidemill";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { complaintsOf, launch } from "./browser.js";
import { Mill } from "./mill.js";

const EXAMPLE = fileURLToPath(new URL("../../../../examples/react", import.meta.url));
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

// Says what the example's own script says, but each thing when the test wants it.
const GATED = `
import json, os, sys, time
args = json.load(sys.stdin)
steps = [(10, "Initializing client...", {}), (30, "Building containers (this may take 20-30 min)...", {}), (80, "Starting services...", {"data": {"state": "RUNNING"}})]
for at, (percent, step, more) in enumerate(steps):
    os.write(3, (json.dumps({"progress": {"percent": percent, "step": step, **more}}) + "\\n").encode())
    while not os.path.exists(f"gate-{args['project']}.{at}"):
        time.sleep(0.05)
`;

// What a killed worker ran is given to another one soon.
const LEASES = '[worker]\nlease_ttl = "5s"\nheartbeat = "1s"\n';

let mill: Mill;
let server: PreviewServer;
let browser: Browser;
let page: Page;
let url: string;
let complaints: string[];

beforeAll(async () => {
  mill = await Mill.start({ config: LEASES + (await readFile(join(EXAMPLE, "tidemill.toml"), "utf8")) });
  await writeFile(join(mill.folder, "start_project.py"), GATED);
  process.env.TIDEMILL_URL = mill.url;
  await build({ root: EXAMPLE, logLevel: "error" });
  server = await preview({ root: EXAMPLE, logLevel: "error", preview: { port: 0, host: "127.0.0.1" } });
  const { port } = server.httpServer.address() as { port: number };
  url = `http://127.0.0.1:${port}`;
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await mill?.stop();
});

beforeEach(async () => {
  page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(120_000);
  complaints = complaintsOf(page);
  // What is shown for a moment only is seen all the same.
  await page.addInitScript(() => {
    const shown = new Set<string>();
    const look = () => {
      for (const entry of document.querySelectorAll<HTMLElement>(".tm-entry"))
        shown.add(`${entry.dataset.status} ${entry.textContent}`);
    };
    document.addEventListener("DOMContentLoaded", () =>
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true }),
    );
    Object.assign(window, { shown });
  });
});

afterEach(async () => {
  await page.context().close();
  expect(complaints).toEqual([]);
});

/** Waits until an entry was shown in a state with these words. */
const entry = (words: string, state: string) =>
  page.waitForFunction(
    ([state, words]) =>
      [...(window as unknown as { shown: Set<string> }).shown].some(
        (text) => text.startsWith(state!) && text.includes(words!),
      ),
    [state, words],
  );
const gone = (title: string) => page.waitForSelector(`.tm-entry:has-text("${title}")`, { state: "detached" });
const open = (project: string, step: number) => writeFile(join(mill.folder, `gate-${project}.${step}`), "");

it("saves a will: shown at once, then saved, then gone", async () => {
  await page.goto(url);
  await page.click("text=Save will");
  await entry("Saving Will", "syncing");
  await entry("Saved successfully", "completed");
  await gone("Saving Will");
});

it("keeps a save that failed, and a transaction that failed, until they are closed", async () => {
  await page.goto(`${url}/?fail`);
  await page.click("text=Save will");
  await page.click("text=Send transaction");
  await entry("Save failed", "failed");
  await entry("Sending Transaction", "failed");
  for (const title of ["Saving Will", "Sending Transaction"]) await page.click(`[aria-label="Close: ${title}"]`);
  await gone("Saving Will");
});

it("follows a transaction from broadcast to its receipt", async () => {
  await page.goto(url);
  await page.click("text=Send transaction");
  await entry("Sending Transaction", "pending");
  await entry("Sending Transaction", "processing");
  await entry("Sending Transaction", "completed");
  await gone("Sending Transaction");
});

it("starts a project and shows how it goes on, to the end", async () => {
  await page.goto(url);
  await page.click("text=Start Project");
  await page.waitForSelector(".status-text:has-text('Initializing client')");
  expect(await page.getAttribute("[role=progressbar]", "aria-valuenow")).toBe("10");
  await open("7", 0);
  await page.waitForSelector(".status-text:has-text('Building containers')");
  await page.addScriptTag({ path: AXE });
  type Axe = { axe: { run(): Promise<{ violations: { id: string }[] }> } };
  const violations = await page.evaluate(async () => (await (window as unknown as Axe).axe.run()).violations);
  expect(violations.map(({ id }) => id)).toEqual([]);
  await open("7", 1);
  await page.waitForSelector(".status-text:has-text('Starting services')");
  await open("7", 2);
  await page.waitForSelector("text=Start Project");
  expect(await page.locator(".error-message").count()).toBe(0);
});

it("shows a report after a reload, which runs on meanwhile", async () => {
  await page.goto(url);
  await page.click("text=Make the report");
  await entry("Initializing client", "processing");
  await page.reload();
  await entry("Initializing client", "processing");
  for (const step of [0, 1, 2]) await open("report", step);
  await entry("Yearly report", "completed");
});

it("says that there is no connection when the server behind the proxy is killed, and goes on when it is back", async () => {
  for (const step of [0, 1, 2]) await rm(join(mill.folder, `gate-report.${step}`), { force: true });
  await page.goto(url);
  await page.click("text=Make the report");
  await entry("Initializing client", "processing");
  await mill.kill();
  // The client would notice the silence alone later than that.
  await page.waitForSelector(".tm-note:has-text('No connection')", { timeout: 20_000 });
  await mill.begin();
  await page.waitForSelector(".tm-note:has-text('You can leave')");
  for (const step of [0, 1, 2]) await open("report", step);
  await entry("Yearly report", "completed");
});

it("has a script that works", async () => {
  await copyFile(join(EXAMPLE, "start_project.py"), join(mill.folder, "start_project.py"));
  const tidemill = new Tidemill({ url: mill.url });
  const { id } = await tidemill.enqueue("start-project", { project: "8" });
  expect(await tidemill.result(id)).toEqual({ success: true, project_id: "8" });
});
