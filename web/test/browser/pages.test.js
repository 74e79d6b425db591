// The pages beside the jobs, each with what it can do: a real browser, a real server, real jobs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EVIL, confirm, inBrowser, press, row } from "./in-browser.js";
import { until } from "./mill.js";

const PAGES = ["Overview", "Workflows", "Queues", "Schedules", "Failures", "Operations", "Workers", "Kinds", "Limits", "Alerts", "Audit", "Doctor", "API keys", "Settings"];
const LIVE = PAGES.filter((word) => !["Limits", "Audit", "Doctor", "API keys", "Settings"].includes(word)); // what else shows no events
const MORE = `
[queues.default]
slots = 2
[schedules.nightly]
cron = "0 2 * * *"
timezone = "Europe/Berlin"
kind = "steps"
args = { n = 1, pause = 0 }
[limits.tenant]
max_running = 1
[alerts.errors]
condition = "error_rate"
above = 0.5
`;

const { mill, open } = inBrowser(MORE);

test("each page is reached from the navigation, by its address and by Back", async () => {
  const page = await open("/");
  for (const word of PAGES) {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: word, exact: true }).click();
    await page.getByRole("heading", { name: word, level: 1 }).waitFor();
    assert.equal(await page.locator("#nav [aria-current=page]").innerText(), word);
    assert.equal(await page.title(), `${word} · Tidemill`);
    await page.getByText(LIVE.includes(word) ? "Live" : "Ready", { exact: true }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: word, level: 1 }).waitFor();
  }
  await page.goBack();
  await page.getByRole("heading", { name: "API keys", level: 1 }).waitFor();
});

test("what a key may do is shown however late, between, or after a failure the server says it", async () => {
  // The answer is heard after the first drawing of the page, and before anything that is to follow the drawing.
  const between = await open("about:blank");
  await between.addInitScript(() => {
    const [real, shown] = [fetch, Promise.withResolvers()];
    window.requestAnimationFrame = () => 0;
    window.fetch = async (address, options) => {
      if (!String(address).endsWith("/me")) return real(address, options);
      const text = await (await real(address, options)).text();
      await shown.promise;
      return { ok: true, status: 200, headers: new Headers(), text: () => text, json: () => JSON.parse(text) };
    };
    new MutationObserver(() => document.querySelector("h1") && shown.resolve()).observe(document, { childList: true, subtree: true });
  });
  await between.goto(`${mill.url}/schedules`);
  await between.getByRole("button", { name: "New schedule" }).waitFor();

  const failing = await open("about:blank");
  let failures = 2;
  await failing.route("**/api/v1/me", (route) => (failures-- > 0 ? route.abort() : route.continue()));
  await failing.goto("/schedules");
  await failing.getByRole("button", { name: "New schedule" }).waitFor();
});

