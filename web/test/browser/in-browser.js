// A server and a browser for one file of tests, and pages that are closed after each test. A page that complained, or ran
// text from a job as a script, fails its test.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach } from "node:test";
import { launch, openPage } from "./browser.js";
import { startMill } from "./mill.js";

/** Text that harms a page which takes it for HTML. */
export const EVIL = `<img src="x" onerror="window.harmed=1">`;

/** Starts both before the tests of a file, with more lines of config; `mill` is filled by then. */
export function inBrowser(config) {
  const mill = {};
  let browser, opened;
  before(async () => {
    const [started, launched] = await Promise.all([startMill(config), launch()]);
    Object.assign(mill, started);
    browser = launched;
  });
  after(async () => {
    await browser?.close();
    await mill.stop?.();
  });
  beforeEach(() => (opened = []));
  afterEach(async () => {
    for (const { page, complaints, close } of opened) {
      const harmed = await page.evaluate(() => window.harmed);
      await close();
      assert.deepEqual(complaints.filter((each) => !/^4\d\d for|Failed to load resource/.test(each)), []);
      assert.equal(harmed, undefined, "text from a job ran as a script");
    }
  });
  const open = async (path, options) => {
    const each = await openPage(browser, mill.url, options);
    opened.push(each);
    await each.page.goto(path);
    return each.page;
  };
  return { mill, open };
}

export const row = (page, text) => page.locator("tbody tr", { hasText: text });
export const press = (page, name) => page.getByRole("button", { name, exact: true }).click();
export const confirm = (page, name) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
