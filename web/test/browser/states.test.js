// What the page says about jobs that do not run or did not, about errors, and about what a job wrote: a real browser, a
// real server.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, openPage } from "./browser.js";
import { startMill, until } from "./mill.js";

const COLOURS = `
[kinds.colours]
command = ["printf", '\\033[1;31mred\\033[0m plain <b id="evil">x</b>\\n10 %%\\nend\\n']
[kinds.complains]
command = ["sh", "-c", "echo out; echo oops >&2"]
`;

let mill, browser, opened;

before(async () => {
  [mill, browser] = await Promise.all([startMill(COLOURS), launch()]);
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});
beforeEach(() => (opened = []));
afterEach(async () => {
  for (const { complaints, close } of opened) {
    await close();
    // A refusal that a test asks for is logged by the browser.
    assert.deepEqual(complaints.filter((each) => !/^4\d\d for|Failed to load resource/.test(each)), []);
  }
});

async function open(path, options) {
  const each = await openPage(browser, mill.url, options);
  opened.push(each);
  await each.page.goto(path);
  return each.page;
}

const post = (path, body = {}, method = "POST") => fetch(`${mill.url}/api/v1${path}`, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
const connection = (page) => page.locator("#connection").innerText();

test("a job that waits says for what, and one whose wait failed says so, with links", async () => {
  const first = await mill.enqueue("steps", {}, { delay: "1h" });
  const second = await mill.enqueue("steps", {}, { after: [first] });
  const page = await open(`/jobs/${second}`);
  await page.locator(".hint-box", { hasText: "It waits for another job" }).getByRole("link", { name: first }).waitFor();
  const home = await open("/jobs");
  await home.locator("tr", { hasText: second.slice(-8) }).getByText("waits for another job or a signal").waitFor();
  await post(`/jobs/${first}/cancel`);
  const block = page.locator(".error-block", { hasText: `Cancelled: the job it waits for, ${first} was cancelled` });
  await block.getByText("It did not run.").waitFor();
  assert.equal(await page.getByText(/failed|Permanent/i).count(), 0);
  await block.getByRole("link").click();
  await page.waitForURL(new RegExp(first));
});

test("a job whose limit is full names the job that holds it; a kind without a worker is said in the list", async () => {
  await post("/limits/one", { max_running: 1 }, "PUT");
  const holder = await mill.enqueue("endless", {}, { concurrency_key: "one" });
  await until(async () => (await (await fetch(`${mill.url}/api/v1/jobs/${holder}`)).json()).state === "running", "it runs");
  const page = await open(`/jobs/${await mill.enqueue("steps", {}, { concurrency_key: "one" })}`);
  await page.locator(".hint-box").getByRole("link", { name: holder }).waitFor();
  await post(`/jobs/${holder}/cancel`);
  const unknown = await mill.enqueue("nobody-has-it", {});
  const row = (await open("/jobs?state=available")).locator("tr", { hasText: unknown.slice(-8) });
  await row.getByText("no worker has kind nobody-has-it").waitFor();
  await post(`/jobs/${unknown}/cancel`);
});

test("an address without a job, and a filter that is none, are errors that stand alone", async () => {
  const page = await open("/jobs/nope");
  await page.getByRole("heading", { name: "There is no such job" }).waitFor();
  assert.equal(await page.getByText("Try again").count(), 0);
  assert.equal(await connection(page), "Ready");
  await page.getByRole("link", { name: "Show all jobs" }).click();
  await page.getByText("Live").waitFor();
  await page.goto("/jobs?state=bogus");
  await page.getByText('"bogus" is not a state.').waitFor();
  assert.equal(await page.locator(".skeleton:visible").count(), 0);
  assert.equal(await connection(page), "Ready");
});

test("a key dialog that is closed leaves the error and a way back", async () => {
  const page = await (await openPage(browser, mill.url)).page;
  await page.route("**/api/v1/**", (route) => route.fulfill({ status: 401, contentType: "application/problem+json", body: JSON.stringify({ title: "A key is needed", detail: "Send a key." }) }));
  await page.goto("/jobs");
  await page.getByRole("button", { name: "Not now" }).click();
  await page.getByRole("button", { name: "Enter a key" }).waitFor();
  assert.equal(await page.locator(".skeleton:visible").count(), 0);
  assert.equal(await connection(page), "No access");
  await page.context().close();
});

test("the keyboard goes on at the title of the page that a link leads to", async () => {
  await mill.enqueue("steps", { n: 1 });
  const page = await open("/jobs");
  await page.locator("tbody .job-link").first().focus();
  await page.keyboard.press("Enter");
  await page.locator(".job-head").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.matches(".job-head h1")), true);
});

test("a job that was cancelled and retried can be cancelled again at once", async () => {
  const job = await mill.enqueue("steps", {}, { delay: "1h" });
  await post(`/jobs/${job}/cancel`);
  await post("/queues/default/pause");
  await post(`/jobs/${job}/retry`);
  const page = await open(`/jobs/${job}`);
  await page.getByText("Retried by").waitFor();
  assert.equal(await page.getByRole("button", { name: "Cancel", exact: true }).isVisible(), true);
  await page.locator(".hint-box", { hasText: "The queue default is paused" }).waitFor();
  await post("/queues/default/resume");
});

