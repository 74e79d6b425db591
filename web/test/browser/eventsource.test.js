// A browser's own EventSource, which reconnects by itself: it stops after the end of a job.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openPage } from "./browser.js";
import { startMill, until } from "./mill.js";

const QUIET = 12_000; // milliseconds; the server's `retry:` is at most 10 s

let mill, browser;

before(async () => {
  [mill, browser] = await Promise.all([startMill('[kinds.echo]\ncommand = ["true"]\n'), launch()]);
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});

/** Opens an EventSource in a page; returns a function that reads the number of each type and its state. */
async function listen(page, path) {
  await page.evaluate((path) => {
    window.seen = {};
    window.source = new EventSource(path);
    for (const type of ["snapshot", "progress", "completed"]) {
      window.source.addEventListener(type, () => (window.seen[type] = (window.seen[type] ?? 0) + 1));
    }
  }, path);
  return () => page.evaluate(() => ({ ...window.seen, state: window.source.readyState }));
}

for (const [name, path] of [
  ["one job", (id) => `/api/v1/jobs/${id}/events`],
  ["many jobs", (id) => `/api/v1/events?job=${id}`],
]) {
  test(`a stream of ${name} that has ended stops the EventSource`, async () => {
    const id = await mill.enqueue("steps", { n: 2, pause: 0.05 });
    await until(async () => (await (await fetch(`${mill.url}/api/v1/jobs/${id}`)).json()).state === "completed", "the job has ended");
    const { page, complaints, close } = await openPage(browser, mill.url);
    await page.goto("/docs");
    const read = await listen(page, path(id));
    const closed = await until(async () => {
      const seen = await read();
      return seen.state === 2 && seen;
    }, "the EventSource is closed", 2 * QUIET);
    assert.deepEqual([closed.snapshot, closed.completed], [1, 1]);
    await close();
    assert.deepEqual(complaints, []);
  });
}

test("a stream of a kind shows jobs that end at the same time", async () => {
  const { page, close } = await openPage(browser, mill.url);
  await page.goto("/docs");
  const read = await listen(page, "/api/v1/events?kind=echo");
  await until(async () => (await read()).state === 1, "it is open");
  for (let i = 0; i < 12; i += 1) await mill.enqueue("echo", { i });
  await until(async () => (await read()).completed === 12, "all twelve are shown");
  await close();
});
