// Tokens that expire under an open stream, in a real Chromium before a server that wants keys.

import type { Browser } from "playwright-core";
import { ProblemError, Tidemill } from "tidemill";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launch } from "./browser.js";
import { gateIn, open } from "./gates.js";
import { Mill, until } from "./mill.js";
import { builtPage, Site } from "./site.js";

let mill: Mill;
let site: Site;
let browser: Browser;
let admin: Tidemill;

beforeAll(async () => {
  const folder = await builtPage();
  [mill, browser] = await Promise.all([Mill.start(), launch()]);
  site = await Site.start(mill.url, folder);
  admin = new Tidemill({ url: mill.url, token: (await mill.key("admin")).key });
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
  await mill?.stop();
});

it("a stream whose token expires asks for another one, once, and goes on where it was", async () => {
  const [first, second] = [await mill.key("read"), await mill.key("read")];
  const gate = gateIn(mill.folder);
  const { id } = await admin.enqueue("steps", { gate, n: 3 });
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  const tokens = JSON.stringify([first.key, second.key]);
  await page.goto(`${site.url}/?show=log&job=${id}&tokens=${encodeURIComponent(tokens)}`);
  await open(gate, 1);
  await page.waitForFunction(() => document.querySelector("#lines")?.textContent?.includes("line 1"));

  const before = site.positions.length;
  await mill.revoke(first.id);
  await until(() => site.positions.length > before, "the stream came back with the other token");
  expect(await page.evaluate(() => window.test.given)).toEqual([false, true]);
  await open(gate, 2);
  await page.waitForFunction(() => document.querySelector("#lines")?.textContent?.includes("line 2"));
  const lines = (await page.textContent("#lines"))!.split("\n").map((line) => line.replace(/^\d+ /, ""));
  expect(lines).toEqual(["line 1", "line 2"]);

  // With no good token left it is denied, and asks no more.
  await mill.revoke(second.id);
  await page.waitForSelector("section[data-connection=denied]");
  expect(await page.evaluate(() => window.test.given)).toEqual([false, true, true]);
  await open(gate);
  expect((await admin.wait(id)).state).toBe("completed");
  expect(await page.getAttribute("section", "data-connection")).toBe("denied");
  await page.close();
});

it("requests that hear together of an expired token ask for one between them", async () => {
  const [first, second] = [await mill.key("read"), await mill.key("read")];
  const asked: boolean[] = [];
  const client = new Tidemill({
    url: mill.url,
    token: async (expired) => {
      asked.push(expired);
      return asked.length === 1 ? first.key : second.key;
    },
  });
  await client.list();
  await mill.revoke(first.id);
  await until(
    async () =>
      (await fetch(`${mill.url}/api/v1/jobs`, { headers: { Authorization: `Bearer ${first.key}` } })).status === 401,
    "the key is worthless",
  );
  await Promise.all([client.list(), client.list(), client.list()]);
  expect(asked).toEqual([false, true]);
});

it("a key without the scope is refused with what it lacks", async () => {
  const { key } = await mill.key("read");
  const client = new Tidemill({ url: mill.url, token: key });
  const refused = await client.enqueue("steps", {}).catch((error) => error);
  expect(refused).toBeInstanceOf(ProblemError);
  expect(refused).toMatchObject({ slug: "forbidden", status: 403 });
});
