// The generated types against the server's own description, and the core where there is nothing but what the web has.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { expect, inject, it } from "vitest";
// @ts-expect-error a script, which has no types
import { FILE, typesOf } from "../../scripts/schema.mjs";

it("src/core/schema.ts is what the server's OpenAPI document says", async () => {
  const document = await (await fetch(`${inject("url")}/api/v1/openapi.json`)).json();
  const made = await typesOf(document);
  const kept = await readFile(FILE, "utf8");
  expect(kept === made, "it is stale: run `npm run schema -- <server>`").toBe(true);
});

it("enqueues, follows and waits in a runtime that has the web's globals alone", async () => {
  const entry = fileURLToPath(new URL("../../src/core/index.ts", import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "tidemill",
    platform: "neutral",
  });
  const web = {
    fetch,
    Headers,
    Response,
    URLSearchParams,
    AbortController,
    TextDecoder,
    crypto,
    setTimeout,
    clearTimeout,
  };
  const context = createContext({ ...web, url: inject("url") });
  runInContext(outputFiles[0]!.text, context);
  const types = await runInContext(
    `(async () => {
      const client = new tidemill.Tidemill({ url });
      const { id } = await client.enqueue("steps", { n: 1 });
      const types = [];
      for await (const event of client.events(id)) types.push(event.type);
      return [...types, (await client.result(id)).steps];
    })()`,
    context,
  );
  expect([...types].sort()).toEqual([1, "completed", "log", "progress", "snapshot"]);
});