test("no page is wider than a phone, and its menu works by keyboard", async () => {
  const page = await open("/queues", { viewport: { width: 390, height: 800 } });
  for (const word of PAGES) {
    await page.getByRole("button", { name: "Menu" }).press("Enter");
    await page.getByRole("link", { name: word, exact: true }).press("Enter");
    await page.getByRole("heading", { name: word, level: 1 }).waitFor();
    await page.locator(".skeletons").waitFor({ state: "detached" });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${word} is ${wide} pixels too wide`);
  }
});

test("a page that is loaded late leaves the focus where the keyboard has put it", async () => {
  const page = await open("about:blank");
  let release = () => {};
  const released = new Promise((resolve) => (release = resolve));
  await page.route("**/pages/queues.js", (route) => released.then(() => route.continue()));
  await page.goto(`${mill.url}/queues`, { waitUntil: "commit" });
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Queues", exact: true }).focus();
  release();
  await page.getByRole("heading", { name: "Queues", level: 1 }).waitFor();
  assert.equal(await page.locator(":focus").innerText(), "Queues");
  assert.equal(await page.evaluate(() => document.activeElement.closest("nav") !== null), true);
});

test("what somebody else pauses and changes is shown by itself, though no job moves", async () => {
  const [queues, schedule] = [await open("/queues"), await open("/schedules/nightly")];
  for (const page of [queues, schedule]) await page.getByText("Live", { exact: true }).waitFor();
  const act = async (path, method = "POST", body = undefined) => {
    const answer = await fetch(`${mill.url}/api/v1${path}`, { method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    assert.ok(answer.ok, path);
  };
  await act("/queues/default/pause");
  await row(queues, "default").getByText("paused", { exact: true }).waitFor();
  await act("/queues/default/resume");
  await row(queues, "default").getByText("paused", { exact: true }).waitFor({ state: "detached" });
  await act("/schedules/nightly", "PATCH", { cron: "0 5 * * *" });
  await schedule.getByText("0 5 * * *").first().waitFor();
  await act("/schedules/nightly/pause");
  await schedule.getByText("paused", { exact: true }).waitFor();
  await mill.psql("update schedules set paused_at = null, paused_by = null, cron = '0 2 * * *' where name = 'nightly'");
  await schedule.getByText("0 2 * * *").first().waitFor();
});

test("a queue is paused, shown as paused, and resumed", async () => {
  const page = await open("/queues");
  await press(page, "Pause default");
  await confirm(page, "Pause queue");
  await row(page, "default").getByText("paused", { exact: true }).waitFor();
  const id = await mill.enqueue("steps", { n: 1, pause: 0 });
  await until(async () => /1/.test(await row(page, "default").locator("td").nth(1).innerText()), "the job that waits is counted by itself");
  await press(page, "Resume default");
  await row(page, "default").getByText("paused", { exact: true }).waitFor({ state: "detached" });
  await until(async () => (await (await fetch(`${mill.url}/api/v1/jobs/${id}`)).json()).status === "completed", "the job ran");
});

test("a schedule is run now, paused and resumed, and its page shows its slots", async () => {
  const page = await open("/schedules");
  await row(page, "nightly").getByText("active").waitFor();
  await press(page, "Run now nightly");
  await confirm(page, "Run now");
  await until(async () => (await (await fetch(`${mill.url}/api/v1/jobs?kind=steps`)).json()).items.some((job) => job.args?.n === 1), "its job is there");
  await press(page, "Pause nightly");
  await row(page, "nightly").getByText("paused", { exact: true }).waitFor();
  await page.getByRole("link", { name: "nightly" }).click();
  await page.getByRole("heading", { name: "nightly", level: 1 }).waitFor();
  await until(async () => (await page.getByRole("table", { name: "Next slots" }).locator("tbody tr").count()) === 5, "the next five slots are shown");
  await page.getByText("In Europe/Berlin").waitFor();
  await press(page, "Resume nightly");
  await page.getByText("active").waitFor();
});

test("all failed jobs of a cause are one row, are counted, and are retried", async () => {
  for (let n = 0; n < 3; n++) await mill.enqueue("broken", { text: `${EVIL} broke` }, { max_attempts: 1 });
  const page = await open("/failures?since=1h");
  const cause = row(page, "broke");
  await cause.getByText("3", { exact: true }).waitFor();
  await cause.getByRole("button").click();
  await cause.getByRole("button", { name: "Retry 3 jobs" }).click();
  await page.getByText("3 jobs retried.").waitFor();
  await cause.getByText("6", { exact: true }).waitFor();
  await page.getByLabel("Of the last").selectOption("7d");
  await page.waitForURL(/since=7d/);
  await page.reload();
  await cause.waitFor();
  assert.equal(await page.getByLabel("Of the last").inputValue(), "7d");
});

test("a workflow is a graph and a table, and what failed in it is retried", async () => {
  const body = { name: `${EVIL} nightly`, jobs: [
    { name: "first", kind: "steps", args: { n: 1, pause: 0 } },
    { name: "second", kind: "broken", args: { text: "no" }, max_attempts: 1, after: ["first"] },
    { name: "third", kind: "steps", args: { n: 1, pause: 0 }, after: ["second"] },
  ] };
  const made = await fetch(`${mill.url}/api/v1/workflows`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  assert.equal(made.status, 202, await made.clone().text());
  const page = await open("/workflows");
  await page.getByRole("link", { name: "nightly" }).click();
  await page.locator('.graph-node[data-state="failed"]', { hasText: "second" }).waitFor();
  assert.equal(await page.locator(".graph polyline").count(), 2);
  const table = page.getByRole("table", { name: "Jobs of the workflow" });
  await table.locator("tr", { hasText: "third" }).getByText("cancelled").waitFor();
  const attempts = async () => (await (await fetch(`${mill.url}/api/v1/failures?kind=broken`)).json()).items.find((cause) => cause.message === "no")?.failures;
  assert.equal(await attempts(), 1);
  await press(page, "Retry what failed");
  await until(async () => (await attempts()) === 2, "the failed job ran again");
  await page.locator(".graph-node", { hasText: "second" }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);
});

test("a limit is made, changed and removed; a refusal stands in the form", async () => {
  const page = await open("/limits");
  await row(page, "tenant").waitFor();
  await press(page, "New limit");
  const form = page.getByRole("form");
  await form.getByLabel("Name").fill("github");
  await form.getByRole("button", { name: "Save limit" }).click();
  await form.getByRole("alert").waitFor();
  await form.getByLabel("Starts").fill("10");
  await form.getByRole("button", { name: "Save limit" }).click();
  await row(page, "github").getByText("10 every 1 min").waitFor();
  await press(page, "Change github");
  await form.getByLabel("Jobs at once per key").fill("0");
  await form.getByRole("button", { name: "Save limit" }).click();
  await row(page, "github").getByText("stopped").waitFor();
  await press(page, "Remove github");
  await confirm(page, "Remove limit");
  await row(page, "github").waitFor({ state: "detached" });
});

test("workers, kinds, alerts, audit and doctor show what there is", async () => {
  const page = await open("/workers");
  await page.getByRole("table", { name: "Workers" }).getByText("running", { exact: true }).waitFor();
  await page.goto("/kinds");
  await row(page, "steps").getByText("command").waitFor();
  await page.goto("/alerts");
  await row(page, "errors").getByText("share of failed attempts above 50 %").waitFor();
  await press(page, "Test errors");
  await row(page, "a test of the alert rule errors").getByText("resolved").waitFor();
  await page.goto("/audit?subject=limit:tenant");
  await row(page, "limit:tenant").getByText("make limit").waitFor();
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.getByLabel("Object").fill("schedule:nightly");
  await press(page, "Filter");
  await page.waitForURL(/subject=schedule%3Anightly/);
  await row(page, "schedule:nightly").first().waitFor();
  await page.goto("/doctor");
  await page.getByText("containment", { exact: true }).waitFor();
});

test("the chart of the last hour says the numbers of the minute under the pointer, or chosen by keys", async () => {
  await mill.psql("insert into stats (minute, queue, kind, outcome, jobs, waited, ran) select date_trunc('minute', now()) - interval '10 minutes', 'q', 'k', o, 7, '1 s', '1 s' from unnest(array['enqueued', 'completed']) o");
  const page = await open("/overview");
  const chart = page.getByRole("slider", { name: "Minute of the last hour" });
  await chart.focus();
  await until(async () => page.evaluate(() => document.activeElement.getAttribute("role") === "slider"), "it takes the focus");
  const said = () => chart.getAttribute("aria-valuetext");
  const last = await said();
  assert.match(last, /^\d\d:\d\d.*: \d+ enqueued, \d+ completed, \d+ failed$/);
  await page.keyboard.press("PageDown");
  await page.locator(".chart-said", { hasText: "enqueued" }).waitFor();
  const texts = [];
  for (const key of ["ArrowLeft", "ArrowRight", "ArrowRight"]) {
    texts.push(await said());
    await page.keyboard.press(key);
  }
  assert.ok([...texts, await said()].some((text) => text.includes("7 enqueued, 7 completed")), texts.join("; "));
  await page.keyboard.press("Home");
  assert.equal(await chart.getAttribute("aria-valuenow"), "0");
  await page.keyboard.press("End");
  assert.equal(await chart.getAttribute("aria-valuenow"), "59");
  const { x, y, width, height } = await chart.boundingBox();
  await page.mouse.move(x + (width * 30.5) / 60, y + height / 2);
  await until(async () => (await chart.getAttribute("aria-valuenow")) === "30", "the minute under the pointer");
  assert.equal(await page.locator(".chart-said").innerText(), await said());
});

test("the overview says that work starts, and when a job does not it says why and what to do", async () => {
  const page = await open("/overview");
  await page.getByText("flow: ok").waitFor();
  await mill.psql("select enqueue('nobodys')");
  // A job that waits for less than 15 s is worth no call.
  await page.getByText("flow: attention").waitFor({ timeout: 60_000 });
  await page.getByRole("heading", { name: "Needs attention" }).waitFor();
  await page.locator(".verdict").getByText("nobodys").first().waitFor();
  await page.locator(".verdict").getByText("tidemill workers list").first().waitFor();
  await page.getByText(/Last hour: [1-9].* ready or waiting now/).waitFor();
});

test("a worker is drained and is shown as draining", async () => {
  const page = await open("/workers");
  await press(page, "Drain");
  await confirm(page, "Drain worker");
  await page.getByRole("table", { name: "Workers" }).getByText("draining", { exact: true }).waitFor();
});
