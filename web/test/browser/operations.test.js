// Acts on all jobs that match, from the list of jobs to the report and its undo; the list's search and views; keys, roles and
// settings: a real browser, a real server, real jobs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EVIL, confirm, inBrowser, press, row } from "./in-browser.js";
import { until } from "./mill.js";

const { mill, open } = inBrowser();
const ask = async (path, method = "GET", body = undefined, key = null) => (await fetch(`${mill.url}/api/v1${path}`, {
  method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) },
})).json();

test("without jobs the list shows the way to the first one, and its command works", async () => {
  const page = await open("/jobs");
  await page.getByRole("heading", { name: "No jobs yet" }).waitFor();
  await page.getByText("A worker is connected.").waitFor();
  for (const [language, words] of [["curl", "/api/v1/jobs"], ["Python", "tidemill.Client("], ["SQL", "select tidemill.enqueue("], ["command line", "tidemill enqueue"]]) {
    await press(page, language);
    await page.locator(".first-job .languages pre").getByText(words).waitFor();
  }
  await press(page, "SQL");
  await mill.psql(await page.locator(".first-job .languages pre").innerText());
  await page.getByRole("table").locator("tbody tr").first().waitFor();
});

test("all that match are previewed, acted on at a rate, reported, stopped and undone", async () => {
  await mill.psql("select enqueue('later', delay => '1 hour') from generate_series(1, 45)");
  const page = await open("/jobs?state=scheduled&kind=later");
  await page.getByRole("link", { name: "Act on all that match…" }).click();
  await page.getByRole("heading", { name: "Act on all that match", level: 1 }).waitFor();
  const preview = page.getByRole("status", { name: "Preview" });
  await preview.getByText("45 jobs would be cancelled.").waitFor();
  await page.getByRole("radio", { name: /Set priority/ }).check();
  await page.getByText("Say which priority.").waitFor();
  await page.getByLabel("Priority, 1 is first").fill("2");
  await page.getByLabel("No faster than").fill("60/min");
  await preview.getByText("45 jobs would be given another priority.").waitFor();
  await page.reload();
  await page.getByRole("radio", { name: /Set priority/, checked: true }).waitFor();
  await page.getByRole("radio", { name: /^Cancel/ }).check();
  await page.getByLabel("No faster than").fill("600/min");
  await press(page, "Cancel: 45 jobs");
  await confirm(page, "Cancel jobs");
  await page.getByRole("heading", { name: "Cancel", level: 1 }).waitFor();
  await press(page, "Stop");
  await confirm(page, "Stop operation");
  await page.getByText("cancelled", { exact: true }).first().waitFor();
  const id = page.url().split("/").at(-1);
  const { done } = await ask(`/operations/${id}`);
  assert.ok(done > 0 && done < 45, `${done} are done, the others stay`);
  await press(page, "Undo");
  await confirm(page, "Undo operation");
  await page.getByRole("heading", { name: "Undo", level: 1 }).waitFor();
  await page.getByText("done", { exact: true }).waitFor();
  assert.equal((await ask("/jobs?kind=later&state=cancelled")).items.length, 0);
  await page.getByRole("link", { name: "this operation" }).click();
  await page.getByText("Undone by").waitFor();
  await page.goto("/operations");
  await until(async () => (await page.locator("tbody tr").count()) === 2, "both operations are listed");
});

test("skipped jobs are reported with their reason, and the filter survives", async () => {
  const id = await mill.enqueue("endless", {});
  await until(async () => (await ask(`/jobs/${id}`)).state === "running", "it runs");
  const page = await open("/operations/new?kind=endless&action=move");
  await page.getByText("Name the queue.").waitFor();
  await page.getByLabel("To queue", { exact: true }).fill("other");
  await page.getByLabel("To queue", { exact: true }).blur();
  await page.getByText("1 job skipped: 1 is running.").waitFor();
  assert.ok(await page.getByRole("button", { name: "Move to queue", exact: true }).isDisabled(), "nothing would be done");
  await page.getByText("The same as a command").click();
  await page.getByText("tidemill operations start move --kind endless --to-queue other").waitFor();
  await page.getByLabel("Kind").fill("");
  await page.getByLabel("Kind").blur();
  await page.getByText("Name the jobs, or say that you mean every job.").waitFor();
  await page.getByLabel("Every job, without a filter").check();
  await page.getByRole("status", { name: "Preview" }).waitFor();
  await ask(`/jobs/${id}/cancel`, "POST");
});

