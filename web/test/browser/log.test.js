// A log of 100,000 coloured lines while it streams: what is drawn at once stays bounded, whatever there is. Counts work and
// not time, so that it holds on a busy machine.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openPage } from "./browser.js";
import { startMill, until } from "./mill.js";

const LINES = 100_000;
const MOST_DRAWN = 400; // lines in the page at once
const MOST_OF_A_TURN = 250; // lines drawn between two turns of the page, such as two frames
const MORE = `
[kinds.flood]
command = ["python3", "flood.py"]
hard_timeout = "10m"
`;
const FLOOD = `
import json, sys
for i in range(json.load(sys.stdin)["n"]):
    print(f"\\u001b[3{i % 8}mline {i}\\u001b[0m " + "some words of a build " * (1 + i % 5))
`;

let mill, browser;

before(async () => {
  [mill, browser] = await Promise.all([startMill(MORE, { "flood.py": FLOOD }), launch()]);
});
after(async () => {
  await browser?.close();
  await mill?.stop();
});

test(`a log of ${LINES} lines streams, scrolls and jumps with few lines drawn at once`, async () => {
  const { page, complaints, close } = await openPage(browser, mill.url);
  await page.addInitScript(countDrawnLines);
  await page.goto(`/jobs/${await mill.enqueue("flood", { n: LINES })}`);
  await until(() => lastLine(page).then((text) => text.startsWith(`line ${LINES - 1} `)), "the last line is shown", 300_000);
  const streamed = await page.evaluate(() => window.drawn);
  assert.ok(streamed.total < LINES, "not every line was drawn while all of them came by");
  const box = page.locator(".log");
  await box.hover();
  for (const part of [0.5, 0, 0.25, 0.999]) {
    await box.evaluate((each, part) => (each.scrollTop = part * each.scrollHeight), part);
    await until(() => isFilled(page), `lines are drawn at ${part}`);
    const numbers = await shownNumbers(page);
    assert.deepEqual(numbers, numbers.map((_, index) => numbers[0] + index), "lines are in order, without a gap");
    if (part === 0) assert.equal(numbers[0], 0);
  }
  const find = page.getByLabel("Find in the log");
  await find.fill("line 31415 ");
  await find.press("Enter");
  await page.locator(".log-found", { hasText: "line 31415 " }).waitFor();
  await until(async () => (await shownNumbers(page)).includes(31415), "the line that was looked for is seen");
  await find.fill("no line has this");
  await find.press("Enter");
  await page.getByText("not found", { exact: true }).waitFor();
  await box.hover();
  for (let turn = 0; turn < 20; turn += 1) await page.mouse.wheel(0, -700);
  await until(() => isFilled(page), "lines are drawn after the wheel");
  const { most, ofTurn } = await page.evaluate(() => window.drawn);
  assert.ok(most > 0 && most <= MOST_DRAWN, `${most} lines stood in the page at once`);
  assert.ok(ofTurn <= MOST_OF_A_TURN, `${ofTurn} lines were drawn in one turn`);
  await page.getByText("new lines").waitFor({ state: "hidden" });
  await close();
  assert.deepEqual(complaints.filter((each) => !/503/.test(each)), []);
});

test("the log follows its end, stays where it is scrolled to, and goes back by its button", async () => {
  const { page, close } = await openPage(browser, mill.url);
  await page.goto(`/jobs/${await mill.enqueue("steps", { n: 1000, pause: 0.05 })}`);
  await page.locator(".log-text", { hasText: "line 60" }).waitFor();
  const box = page.locator(".log");
  const atEnd = () => box.evaluate((each) => each.scrollHeight - each.scrollTop - each.clientHeight <= 16);
  assert.ok(await atEnd());
  await box.evaluate((each) => (each.scrollTop = 200));
  const down = page.getByRole("button", { name: /new lines?$/ });
  await down.waitFor();
  assert.equal(await box.evaluate((each) => each.scrollTop), 200, "new lines do not move what is read");
  await down.click();
  await until(atEnd, "the end is followed again");
  await down.waitFor({ state: "hidden" });
  // New lines come before the browser has told the page that somebody scrolled.
  await box.evaluate((each) => {
    each.addEventListener("scroll", (event) => event.stopImmediatePropagation(), { capture: true });
    each.scrollTop = 300;
  });
  await down.waitFor();
  assert.equal(await box.evaluate((each) => each.scrollTop), 300, "nor when they come at the same moment");
  await close();
});

const lastLine = (page) => page.evaluate(() => [...document.querySelectorAll(".log-text")].at(-1)?.textContent ?? "");

/** The numbers of the lines that are seen. */
const shownNumbers = (page) => page.locator(".log").evaluate((box) => {
  const { top, bottom } = box.getBoundingClientRect();
  const seen = [...box.querySelectorAll(".log-line")].filter((line) => {
    const place = line.getBoundingClientRect();
    return place.bottom > top + 10 && place.top < bottom;
  });
  return seen.map((line) => Number(/line (\d+)/.exec(line.textContent)[1]));
});

/** Whether there are lines from the top of the frame to its bottom. */
const isFilled = (page) => page.locator(".log").evaluate((box) => {
  const { left, top, bottom } = box.getBoundingClientRect();
  return [top + 12, (top + bottom) / 2, bottom - 12].every((y) => document.elementFromPoint(left + 120, y)?.closest(".log-line"));
});

/** Runs in the page: counts the lines of the log that stand in it, and those that one turn adds. */
function countDrawnLines() {
  window.drawn = { most: 0, ofTurn: 0, total: 0 };
  new MutationObserver((changes) => {
    const added = changes.flatMap((change) => [...change.addedNodes]).filter((node) => node.classList?.contains("log-line")).length;
    if (added === 0) return;
    window.drawn.total += added;
    window.drawn.ofTurn = Math.max(window.drawn.ofTurn, added);
    window.drawn.most = Math.max(window.drawn.most, document.getElementsByClassName("log-line").length);
  }).observe(document, { childList: true, subtree: true });
}
