import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PLAIN, styledLine } from "../lib/terminal-output.js";

const text = (line) => styledLine(line).runs.map((run) => run.text).join("");
const runs = (line, before) => styledLine(line, before).runs.map((run) => [run.text, run.classes]);

test("log lines lose other terminal codes and overwritten text, and stay text", () => {
  assert.equal(text("\u001b[1;32m   Compiling\u001b[0m a v1"), "   Compiling a v1");
  assert.equal(text("10 %\r50 %\r\u001b[32m100 %\r\n"), "100 %");
  assert.equal(text("\u001b]8;;http://x\u001b\\link\u001b]8;;\u0007!\u001b[2K"), "link!");
  assert.equal(text("a\u0007b\tc <b>&"), "a·b\tc <b>&");
});

test("colours and weights become classes", () => {
  assert.deepEqual(runs("\u001b[1;32mok\u001b[0m then \u001b[91mred\u001b[39m no"), [["ok", "sgr-ink-2 sgr-bold"], [" then ", ""], ["red", "sgr-ink-9"], [" no", ""]]);
  assert.deepEqual(runs("\u001b[2mdim\u001b[22m\u001b[4mline\u001b[m\u001b[41mground"), [["dim", "sgr-dim"], ["line", "sgr-underline"], ["ground", "sgr-on-1"]]);
  assert.deepEqual(runs("\u001b[7mswapped\u001b[27;40mon black"), [["swapped", "sgr-on-7"], ["on black", ""]]);
});

test("256 colours and true colour become the nearest of the 16", () => {
  const colour = (codes) => runs(`\u001b[${codes}mx`)[0][1];
  assert.deepEqual(["38;5;9", "38;5;196", "38;5;46", "38;5;250", "38;2;250;250;250", "38:2::0:0:0", "48;2;255;80;80", "38;5;9;1"].map(colour),
    ["sgr-ink-9", "sgr-ink-1", "sgr-ink-2", "sgr-ink-7", "sgr-ink-15", "sgr-ink-0", "sgr-on-9", "sgr-ink-9 sgr-bold"]);
  assert.deepEqual(["38", "38;9", "38;5", "999", "1;".repeat(500)].map(colour).map((each) => /^[\w -]*$/.test(each)), Array(5).fill(true));
});

test("a style goes on in the next line, and a hostile line has a bounded number of runs", () => {
  const { style } = styledLine("\u001b[31mred");
  assert.deepEqual(runs("still", style), [["still", "sgr-ink-1"]]);
  assert.deepEqual(styledLine("\u001b[31mred\u001b[0m").style, PLAIN);
  assert.ok(styledLine("\u001b[31ma\u001b[32mb".repeat(5000)).runs.length <= 400);
});

test("every colour of the log is readable on both grounds", () => {
  const css = readFileSync(new URL("../styles/log.css", import.meta.url), "utf8");
  const theme = readFileSync(new URL("../styles/theme.css", import.meta.url), "utf8");
  const colour = (source, name) => [...source.matchAll(new RegExp(`--${name}: (#[0-9a-f]{6});`, "g"))].map((found) => found[1]);
  const light = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const grounds = colour(theme, "log-ground");
  assert.equal(grounds.length, 2);
  const inks = Array.from({ length: 16 }, (_, index) => colour(css, `sgr-${index}`)[0]);
  for (const ink of [...inks, ...["log-text", "log-muted", "log-stderr"].flatMap((name) => colour(theme, name))]) {
    for (const ground of grounds) assert.ok(contrast(ink, ground) >= 4.5, `${ink} on ${ground}: ${contrast(ink, ground)}`);
  }
  const [dark] = colour(css, "sgr-ground-ink");
  for (const ink of inks) assert.ok(contrast(dark, ink) >= 4.5, `${dark} on ${ink}`);
});
