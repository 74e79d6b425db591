// What docs/browsers.md prints for pages without this package, in a real Chromium before a real server: a plain EventSource with
// tickets, which is followed through a restart, and a cookie with its value against foreign pages.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { Tidemill } from "tidemill";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launch } from "./browser.js";
import { gateIn, open } from "./gates.js";
import { Mill, until } from "./mill.js";
import { builtPage, Site } from "./site.js";

const DOCS = fileURLToPath(new URL("../../../../docs/browsers.md", import.meta.url));

let mill: Mill;
let site: Site;
let browser: Browser;
let page: Page;
let backend: Tidemill;

beforeAll(async () => {
  mill = await Mill.start({ api: 'token_cookie = "tidemill"' });
  const { key } = await mill.key("enqueue");
  backend = new Tidemill({ url: mill.url, token: key });
  site = await Site.start(mill.url, await builtPage());
  site.keepsNames = true;
  browser = await launch();
  page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(120_000);
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
  await mill?.stop();
});

const tokenOf = (owner: string, ...scopes: string[]) =>
  backend.request<{ token: string }>("/api/v1/tokens", { method: "POST", body: JSON.stringify({ scopes, owner }) });

it("follows a job with a plain EventSource and tickets, through a killed server, each event once", async () => {
  const [, program] = /```js\n(.*?)```/s.exec(await readFile(DOCS, "utf8"))!;
  const gate = gateIn(mill.folder);
  const { id } = await backend.enqueue("steps", { gate, n: 3 }, { owner: "ann" });
  const { token } = await tokenOf("ann", "read");
  await page.goto(`${site.url}/?show=center`);
  await page.evaluate(
    ([program, id, token]) => {
      const seen: string[] = [];
      Object.assign(window, { seen });
      const follow = new Function(`${program}; return follow;`)();
      follow(
        id,
        async () => token,
        (type: string, event: { percent?: number; seq: number }) =>
          type !== "snapshot" && type !== "log" && seen.push(`${type} ${event.seq}`),
      );
    },
    [program!, id, token] as const,
  );
  const seen = () => page.evaluate(() => (window as unknown as { seen: string[] }).seen);
  const count = (n: number) => until(async () => (await seen()).length >= n, `${n} events`);
  await open(gate, 1);
  await count(1);
  await mill.kill();
  await mill.begin();
  await open(gate);
  await until(async () => (await seen()).some((event) => event.startsWith("completed")), "the end");
  const events = (
    await backend.request<{ items: { type: string; seq: number }[] }>(`/api/v1/jobs/${id}/events?limit=200`)
  ).items;
  const progress = events.filter(({ type }) => type === "progress").map(({ type, seq }) => `${type} ${seq}`);
  expect((await seen()).filter((event) => event.startsWith("progress"))).toEqual(progress);
  expect(progress.length).toBeGreaterThanOrEqual(3);
  expect(site.seen.filter((line) => line.includes("tmt_") || line.includes("tm_"))).toEqual([]);
  const tickets = site.seen.flatMap((line) => /ticket=([^&]+)/.exec(line)?.[1] ?? []);
  expect(tickets.length).toBeGreaterThanOrEqual(2);
  expect(new Set(tickets).size).toBe(tickets.length);
});

it("keeps the token in a cookie that no script sees, and changes nothing without the value that goes with it", async () => {
  const { token } = await tokenOf("bob", "read", "enqueue", "cancel");
  await page.goto(`${site.url}/?show=center`);
  const told = await page.evaluate(async (token) => {
    const set = await fetch("/api/v1/tokens/cookie", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    const body = JSON.stringify({ kind: "greet", args: {} });
    const init = { method: "POST", body, headers: { "Content-Type": "application/json" } };
    const without = await fetch("/api/v1/jobs", init);
    const headers = { ...init.headers, "X-CSRF-Token": (await set.json()).csrf_token };
    const job = await (await fetch("/api/v1/jobs", { ...init, headers })).json();
    // The client of the package reads the value itself.
    const client = new window.test.client.constructor({ csrf: true });
    const made = await client.enqueue("greet", {}, { delay: "1h" });
    const cancelled = await client.cancel(made.id);
    const listed = (await client.list()).items.length;
    const source = new EventSource(`/api/v1/jobs/${job.id}/events/stream`);
    const ended = await new Promise((resolve) => {
      source.addEventListener("completed", () => resolve(true));
    });
    source.close();
    return {
      cookie: document.cookie,
      without: (await without.json()).type,
      owner: job.owner,
      cancelled: cancelled.status,
      listed,
      ended,
    };
  }, token);
  expect(told).toEqual({
    cookie: "",
    without: expect.stringContaining("/cross-site"),
    owner: "bob",
    cancelled: "cancelled",
    listed: 2,
    ended: true,
  });
});
