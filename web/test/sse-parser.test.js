import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser } from "../lib/live/sse-parser.js";

function framesOf(pieces, options = {}) {
  const frames = [];
  const parser = new EventParser({ onFrame: (frame) => frames.push(frame), ...options });
  for (const piece of pieces) parser.push(piece);
  return frames;
}

const STREAM = 'event: snapshot\nid: 0\ndata: {"a":1}\n\n: comment\n\nevent: log\r\nid: 1\r\ndata: one\r\ndata:two\r\n\r\nid: 2\rdata: three\r\r';
const WANTED = [
  { type: "snapshot", id: "0", data: '{"a":1}', tooLong: false },
  { type: "log", id: "1", data: "one\ntwo", tooLong: false },
  { type: "message", id: "2", data: "three", tooLong: false },
];

test("frames come whole, with every kind of line end", () => {
  assert.deepEqual(framesOf([STREAM]), WANTED);
});

test("a stream cut anywhere gives the same frames", () => {
  for (let cut = 0; cut <= STREAM.length; cut += 1) {
    assert.deepEqual(framesOf([STREAM.slice(0, cut), STREAM.slice(cut)]), WANTED, `cut at ${cut}`);
  }
  assert.deepEqual(framesOf([...STREAM]), WANTED);
  assert.deepEqual(framesOf([...STREAM].flatMap((each) => [each, ""])), WANTED);
});

test("an unfinished frame is not passed on", () => {
  assert.deepEqual(framesOf(["event: log\ndata: half\n"]), []);
});

test("the id stays until another one comes, and one with NUL is ignored", () => {
  const frames = framesOf(["id: 7\ndata: a\n\ndata: b\n\nid: 8\0\ndata: c\n\nid\ndata: d\n\n"]);
  assert.deepEqual(frames.map((frame) => frame.id), ["7", "7", "7", ""]);
});

test("retry is passed on if it is a number", () => {
  const pauses = [];
  framesOf(["retry: 1500\n\nretry: soon\n\n"], { onRetry: (milliseconds) => pauses.push(milliseconds) });
  assert.deepEqual(pauses, [1500]);
});

test("a frame above the limit comes without its data, and the next one is whole", () => {
  const long = "x".repeat(200);
  for (const pieces of [[`id: 1\ndata: ${long}\n\nid: 2\ndata: ok\n\n`], ["id: 1\ndata: ", ...long, "\n\nid: 2\ndata: ok\n\n"]]) {
    const frames = framesOf(pieces, { limit: 100 });
    assert.deepEqual(frames.map(({ id, data, tooLong }) => [id, data, tooLong]), [["1", null, true], ["2", "ok", false]]);
  }
  const many = framesOf([`${"data: 0123456789\n".repeat(20)}\ndata: ok\n\n`], { limit: 100 });
  assert.deepEqual(many.map((frame) => frame.tooLong), [true, false]);
});
