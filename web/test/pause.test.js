import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff, untilVisible } from "../lib/pause.js";

test("the delay between retries grows up to a bound, and is never twice the same", () => {
  for (const [failures, whole] of [[0, 500], [1, 1000], [2, 2000], [20, 5000]]) {
    const delays = Array.from({ length: 50 }, () => backoff(failures));
    assert.ok(delays.every((delay) => delay >= whole / 2 && delay <= whole), `${failures}: ${delays}`);
    assert.ok(new Set(delays).size > 1);
  }
});

test("a wait for the tab leaves no listener behind, however it ends", async () => {
  for (const isAborted of [false, true]) {
    const heard = new Map();
    const target = { addEventListener: (type, act) => heard.set(type, act), removeEventListener: (type) => heard.delete(type) };
    globalThis.document = { hidden: true, ...target };
    const stop = new AbortController();
    const waits = untilVisible(Object.assign(stop.signal, target));
    assert.deepEqual([...heard.keys()].sort(), ["abort", "visibilitychange"]);
    if (!isAborted) document.hidden = false;
    heard.get(isAborted ? "abort" : "visibilitychange")();
    await waits;
    assert.deepEqual([...heard.keys()], []);
  }
  delete globalThis.document;
});