test("a value is found within a window; a view keeps the filter under a name", async () => {
  await mill.enqueue("steps", { n: 1, pause: 0, text: `${EVIL} needle`, customer: { id: 4711 } });
  const page = await open("/jobs");
  await page.getByLabel("Find by a value").fill("customer.id=4711");
  await page.getByLabel("Find by a value").press("Enter");
  await page.waitForURL(/search=customer\.id%3D4711/);
  await page.getByRole("heading", { name: "Found jobs" }).waitFor();
  await until(async () => (await page.getByRole("table").locator("tbody tr").count()) === 1, "only this one is found");
  await page.getByLabel("Enqueued within").selectOption("7d");
  await page.waitForURL(/since=7d/);
  await page.locator("summary", { hasText: "Views" }).click();
  await press(page, "Save this view…");
  await page.getByRole("dialog").getByLabel("Name").fill(`${EVIL} mine`);
  await confirm(page, "Save view");
  await page.goto("/jobs");
  await page.locator("summary", { hasText: "Views" }).click();
  await page.getByRole("link", { name: `${EVIL} mine` }).click();
  await page.waitForURL(/search=customer\.id%3D4711&since=7d/);
  await page.locator("summary", { hasText: "Views" }).click();
  await press(page, `Forget the view ${EVIL} mine`);
  await page.getByText("None yet.").waitFor();
});

test("what a search finds is acted on as a whole, within its window", async () => {
  await mill.psql("select enqueue('found', jsonb_build_object('customer', jsonb_build_object('id', 815 + n / 3)), delay => '1 hour') from generate_series(0, 3) n");
  const page = await open("/jobs?search=customer.id%3D815&since=7d");
  await until(async () => (await page.getByRole("table").locator("tbody tr").count()) === 3, "three are found");
  await page.getByRole("link", { name: "Act on all that match…" }).click();
  await page.waitForURL(/search=customer\.id%3D815&created_after=/);
  const preview = page.getByRole("status", { name: "Preview" });
  await preview.getByText("3 jobs would be cancelled.").waitFor();
  await page.reload();
  await preview.getByText("3 jobs would be cancelled.").waitFor();
  assert.equal(await page.getByLabel("With the value").inputValue(), "customer.id=815");
  await page.getByText("The same as a command").click();
  await page.getByText("tidemill operations start cancel --search customer.id=815 --created-after").waitFor();
  await page.getByLabel("No faster than").fill("6000/min");
  await press(page, "Cancel: 3 jobs");
  await confirm(page, "Cancel jobs");
  await page.getByText("done", { exact: true }).waitFor();
  const { items } = await ask("/jobs?kind=found");
  assert.deepEqual(items.map((job) => job.state).sort(), ["available", "cancelled", "cancelled", "cancelled"]);
  await page.getByRole("link", { name: /search customer\.id=815/ }).click();
  await page.getByRole("heading", { name: "Found jobs" }).waitFor();
  await until(async () => (await page.getByRole("table").locator("tbody tr").count()) === 3, "the link leads to the same jobs");
});

