// What axe finds on every page: by day, by night and on a phone. Must never look at a page that still loads.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch, openPage } from "./browser.js";
import { startMill, until } from "./mill.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const LOOKS = {
  "by day": { colorScheme: "light" },
  "by night": { colorScheme: "dark" },
  "on a phone": { colorScheme: "light", viewport: { width: 390, height: 800 } },
};
const MORE = `
[kinds.colours]
command = ["python3", "-c", "print('\\u001b[1;31mred\\u001b[0m plain'); [print(f'\\u001b[{c}mcolour {c}\\u001b[0m') for c in [*range(30, 38), *range(90, 98), *range(40, 48), *range(100, 108), 2]]; import sys; print('oops', file=sys.stderr); sys.exit(1)"]
max_attempts = 1
[queues.default]
slots = 2
[queues.shut]
slots = 1
[schedules.nightly]
cron = "0 2 * * *"
timezone = "Europe/Berlin"
kind = "steps"
args = { n = 1, pause = 0 }
[schedules.often]
every = "1h"
kind = "steps"
args = { n = 1, pause = 0 }
[limits.tenant]
max_running = 1
[alerts.errors]
condition = "error_rate"
above = 0.5
`;

let mill, browser;
const found = {}; // ids of what the pages show

before(async () => {
  [mill, browser] = await Promise.all([startMill(MORE), launch()]);
  found.running = await mill.enqueue("endless", {});
  found.waiting = await mill.enqueue("nobody-has-it", { a: 1 }, { fair_key: "acme" });
  found.done = await mill.enqueue("steps", { n: 2, pause: 0, text: "x" }, { tags: ["blue"], metadata: { a: { b: 1 } } });
  found.failed = await mill.enqueue("broken", { text: "the deploy is bad" });
  found.coloured = await mill.enqueue("colours", {});
  await post("/queues/shut/pause");
  const workflow = { jobs: [{ name: "one", kind: "steps", args: { n: 1, pause: 0 } }, { name: "two", kind: "broken", args: { text: "no" }, after: ["one"] }] };
  found.workflow = (await post("/workflows", workflow)).id;
  found.operation = (await post("/operations", { action: "retry", filter: { state: "failed", kind: "broken" } })).id;
  await until(async () => (await read(`/jobs/${found.coloured}`)).state === "failed", "the coloured job has failed");
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});

const read = async (path) => (await fetch(`${mill.url}/api/v1${path}`)).json();

async function post(path, body = {}) {
  const answer = await fetch(`${mill.url}/api/v1${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const document = await answer.json();
  assert.ok(answer.ok, `${path}: ${JSON.stringify(document)}`);
  return document;
}

/** Each address with the text that stands there when it is drawn. */
function pages() {
  const lists = ["overview", "workflows", "queues", "schedules", "failures", "operations", "workers", "kinds", "limits", "alerts", "audit", "doctor", "keys", "settings"];
  return [
    "/", "/jobs?state=failed", "/jobs?kind=none-has-it", "/jobs/nope", "/enqueue", "/docs",
    ...[found.running, found.waiting, found.done, found.failed, found.coloured].map((id) => `/jobs/${id}`),
    ...lists.map((name) => `/${name}`),
    `/workflows/${found.workflow}`, "/queues/default", "/queues/shut", "/schedules/nightly",
    `/operations/${found.operation}`, "/operations/new?action=cancel&state=available",
  ];
}

for (const [look, options] of Object.entries(LOOKS)) {
  test(`${look}, axe finds nothing on any page`, async () => {
    const { page, close } = await openPage(browser, mill.url, { reducedMotion: "reduce", ...options });
    const faults = [];
    for (const address of pages()) {
      await page.goto(address);
      await drawn(page);
      faults.push(...(await faultsOf(page)).map((fault) => `${address} ${fault}`));
      if (process.env.TIDEMILL_PICTURES) await page.screenshot({ path: `${process.env.TIDEMILL_PICTURES}/${look.replaceAll(" ", "-")}${address.replace(/[^a-z]+/gi, "-").slice(0, 30)}.png`, fullPage: true });
    }
    await close();
    assert.deepEqual(faults, []);
  });

  test(`${look}, axe finds nothing in dialogs, menus and forms`, async () => {
    const { page, close } = await openPage(browser, mill.url, { reducedMotion: "reduce", ...options });
    const faults = [];
    for (const [address, open] of [
      ["/queues", (at) => at.getByRole("button", { name: "Pause default" }).click()],
      ["/schedules", (at) => at.getByRole("button", { name: "New schedule" }).click()],
      ["/schedules/nightly", (at) => at.getByRole("button", { name: "Change" }).click()],
      ["/alerts", (at) => at.getByRole("button", { name: "New rule" }).click()],
      ["/keys", (at) => at.getByRole("button", { name: "New key" }).click()],
      ["/queues/default", (at) => at.getByRole("button", { name: "Change limits" }).click()],
      ["/jobs?state=failed", (at) => at.getByText("Views", { exact: true }).click()],
      ["/overview", (at) => (options.viewport ? at.getByRole("button", { name: "Menu" }).click() : Promise.resolve())],
    ]) {
      await page.goto(address);
      await drawn(page);
      await open(page);
      faults.push(...(await faultsOf(page)).map((fault) => `${address} ${fault}`));
    }
    await page.route("**/api/v1/**", (route) => route.fulfill({ status: 401, contentType: "application/problem+json", body: JSON.stringify({ title: "A key is needed", detail: "Send a key." }) }));
    await page.goto("/queues");
    await page.getByRole("dialog").getByRole("heading", { name: "Sign in" }).waitFor();
    faults.push(...(await faultsOf(page)).map((fault) => `sign in ${fault}`));
    await close();
    assert.deepEqual(faults, []);
  });
}

async function drawn(page) {
  await page.locator("h1").first().waitFor({ state: "attached" });
  await page.locator(".skeletons").first().waitFor({ state: "detached" });
}

/** What axe finds, by rule and place. */
async function faultsOf(page) {
  await page.evaluate(AXE);
  return page.evaluate(async (runOnly) => {
    const { violations } = await window.axe.run(document, { runOnly });
    return violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 200)} (${node.any[0]?.message ?? ""})`));
  }, RULES);
}
