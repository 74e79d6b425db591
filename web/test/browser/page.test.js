// The page as a person uses it: a real browser, a real server, real jobs.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, openPage } from "./browser.js";
import { startMill, until } from "./mill.js";

const EVIL = `<img src="x" onerror="window.harmed=1"><script>window.harmed=1</script>`;
const PHONE = { viewport: { width: 360, height: 740 } };

let mill, browser, opened;

before(async () => {
  [mill, browser] = await Promise.all([startMill(), launch()]);
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});
beforeEach(() => (opened = []));
afterEach(async () => {
  for (const { page, complaints, close } of opened) {
    const harmed = await page.evaluate(() => window.harmed);
    await close();
    assert.deepEqual(complaints, []);
    assert.equal(harmed, undefined, "text from a job ran as a script");
  }
});

async function open(path, options) {
  const each = await openPage(browser, mill.url, options);
  opened.push(each);
  await each.page.goto(path);
  return each.page;
}

const bar = (scope) => scope.getByRole("progressbar").first().getAttribute("aria-valuenow").then(Number);
const badge = (page) => page.locator(".job-head .badge").innerText();
const isWhole = (node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  return range.getBoundingClientRect().right <= node.getBoundingClientRect().right + 1;
};
const lines = (page) => page.locator(".log-text").allInnerTexts();

test("a job is enqueued by the form, and is watched live", async () => {
  const home = await open("/jobs");
  await home.getByText("Live").waitFor();
  const page = await open("/jobs");
  await page.getByRole("link", { name: "Enqueue", exact: true }).click();
  await page.getByLabel("Kind").fill("steps");
  await page.getByLabel("Args").fill('{"n": 12, "pause": 0.4}');
  await page.getByLabel("Execution id").fill("by-the-form");
  await page.getByRole("button", { name: "Enqueue" }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);

  // The other page was not touched since it was opened.
  const card = home.locator(".job-card", { hasText: "by-the-form" });
  await card.waitFor();
  const seen = await bar(card);
  await until(async () => (await bar(card)) > seen, "the bar on the first page moves");

  const first = await until(async () => (await lines(page)).length, "log lines are there");
  await until(async () => (await lines(page)).length > first, "more log lines come by themselves");
  const half = await bar(page);
  await until(async () => (await bar(page)) > half, "the bar on the job's page moves");
  for (const step of [page.locator(".job-head .step"), card.locator(".step")]) assert.ok(await step.evaluate(isWhole), "the step is not cut");
  await until(async () => (await badge(page)) === "completed", "the job completes");
  await until(async () => (await lines(page)).length >= 12, "all lines are shown");
  assert.deepEqual(await lines(page), Array.from({ length: 12 }, (_, index) => `line ${index + 1}`));
  await home.locator("tr", { hasText: "by-the-form" }).getByText("completed").waitFor();
});

test("queues and workers are shown with what they do", async () => {
  const page = await open("/jobs");
  const panel = (title) => page.locator("section.panel", { has: page.getByRole("heading", { name: title, exact: true }) });
  const job = await mill.enqueue("endless", {});
  const row = panel("Queues").locator("li", { hasText: "default" });
  await row.getByText(/[1-9]\d* (of \d+ )?running/).waitFor();
  await panel("Workers").locator("li", { hasText: /[1-9]\d* running/ }).filter({ hasText: "default" }).waitFor();
  await row.getByRole("button", { name: "pause queue default" }).click();
  await page.getByRole("button", { name: "Pause", exact: true }).last().click();
  await row.getByText("paused", { exact: true }).waitFor();
  await mill.enqueue("steps", { n: 1 });
  await row.getByText(/1 ready/).waitFor();
  await row.getByRole("button", { name: "resume queue default" }).click();
  await row.getByText(/0 ready/).waitFor();
  assert.equal((await fetch(`${mill.url}/api/v1/jobs/${job}/cancel`, { method: "POST" })).ok, true);
});