test("a preview of a long history says how far it counted, and goes on from there", async () => {
  const page = await open("/jobs");
  const asked = [];
  await page.route("**/operations/preview*", (route) => {
    asked.push(new URL(route.request().url()).searchParams.get("after"));
    const id = `0198${String(asked.length).padStart(4, "0")}-0000-7000-8000-000000000000`;
    const isLast = asked.length === 60;
    return route.fulfill({ json: { matched: 2, skipped: { is_running: 1 }, sample: [], complete: isLast, looked_to: isLast ? null : id } });
  });
  await page.goto("/operations/new?tag=old");
  await page.getByText("80 jobs or more would be cancelled.").waitFor();
  await page.getByText("Counted are the jobs up to").waitFor();
  assert.equal(asked.length, 40);
  await press(page, "Count further");
  await page.getByText("120 jobs would be cancelled.").waitFor();
  await page.getByText("60 jobs skipped: 60 is running.").waitFor();
  assert.equal(asked[40], "01980040-0000-7000-8000-000000000000", "it does not start again");
  assert.equal(await page.getByRole("button", { name: "Count further" }).count(), 0);
  await page.unroute("**/operations/preview*");
});

test("older and newer lead through the list, and Back as well", async () => {
  await mill.psql("select enqueue('page', delay => '2 hours', metadata => jsonb_build_object('n', n)) from generate_series(1, 120) n");
  const page = await open("/jobs?kind=page");
  const ids = async () => page.getByRole("table").locator("tbody tr a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  await until(async () => (await ids()).length >= 50, "a page is full");
  const first = await ids();
  await press(page, "Older");
  await page.waitForURL(/cursor=/);
  await until(async () => (await ids()).length >= 50 && (await ids())[0] !== first[0], "the next page");
  await press(page, "Older");
  await until(async () => (await ids()).length === 20, "the rest");
  assert.ok(await page.getByRole("button", { name: "Older" }).isHidden());
  await press(page, "Newer");
  await until(async () => (await ids()).length >= 50, "back by one");
  await press(page, "Newest");
  await until(async () => (await ids())[0] === first[0], "the newest again");
  await page.goBack();
  await until(async () => (await ids())[0] !== first[0], "Back is the page before");
});

test("one queue shows who holds it up, and its limits are changed", async () => {
  await mill.psql("select set_limit('tenant', 0); select enqueue('steps', fair_key => 'whale', concurrency_key => '{tenant:w}') from generate_series(1, 30); select enqueue('steps', fair_key => 'minnow', concurrency_key => '{tenant:m}')");
  const page = await open("/queues");
  await page.getByRole("link", { name: "default", exact: true }).click();
  await page.getByRole("heading", { name: "default", level: 1 }).waitFor();
  const keys = page.getByRole("table", { name: "Keys of default" });
  await until(async () => /whale/.test(await keys.locator("tbody tr").first().innerText()), "the largest backlog is first");
  await keys.locator("tr", { hasText: "minnow" }).waitFor();
  await press(page, "Change limits");
  await page.getByLabel("Jobs at once, over all workers").fill("3");
  await press(page, "Save limits");
  await page.locator("dt", { hasText: "At once, at most" }).locator("xpath=following-sibling::dd").getByText("3", { exact: true }).waitFor();
});

test("a schedule is made with its next slots in view, and changed; so is an alert rule", async () => {
  const page = await open("/schedules");
  await press(page, "New schedule");
  const form = page.getByRole("form", { name: "New schedule" });
  await form.getByLabel("Name").fill("hourly");
  await form.getByLabel("Cron expression", { exact: true }).fill("61 * * * *");
  await form.getByRole("alert").waitFor();
  await form.getByLabel("Cron expression", { exact: true }).fill("0 * * * *");
  await until(async () => (await form.getByRole("status", { name: "Next slots" }).locator("time").count()) === 5, "five slots are shown");
  await form.getByLabel("Kind of its jobs").fill("steps");
  await form.getByRole("button", { name: "Save schedule" }).click();
  await page.getByRole("heading", { name: "hourly", level: 1 }).waitFor();
  await press(page, "Change");
  await page.getByRole("form").getByLabel("Fires by").selectOption("every");
  await page.getByRole("form").getByLabel("Interval", { exact: true }).fill("15m");
  await page.getByRole("form").getByRole("button", { name: "Save schedule" }).click();
  await page.getByText("every 15 min").first().waitFor();

  await page.goto("/alerts");
  await press(page, "New rule");
  await page.getByLabel("Name").fill("broken");
  await page.getByLabel("Fires above, in percent").fill("25");
  await press(page, "Save rule");
  await row(page, "broken").getByText("share of failed attempts above 25 %").waitFor();
  await press(page, "Change broken");
  await page.getByLabel("Fires above, in percent").fill("40");
  await press(page, "Save rule");
  await row(page, "broken").getByText("above 40 %").waitFor();
});

test("settings show their sources", async () => {
  const page = await open("/settings");
  await row(page, "api.listen").getByText("--listen").waitFor();
  await page.getByLabel("Find").fill("keeper");
  await row(page, "api.listen").waitFor({ state: "detached" });
  await page.getByLabel("Find").press("Enter");
  await page.waitForURL(/text=keeper/);
  await page.reload();
  assert.equal(await page.getByLabel("Find").inputValue(), "keeper");
});

// The last one, for the first key shuts the server.
test("a key is made and shown once; a key that may only read says so and offers nothing", async () => {
  const page = await open("/keys");
  await press(page, "New key");
  const form = page.getByRole("form", { name: "New key" });
  await form.getByLabel("Name").fill("root");
  await form.getByLabel("read").check();
  await form.getByRole("button", { name: "Create key" }).click();
  await form.getByText("give it the scope admin").waitFor();
  await form.getByLabel("admin").check();
  await form.getByRole("button", { name: "Create key" }).click();
  const admin = await page.locator(".code-box pre").innerText();
  assert.match(admin, /^tm_/);
  const { key: viewer } = await ask("/keys", "POST", { name: "board", scopes: ["read"] }, admin);
  const { key: operator } = await ask("/keys", "POST", { name: "oncall", scopes: ["read", "enqueue"] }, admin);

  const signedIn = async (path, key) => {
    const each = await open(path);
    await each.getByLabel("Key", { exact: true }).fill(key);
    await each.getByRole("dialog").getByRole("button", { name: "Sign in" }).click();
    await each.getByRole("button", { name: "Sign out" }).waitFor();
    return each;
  };
  const reading = await signedIn("/queues", viewer);
  await reading.getByText("Read only. The key board").waitFor();
  await row(reading, "default").waitFor();
  assert.ok(await reading.getByRole("button", { name: "Pause default" }).isDisabled());
  assert.ok(await reading.getByRole("link", { name: "Enqueue", exact: true }).isHidden());
  assert.ok(await reading.getByRole("link", { name: "API keys" }).isHidden());
  const [job] = (await ask("/jobs?kind=page", "GET", undefined, viewer)).items;
  await reading.goto(`/jobs/${job.id}`);
  await reading.getByRole("button", { name: "Cancel", exact: true }).waitFor();
  assert.ok(await reading.getByRole("button", { name: "Cancel", exact: true }).isDisabled());
  await reading.goto("/operations/new?kind=page");
  await reading.getByRole("status", { name: "Preview" }).waitFor();
  assert.ok(await reading.getByRole("button", { name: /^Cancel: 120 jobs/ }).isDisabled());

  const acting = await signedIn(`/jobs/${job.id}`, operator);
  await acting.getByText("Operator. The key oncall").waitFor();
  await press(acting, "Cancel");
  await confirm(acting, "Cancel the job");
  await until(async () => (await ask(`/jobs/${job.id}`, "GET", undefined, admin)).state === "cancelled", "an operator cancels one job");

  const ruling = await signedIn("/keys", admin);
  await row(ruling, "root").getByText("yours").waitFor();
  assert.ok(await ruling.locator("#role").isHidden());
  await press(ruling, "Revoke board");
  await confirm(ruling, "Revoke key");
  await row(ruling, "board").getByText("revoked").waitFor();
});
