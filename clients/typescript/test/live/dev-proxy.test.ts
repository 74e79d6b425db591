// A page before Vite's own dev server, whose proxy passes /api on to a Tidemill that knows nothing of it: reads, changes and
// streams arrive, with the page's Host and with the target's.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { createServer, type InlineConfig } from "vite";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { launch } from "./browser.js";

const EXAMPLE = fileURLToPath(new URL("../../../../examples/react", import.meta.url));
let browser: Browser;
let folder: string;

beforeAll(async () => {
  browser = await launch();
  folder = await mkdtemp(join(tmpdir(), "tidemill-vite-"));
  await writeFile(join(folder, "index.html"), '<!doctype html><html lang="en"><title>x</title>');
});

afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

const through = (target: string, changeOrigin: boolean): InlineConfig => ({
  root: folder,
  configFile: false,
  server: { port: 0, proxy: { "/api": { target, changeOrigin, ws: true } } },
});

/** What a page at `localhost` and the dev server's port sees of the API. */
async function seen(config: InlineConfig) {
  const server = await createServer({ logLevel: "error", ...config });
  try {
    await server.listen();
    const { port } = server.httpServer!.address() as { port: number };
    const page = await browser.newPage();
    page.setDefaultTimeout(120_000);
    await page.goto(`http://localhost:${port}/`);
    const told = await page.evaluate(async () => {
      const headers = { "Content-Type": "application/json" };
      const body = JSON.stringify({ kind: "greet", args: {} });
      const made = await fetch("/api/v1/jobs", { method: "POST", headers, body });
      const { id } = await made.json();
      const source = new EventSource(`/api/v1/jobs/${id}/events/stream`);
      const ended = await new Promise((resolve) => {
        source.addEventListener("completed", () => resolve("completed"));
      });
      source.close();
      const again = await fetch(`/api/v1/jobs/${id}/retry`, { method: "POST" });
      return [made.status, (await fetch(`/api/v1/jobs/${id}`)).status, ended, again.status];
    });
    await page.context().close();
    return told;
  } finally {
    await server.close();
  }
}

it.each([true, false])("a dev server's proxy with changeOrigin %s", async (changeOrigin) => {
  expect(await seen(through(inject("url"), changeOrigin))).toEqual([202, 200, "completed", 200]);
});

it("the dev server of examples/react", async () => {
  process.env.TIDEMILL_URL = inject("url");
  expect(await seen({ root: EXAMPLE, server: { port: 0 } })).toEqual([202, 200, "completed", 200]);
});
