// Three incidents, seen by somebody who opens the first page and knows nothing else: each is named there, and one link leads
// to its cause and to what helps.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, openPage } from "./browser.js";
import { BINARY, startMill, until } from "./mill.js";

const MORE = `
[queues.mail]
slots = 2
`;
let mill, browser, worker;

before(async () => {
  [mill, browser] = await Promise.all([startMill(MORE), launch()]);
});
after(async () => {
  worker?.kill("SIGKILL");
  await browser?.close();
  await mill?.stop();
});

async function arrive() {
  const { page, close } = await openPage(browser, mill.url);
  await page.goto("/");
  return { page, close, finding: (text) => page.locator(".verdict li", { hasText: text }) };
}

const read = async (path) => (await fetch(`${mill.url}/api/v1${path}`)).json();
const needsHelp = (text) => async () => (await read("/health/report")).findings.some(({ message }) => message.includes(text));

test("a deploy that breaks one kind is one line with its error", async () => {
  for (let n = 0; n < 25; n += 1) await mill.enqueue("broken", { text: "cannot import name render" }, { max_attempts: 1 });
  await mill.enqueue("steps", { n: 1, pause: 0 });
  await until(needsHelp("kind broken failed"), "the report says so", 60_000);
  const { page, close, finding } = await arrive();
  await page.getByRole("heading", { name: "Needs attention" }).waitFor();
  await page.getByText("25 × cannot import name render").waitFor();
  await finding("attempts of kind broken failed").getByRole("link", { name: "look at it" }).click();
  await page.waitForURL(/\/failures\?since=1h&kind=broken$/);
  const cause = page.locator("tbody tr", { hasText: "cannot import name render" });
  await cause.getByText("25", { exact: true }).waitFor();
  await cause.getByRole("link", { name: "last job" }).click();
  await page.locator(".error-text", { hasText: "cannot import name render" }).waitFor();
  await close();
});

test("a queue that was paused and forgotten is named with who and when, and is resumed in two clicks", async () => {
  await fetch(`${mill.url}/api/v1/queues/mail/pause`, { method: "POST" });
  const job = await mill.enqueue("steps", { n: 1, pause: 0 }, { queue: "mail" });
  await mill.psql("update queues set paused_at = now() - interval '26 hours', paused_by = 'jo' where name = 'mail'");
  await mill.psql(`update jobs set run_at = now() - interval '20 minutes' where id = '${job}'`);
  await until(needsHelp("queue mail is paused"), "the report says so", 60_000);
  const { page, close, finding } = await arrive();
  await finding(/The queue mail is paused since .* by jo/).getByRole("link", { name: "look at it" }).click();
  await page.waitForURL(/\/queues\/mail$/);
  await page.getByText("paused", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Resume mail" }).click();
  await until(async () => (await read(`/jobs/${job}`)).state === "completed", "the job ran");
  await page.getByRole("link", { name: "Overview" }).click();
  await finding("queue mail").waitFor({ state: "detached" });
  await close();
});

test("a worker that died is named, and so is the kind that nobody serves now", async () => {
  const folder = mill.folder;
  await writeFile(join(folder, "far.toml"), `[kinds.far]\ncommand = ["sleep", "0.1"]\n`);
  const environment = { ...process.env, TIDEMILL_DATABASE__URL: await mill.database() };
  worker = spawn(BINARY, ["worker", "--config", "far.toml"], { cwd: folder, env: environment, stdio: "ignore" });
  const first = await mill.enqueue("far", {});
  await until(async () => (await read(`/jobs/${first}`)).state === "completed", "the other worker works", 60_000);
  worker.kill("SIGKILL");
  const stuck = await mill.enqueue("far", {});
  await until(needsHelp("is lost"), "the report says so", 120_000);
  await until(needsHelp("kind far"), "the report names the kind", 120_000);
  const { page, close, finding } = await arrive();
  await finding(/Worker .* is lost/).waitFor();
  await finding("No live worker serves the kind far").getByRole("link", { name: "look at it" }).click();
  await page.waitForURL(/\/workers$/);
  await page.getByRole("table", { name: "Workers" }).getByText("lost", { exact: true }).waitFor();
  await page.goto(`/jobs/${stuck}`);
  await page.locator(".hint-box", { hasText: "far" }).waitFor();
  await close();
  assert.equal((await read(`/jobs/${stuck}`)).state, "available");
});