test("a running job is cancelled", async () => {
  const page = await open(`/jobs/${await mill.enqueue("endless", {})}`);
  await page.locator(".log-text", { hasText: "it began" }).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Cancel the job" }).click();
  await until(async () => (await badge(page)) === "cancelled", "the job is cancelled");
  await page.getByText("Cancel requested").waitFor();
});

test("a failed job says why, and no text of a job runs as a script", async () => {
  const failed = await open(`/jobs/${await mill.enqueue("broken", { text: EVIL }, { execution_id: EVIL, tags: [EVIL.slice(0, 64)] })}`);
  await until(async () => (await badge(failed)) === "failed", "the job fails");
  assert.equal(await failed.locator(".error-text").innerText(), EVIL);
  const spoke = await open(`/jobs/${await mill.enqueue("steps", { n: 2, text: EVIL }, { metadata: { note: EVIL } })}`);
  await until(async () => (await badge(spoke)) === "completed", "the job completes");
  // The badge comes with the snapshot, the lines after it.
  await until(async () => (await lines(spoke)).length >= 2, "both lines are shown");
  assert.deepEqual(await lines(spoke), [`line 1 ${EVIL}`, `line 2 ${EVIL}`]);
  const home = await open("/jobs");
  await home.getByText(EVIL).first().waitFor();
  for (const page of [failed, spoke, home]) assert.equal(await page.locator('img[src="x"]').count(), 0);
});

test("both colour schemes are drawn", async () => {
  const shades = [];
  for (const colorScheme of ["light", "dark"]) {
    const page = await open("/jobs", { colorScheme });
    await page.getByText("Live").waitFor();
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const ink = await page.evaluate(() => getComputedStyle(document.body).color);
    shades.push([background, ink].map((colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number).reduce((sum, part) => sum + part)));
  }
  const [[lightPaper, lightInk], [darkPaper, darkInk]] = shades;
  assert.ok(lightPaper > lightInk && darkPaper < darkInk, JSON.stringify(shades));
});

test("nothing is wider than a phone", async () => {
  const long = "a-very-long-word-".repeat(12);
  const job = await mill.enqueue("steps", { n: 1, text: long }, { execution_id: long, tags: ["one", "two"] });
  const done = await open(`/jobs/${job}`);
  await until(async () => (await badge(done)) === "completed", "the job completes");
  const page = await open("/jobs", PHONE);
  for (const path of ["/jobs", `/jobs/${job}`, "/enqueue", "/docs"]) {
    await page.goto(path);
    await page.locator(path === "/jobs" ? "tbody tr" : path === "/docs" ? "article" : "h1").first().waitFor();
    const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    assert.ok(content <= screen, `${path} is ${content} pixels wide`);
  }
});

test("/docs shows every route of the description", async () => {
  const page = await open("/docs");
  await page.locator("article").first().waitFor();
  const { paths } = await (await fetch(`${mill.url}/api/v1/openapi.json`)).json();
  const routes = Object.values(paths).flatMap((item) => Object.keys(item).filter((key) => ["get", "post", "patch", "put", "delete"].includes(key)));
  assert.equal(await page.locator("article").count(), routes.length);
  await page.locator("article", { hasText: "/api/v1/jobs/batch" }).locator("summary").first().click();
  await page.locator("article pre", { hasText: "/api/v1/jobs/batch" }).waitFor();
  await page.getByLabel("Filter routes").fill("cancel");
  assert.ok((await page.locator("article:visible").count()) < routes.length);
});

test("a worker that stores less progress says why", async () => {
  const page = await open("/jobs");
  const banner = page.getByText("an old transaction keeps dead rows in the database");
  await page.getByText("Live").waitFor();
  assert.equal(await banner.isVisible(), false);
  await until(async () => {
    // The worker's next heartbeat resets it.
    await mill.psql("update workers set shedding = true");
    return banner.isVisible();
  }, "the page says it", 30_000);
  await until(async () => !(await banner.isVisible()), "it goes away with its cause", 30_000);
});
