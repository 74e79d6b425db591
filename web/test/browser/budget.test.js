// The page stays as small as it promises, as a server sends it: scripts come without comments and white space.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { launch, openPage } from "./browser.js";
import { startMill, until } from "./mill.js";

const WEB = new URL("../../", import.meta.url);
const FOLDERS = ["", "components/", "docs/", "lib/", "lib/live/", "pages/", "styles/", "ui/", "vendor/"];
const MOST_SCRIPT = 120_000; // bytes of gzip
const MOST_STYLE = 15_000;
const FIRST_PAINT = 500; // milliseconds

let mill;

before(async () => (mill = await startMill()));
after(() => mill?.stop());

test("all scripts and styles are within their budgets", async () => {
  const paths = FOLDERS.flatMap((folder) => readdirSync(new URL(folder, WEB)).map((name) => `${folder}${name}`));
  const size = async (extension) => {
    let sum = 0;
    for (const path of paths.filter((each) => each.endsWith(extension))) sum += gzipSync(await sent(path)).length;
    return sum;
  };
  const [scripts, styles] = [await size(".js"), await size(".css")];
  assert.ok(scripts > 0 && scripts <= MOST_SCRIPT, `${scripts} bytes of scripts`);
  assert.ok(styles > 0 && styles <= MOST_STYLE, `${styles} bytes of styles`);
});

test("a script comes without comments, a library as it was published", async () => {
  const [app, preact] = [await sent("app.js"), await sent("vendor/preact.js")];
  assert.ok(app.includes("addEventListener") && !/^\s*\/\//m.test(app.toString()));
  assert.equal(preact.toString(), readFileSync(fileURLToPath(new URL("vendor/preact.js", WEB)), "utf8"));
});

test("each page is painted first within half a second", async () => {
  const browser = await launch();
  try {
    for (const path of ["/overview", "/jobs"]) {
      // A busy machine paints late at times, so one of several fresh browsers' paints counts.
      await until(async () => {
        const { page, close } = await openPage(browser, mill.url);
        await page.goto(path);
        const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
        await close();
        return paint <= FIRST_PAINT;
      }, `the first paint of ${path}`, 60_000);
    }
  } finally {
    await browser.close();
  }
});

async function sent(path) {
  const answer = await fetch(`${mill.url}${path.startsWith("docs/") ? `/${path}` : `/page/${path}`}`);
  assert.equal(answer.status, 200, path);
  return Buffer.from(await answer.arrayBuffer());
}
