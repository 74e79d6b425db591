// The blocks of a log: their order, their bounds, and the style that one line leaves to the next.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK, LogLines } from "../lib/log-lines.js";

const event = (line, more = {}) => ({ at: "2026-11-30T00:00:00Z", stream: "stdout", attempt: 1, line, ...more });
const filled = (count, lines = new LogLines()) => {
  for (let number = 0; number < count; number += 1) lines.add(event(`line ${number}`));
  return lines;
};

test("lines come in blocks, in order", () => {
  const lines = filled(2 * BLOCK + 1);
  assert.deepEqual(lines.blocks.map((block) => block.length), [BLOCK, BLOCK, 1]);
  assert.equal(lines.text(), Array.from({ length: 2 * BLOCK + 1 }, (_, number) => `line ${number}`).join("\n"));
});

test("the oldest blocks go when there are too many lines or characters", () => {
  const few = filled(5 * BLOCK, new LogLines(2 * BLOCK));
  assert.deepEqual([few.dropped, few.blocks.length], [3 * BLOCK, 2]);
  assert.equal(few.blocks[0][0].text, `line ${3 * BLOCK}`);
  const short = new LogLines(1e6, 10 * BLOCK);
  const out = Array.from({ length: 4 * BLOCK }, () => short.add(event("x".repeat(9)))).flat();
  assert.deepEqual([short.dropped, short.blocks.length, out.length], [3 * BLOCK, 1, 3]);
  assert.ok(new LogLines().add(event("y".repeat(40_000_000))).length === 0, "the last block stays");
});

test("a style lasts over lines of its stream, until the next attempt", () => {
  const lines = new LogLines();
  lines.add(event("\u001b[31mred"));
  lines.add(event("out", { stream: "stderr" }));
  lines.add(event("red too"));
  lines.add(event("plain again", { attempt: 2 }));
  const [first, other, second, third] = lines.blocks[0];
  assert.deepEqual([first.style.fg, other.style.fg, second.style.fg, third.style.fg], [null, null, 1, null]);
  assert.deepEqual([first.attempt, second.attempt, third.attempt], [null, null, 2]);
  assert.equal(lines.text(), "red\nout\nred too\nplain again");
});

test("a text is found from a place on, forwards and backwards, around the ends", () => {
  const lines = filled(2 * BLOCK);
  lines.add(event("\u001b[31mThe\u001b[0m end"));
  const numbers = (text, from, step) => {
    const place = lines.find(text, from, step);
    return place && lines.blocks.indexOf(place.block) * BLOCK + place.index;
  };
  const at = (number) => ({ block: lines.blocks[Math.floor(number / BLOCK)], index: number % BLOCK });
  assert.deepEqual([numbers("LINE 7"), numbers("line 7", at(7)), numbers("line 7", at(79)), numbers("line 7", at(7), -1)], [7, 70, 7, 79]);
  assert.deepEqual([numbers("the end"), numbers("the end", at(2 * BLOCK)), numbers("line 9", null, -1)], [2 * BLOCK, 2 * BLOCK, 99]);
  assert.deepEqual([numbers("nothing"), numbers(""), new LogLines().find("x")], [null, null, null]);
});

test("an event without a line is an empty one", () => {
  const lines = new LogLines();
  lines.add({ at: "2026-11-30T00:00:00Z", attempt: 1 });
  lines.add({ at: "2026-11-30T00:00:00Z", attempt: 1, text: "told" });
  assert.deepEqual(lines.blocks[0].map(({ text, stream }) => [text, stream]), [["", "stdout"], ["told", "stdout"]]);
});