test("the log has the colours of a terminal, and nothing but text", async () => {
  const page = await open(`/jobs/${await mill.enqueue("colours", {})}`);
  await page.locator(".log-text", { hasText: "end" }).waitFor();
  assert.deepEqual(await page.locator(".log-text").allInnerTexts(), ['red plain <b id="evil">x</b>', "10 %", "end"]);
  assert.equal(await page.locator(".log .sgr-ink-1.sgr-bold").innerText(), "red");
  assert.equal(await page.locator("#evil").count(), 0);
  await page.goto(`/jobs/${await mill.enqueue("complains", {})}`);
  await page.locator(".log-line.stderr", { hasText: "oops" }).getByText("err", { exact: true }).waitFor();
});

test("the form says an error beside its field only, and links the job that has the execution id", async () => {
  const taken = await mill.enqueue("steps", { n: 1 }, { execution_id: "taken" });
  const page = await open("/enqueue");
  await page.getByLabel("Kind").fill("steps");
  await page.getByLabel("Args").fill("{");
  await page.getByText("Shown once args are valid.").waitFor();
  await page.getByLabel("Args").fill("{}");
  await page.getByLabel("Delay").fill("3 fortnights");
  await page.getByRole("button", { name: "Enqueue" }).click();
  await page.locator("#delay-wrong", { hasText: "is not a duration" }).waitFor();
  assert.equal(await page.locator(".notice").count(), 0);
  await page.getByLabel("Delay").fill("");
  await page.getByLabel("Execution id").fill("taken");
  await page.getByRole("button", { name: "Enqueue" }).click();
  await page.locator("#execution_id-wrong").getByRole("link", { name: "Show that job" }).click();
  await page.waitForURL(new RegExp(taken));
});

test("the files of a job are listed, and its pictures are shown", async () => {
  const job = await mill.enqueue("steps", { n: 1 });
  const page = await open("/enqueue");
  const pixel = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  const files = [{ name: "shot.png", content_type: "image/png", bytes: pixel.length }, { name: "page.html", content_type: "text/html", bytes: 2100 }];
  await page.route("**/artifacts", (route) => route.fulfill({ json: { items: files, next_cursor: null } }));
  await page.route("**/artifacts/shot.png", (route) => route.fulfill({ contentType: "image/png", body: pixel }));
  await page.goto(`/jobs/${job}`);
  await page.getByText("text/html · 2.1 kB").waitFor();
  await page.getByRole("img", { name: "shot.png" }).waitFor();
  assert.equal(await page.getByRole("img").evaluate((image) => image.naturalWidth), 1);
  assert.match(await page.getByRole("link", { name: "page.html" }).getAttribute("href"), new RegExp(`/api/v1/jobs/${job}/artifacts/page.html$`));
});

test("the example of an empty list uses a kind that a worker has", async () => {
  const page = await open("/enqueue");
  await page.route("**/api/v1/jobs?**", (route) => route.fulfill({ json: { items: [], next_cursor: null } }));
  await page.goto("/jobs");
  const command = await page.locator(".empty pre").innerText();
  const kinds = (await (await fetch(`${mill.url}/api/v1/kinds`)).json()).items.map((kind) => kind.name);
  assert.ok(kinds.some((kind) => command.includes(`"kind":"${kind}"`)), command);
});

test("a job shows its attempts, its steps, its neighbours in the workflow, and itself as commands", async () => {
  const id = await mill.enqueue("broken", { text: "no", n: 7 }, { queue: "default", priority: 4 });
  await until(async () => (await (await fetch(`${mill.url}/api/v1/jobs/${id}`)).json()).state === "failed", "it has failed");
  await mill.psql(`insert into steps (job_id, name, attempt, output) values ('${id}', 'charge <b>card</b>', 1, '{"amount": 12}')`);
  const page = await open(`/jobs/${id}`);
  const attempts = page.getByRole("table", { name: "Attempts" });
  await attempts.getByText("failed", { exact: true }).waitFor();
  await attempts.getByText("code 1", { exact: true }).waitFor();
  const steps = page.getByRole("table", { name: "Steps" });
  await steps.getByText("charge <b>card</b>").waitFor();
  await steps.getByText('{"amount":12}').waitFor();
  await page.getByText("The same as a command").click();
  await page.locator(".commands pre").getByText('"kind":"broken"').waitFor();
  await page.getByRole("button", { name: "SQL", exact: true }).click();
  await page.locator(".commands pre").getByText(/select tidemill\.enqueue\('broken', .*, queue => 'default', priority => 4\);/).waitFor();
  await page.getByRole("button", { name: "Enqueue similar" }).click();
  await page.getByText("the job that you come from").waitFor();
  await page.getByLabel("Args").fill('{"text": "again"}');
  await page.getByRole("button", { name: "Enqueue", exact: true }).click();
  await page.waitForURL((url) => /^\/jobs\/\w/.test(url.pathname) && !url.pathname.endsWith(id));
  await page.locator(".job-details").getByRole("link", { name: id }).waitFor();

  await mill.psql(`select create_workflow('{"name": "trip", "chain": [{"kind": "nobodys", "name": "book"}, {"kind": "nobodys", "name": "pay"}, {"kind": "nobodys", "name": "pack"}]}')`);
  const { items } = await (await fetch(`${mill.url}/api/v1/workflows`)).json();
  const { jobs } = await (await fetch(`${mill.url}/api/v1/workflows/${items[0].id}`)).json();
  await page.goto(`/jobs/${jobs.find((job) => job.after.length === 1 && jobs.some((other) => other.after.includes(job.name))).id}`);
  const around = page.getByRole("region", { name: "Workflow" });
  await around.getByText("0 of 3 done").waitFor();
  assert.equal(await around.getByRole("link").count(), 3, "the workflow, the one before, the one after");
});
